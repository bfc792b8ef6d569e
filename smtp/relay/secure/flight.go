package secure

import (
	"context"
	"sync"
	"time"
)

// flights has each domain's policy fetched once at a time, and not again for a
// while. The zero flights is ready.
type flights struct {
	mu     sync.Mutex
	under  map[string]*flight
	landed map[string]landing
}

type flight struct {
	done   chan struct{}
	policy *Policy
	left   bool // whoever fetched went away before it was known
}

// landing is what the last fetch brought, which counts until it may be asked again.
type landing struct {
	policy *Policy
	until  time.Time
}

const maxLanded = 10_000

// join is what fetch brings, or another call of it under way or just ended; nil
// when it brought nothing.
func (f *flights) join(ctx context.Context, now func() time.Time, domain string, fetch func() (*Policy, error)) *Policy {
	for {
		f.mu.Lock()
		if l, ok := f.landed[domain]; ok && now().Before(l.until) {
			f.mu.Unlock()
			return l.policy
		}
		other := f.under[domain]
		if other == nil {
			mine := &flight{done: make(chan struct{})}
			if f.under == nil {
				f.under, f.landed = map[string]*flight{}, map[string]landing{}
			}
			f.under[domain] = mine
			f.mu.Unlock()
			f.fly(ctx, now, domain, mine, fetch)
			return mine.policy
		}
		f.mu.Unlock()
		select {
		case <-other.done:
			if !other.left {
				return other.policy
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *flights) fly(ctx context.Context, now func() time.Time, domain string, mine *flight, fetch func() (*Policy, error)) {
	pause := sulk
	defer func() { // however fetch ends
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.under, domain)
		if mine.left = mine.policy == nil && ctx.Err() != nil; !mine.left {
			f.tidy(now())
			f.landed[domain] = landing{mine.policy, now().Add(pause)}
		}
		close(mine.done)
	}()
	if p, err := fetch(); err == nil {
		mine.policy, pause = p, leastLife
	}
}

// tidy makes room: strangers choose the domains.
func (f *flights) tidy(now time.Time) {
	if len(f.landed) < maxLanded {
		return
	}
	for domain, l := range f.landed {
		if !now.Before(l.until) {
			delete(f.landed, domain)
		}
	}
	for domain := range f.landed {
		if len(f.landed) < maxLanded*9/10 {
			break
		}
		delete(f.landed, domain)
	}
}
