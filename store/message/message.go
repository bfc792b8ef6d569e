// Package message keeps what was sent, byte for byte, as a list of segments over blobs.
//
// An ordinary mail is one blob. A mail to a program is in pieces: its headers,
// boundaries and text in one blob, and each attachment decoded in a blob of its
// own, from which the base64 lines are made again when somebody reads the mail.
// So large bytes are stored once, are ready to be shared, and the original can
// still be read back exactly. Where a sender's base64 is irregular, the
// irregular rest is kept as it came.
package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// ID names a message: one content, whoever has copies of it.
type ID int64

// Message is a stored message, without its bytes.
type Message struct {
	ID       ID
	Size     int64 // octets as Open returns them
	Segments []Segment
	Summary  *mail.Summary
	Created  time.Time
}

// Body finds the blob that holds the decoded body of p, if the Door made one.
func (m *Message) Body(p *mail.Part) (blob.ID, bool) { return blob.ID(p.Blob), p.Blob != 0 }

// Draft is a message whose bytes are durable but that no row names yet.
type Draft struct {
	ID       ID // 0: Insert makes one
	Size     int64
	Segments []Segment
	Refs     []blob.Ref
	Summary  *mail.Summary
}

// Store is the messages of one host.
type Store struct {
	DB    *store.DB
	Blobs *blob.Store
	Now   func() time.Time // nil is time.Now

	// Named are queries that answer a row when message $1 is named by something.
	Named []string
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Insert adds d, and the rows of its blobs, to tx.
func (s *Store) Insert(ctx context.Context, tx *store.Tx, d *Draft) error {
	if d.ID == 0 {
		d.ID = ID(store.NewID())
	}
	summary, err := json.Marshal(d.Summary)
	if err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	for _, ref := range d.Refs {
		if err := s.Blobs.Insert(ctx, tx, ref); err != nil {
			return err
		}
	}
	var whole any // a message in one piece needs no segment row
	if len(d.Segments) == 1 && d.Segments[0] == (Segment{Kind: Raw, Blob: d.Segments[0].Blob, Length: d.Size}) {
		whole = int64(d.Segments[0].Blob)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO message (id, size, blob, summary, created) VALUES ($1, $2, $3, $4, $5)`,
		int64(d.ID), d.Size, whole, summary, store.Micros(s.now())); err != nil {
		return err
	}
	if err := insertCard(ctx, tx, d); err != nil {
		return err
	}
	if whole != nil {
		return nil
	}
	for i, g := range d.Segments {
		if _, err := tx.Exec(ctx, `INSERT INTO segment (message, seq, kind, blob, start, length) VALUES ($1, $2, $3, $4, $5, $6)`,
			int64(d.ID), i, int(g.Kind), int64(g.Blob), g.Start, g.Length); err != nil {
			return err
		}
	}
	return nil
}

// Get reads everything about a message but its bytes; store.ErrNoRows if there is none.
func (s *Store) Get(ctx context.Context, id ID) (*Message, error) {
	var m *Message
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = s.get(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("message %d: %w", id, err)
	}
	return m, nil
}

// GetIn is Get inside a transaction.
func (s *Store) GetIn(ctx context.Context, tx *store.Tx, id ID) (*Message, error) {
	return s.get(ctx, tx, id)
}

func (s *Store) get(ctx context.Context, tx *store.Tx, id ID) (*Message, error) {
	m := &Message{ID: id}
	var summary []byte
	var created int64
	var whole *int64
	if err := tx.QueryRow(ctx, `SELECT size, blob, summary, created FROM message WHERE id = $1`, int64(id)).
		Scan(&m.Size, &whole, &summary, &created); err != nil {
		return nil, err
	}
	m.Created = store.Time(created)
	if err := json.Unmarshal(summary, &m.Summary); err != nil {
		return nil, fmt.Errorf("summary: %w", err)
	}
	if whole != nil {
		m.Segments = []Segment{{Kind: Raw, Blob: blob.ID(*whole), Length: m.Size}}
		return m, nil
	}
	rows, err := tx.Query(ctx, `SELECT kind, blob, start, length FROM segment WHERE message = $1 ORDER BY seq`, int64(id))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var g Segment
		if err := scan(&g.Kind, &g.Blob, &g.Start, &g.Length); err != nil {
			return err
		}
		m.Segments = append(m.Segments, g)
		return nil
	})
	return m, err
}

// Delete removes the messages and their blobs, decoded bodies included, at once
// (a recall). Bytes leave the disk right after the commit of tx, save those that
// another message or thing has too.
func (s *Store) Delete(ctx context.Context, tx *store.Tx, ids ...ID) error {
	for _, id := range ids {
		m, err := s.get(ctx, tx, id)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		seen := map[blob.ID]bool{}
		for _, g := range m.Segments {
			seen[g.Blob] = true
		}
		if m.Summary != nil {
			m.Summary.Root.Walk(func(p *mail.Part) {
				if p.Blob != 0 {
					seen[blob.ID(p.Blob)] = true
				}
			})
		}
		blobs := slices.Sorted(maps.Keys(seen)) // rows are locked in one order
		if err := s.drop(ctx, tx, id); err != nil {
			return err
		}
		if err := s.Blobs.DeleteUnnamed(ctx, tx, blobs...); err != nil {
			return err
		}
	}
	return nil
}

// DeleteUnnamed is Delete for those of the messages that nothing names any more.
func (s *Store) DeleteUnnamed(ctx context.Context, tx *store.Tx, ids ...ID) error {
	for _, id := range ids {
		if err := s.Keep(ctx, tx, id); errors.Is(err, store.ErrNoRows) {
			continue
		} else if err != nil {
			return err
		}
		named, err := s.named(ctx, tx, int64(id))
		if err != nil {
			return err
		}
		if !named {
			if err := s.Delete(ctx, tx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) drop(ctx context.Context, tx *store.Tx, id ID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM segment WHERE message = $1`, int64(id)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM card WHERE message = $1`, int64(id)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM message WHERE id = $1`, int64(id))
	return err
}

// Keep holds a message against the sweeper until tx ends, for a transaction
// that gives one more name to a message that was there before it.
// store.ErrNoRows: it is gone already.
func (s *Store) Keep(ctx context.Context, tx *store.Tx, id ID) error {
	var one int
	if err := tx.QueryRow(ctx, `SELECT 1 FROM message WHERE id = $1 FOR UPDATE`, int64(id)).Scan(&one); err != nil {
		return fmt.Errorf("keep message %d: %w", id, err)
	}
	return nil
}

// Sweep forgets messages that nothing names any more and that are older than
// age; their blobs follow when blob.Sweep finds them unnamed. The bounds of the
// age and the re-check inside the deleting transaction protect a message that
// is just being filed.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (int, error) {
	if len(s.Named) == 0 {
		return 0, nil // without knowing who names messages, all of them would go
	}
	limit := store.Micros(s.now().Add(-age))
	n, after := 0, int64(0)
	for {
		// Nearly all old messages are named. They are told apart in a reading
		// transaction: a writing one holds up everybody's mail on SQLite.
		var ids, unnamed []int64
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id FROM message WHERE created < $1 AND id > $2 ORDER BY id LIMIT 500`, limit, after)
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				ids = append(ids, id)
				return err
			})
			for i := 0; err == nil && i < len(ids); i++ {
				var named bool
				if named, err = s.named(ctx, tx, ids[i]); !named {
					unnamed = append(unnamed, ids[i])
				}
			}
			return err
		})
		if err != nil || len(ids) == 0 {
			return n, err
		}
		after = ids[len(ids)-1]
		if len(unnamed) == 0 {
			continue
		}
		dropped := 0
		err = s.DB.Write(ctx, func(tx *store.Tx) error {
			dropped = 0 // the transaction may run again
			for _, id := range unnamed {
				// Under the lock that Keep takes too: whoever named the message
				// meanwhile has committed, and is seen, or waits and finds it gone.
				if err := s.Keep(ctx, tx, ID(id)); errors.Is(err, store.ErrNoRows) {
					continue // recalled meanwhile
				} else if err != nil {
					return err
				}
				named, err := s.named(ctx, tx, id)
				if err != nil {
					return err
				}
				if !named {
					if err := s.drop(ctx, tx, ID(id)); err != nil {
						return err
					}
					dropped++
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += dropped
	}
}

func (s *Store) named(ctx context.Context, tx *store.Tx, id int64) (bool, error) {
	var one int
	for _, q := range s.Named {
		switch err := tx.QueryRow(ctx, q, id).Scan(&one); err {
		case nil:
			return true, nil
		case store.ErrNoRows:
		default:
			return true, err
		}
	}
	return false, nil
}
