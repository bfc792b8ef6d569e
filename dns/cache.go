package dns

import (
	"errors"
	"sync"
	"time"
)

type question struct {
	name string // canonical, with its final dot
	kind uint16
}

// cache keeps answers for as long as they last, within bounds: a resolver
// next door has the rest.
type cache struct {
	now  func() time.Time
	mu   sync.Mutex
	have map[question]kept
}

type kept struct {
	Answer
	until time.Time
}

const maxCache = 20_000

func (c *cache) get(q question) (Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.have[q]
	if !ok || !c.now().Before(k.until) {
		return Answer{}, false
	}
	return k.Answer, true
}

func (c *cache) put(q question, a Answer) {
	ttl := min(a.TTL, maxTTL)
	if ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have == nil {
		c.have = map[question]kept{}
	}
	if len(c.have) >= maxCache {
		n := 0
		for old := range c.have { // any: strangers choose the names
			delete(c.have, old)
			if n++; n > maxCache/10 {
				break
			}
		}
	}
	c.have[q] = kept{a, c.now().Add(max(ttl, minTTL))}
}

// health notices that no resolver answers, so that not every mail waits to
// find out: after some silent questions all others fail at once, and every few
// seconds one is asked aside, to see whether it is over.
type health struct {
	mu    sync.Mutex
	quiet int       // questions in a row that nobody answered
	next  time.Time // when one may ask again
}

const (
	quietAtMost = 5
	quietPause  = 3 * time.Second
)

var errSilent = errors.New("no resolver has answered for a while")

// permit says whether to ask, and if not, whether it is time to look.
func (h *health) permit(now time.Time) (ok, look bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.quiet < quietAtMost {
		return true, false
	}
	if now.Before(h.next) {
		return false, false
	}
	h.next = now.Add(quietPause)
	return false, true
}

func (h *health) answered() {
	h.mu.Lock()
	h.quiet = 0
	h.mu.Unlock()
}

func (h *health) silent(now time.Time) {
	h.mu.Lock()
	h.quiet++
	h.next = now.Add(quietPause)
	h.mu.Unlock()
}
