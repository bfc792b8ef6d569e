package mailbox

import (
	"context"
	"errors"

	"colporteur/mail"
	"colporteur/store"
)

// # Who has read what
//
// In a mailbox of one's own \Seen is a flag like the others. In somebody else's
// it is the reader's: that one member of a club has read a mail says nothing
// about the others. Each reader's set of UIDs is one row of a few octets. A mail
// that somebody has read gets a new modseq, so that their other programs hear of
// it the way they hear of any flag; others are told flags that they know.

// Seen are the mails of n that viewer has read. nil when the mailbox is
// viewer's own: there the entries' flags say it.
func (s *Store) Seen(ctx context.Context, n *Snapshot, viewer mail.AccountID) (*UIDSet, error) {
	m := n.Mailbox()
	if m.Account == viewer {
		return nil, nil
	}
	k := seenKey{m.ID, viewer}
	if set, ok := s.seen.get(k, m.HighestMod); ok {
		return set, nil
	}
	set, err := s.seenNow(ctx, m.ID, viewer)
	if err == nil {
		s.seen.put(k, m.HighestMod, set)
	}
	return set, err
}

// Unseen is how many mails of n viewer has not read.
func (s *Store) Unseen(ctx context.Context, n *Snapshot, viewer mail.AccountID) (int, error) {
	set, err := s.Seen(ctx, n, viewer)
	if set == nil || err != nil {
		return n.Mailbox().Unseen, err
	}
	return n.Len() - n.UIDs().And(set).Len(), nil
}

// SetSeen marks mails of another account's mailbox as read or unread by viewer.
// Otherwise it is like SetFlags, but that the entries it returns have the flags
// of everybody: see ShownFlags.
func (s *Store) SetSeen(ctx context.Context, box ID, viewer mail.AccountID, uids []UID, on bool, unchangedSince ModSeq) (now []Entry, modified []UID, err error) {
	if len(uids) == 0 {
		return nil, nil, nil
	}
	err = s.write(ctx, func(tx *store.Tx) error {
		m, err := byID(ctx, tx, box)
		if err != nil {
			return err
		}
		if err := lockAccount(ctx, tx, m.Account); err != nil {
			return err
		}
		now, modified, err = s.setSeen(ctx, tx, m, viewer, uids, on, unchangedSince)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return now, modified, nil
}

// setSeen is SetSeen where the account is locked.
func (s *Store) setSeen(ctx context.Context, tx *store.Tx, m Mailbox, viewer mail.AccountID, uids []UID, on bool, unchangedSince ModSeq) (now []Entry, modified []UID, err error) {
	have, err := readSeen(ctx, tx, m.ID, viewer)
	if err != nil {
		return nil, nil, err
	}
	entries, err := pick(ctx, tx, m.ID, uids)
	if err != nil {
		return nil, nil, err
	}
	var change []UID
	var at []int // indexes of now
	for _, e := range entries {
		if unchangedSince > 0 && e.ModSeq > unchangedSince {
			modified = append(modified, e.UID)
			continue
		}
		if have.Contains(e.UID) != on {
			change, at = append(change, e.UID), append(at, len(now))
		}
		now = append(now, e)
	}
	if len(change) == 0 {
		return now, modified, nil
	}
	modseq, err := nextModSeq(ctx, tx, m.Account, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range at {
		now[i].ModSeq = modseq
	}
	for _, r := range MakeUIDSet(change...).Ranges() {
		if _, err := tx.Exec(ctx, `UPDATE placement SET modseq = $1 WHERE mailbox = $2 AND uid BETWEEN $3 AND $4`,
			int64(modseq), int64(m.ID), int64(r.First), int64(r.Last)); err != nil {
			return nil, nil, err
		}
	}
	if set := MakeUIDSet(change...); on {
		have = have.Or(set)
	} else {
		have = have.Minus(set)
	}
	if err := writeSeen(ctx, tx, m.ID, viewer, have); err != nil {
		return nil, nil, err
	}
	s.changed(tx, m.Account)
	return now, modified, count(ctx, tx, m.ID, modseq, 0, 0, 0)
}

// ShownFlags are an entry's flags as somebody sees them who has read the mails
// of set; a nil set is the owner's view.
func ShownFlags(flags []string, uid UID, set *UIDSet) []string {
	if set == nil || set.Contains(uid) == hasFlag(flags, seen) {
		return flags
	}
	op := AddFlags
	if hasFlag(flags, seen) {
		op = RemoveFlags
	}
	return op.apply(flags, []string{seen})
}

func (s *Store) seenNow(ctx context.Context, box ID, viewer mail.AccountID) (set *UIDSet, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		set, err = readSeen(ctx, tx, box, viewer)
		return err
	})
	return set, err
}

func readSeen(ctx context.Context, tx *store.Tx, box ID, viewer mail.AccountID) (*UIDSet, error) {
	var b []byte
	err := tx.QueryRow(ctx, `SELECT uids FROM mailbox_seen WHERE mailbox = $1 AND viewer = $2`, int64(box), int64(viewer)).Scan(&b)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	return unpackUIDs(b), nil
}

func writeSeen(ctx context.Context, tx *store.Tx, box ID, viewer mail.AccountID, set *UIDSet) error {
	_, err := tx.Exec(ctx, `INSERT INTO mailbox_seen (mailbox, viewer, uids) VALUES ($1, $2, $3)
		ON CONFLICT (mailbox, viewer) DO UPDATE SET uids = excluded.uids`, int64(box), int64(viewer), packUIDs(set))
	return err
}
