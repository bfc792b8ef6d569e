package delivery

import (
	"net/netip"
	"sync"
	"time"
)

// repute remembers for a day which networks brought mail that had to be
// refused as forged. It is evidence beside DMARC's, no blocklist: it never
// refuses by itself.
type repute struct {
	mu   sync.Mutex
	seen map[netip.Prefix]mark
}

type mark struct {
	n    int
	last time.Time
}

const (
	badAt     = 3 // forgeries of one network
	badFor    = 24 * time.Hour
	maxRepute = 50_000
)

// network is what one owner of an address usually has.
func network(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap()
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, _ := ip.Prefix(bits) // an invalid address has an invalid network
	return p
}

func (r *repute) bad(ip netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.seen[network(ip)]
	return m.n >= badAt && now.Sub(m.last) < badFor
}

func (r *repute) forged(ip netip.Addr, now time.Time) {
	if !ip.IsValid() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[netip.Prefix]mark{}
	}
	if len(r.seen) >= maxRepute {
		for p, m := range r.seen {
			if now.Sub(m.last) >= badFor {
				delete(r.seen, p)
			}
		}
		if len(r.seen) >= maxRepute { // a flood: those of today go too
			clear(r.seen)
		}
	}
	p := network(ip)
	m := r.seen[p]
	if now.Sub(m.last) >= badFor {
		m.n = 0
	}
	r.seen[p] = mark{m.n + 1, now}
}
