package mailbox

import (
	"context"
	"math"
	"slices"
	"strings"

	"colporteur/store"
)

// entryColumns are those of placement and of tombstone; the caller adds saved.
const entryColumns = `uid, email, message, thread, modseq, date, size, flags`

// scanner reads entries. Few sets of flags are in use at a time, so entries
// with the same flags share one slice.
type scanner map[string][]string

func (s scanner) entry(scan func(...any) error) (e Entry, err error) {
	var date, saved int64
	var flags string
	if err = scan(&e.UID, &e.Email, &e.Message, &e.Thread, &e.ModSeq, &date, &e.Size, &flags, &saved); err != nil {
		return e, err
	}
	e.Date = store.Time(date)
	if saved != 0 {
		e.Saved = store.Time(saved)
	}
	if flags != "" {
		shared, ok := s[flags]
		if !ok {
			shared = slices.Clip(strings.Split(flags, " "))
			s[flags] = shared
		}
		e.Flags = shared
	}
	return e, nil
}

// list reads the entries that a condition on placement names.
func list(ctx context.Context, tx *store.Tx, where string, args ...any) (list []Entry, err error) {
	s := scanner{}
	rows, err := tx.Query(ctx, `SELECT `+entryColumns+`, saved FROM placement WHERE `+where, args...)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		e, err := s.entry(scan)
		list = append(list, e)
		return err
	})
	return list, err
}

// Entries lists a mailbox by rising UID, from UID after+1 on, at most limit (0: all).
func (s *Store) Entries(ctx context.Context, box ID, after UID, limit int) (entries []Entry, err error) {
	if limit <= 0 {
		limit = math.MaxInt32
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		entries, err = list(ctx, tx, `mailbox = $1 AND uid > $2 ORDER BY uid LIMIT $3`, int64(box), int64(after), limit)
		return err
	})
	return entries, err
}

// pick reads the entries of these UIDs, or all for nil, each once, by rising UID.
func pick(ctx context.Context, tx *store.Tx, box ID, uids []UID) (entries []Entry, err error) {
	if uids == nil {
		return list(ctx, tx, `mailbox = $1 ORDER BY uid`, int64(box))
	}
	uids = slices.Clone(uids)
	slices.Sort(uids)
	uids = slices.Compact(uids)
	if n := len(uids); n > atOnce && int(uids[n-1]-uids[0]) < 4*n {
		// Neighbours are read together, with the few that lie between them.
		all, err := list(ctx, tx, `mailbox = $1 AND uid >= $2 AND uid <= $3 ORDER BY uid`, int64(box), int64(uids[0]), int64(uids[n-1]))
		return slices.DeleteFunc(all, func(e Entry) bool {
			for len(uids) > 0 && uids[0] < e.UID {
				uids = uids[1:]
			}
			return len(uids) == 0 || uids[0] != e.UID
		}), err
	}
	for some := range slices.Chunk(uids, atOnce) {
		set, args := in([]any{int64(box)}, some)
		found, err := list(ctx, tx, `mailbox = $1 AND uid IN `+set+` ORDER BY uid`, args...)
		if err != nil {
			return nil, err
		}
		entries = append(entries, found...)
	}
	return entries, nil
}

// Changed are the entries whose modseq is above since, by UID, and the UIDs
// that vanished since. vanished is complete: tombstones are kept.
func (s *Store) Changed(ctx context.Context, box ID, since ModSeq) (changed []Entry, vanished []UID, high ModSeq, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		m, err := byID(ctx, tx, box)
		if err != nil {
			return err
		}
		if high = m.HighestMod; high <= since {
			return nil
		}
		if changed, err = list(ctx, tx, `mailbox = $1 AND modseq > $2 ORDER BY uid`, int64(box), int64(since)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT uid FROM tombstone WHERE mailbox = $1 AND modseq > $2 ORDER BY uid`, int64(box), int64(since))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var u UID
			err := scan(&u)
			vanished = append(vanished, u)
			return err
		})
	})
	return changed, vanished, high, err
}
