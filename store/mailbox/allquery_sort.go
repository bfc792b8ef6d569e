package mailbox

import (
	"cmp"
	"context"
	"slices"

	"colporteur/mail"
)

// sortAll sorts what was found, which comes in the order of arrival.
func (s *Store) sortAll(ctx context.Context, w *whole, account mail.AccountID, found []Entry, by []EmailOrder) ([]Entry, error) {
	var compare []func(a, b int) int
	for _, o := range by {
		var f func(a, b int) int
		switch o.By {
		case ByArrival:
			f = func(a, b int) int { return found[a].Date.Compare(found[b].Date) }
		case ByFlag:
			f = byBool(found, func(e *Entry) bool { return hasFlag(e.Flags, o.Flag) })
		case ByAllInThread, BySomeInThread:
			of := w.threadsWith(o.Flag, o.By == ByAllInThread)
			f = byBool(found, func(e *Entry) bool { return of[w.threads[e.UID-1]] })
		default:
			var err error
			if f, err = s.comparer(ctx, Mailbox{Account: account}, found, o.By); err != nil {
				return nil, err
			}
		}
		if o.Reverse {
			forward := f
			f = func(a, b int) int { return forward(b, a) }
		}
		compare = append(compare, f)
	}
	order := make([]int, len(found))
	for i := range order {
		order[i] = len(found) - 1 - i
	}
	if len(by) > 0 && by[0] != (EmailOrder{By: ByArrival, Reverse: true}) { // they are in that order
		slices.SortStableFunc(order, func(a, b int) int {
			for _, f := range compare {
				if n := f(a, b); n != 0 {
					return n
				}
			}
			return 0
		})
	}
	sorted := make([]Entry, len(found))
	for to, from := range order {
		sorted[to] = found[from]
	}
	return sorted, nil
}

// byBool compares by a question that is asked once of each.
func byBool(found []Entry, f func(*Entry) bool) func(a, b int) int {
	has := make([]int, len(found))
	for i := range found {
		has[i] = number(f(&found[i]))
	}
	return func(a, b int) int { return cmp.Compare(has[a], has[b]) }
}
