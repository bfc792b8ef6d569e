package mailbox

import (
	"context"
	"slices"
	"sync"

	"colporteur/mail"
	"colporteur/store"
)

// latest are the emails of a mailbox, the last received first: the list that a
// mail program shows when it is opened. It is made once for each snapshot.
type latest struct {
	mu        sync.Mutex
	all       []EmailID // nil: not made yet
	collapsed []EmailID // of each thread the first
}

// plainList is the mailbox whose emails a query asks for in the order of their
// arrival and for nothing else; 0 for other queries.
func (q *AccountQuery) plainList() ID {
	if q.Filter == nil || q.Filter.Condition == nil || len(q.Sort) > 1 || len(q.Sort) == 1 && q.Sort[0] != (EmailOrder{By: ByArrival, Reverse: true}) {
		return 0
	}
	c := *q.Filter.Condition
	box := c.In
	if c.In = 0; !c.isZero() {
		return 0
	}
	return box
}

func (c *Condition) isZero() bool {
	return c.In == 0 && c.InOtherThan == nil && c.Before.IsZero() && c.After.IsZero() && c.MinSize == nil && c.MaxSize == nil && c.Attachment == nil && c.Header == nil &&
		c.Has+c.Lacks+c.AllInThread+c.SomeInThread+c.NoneInThread+c.Text+c.From+c.To+c.Cc+c.Bcc+c.Subject+c.Body == ""
}

// plainList answers such a query. While nothing comes into the mailbox it costs
// nothing, however many are in it.
func (s *Store) plainList(ctx context.Context, v *view, box ID, collapse bool) ([]EmailID, error) {
	n, err := s.Snapshot(ctx, box)
	if mail.Is(err, mail.NotFound) || err == nil && n.box.Account != v.account {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !v.own() {
		if err := s.read(ctx, func(tx *store.Tx) error { return v.look(ctx, tx) }); err != nil {
			return nil, err
		}
		if !v.reads(box) {
			return nil, nil
		}
	}
	return n.latestEmails(collapse), nil
}

func (n *Snapshot) latestEmails(collapse bool) []EmailID {
	l := n.latest
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil || collapse && l.collapsed == nil {
		l.make(n, collapse)
	}
	if collapse {
		return l.collapsed
	}
	return l.all
}

// arrival is what decides about a mail's place in the list.
type arrival struct {
	date   int64
	email  EmailID
	thread ThreadID
}

func (a *arrival) before(b *arrival) bool {
	return a.date > b.date || a.date == b.date && a.email > b.email
}

func (l *latest) make(n *Snapshot, collapse bool) {
	list := make([]arrival, 0, n.Len())
	for _, c := range slices.Backward(n.chunks) {
		for i := range slices.Backward(c.rows) {
			if r := &c.rows[i]; !isMarked(*r.flags) {
				list = append(list, arrival{r.date, r.email, r.thread})
			}
		}
	}
	// Mostly they came in the order in which they are there.
	list = sortRuns(list, (*arrival).before)
	list = slices.CompactFunc(list, func(a, b arrival) bool { return a.email == b.email }) // it may be here twice
	l.all = make([]EmailID, len(list))
	for i, a := range list {
		l.all[i] = a.email
	}
	if !collapse {
		return
	}
	l.collapsed = make([]EmailID, 0, len(list))
	shown := newIDMap(len(list))
	for _, a := range list {
		if _, fresh := shown.number(int64(a.thread)); fresh {
			l.collapsed = append(l.collapsed, a.email)
		}
	}
}
