package push

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// channel is where nodes tell each other who has a new subscription.
const channel = "push"

// atOnce is how many members are looked at together: at the start it is all of
// them.
const atOnce = 4

// pause is how long it is waited while the database is away.
const pause = 2 * time.Second

// watched are the members whose accounts this node watches.
type watched struct {
	sync.Mutex
	ctx  context.Context // of Run; nil while it does not run
	by   map[mail.UserID]chan struct{}
	all  sync.WaitGroup
	turn chan struct{}
}

// Run watches the accounts of all who have subscriptions, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	w := &s.watched
	w.Lock()
	w.ctx, w.by, w.turn = ctx, map[mail.UserID]chan struct{}{}, make(chan struct{}, atOnce)
	w.Unlock()
	defer func() {
		w.Lock()
		w.ctx = nil
		w.Unlock()
		w.all.Wait()
	}()
	for s.watchAll(ctx) != nil && wait(ctx, pause) {
	}
	return s.DB.Listen(ctx, channel, func(up bool) {
		if up { // what was said before was not heard
			if err := s.watchAll(ctx); err != nil && ctx.Err() == nil {
				s.log().ErrorContext(ctx, "push subscriptions not read", "err", err)
			}
		}
	}, func(payload string) {
		if n, err := strconv.ParseInt(payload, 36, 64); err == nil {
			s.watch(mail.UserID(n))
		}
	})
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (s *Service) watchAll(ctx context.Context) error {
	var members []mail.UserID
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		members = nil
		rows, err := tx.Query(ctx, `SELECT DISTINCT member FROM push_subscription WHERE verified = 1`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var m mail.UserID
			err := scan(&m)
			members = append(members, m)
			return err
		})
	})
	for _, m := range members {
		s.watch(m)
	}
	return err
}

// began has every node watch a member who has a new subscription.
func (s *Service) began(ctx context.Context, id mail.UserID) {
	s.watch(id)
	if err := s.DB.Notify(ctx, channel, strconv.FormatInt(int64(id), 36)); err != nil {
		s.log().WarnContext(ctx, "push subscription not told to other nodes", "err", err) // this one does it
	}
}

// watch watches a member's accounts, or has whoever does so look again.
func (s *Service) watch(id mail.UserID) {
	w := &s.watched
	w.Lock()
	defer w.Unlock()
	if w.ctx == nil || w.ctx.Err() != nil {
		return // Run begins with everybody
	}
	if again := w.by[id]; again != nil {
		select {
		case again <- struct{}{}:
		default:
		}
		return
	}
	again := make(chan struct{}, 1)
	w.by[id] = again
	ctx := w.ctx
	w.all.Go(func() { s.follow(ctx, id, again) })
}

// leave ends the watch over a member who has no subscription; false when one came
// at this very moment.
func (s *Service) leave(id mail.UserID, again <-chan struct{}) bool {
	w := &s.watched
	w.Lock()
	defer w.Unlock()
	select {
	case <-again:
		return false
	default:
		delete(w.by, id)
		return true
	}
}

// follow notes what changes for a member, until they have no subscription.
func (s *Service) follow(ctx context.Context, id mail.UserID, again <-chan struct{}) {
	var accounts []mail.AccountID
	var woken <-chan struct{}
	done := func() {}
	defer func() { done() }()
	for {
		now, any, err := s.look(ctx, id)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log().ErrorContext(ctx, "push states not noted", "user", id, "err", err)
			if !wait(ctx, pause) {
				return
			}
			continue
		case !any:
			if s.leave(id, again) {
				return
			}
			continue
		case !slices.Equal(now, accounts):
			done()
			woken, done = s.Watch(now...)
			accounts = now
			continue // what happened before the watch began is seen by another look
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
			continue
		case <-woken:
		}
		if !wait(ctx, together) {
			return
		}
	}
}

// look is note in its turn.
func (s *Service) look(ctx context.Context, id mail.UserID) ([]mail.AccountID, bool, error) {
	select {
	case s.watched.turn <- struct{}{}:
		defer func() { <-s.watched.turn }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	return s.note(ctx, id)
}
