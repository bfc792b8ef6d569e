package mailbox

import (
	"context"
	"math"
	"strings"

	"colporteur/store"
)

const entryColumns = `uid, email, message, thread, modseq, date, size, flags`

func scanEntry(scan func(...any) error) (e Entry, err error) {
	var date int64
	var flags string
	err = scan(&e.UID, &e.Email, &e.Message, &e.Thread, &e.ModSeq, &date, &e.Size, &flags)
	e.Date = store.Time(date)
	if flags != "" {
		e.Flags = strings.Split(flags, " ")
	}
	return e, err
}

// entriesIn reads (after, to], at most limit (0: all).
func entriesIn(ctx context.Context, tx *store.Tx, box ID, after, to UID, limit int) (list []Entry, err error) {
	if limit == 0 {
		limit = math.MaxInt32
	}
	rows, err := tx.Query(ctx, `SELECT `+entryColumns+` FROM placement WHERE mailbox = $1 AND uid > $2 AND uid <= $3 ORDER BY uid LIMIT $4`,
		int64(box), int64(after), int64(to), limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		e, err := scanEntry(scan)
		list = append(list, e)
		return err
	})
	return list, err
}

// Entries lists a mailbox by rising UID, from UID after+1 on, at most limit (0: all).
func (s *Store) Entries(ctx context.Context, box ID, after UID, limit int) (list []Entry, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list, err = entriesIn(ctx, tx, box, after, math.MaxUint32, limit)
		return err
	})
	return list, err
}

// Changed are the entries whose modseq is above since, by UID, and the UIDs
// that vanished since. vanished is complete: tombstones are kept.
func (s *Store) Changed(ctx context.Context, box ID, since ModSeq) (changed []Entry, vanished []UID, high ModSeq, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		m, err := byID(ctx, tx, box)
		if err != nil {
			return err
		}
		if high = m.HighestMod; high <= since {
			return nil
		}
		rows, err := tx.Query(ctx, `SELECT `+entryColumns+` FROM placement WHERE mailbox = $1 AND modseq > $2 ORDER BY uid`, int64(box), int64(since))
		err = store.Each(rows, err, func(scan func(...any) error) error {
			e, err := scanEntry(scan)
			changed = append(changed, e)
			return err
		})
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `SELECT uid FROM tombstone WHERE mailbox = $1 AND modseq > $2 ORDER BY uid`, int64(box), int64(since))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var u UID
			err := scan(&u)
			vanished = append(vanished, u)
			return err
		})
	})
	return changed, vanished, high, err
}
