package mailbox

import (
	"context"
	"slices"

	"colporteur/mail"
)

// Tally is how many there are of what in a mailbox (RFC 8621 §2), as one member
// sees it: an email that is in it twice counts once, what waits for EXPUNGE does
// not count, and unread is what is neither \Seen nor \Draft.
type Tally struct {
	Emails, Unread         int
	Threads, UnreadThreads int
}

// Tallies are those of all the mailboxes of an account that u may read.
func (s *Store) Tallies(ctx context.Context, u mail.User, account mail.AccountID) (map[ID]Tally, error) {
	v, err := s.viewer(ctx, u, account)
	if err != nil {
		return nil, err
	}
	w, err := s.whole(ctx, v)
	if err != nil {
		return nil, err
	}
	w.number()
	w.counting.Do(w.count)
	return w.tally, nil
}

// count fills in tally. A thread is unread everywhere because of any mail that
// is not in the trash alone, and in the trash because of one that is there.
func (w *whole) count() {
	unread := make([]bool, len(w.threads)) // by number, from 0 on
	i := 0
	w.each(func(r *row) {
		unread[i] = !slices.Contains(*r.flags, seen) && !slices.Contains(*r.flags, `\Draft`)
		i++
	})
	trash, others := MakeUIDSet(), MakeUIDSet()
	for _, n := range w.parts {
		if set := w.in[n.box.ID]; n.box.Role == Trash {
			trash = set
		} else {
			others = others.Or(set)
		}
	}
	inTrash, elsewhere := w.unreadThreads(trash, unread), w.unreadThreads(others, unread)
	w.tally = make(map[ID]Tally, len(w.parts))
	last := make([]ID, w.nThreads) // the mailbox in which a thread was counted last
	for _, n := range w.parts {
		of := elsewhere
		if n.box.Role == Trash {
			of = inTrash
		}
		c := Tally{}
		w.in[n.box.ID].each(func(uid UID) {
			i := uid - 1
			c.Emails++
			c.Unread += number(unread[i])
			if thread := w.threads[i]; last[thread] != n.box.ID {
				last[thread] = n.box.ID
				c.Threads++
				c.UnreadThreads += number(of[thread])
			}
		})
		w.tally[n.box.ID] = c
	}
}

// unreadThreads says which threads have an unread email among these.
func (w *whole) unreadThreads(set *UIDSet, unread []bool) []bool {
	of := make([]bool, w.nThreads)
	set.each(func(uid UID) {
		if unread[uid-1] {
			of[w.threads[uid-1]] = true
		}
	})
	return of
}

func (s *UIDSet) each(yield func(UID)) {
	for _, r := range s.Ranges() {
		for u := uint64(r.First); u <= uint64(r.Last); u++ {
			yield(UID(u))
		}
	}
}
