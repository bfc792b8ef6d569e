package mailbox

import (
	"context"
	"slices"
	"time"

	"colporteur/store"
)

// Expunge removes the placements of these UIDs. With onlyDeleted, only those
// that have \Deleted; nil uids stand for all that have it.
func (s *Store) Expunge(ctx context.Context, box ID, uids []UID, onlyDeleted bool) (gone []UID, err error) {
	if uids == nil {
		// CLOSE and EXPUNGE come often and mostly find nothing; whoever only looks
		// holds up nobody's mail.
		onlyDeleted = true
		if uids, err = s.marked(ctx, box); err != nil {
			return nil, err
		}
	}
	if len(uids) == 0 {
		return nil, nil
	}
	err = s.write(ctx, func(tx *store.Tx) error {
		gone = nil
		m, err := byID(ctx, tx, box)
		if err != nil {
			return err
		}
		if err := lockAccount(ctx, tx, m.Account); err != nil {
			return err
		}
		entries, err := pick(ctx, tx, box, uids)
		if err != nil {
			return err
		}
		if onlyDeleted {
			entries = slices.DeleteFunc(entries, func(e Entry) bool { return !hasFlag(e.Flags, deleted) })
		}
		for _, e := range entries {
			gone = append(gone, e.UID)
		}
		if err := s.bury(ctx, tx, m, entries); err != nil {
			return err
		}
		return s.tellLeft(ctx, tx, m, Expunged, entries, 0)
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// marked are the UIDs that have \Deleted, and perhaps some more.
func (s *Store) marked(ctx context.Context, box ID) (uids []UID, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		// Without the backslash, which LIKE takes for an escape on PostgreSQL.
		rows, err := tx.Query(ctx, `SELECT uid FROM placement WHERE mailbox = $1 AND flags LIKE '%Deleted%'`, int64(box))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var uid UID
			err := scan(&uid)
			uids = append(uids, uid)
			return err
		})
	})
	return uids, err
}

// bury takes entries out of a mailbox; the account is locked. An email that is
// nowhere any more leaves the quota at once, and is kept 30 days for an
// operator's rescue.
func (s *Store) bury(ctx context.Context, tx *store.Tx, m Mailbox, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	modseq, err := nextModSeq(ctx, tx, m.Account, 0)
	if err != nil {
		return err
	}
	unseen, size := weigh(entries)
	if err := count(ctx, tx, m.ID, modseq, -len(entries), -unseen, -size); err != nil {
		return err
	}
	if err := unplace(ctx, tx, m.ID, entries, modseq); err != nil {
		return err
	}
	// The tombstones just made name the emails: none has to be bound.
	freed := int64(0)
	rows, err := tx.Query(ctx, `UPDATE email SET expunged = $1 WHERE expunged = 0
		AND id IN (SELECT t.email FROM tombstone t WHERE t.mailbox = $2 AND t.modseq = $3)
		AND NOT EXISTS (SELECT 1 FROM placement p WHERE p.email = email.id) RETURNING CASE shows WHEN 1 THEN 0 ELSE size END`, store.Micros(s.now()), int64(m.ID), int64(modseq))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		freed += n
		return err
	})
	if err != nil {
		return err
	}
	s.changed(tx, m.Account)
	return weighMore(ctx, tx, m.Account, -freed)
}

// Purge forgets emails that were expunged more than age ago (30 days), so that
// their content can be swept, and says how many.
func (s *Store) Purge(ctx context.Context, age time.Duration) (total int, err error) {
	if err := s.forget(ctx, age); err != nil {
		return 0, err
	}
	limit := store.Micros(s.now().Add(-age))
	for {
		var n int64
		err := s.write(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(ctx, `DELETE FROM email WHERE id IN (SELECT id FROM email WHERE expunged > 0 AND expunged < $1 LIMIT 500)`, limit)
			return err
		})
		total += int(n)
		if err != nil || n == 0 {
			return total, err
		}
	}
}
