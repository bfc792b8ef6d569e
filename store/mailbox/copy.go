package mailbox

import (
	"context"
	"fmt"

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
	if len(uids) == 0 {
		uids = []UID{0} // none, not all
	}
	err = s.write(ctx, func(tx *store.Tx) error {
		src, dst = nil, nil
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
		if err := lockAccount(ctx, tx, a.Account); err != nil {
			return err
		}
		src, dst, err = s.transferIn(ctx, tx, a, uids, b, move)
		return err
	})
	if err != nil {
		return nil, nil, 0, err
	}
	return src, dst, validity, nil
}

// transferIn is transfer where the account is locked.
func (s *Store) transferIn(ctx context.Context, tx *store.Tx, a Mailbox, uids []UID, b Mailbox, move bool) (src, dst []UID, err error) {
	entries, err := pick(ctx, tx, a.ID, uids)
	if err != nil {
		return nil, nil, err
	}
	if src, dst, err = s.place(ctx, tx, a.Account, a.ID, b.ID, entries, move); err != nil {
		return nil, nil, err
	}
	return src, dst, s.tellPlaced(ctx, tx, a, b, entries, dst, move)
}

// place puts entries of one mailbox into another as well, and takes them out of
// the first when move. The account is locked.
func (s *Store) place(ctx context.Context, tx *store.Tx, account mail.AccountID, from, to ID, entries []Entry, move bool) (src, dst []UID, err error) {
	if len(entries) == 0 {
		return nil, nil, nil
	}
	modseq, err := nextModSeq(ctx, tx, account, 0)
	if err != nil {
		return nil, nil, err
	}
	unseen, size := weigh(entries)
	// Rows are changed in the order of mailbox ids, here and everywhere.
	next := UID(0)
	for _, id := range ordered(from, to) {
		if id == to {
			err = tx.QueryRow(ctx, `UPDATE mailbox SET uidnext = uidnext + $2, highest = $3, total = total + $2, unseen = unseen + $4, size = size + $5
				WHERE id = $1 RETURNING uidnext - $2`, int64(to), len(entries), int64(modseq), unseen, size).Scan(&next)
			if err != nil {
				return nil, nil, missing(err)
			}
		}
		if id == from && move {
			if err := count(ctx, tx, from, modseq, -len(entries), -unseen, -size); err != nil {
				return nil, nil, err
			}
		}
	}
	all, err := spans(ctx, tx, from, uidsOf(entries))
	if err != nil {
		return nil, nil, err
	}
	if move {
		if err := bequeath(ctx, tx, all, modseq); err != nil {
			return nil, nil, err
		}
	}
	at := next
	for _, q := range all {
		// Written so that PostgreSQL knows the parameters' types: a bare $1 is text to it.
		mailbox, uid, mod, saved := q.arg(int64(to)), q.arg(int64(at)), q.arg(int64(modseq)), q.arg(s.savedNow())
		if _, err := tx.Exec(ctx, `INSERT INTO placement (mailbox, uid, email, message, thread, modseq, date, size, flags, saved, born)
			SELECT mailbox - mailbox + `+mailbox+`, row_number() OVER (ORDER BY uid) - 1 + `+uid+`, email, message, thread, modseq - modseq + `+mod+`, date, size, flags, saved - saved + `+saved+`, modseq - modseq + `+mod+`
			FROM placement WHERE `+q.where, q.args...); err != nil {
			return nil, nil, err
		}
		at += UID(q.n)
	}
	if move { // last: new UIDs in the same mailbox are above all conditions
		if err := remove(ctx, tx, all); err != nil {
			return nil, nil, err
		}
	}
	for i, e := range entries {
		src, dst = append(src, e.UID), append(dst, next+UID(i))
	}
	s.changed(tx, account)
	return src, dst, nil
}

// weigh counts what has not been seen, and all octets.
func weigh(entries []Entry) (unseen int, size int64) {
	for _, e := range entries {
		unseen += number(!hasFlag(e.Flags, seen))
		size += e.Size
	}
	return unseen, size
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

// unplace removes placements and leaves tombstones.
func unplace(ctx context.Context, tx *store.Tx, box ID, entries []Entry, modseq ModSeq) error {
	all, err := spans(ctx, tx, box, uidsOf(entries))
	if err != nil {
		return err
	}
	if err := bequeath(ctx, tx, all, modseq); err != nil {
		return err
	}
	return remove(ctx, tx, all)
}

// bequeath makes tombstones of placements that are about to go.
func bequeath(ctx context.Context, tx *store.Tx, all []span, modseq ModSeq) error {
	for _, q := range all {
		mod := q.arg(int64(modseq))
		if _, err := tx.Exec(ctx, `INSERT INTO tombstone (mailbox, uid, modseq, email, message, thread, date, size, flags, born, turned)
			SELECT mailbox, uid, modseq - modseq + `+mod+`, email, message, thread, date, size, flags, born, turned FROM placement WHERE `+q.where, q.args...); err != nil {
			return err
		}
	}
	return nil
}

func remove(ctx context.Context, tx *store.Tx, all []span) error {
	for _, q := range all {
		if _, err := tx.Exec(ctx, `DELETE FROM placement WHERE `+q.where, q.args...); err != nil {
			return err
		}
	}
	return nil
}
