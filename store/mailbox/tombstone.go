package mailbox

import (
	"context"
	"slices"

	"colporteur/store"
)

// Vanished are the UIDs that left a mailbox after a modseq. It is complete:
// tombstones are kept as long as the mailbox, and what a restore lost has one too.
func (s *Store) Vanished(ctx context.Context, box ID, since ModSeq) (gone *UIDSet, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		gone, err = vanished(ctx, tx, box, since)
		return err
	})
	return gone, err
}

func vanished(ctx context.Context, tx *store.Tx, box ID, since ModSeq) (*UIDSet, error) {
	var uids []UID
	var lost []UIDRange
	rows, err := tx.Query(ctx, `SELECT uid, CASE WHEN email = $3 THEN size ELSE 1 END FROM tombstone WHERE mailbox = $1 AND modseq > $2`, int64(box), int64(since), lostMails)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u UID
		var n int64
		err := scan(&u, &n)
		if n == 1 {
			uids = append(uids, u)
		} else {
			lost = append(lost, UIDRange{u, u + UID(n) - 1})
		}
		return err
	})
	return MakeUIDSet(uids...).Or(RangeSet(lost...)), err
}

// lostMails stands for the email in a tombstone that is for many UIDs, as many
// as its size: those that a restore leapt over.
const lostMails = -1

// Expunged are entries as they were when they left the mailbox, by rising UID:
// a session that was not told yet can still read them (RFC 2180 §4.1), until
// they are purged. ModSeq is that of their going.
func (s *Store) Expunged(ctx context.Context, box ID, uids []UID) (entries []Entry, err error) {
	uids = slices.Clone(uids)
	slices.Sort(uids)
	err = s.read(ctx, func(tx *store.Tx) error {
		entries = nil
		flags := scanner{}
		for some := range slices.Chunk(slices.Compact(uids), atOnce) {
			set, args := in([]any{int64(box)}, some)
			rows, err := tx.Query(ctx, `SELECT `+entryColumns+`, 0 FROM tombstone WHERE mailbox = $1 AND email > 0 AND uid IN `+set+` ORDER BY uid`, args...)
			err = store.Each(rows, err, func(scan func(...any) error) error {
				e, err := flags.entry(scan)
				entries = append(entries, e)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return entries, err
}
