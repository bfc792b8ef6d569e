package mailbox

import (
	"context"
	"slices"
	"sync"

	"colporteur/mail"
	"colporteur/store"
)

// whole is all the emails of an account that a member sees, as if they were in
// one mailbox: its snapshot has a row for each, with the flags of all places
// together. What is a UID there is the email's number in the order of arrival.
// So whatever can be asked of a mailbox can be asked of an account.
type whole struct {
	snap  *Snapshot
	parts []*Snapshot // what it was made of
	read  []*UIDSet   // what the member has read of each; nil: flags say it
	*emails

	counting sync.Once
	tally    map[ID]Tally
	answers  answers
}

// emails is what of a whole does not change while flags alone do: it is shared
// with the next one then.
type emails struct {
	in      map[ID]*UIDSet
	numbers [][]UID // of the rows of each part, but for what waits for EXPUNGE

	once     sync.Once
	threads  []int32 // of each email, by number, which thread it is in
	nThreads int

	attachedMu sync.Mutex
	attached   *UIDSet
}

// whole is what the member sees now. While nothing changes it is made once.
func (s *Store) whole(ctx context.Context, v *view) (*whole, error) {
	for try := 0; ; try++ {
		if err := s.read(ctx, func(tx *store.Tx) error { return v.look(ctx, tx) }); err != nil {
			return nil, err
		}
		parts, read, err := s.parts(ctx, v)
		if err != nil {
			return nil, err
		}
		// A mail that moved while mailboxes were looked at would be in both, or in
		// none: then once more. Where something changes all the time, so be it.
		state, err := s.State(ctx, v.account)
		if err != nil {
			return nil, err
		}
		if state != v.state && try < 3 {
			continue
		}
		key := wholeKey{v.account, v.user.Account}
		was := s.wholes.get(key)
		if was != nil && slices.Equal(was.parts, parts) && slices.Equal(was.read, read) {
			return was, nil
		}
		var w *whole
		if was != nil && was.sameEmails(parts) {
			w = was.again(v.account, parts, read)
		} else {
			w = makeWhole(v.account, parts, read)
		}
		s.wholes.put(key, w)
		return w, nil
	}
}

func (s *Store) parts(ctx context.Context, v *view) (parts []*Snapshot, read []*UIDSet, err error) {
	for _, m := range v.boxes {
		if !v.reads(m.ID) {
			continue
		}
		n, err := s.Snapshot(ctx, m.ID)
		if mail.Is(err, mail.NotFound) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, nil, err
		}
		set, err := s.Seen(ctx, n, v.user.Account)
		if err != nil {
			return nil, nil, err
		}
		parts, read = append(parts, n), append(read, set)
	}
	return parts, read, nil
}

// makeWhole joins mailboxes.
func makeWhole(account mail.AccountID, parts []*Snapshot, read []*UIDSet) *whole {
	total := 0
	for _, n := range parts {
		total += n.Len()
	}
	rows := make([]row, 0, total)
	at := newIDMap(total) // in rows
	places := make([][]int32, len(parts))
	flags := joiner{}
	for k, n := range parts {
		for _, c := range n.chunks {
			for i := range c.rows {
				r, ok := flags.shown(c.rows[i], read[k])
				if !ok {
					continue
				}
				have, fresh := at.number(int64(r.email))
				if fresh {
					r.saved = 0
					rows = append(rows, r)
				} else {
					rows[have].merge(&r, flags)
				}
				places[k] = append(places[k], have)
			}
		}
	}
	rows, number := inArrival(rows)
	w := &whole{parts: parts, read: read, snap: newSnapshot(Mailbox{Account: account}, rows, nil),
		emails: &emails{in: make(map[ID]*UIDSet, len(parts)), numbers: make([][]UID, len(parts))}}
	for k, n := range parts {
		uids := make([]UID, len(places[k]))
		for i, have := range places[k] {
			uids[i] = number[have]
		}
		w.in[n.box.ID], w.numbers[k] = MakeUIDSet(uids...), uids
	}
	return w
}

// sameEmails says whether the same mails are in parts as in those of w, with no
// more and no fewer of them waiting for EXPUNGE.
func (w *whole) sameEmails(parts []*Snapshot) bool {
	return slices.EqualFunc(w.parts, parts, func(a, b *Snapshot) bool { return a.latest == b.latest })
}

