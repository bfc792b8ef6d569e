// Package loose keeps files that a member's program has uploaded until something
// names them: a mail that is written, one that is imported.
package loose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// Keep is how long a file waits to be named. RFC 8620 §6 wants an hour at least.
const Keep = 24 * time.Hour

// Room is how much one member may have waiting: beyond it the oldest go, if
// they are an hour old.
const Room = 1 << 30

// Named is for blob.Store.Named.
const Named = `SELECT 1 FROM loose WHERE blob = $1`

// File is one of them.
type File struct {
	ID   int64
	Type string
	Size int64
	Blob blob.ID
}

// Store has the files.
type Store struct {
	DB    *store.DB
	Blobs *blob.Store
	Now   func() time.Time // nil is time.Now
}

// Add keeps what r has, at most max octets. Kinds: TooBig, OverQuota (too much
// waits already).
func (s *Store) Add(ctx context.Context, account mail.AccountID, member mail.UserID, mediaType string, r io.Reader, max int64) (f File, err error) {
	w := s.Blobs.Create()
	defer w.Abort()
	n, err := io.Copy(w, io.LimitReader(r, max+1))
	if err != nil {
		return f, fmt.Errorf("upload: %w", err)
	}
	if n > max {
		return f, mail.Wrap(mail.TooBig, fmt.Errorf("more than %d octets", max))
	}
	ref, err := w.Commit(ctx)
	if err != nil {
		return f, err
	}
	f = File{ID: store.NewID(), Type: store.Clean(mediaType), Size: n, Blob: ref.ID}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.makeRoom(ctx, tx, member, n); err != nil {
			return err
		}
		if err := s.Blobs.Insert(ctx, tx, ref); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO loose (id, account, member, media_type, size, blob, created) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			f.ID, int64(account), int64(member), f.Type, f.Size, int64(f.Blob), store.Micros(s.now()))
		return err
	})
	if err != nil {
		s.Blobs.Discard(ref)
	}
	return f, err
}

// makeRoom lets go of the member's oldest files until n more fit.
func (s *Store) makeRoom(ctx context.Context, tx *store.Tx, member mail.UserID, n int64) error {
	var used int64
	if err := tx.QueryRow(ctx, `SELECT coalesce(sum(size), 0) FROM loose WHERE member = $1`, int64(member)).Scan(&used); err != nil {
		return err
	}
	for used+n > Room {
		var id, size int64
		err := tx.QueryRow(ctx, `SELECT id, size FROM loose WHERE member = $1 AND created < $2 ORDER BY created, id LIMIT 1`,
			int64(member), store.Micros(s.now().Add(-time.Hour))).Scan(&id, &size)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.OverQuota, fmt.Errorf("%d octets wait to be used", used))
		}
		if err != nil {
			return err
		}
		if err := s.drop(ctx, tx, id); err != nil {
			return err
		}
		used -= size
	}
	return nil
}

// Find is a member's file; store.ErrNoRows when it is not there, or not theirs.
func (s *Store) Find(ctx context.Context, account mail.AccountID, member mail.UserID, id int64) (f File, err error) {
	f.ID = id
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT media_type, size, blob FROM loose WHERE id = $1 AND account = $2 AND member = $3`, id, int64(account), int64(member)).
			Scan(&f.Type, &f.Size, &f.Blob)
	})
	return f, err
}

// Sweep lets go of what waited too long.
func (s *Store) Sweep(ctx context.Context) error {
	for {
		n := 0
		err := s.DB.Write(ctx, func(tx *store.Tx) error {
			var ids []int64
			rows, err := tx.Query(ctx, `SELECT id FROM loose WHERE created < $1 ORDER BY created LIMIT 50`, store.Micros(s.now().Add(-Keep)))
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				ids = append(ids, id)
				return err
			})
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := s.drop(ctx, tx, id); err != nil {
					return err
				}
			}
			n = len(ids)
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

func (s *Store) drop(ctx context.Context, tx *store.Tx, id int64) error {
	var b blob.ID
	err := tx.QueryRow(ctx, `DELETE FROM loose WHERE id = $1 RETURNING blob`, id).Scan(&b)
	if errors.Is(err, store.ErrNoRows) {
		return nil // another node did it
	}
	if err != nil {
		return err
	}
	return s.Blobs.DeleteUnnamed(ctx, tx, b)
}

// Removed forgets what a member had waiting.
func (s *Store) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var ids []int64
	rows, err := tx.Query(ctx, `SELECT id FROM loose WHERE account = $1`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		if err == nil {
			err = s.drop(ctx, tx, id)
		}
	}
	return err
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
