package webmail

import (
	"context"
	"sync"

	"colporteur/mail"
)

// queue lets so many pictures be fetched at once, and so many of one member: the
// others wait. A mail of a thousand pictures is one member's patience, not
// everybody's.
type queue struct {
	once sync.Once
	all  chan struct{}

	mu   sync.Mutex
	each map[mail.UserID]*lane
}

type lane struct {
	slots chan struct{}
	users int // who hold it or wait; without any it goes
}

func (q *queue) enter(ctx context.Context, u mail.UserID) (leave func(), err error) {
	q.once.Do(func() { q.all, q.each = make(chan struct{}, fetching), map[mail.UserID]*lane{} })
	q.mu.Lock()
	l := q.each[u]
	if l == nil {
		l = &lane{slots: make(chan struct{}, perMember)}
		q.each[u] = l
	}
	l.users++
	q.mu.Unlock()
	gone := func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(q.each, u)
		}
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		gone()
		return nil, ctx.Err()
	}
	select {
	case q.all <- struct{}{}:
	case <-ctx.Done():
		<-l.slots
		gone()
		return nil, ctx.Err()
	}
	return func() { <-q.all; <-l.slots; gone() }, nil
}
