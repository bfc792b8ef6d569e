package accounts

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// throttleSize bounds what is remembered of failures.
const throttleSize = 50_000

// pace is how many failures are let through at once, and how long one takes to
// be forgiven.
type pace struct {
	burst   float64
	forgive time.Duration
}

var (
	networkPace = pace{20, 30 * time.Second}
	namePace    = pace{30, 10 * time.Second}
	pairPace    = pace{20, 10 * time.Second}
)

// throttle counts failures by key, in leaky buckets.
type throttle struct {
	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	level float64
	at    time.Time
}

func (b bucket) now(at time.Time, p pace) bucket {
	b.level = max(0, b.level-at.Sub(b.at).Seconds()/p.forgive.Seconds())
	b.at = at
	return b
}

func (t *throttle) full(key string, at time.Time, p pace) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.buckets[key]
	return ok && b.now(at, p).level > p.burst-1
}

func (t *throttle) fail(key string, at time.Time, p pace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buckets == nil {
		t.buckets = map[string]bucket{}
	}
	b, ok := t.buckets[key]
	if !ok {
		b.at = at
		if len(t.buckets) >= throttleSize {
			t.shrink(at, p)
		}
	}
	b = b.now(at, p)
	b.level = min(b.level+1, p.burst)
	t.buckets[key] = b
}

// shrink drops what is forgiven, or else an eighth by chance: better to forget
// some guesses than to grow, or to refuse people who did nothing.
func (t *throttle) shrink(at time.Time, p pace) {
	maps.DeleteFunc(t.buckets, func(_ string, b bucket) bool { return b.now(at, p).level == 0 })
	if len(t.buckets) < throttleSize {
		return
	}
	n := 0
	maps.DeleteFunc(t.buckets, func(string, bucket) bool { n++; return n%8 == 0 })
}

// network is what one attacker surely owns: an IPv4 address, or a /64 of IPv6.
func network(ip netip.Addr) string {
	ip = ip.Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.Masked().String()
		}
	}
	return ip.String()
}
