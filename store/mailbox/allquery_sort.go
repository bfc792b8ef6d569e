package mailbox

import (
	"context"
	"slices"

	"colporteur/mail"
)

// sortAll sorts what was found, which comes in the order of arrival.
func (s *Store) sortAll(ctx context.Context, w *whole, account mail.AccountID, found []Entry, by []EmailOrder) ([]Entry, error) {
	order := make([]int, len(found))
	for i := range order {
		order[i] = len(found) - 1 - i
	}
	// The last key first, each keeping what the one after it made of those that
	// are equal: a key of yes and no is a division then, and the usual order, by
	// arrival, is there already. 100,000 mails with pinned ones first take 1 ms so.
	for at := len(by) - 1; at >= 0; at-- {
		o := by[at]
		if at == len(by)-1 && o == (EmailOrder{By: ByArrival, Reverse: true}) {
			continue
		}
		switch o.By {
		case ByFlag:
			divide(order, o.Reverse, func(i int) bool { return hasFlag(found[i].Flags, o.Flag) })
		case ByAllInThread, BySomeInThread:
			of := w.threadsWith(o.Flag, o.By == ByAllInThread)
			divide(order, o.Reverse, func(i int) bool { return of[w.threads[found[i].UID-1]] })
		default:
			f := func(a, b int) int { return found[a].Date.Compare(found[b].Date) }
			if o.By != ByArrival {
				var err error
				if f, err = s.comparer(ctx, Mailbox{Account: account}, found, o.By); err != nil {
					return nil, err
				}
			}
			slices.SortStableFunc(order, func(a, b int) int {
				if o.Reverse {
					a, b = b, a
				}
				return f(a, b)
			})
		}
	}
	sorted := make([]Entry, len(found))
	for to, from := range order {
		sorted[to] = found[from]
	}
	return sorted, nil
}

// divide puts those that have something behind those that have not, or before
// them; neither changes its order.
func divide(order []int, before bool, has func(i int) bool) {
	var with, without []int
	for _, i := range order {
		if has(i) {
			with = append(with, i)
		} else {
			without = append(without, i)
		}
	}
	if before {
		without, with = with, without
	}
	copy(order, without)
	copy(order[len(without):], with)
}
