package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// CopyAs is Copy, or with move Move, by u, who has the rights r on to. Between
// two accounts the mails become emails of the other account, over the same
// message, and count against its quota, which is the caller's to ask for.
//
// Of the flags those are kept that r lets u set (RFC 4314 §4, COPY), and what u
// has read stays read by u: as a flag in a mailbox of one's own, else in u's own
// set (see Seen).
func (s *Store) CopyAs(ctx context.Context, u mail.User, from Mailbox, uids []UID, to Mailbox, r Rights, move bool) (src, dst []UID, validity uint32, err error) {
	if from.Account == u.Account && to.Account == u.Account {
		return s.transfer(ctx, from.ID, uids, to.ID, move)
	}
	if len(uids) == 0 {
		return nil, nil, to.UIDValidity, nil
	}
	err = s.write(ctx, func(tx *store.Tx) error {
		src, dst = nil, nil
		a, err := byID(ctx, tx, from.ID)
		if err != nil {
			return err
		}
		b, err := byID(ctx, tx, to.ID)
		if err != nil {
			return err
		}
		validity = b.UIDValidity
		if err := lockAccounts(ctx, tx, a.Account, b.Account); err != nil {
			return err
		}
		src, dst, err = s.copyAs(ctx, tx, u, a, uids, b, r, move)
		return err
	})
	if err != nil {
		return nil, nil, 0, err
	}
	return src, dst, validity, nil
}

// copyAs is CopyAs where both accounts are locked.
func (s *Store) copyAs(ctx context.Context, tx *store.Tx, u mail.User, a Mailbox, uids []UID, b Mailbox, r Rights, move bool) (src, dst []UID, err error) {
	entries, err := pick(ctx, tx, a.ID, uids)
	if err != nil || len(entries) == 0 {
		return nil, nil, err
	}
	copies, read, err := s.copiesAs(ctx, tx, u, a, entries, b, r)
	if err != nil {
		return nil, nil, err
	}
	if dst, err = s.fileCopies(ctx, tx, b, copies); err != nil {
		return nil, nil, err
	}
	if err := addSeen(ctx, tx, b.ID, u.Account, dst, read); err != nil {
		return nil, nil, err
	}
	if move {
		if err := s.bury(ctx, tx, a, entries); err != nil {
			return nil, nil, err
		}
	}
	return uidsOf(entries), dst, s.tellPlaced(ctx, tx, a, b, entries, dst, move)
}

// lockAccounts takes the rows of two accounts, in the one order.
func lockAccounts(ctx context.Context, tx *store.Tx, a, b mail.AccountID) error {
	if err := lockAccount(ctx, tx, min(a, b)); err != nil || a == b {
		return err
	}
	return lockAccount(ctx, tx, max(a, b))
}

// copiesAs are entries of a as they are to be in b, and which of them u alone has
// read there.
func (s *Store) copiesAs(ctx context.Context, tx *store.Tx, u mail.User, a Mailbox, entries []Entry, b Mailbox, r Rights) (copies []Entry, read []bool, err error) {
	var have *UIDSet // nil: \Seen is a flag of a
	if a.Account != u.Account {
		if have, err = readSeen(ctx, tx, a.ID, u.Account); err != nil {
			return nil, nil, err
		}
	}
	copies, read = slices.Clone(entries), make([]bool, len(entries))
	emails := map[EmailID]Entry{} // one email may be in a several times
	for i := range copies {
		c := &copies[i]
		c.Flags = slices.DeleteFunc(slices.Clone(ShownFlags(c.Flags, c.UID, have)), func(f string) bool { return !r.MaySet(f) })
		if read[i] = b.Account != u.Account && hasFlag(c.Flags, seen); read[i] {
			c.Flags = RemoveFlags.apply(c.Flags, []string{seen})
		}
		if a.Account == b.Account {
			continue
		}
		known, ok := emails[c.Email]
		if !ok {
			if known, err = s.adopt(ctx, tx, b.Account, *c); err != nil {
				return nil, nil, err
			}
			emails[c.Email] = known
		}
		c.Email, c.Thread, c.Date = known.Email, known.Thread, known.Date
	}
	return copies, read, nil
}

