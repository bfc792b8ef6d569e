package mailbox

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
)

// SortKey is what mails are sorted by (RFC 5256 §3, RFC 5957).
type SortKey int

const (
	ByArrival SortKey = iota
	ByCc
	ByDate // of the Date field, or INTERNALDATE without one
	ByFrom
	BySize
	BySubject
	ByTo
	ByDisplayFrom
	ByDisplayTo
)

// Order is one criterion.
type Order struct {
	By      SortKey
	Reverse bool
}

var columnBy = map[SortKey]string{ByCc: ccKey, ByDate: sentColumn, ByFrom: fromKey, BySubject: subjectKey, ByTo: toKey,
	ByDisplayFrom: displayFromKey, ByDisplayTo: displayToKey}

// Sort sorts entries of one mailbox, by each order in turn and at last as they
// came: their order is that of their sequence numbers.
func (s *Store) Sort(ctx context.Context, box Mailbox, entries []Entry, by []Order) ([]Entry, error) {
	compare := make([]func(a, b int) int, 0, len(by))
	for _, o := range by {
		f, err := s.comparer(ctx, box, entries, o.By)
		if err != nil {
			return nil, err
		}
		if o.Reverse {
			forward := f
			f = func(a, b int) int { return forward(b, a) }
		}
		compare = append(compare, f)
	}
	order := make([]int, len(entries))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		for _, f := range compare {
			if n := f(a, b); n != 0 {
				return n
			}
		}
		return 0
	})
	sorted := make([]Entry, len(entries))
	for to, from := range order {
		sorted[to] = entries[from]
	}
	return sorted, nil
}

func (s *Store) comparer(ctx context.Context, box Mailbox, entries []Entry, by SortKey) (func(a, b int) int, error) {
	switch by {
	case ByArrival:
		return func(a, b int) int { return entries[a].Date.Compare(entries[b].Date) }, nil
	case BySize:
		return func(a, b int) int { return cmp.Compare(entries[a].Size, entries[b].Size) }, nil
	case ByDate:
		dates, err := s.sentDates(ctx, box, entries)
		return func(a, b int) int { return cmp.Compare(dates[a], dates[b]) }, err
	}
	keys, err := s.keys(ctx, box.Account, entries, columnBy[by])
	if by == BySubject {
		return func(a, b int) int { return cmp.Compare(base(keys[a]), base(keys[b])) }, err
	}
	return func(a, b int) int { return cmp.Compare(keys[a], keys[b]) }, err
}

// base is the base subject of a value in its column.
func base(key string) string {
	if key == "" {
		return ""
	}
	return key[1:]
}

// sentDates are microseconds of the Date fields, or of the arrivals without
// one (RFC 5256 §2.2).
func (s *Store) sentDates(ctx context.Context, box Mailbox, entries []Entry) ([]int64, error) {
	keys, err := s.keys(ctx, box.Account, entries, sentColumn)
	if err != nil {
		return nil, err
	}
	dates := make([]int64, len(keys))
	for i, k := range keys {
		if len(k) >= 8 {
			dates[i] = int64(binary.BigEndian.Uint64([]byte(k[:8])))
		}
		if dates[i] == 0 {
			dates[i] = entries[i].Date.UnixMicro()
		}
	}
	return dates, nil
}
