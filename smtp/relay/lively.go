package relay

import (
	"sync"
	"time"
)

// deadFor is how long a host that did not answer the call is asked last.
const deadFor = 10 * time.Minute

// morgue remembers hosts that could not be reached.
type morgue struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// died notes that no address of h answered.
func (r *Relay) died(h host) {
	r.dead.mu.Lock()
	defer r.dead.mu.Unlock()
	if r.dead.since == nil || len(r.dead.since) >= maxKnown {
		r.dead.since = map[string]time.Time{}
	}
	r.dead.since[h.name] = r.now()
}

func (r *Relay) lives(h host) {
	r.dead.mu.Lock()
	defer r.dead.mu.Unlock()
	delete(r.dead.since, h.name)
}

// livelyFirst puts the hosts that did not answer a moment ago behind the rest,
// so that a first MX that is down does not cost each mail half a minute. They
// keep their order otherwise.
func (r *Relay) livelyFirst(hosts []host) []host {
	r.dead.mu.Lock()
	defer r.dead.mu.Unlock()
	if len(r.dead.since) == 0 {
		return hosts
	}
	var lively, dead []host
	for _, h := range hosts {
		if at, ok := r.dead.since[h.name]; ok && r.now().Sub(at) < deadFor {
			dead = append(dead, h)
		} else {
			lively = append(lively, h)
		}
	}
	return append(lively, dead...)
}
