package mailbox

import (
	"context"
	"math"
	"time"

	"colporteur/store"
)

// Expunge removes the placements of these UIDs. With onlyDeleted, only those
// that have \Deleted; with nil uids, all of those.
func (s *Store) Expunge(ctx context.Context, box ID, uids []UID, onlyDeleted bool) (gone []UID, err error) {
	want := setOf(uids)
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		m, err := byID(ctx, tx, box)
		if err != nil {
			return err
		}
		modseq, err := nextModSeq(ctx, tx, m.Account, 0)
		if err != nil {
			return err
		}
		gone, err = s.bury(ctx, tx, m, modseq, func(e Entry) bool {
			return (uids == nil || want[e.UID]) && (!onlyDeleted && uids != nil || hasFlag(e.Flags, deleted))
		})
		if len(gone) > 0 {
			s.changed(tx, m.Account)
		}
		return err
	})
	return gone, err
}

// bury takes the chosen messages out of a mailbox. An email that is nowhere any
// more leaves the quota at once, and is kept 30 days for an operator's rescue.
func (s *Store) bury(ctx context.Context, tx *store.Tx, m Mailbox, modseq ModSeq, choose func(Entry) bool) (gone []UID, err error) {
	all, err := entriesIn(ctx, tx, m.ID, 0, math.MaxUint32, 0)
	if err != nil {
		return nil, err
	}
	unseen, size, freed := 0, int64(0), int64(0)
	for _, e := range all {
		if !choose(e) {
			continue
		}
		if err := s.unplace(ctx, tx, m.ID, e.UID, modseq); err != nil {
			return nil, err
		}
		gone = append(gone, e.UID)
		size += e.Size
		if !hasFlag(e.Flags, seen) {
			unseen++
		}
		n, err := tx.Exec(ctx, `UPDATE email SET expunged = $1 WHERE id = $2 AND expunged = 0
			AND NOT EXISTS (SELECT 1 FROM placement WHERE email = $2)`, store.Micros(s.now()), int64(e.Email))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			freed += e.Size
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	if err := count(ctx, tx, m.ID, modseq, -len(gone), -unseen, -size); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `UPDATE mailbox_account SET used = used - $2 WHERE account = $1`, int64(m.Account), freed)
	return gone, err
}

// Purge forgets emails that were expunged more than age ago (30 days), so that
// their content can be swept, and says how many.
func (s *Store) Purge(ctx context.Context, age time.Duration) (total int, err error) {
	limit := store.Micros(s.now().Add(-age))
	for {
		var n int64
		err := s.DB.Write(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.Exec(ctx, `DELETE FROM email WHERE id IN (SELECT id FROM email WHERE expunged > 0 AND expunged < $1 LIMIT 500)`, limit)
			return err
		})
		total += int(n)
		if err != nil || n == 0 {
			return total, err
		}
	}
}