// again is w after flags changed: nothing is looked up or sorted.
func (w *whole) again(account mail.AccountID, parts []*Snapshot, read []*UIDSet) *whole {
	rows := make([]row, w.snap.Len())
	flags := joiner{}
	for k, n := range parts {
		numbers := w.numbers[k]
		for _, c := range n.chunks {
			for i := range c.rows {
				r, ok := flags.shown(c.rows[i], read[k])
				if !ok {
					continue
				}
				at := &rows[numbers[0]-1]
				if at.uid == 0 {
					*at = r
					at.uid, at.saved = numbers[0], 0
				} else {
					at.merge(&r, flags)
				}
				numbers = numbers[1:]
			}
		}
	}
	return &whole{parts: parts, read: read, snap: newSnapshot(Mailbox{Account: account}, rows, nil), emails: w.emails}
}

// shown is a row with the flags that the member sees; ok is false for what waits
// for EXPUNGE.
func (j joiner) shown(r row, read *UIDSet) (_ row, ok bool) {
	if isMarked(*r.flags) {
		return r, false
	}
	if read != nil && read.Contains(r.uid) != slices.Contains(*r.flags, seen) {
		r.flags = j.intern(ShownFlags(*r.flags, r.uid, read))
	}
	return r, true
}

// merge adds another place of the same email.
func (r *row) merge(other *row, flags joiner) {
	r.date, r.modseq = min(r.date, other.date), max(r.modseq, other.modseq)
	r.flags = flags.join(r.flags, other.flags)
}

// inArrival puts rows in the order of arrival, and says which number each has now.
func inArrival(rows []row) (sorted []row, number []UID) {
	type key struct {
		date  int64
		email EmailID
		at    int32
	}
	keys := make([]key, len(rows))
	for i := range rows {
		keys[i] = key{rows[i].date, rows[i].email, int32(i)}
	}
	keys = sortRuns(keys, func(a, b *key) bool { return a.date < b.date || a.date == b.date && a.email < b.email })
	sorted, number = make([]row, len(rows)), make([]UID, len(rows))
	for i, k := range keys {
		sorted[i] = rows[k.at]
		sorted[i].uid = UID(i + 1)
		number[k.at] = UID(i + 1)
	}
	return sorted, number
}

// isMarked says whether a mail with these flags waits for EXPUNGE.
func isMarked(flags []string) bool { return slices.Contains(flags, deleted) }

// joiner makes one list of each set of flags.
type joiner map[string]*[]string

func (j joiner) intern(flags []string) *[]string {
	key := ""
	for _, f := range flags {
		key += f + " "
	}
	if j[key] == nil {
		j[key] = &flags
	}
	return j[key]
}

func (j joiner) join(a, b *[]string) *[]string {
	if a == b || slices.Equal(*a, *b) {
		return a
	}
	return j.intern(union(*a, *b))
}

// each yields the rows in the order of their numbers.
func (w *whole) each(yield func(*row)) {
	for _, c := range w.snap.chunks {
		for i := range c.rows {
			yield(&c.rows[i])
		}
	}
}

// number gives every thread a number, and every email its thread's.
func (w *whole) number() {
	w.once.Do(func() {
		of := newIDMap(w.snap.Len())
		w.threads = make([]int32, 0, w.snap.Len())
		w.each(func(r *row) {
			t, _ := of.number(int64(r.thread))
			w.threads = append(w.threads, t)
		})
		w.nThreads = len(of.ids)
	})
}

// wholeRows is how many emails the cache may hold, for all accounts together.
const wholeRows = 1_000_000

// wholeCache keeps wholes in two generations, as cardCache does.
type wholeCache struct {
	mu         sync.Mutex
	young, old map[wholeKey]*whole
	rows       int // of young
}

type wholeKey struct{ account, viewer mail.AccountID }

func (c *wholeCache) get(k wholeKey) *whole {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.young[k]; w != nil {
		return w
	}
	w := c.old[k]
	if w != nil {
		c.add(k, w)
	}
	return w
}

func (c *wholeCache) put(k wholeKey, w *whole) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, w)
}

func (c *wholeCache) add(k wholeKey, w *whole) {
	n := w.snap.Len() + 100
	if was := c.young[k]; was != nil {
		c.rows -= was.snap.Len() + 100
	}
	if c.young == nil || c.rows+n > wholeRows/2 && len(c.young) > 0 {
		c.young, c.old, c.rows = map[wholeKey]*whole{}, c.young, 0
	}
	c.young[k] = w
	c.rows += n
	delete(c.old, k)
}
