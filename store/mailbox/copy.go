package mailbox

import (
	"context"
	"fmt"
	"math"

	"colporteur/mail"
	"colporteur/store"
)

// Copy places the messages in another mailbox of the account too; they keep
// email id, thread and flags. It returns source and destination UIDs, pairwise.
func (s *Store) Copy(ctx context.Context, from ID, uids []UID, to ID) (src, dst []UID, validity uint32, err error) {
	return s.transfer(ctx, from, uids, to, false)
}

// Move is Copy and Expunge in one transaction. A move into the same mailbox
// gives new UIDs (RFC 6851 §3.3 leaves it to us).
func (s *Store) Move(ctx context.Context, from ID, uids []UID, to ID) (src, dst []UID, validity uint32, err error) {
	return s.transfer(ctx, from, uids, to, true)
}

func (s *Store) transfer(ctx context.Context, from ID, uids []UID, to ID, move bool) (src, dst []UID, validity uint32, err error) {
	want := setOf(uids)
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := byID(ctx, tx, from)
		if err != nil {
			return err
		}
		b, err := byID(ctx, tx, to)
		if err != nil {
			return err
		}
		if a.Account != b.Account {
			return mail.Wrap(mail.Forbidden, fmt.Errorf("mailboxes %d and %d belong to two accounts", from, to))
		}
		validity = b.UIDValidity
		src, dst, err = s.place(ctx, tx, a, to, func(u UID) bool { return want[u] }, move)
		return err
	})
	return src, dst, validity, err
}

// place puts the chosen messages of a into to, and takes them out of a when move.
func (s *Store) place(ctx context.Context, tx *store.Tx, a Mailbox, to ID, want func(UID) bool, move bool) (src, dst []UID, err error) {
	modseq, err := nextModSeq(ctx, tx, a.Account, 0)
	if err != nil {
		return nil, nil, err
	}
	all, err := entriesIn(ctx, tx, a.ID, 0, math.MaxUint32, 0)
	if err != nil {
		return nil, nil, err
	}
	var entries []Entry
	unseen, size := 0, int64(0)
	for _, e := range all {
		if want(e.UID) {
			entries = append(entries, e)
			size += e.Size
			if !hasFlag(e.Flags, seen) {
				unseen++
			}
		}
	}
	if len(entries) == 0 {
		return nil, nil, nil
	}
	// Rows are changed in the order of mailbox ids, here and everywhere.
	next := UID(0)
	for _, id := range ordered(a.ID, to) {
		if id == to {
			err = tx.QueryRow(ctx, `UPDATE mailbox SET uidnext = uidnext + $2, highest = $3, total = total + $2, unseen = unseen + $4, size = size + $5
				WHERE id = $1 RETURNING uidnext - $2`, int64(to), len(entries), int64(modseq), unseen, size).Scan(&next)
			if err != nil {
				return nil, nil, missing(err)
			}
		}
		if id == a.ID && move {
			if err := count(ctx, tx, a.ID, modseq, -len(entries), -unseen, -size); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, e := range entries {
		src, dst = append(src, e.UID), append(dst, next)
		if move {
			if err := s.unplace(ctx, tx, a.ID, e.UID, modseq); err != nil {
				return nil, nil, err
			}
		}
		e.UID, e.ModSeq = next, modseq
		if err := insertPlacement(ctx, tx, to, e); err != nil {
			return nil, nil, err
		}
		next++
	}
	s.changed(tx, a.Account)
	return src, dst, nil
}

func ordered(a, b ID) []ID {
	switch {
	case a == b:
		return []ID{a}
	case a < b:
		return []ID{a, b}
	}
	return []ID{b, a}
}

// unplace removes one placement and leaves a tombstone.
func (s *Store) unplace(ctx context.Context, tx *store.Tx, box ID, u UID, modseq ModSeq) error {
	if _, err := tx.Exec(ctx, `DELETE FROM placement WHERE mailbox = $1 AND uid = $2`, int64(box), int64(u)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO tombstone (mailbox, uid, modseq) VALUES ($1, $2, $3)`, int64(box), int64(u), int64(modseq))
	return err
}