// adopt makes an email of another account one of this account too. What the
// account has already, because it came back, is found again.
func (s *Store) adopt(ctx context.Context, tx *store.Tx, account mail.AccountID, e Entry) (Entry, error) {
	var date int64
	err := tx.QueryRow(ctx, `SELECT e.id, e.thread, p.date FROM email e JOIN email o ON o.message = e.message AND o.prefix = e.prefix JOIN placement p ON p.email = e.id
		WHERE o.id = $1 AND e.account = $2 AND e.expunged = 0 LIMIT 1`, int64(e.Email), int64(account)).Scan(&e.Email, &e.Thread, &date)
	if err == nil {
		e.Date = store.Time(date) // an email has one date of arrival, wherever it is
	}
	if !errors.Is(err, store.ErrNoRows) {
		return e, err
	}
	var raw []byte
	if err := tx.QueryRow(ctx, `SELECT summary FROM message WHERE id = $1`, int64(e.Message)).Scan(&raw); err != nil {
		return e, err
	}
	var sum mail.Summary
	if err := json.Unmarshal(raw, &sum); err != nil {
		return e, fmt.Errorf("summary of message %d: %w", e.Message, err)
	}
	was := e.Email
	e.Email = EmailID(store.NewID())
	if e.Thread, err = thread(ctx, tx, account, e.Email, &sum); err != nil {
		return e, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO email (id, account, message, thread, size, expunged, prefix, sig, attached)
		SELECT id - id + $1, account - account + $2, message, thread - thread + $3, size, 0, prefix, sig, attached FROM email WHERE id = $4`,
		int64(e.Email), int64(account), int64(e.Thread), int64(was))
	if err != nil {
		return e, err
	}
	if err := weighMore(ctx, tx, account, e.Size); err != nil {
		return e, err
	}
	tx.AfterCommit(func() { s.indexer.arrived(account) })
	return e, nil
}

// fileCopies places copies in b.
func (s *Store) fileCopies(ctx context.Context, tx *store.Tx, b Mailbox, copies []Entry) (dst []UID, err error) {
	modseq, err := nextModSeq(ctx, tx, b.Account, 0)
	if err != nil {
		return nil, err
	}
	unseen, size := weigh(copies)
	next := UID(0)
	err = tx.QueryRow(ctx, `UPDATE mailbox SET uidnext = uidnext + $2, highest = $3, total = total + $2, unseen = unseen + $4, size = size + $5
		WHERE id = $1 RETURNING uidnext - $2`, int64(b.ID), len(copies), int64(modseq), unseen, size).Scan(&next)
	if err != nil {
		return nil, missing(err)
	}
	for i := range copies {
		copies[i].UID = next + UID(i)
		dst = append(dst, copies[i].UID)
	}
	s.changed(tx, b.Account)
	saved := s.savedNow()
	return dst, bulk(copies, 11, func(args []any, c Entry) []any {
		return append(args, int64(b.ID), int64(c.UID), int64(c.Email), int64(c.Message), int64(c.Thread), int64(modseq),
			store.Micros(c.Date), c.Size, strings.Join(c.Flags, " "), saved, int64(modseq))
	}, func(values string, args []any) error {
		_, err := tx.Exec(ctx, `INSERT INTO placement (mailbox, uid, email, message, thread, modseq, date, size, flags, saved, born) VALUES `+values, args...)
		return err
	})
}

// addSeen adds those of uids that viewer has read.
func addSeen(ctx context.Context, tx *store.Tx, box ID, viewer mail.AccountID, uids []UID, read []bool) error {
	var fresh []UID
	for i, uid := range uids {
		if read[i] {
			fresh = append(fresh, uid)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	have, err := readSeen(ctx, tx, box, viewer)
	if err != nil {
		return err
	}
	return writeSeen(ctx, tx, box, viewer, have.Or(MakeUIDSet(fresh...)))
}
