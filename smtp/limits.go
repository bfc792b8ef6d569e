package smtp

import (
	"net/netip"
	"sync"
	"time"
)

// Limits bound what one stranger, one address and one member can take of us.
// Zero fields have the values said beside them.
type Limits struct {
	Connections  int // open at once, over all listeners: 4000
	PerIP        int // open at once from one address, an IPv6 /64 counting as one: 50
	Messages     int // in one connection: 10,000
	Recipients   int // of one mail: 500 (RFC 5321 §4.5.3.1.8 asks for 100 at least)
	Unknown      int // recipients nobody has, in one connection: 20
	UnknownPerIP int // and from one address in ten minutes: 50
	BadCommands  int // in one connection: 20
	BadLogins    int // in one connection: 3
	PerMember    int // recipients of one member in an hour: 500

	Start time.Duration // for each line before the first MAIL: 60 s
	Idle  time.Duration // for each line after it (RFC 5321 §4.5.3.2.7): 5 min
	Data  time.Duration // without a byte of a mail: 5 min
	Grace time.Duration // for mails under way when the server stops: 8 s
}

func (l Limits) withDefaults() Limits {
	count := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	count(&l.Connections, 4000)
	count(&l.PerIP, 50)
	count(&l.Messages, 10_000)
	count(&l.Recipients, 500)
	count(&l.Unknown, 20)
	count(&l.UnknownPerIP, 50)
	count(&l.BadCommands, 20)
	count(&l.BadLogins, 3)
	count(&l.PerMember, 500)
	span := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	span(&l.Start, time.Minute)
	span(&l.Idle, 5*time.Minute)
	span(&l.Data, 5*time.Minute)
	span(&l.Grace, 8*time.Second)
	return l
}

// gate counts open connections.
type gate struct {
	mu    sync.Mutex
	open  int
	byNet map[netip.Addr]int
}

// block is what counts as one address: who has one IPv6 address has 2^64.
func block(ip netip.Addr) netip.Addr {
	ip = ip.Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// enter lets a connection in, or names the sentence that says why not.
func (g *gate) enter(ip netip.Addr, l Limits) (refusal string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open >= l.Connections:
		return "smtp-busy"
	case g.byNet[block(ip)] >= l.PerIP:
		return "smtp-too-many-connections"
	}
	g.open++
	g.byNet[block(ip)]++
	return ""
}

func (g *gate) leave(ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.byNet[block(ip)]--; g.byNet[block(ip)] == 0 {
		delete(g.byNet, block(ip))
	}
}

// crowded says that places are getting scarce: who says nothing has to go sooner.
func (g *gate) crowded(l Limits) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open > l.Connections*3/4
}

// window counts by key, and begins again span after the first count.
type window[K comparable] struct {
	span  time.Duration
	mu    sync.Mutex
	count map[K]tally
	swept time.Time
}

type tally struct {
	n     int
	until time.Time
}

func newWindow[K comparable](span time.Duration) *window[K] {
	return &window[K]{span: span, count: make(map[K]tally)}
}

// add counts n more for k and says how many there are now; add(k, 0, …) only asks.
// until is when the count begins again.
func (w *window[K]) add(k K, n int, now time.Time) (total int, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.swept) > w.span {
		w.swept = now
		for k, t := range w.count {
			if !now.Before(t.until) {
				delete(w.count, k)
			}
		}
	}
	t := w.count[k]
	if !now.Before(t.until) {
		t = tally{until: now.Add(w.span)}
	}
	t.n += n
	if t.n > 0 {
		w.count[k] = t
	}
	return t.n, t.until
}
