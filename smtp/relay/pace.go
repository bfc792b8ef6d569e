package relay

import (
	"slices"
	"strings"
	"sync"
	"time"

	"colporteur/store/queue"

	"golang.org/x/net/publicsuffix"
)

// # Pace
//
// A destination is who runs the servers, not the domain that the mail is for:
// hundreds of domains at one provider share its limits. Each begins with two
// connections. What it takes quickly lets that grow, one by one, up to twenty;
// an answer that asks for less, or none at all, halves it and makes a pause
// that is twice as long as the one before. After that it grows slowly. One that
// is merely slow never has more than four. All the slow ones together never
// have more than a third of the workers, nor have all that nobody knows yet:
// the rest is for those that answer.
const (
	firstLimit = 2
	mostLimit  = 20
	slowLimit  = 4
	slowAfter  = 10 * time.Second // of waiting for an answer, or of one attempt while it lasts
	firstPause = 10 * time.Second
	mostPause  = 10 * time.Minute
	blockPause = 2 * time.Hour // our address is blocked: to knock again keeps it blocked
	recovery   = time.Hour     // without trouble, until it is forgotten
	maxKnown   = 50_000        // domains and destinations remembered
)

// pacer knows how much each destination takes.
type pacer struct {
	now     func() time.Time
	workers int

	mu  sync.Mutex
	of  map[string]string // domain → destination
	all map[string]*destination
}

// destination is one of them.
type destination struct {
	limit    int
	turns    map[*turn]bool
	good     int           // successes since the limit last grew
	slow     bool          // its last answers were
	proven   bool          // it took mail, and nothing was wrong since
	pause    time.Time     // nothing before this
	rest     time.Duration // the last pause
	cut      time.Time     // when it was last halved; what began before is the same trouble
	troubled time.Time
	told     time.Time // when the admin last heard that it blocks us
	last     *failure
	used     time.Time // when the last turn began
	before   time.Time // and the one before it
}

// turn is one attempt at a destination.
type turn struct {
	pacer *pacer
	name  string
	start time.Time
}

// place is where mail for a domain goes, as far as is known.
func (p *pacer) place(domain string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.placeOf(domain)
}

func (p *pacer) placeOf(domain string) string {
	if d, ok := p.of[domain]; ok {
		return d
	}
	return domain
}

// The classes of destinations that share a third of the workers (queue.Room).
const (
	classNew  = "new"
	classSlow = "slow"
)

// limit is how many mails a destination may have at once.
func (p *pacer) limit(name string) queue.Room {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limitOf(name)
}

func (p *pacer) limitOf(name string) queue.Room {
	now := p.now()
	d := p.all[name]
	switch {
	case d == nil:
		return queue.Room{Jobs: firstLimit, Class: classNew}
	case now.Before(d.pause):
		return queue.Room{Again: d.pause, Class: classSlow}
	case d.slow || d.stuck(now):
		return queue.Room{Jobs: min(d.limit, slowLimit), Class: classSlow}
	case d.proven:
		return queue.Room{Jobs: d.limit}
	case d.troubled.IsZero():
		return queue.Room{Jobs: d.limit, Class: classNew}
	}
	return queue.Room{Jobs: d.limit, Class: classSlow}
}

// stuck says that an attempt takes long right now.
func (d *destination) stuck(now time.Time) bool {
	for t := range d.turns {
		if now.Sub(t.start) > slowAfter {
			return true
		}
	}
	return false
}

// enter begins an attempt for a domain, nil if there is no room; then last is
// the trouble there was, if any.
func (p *pacer) enter(domain string) (t *turn, last *failure, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t = &turn{pacer: p, start: p.now()}
	last, until, ok := p.join(t, p.placeOf(domain))
	if !ok {
		return nil, last, until
	}
	return t, nil, time.Time{}
}

func (p *pacer) join(t *turn, name string) (last *failure, until time.Time, ok bool) {
	room := p.limitOf(name)
	d := p.all[name]
	if d == nil {
		if len(p.all) >= maxKnown {
			p.forget()
		}
		d = &destination{limit: firstLimit, turns: map[*turn]bool{}}
		if p.all == nil {
			p.all = map[string]*destination{}
		}
		p.all[name] = d
	}
	if len(d.turns) >= room.Jobs {
		return d.last, room.Again, false
	}
	if now := t.start; now.Sub(d.troubled) > recovery {
		d.rest, d.last = 0, nil
	}
	d.before = d.used
	d.turns[t], d.used, t.name = true, t.start, name
	return nil, time.Time{}, true
}

// forget drops what nobody has used for longest.
func (p *pacer) forget() {
	old := p.now().Add(-recovery)
	for name, d := range p.all {
		if len(d.turns) == 0 && d.used.Before(old) {
			delete(p.all, name)
		}
	}
	if len(p.all) < maxKnown {
		return
	}
	for name, d := range p.all { // all within the hour: any of them
		if len(d.turns) == 0 {
			delete(p.all, name)
		}
	}
}

// move goes on at the destination that the domain turned out to have.
func (t *turn) move(domain, name string) (last *failure, until time.Time, ok bool) {
	p := t.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.placeOf(domain) != name {
		if p.of == nil || len(p.of) >= maxKnown {
			p.of = map[string]string{}
		}
		p.of[domain] = name
	}
	if t.name == name {
		return nil, time.Time{}, true
	}
	p.leave(t)
	return p.join(t, name)
}

func (p *pacer) leave(t *turn) {
	if d := p.all[t.name]; d != nil {
		delete(d.turns, t)
	}
	t.name = ""
}

// experience is how an attempt went for the destination.
type experience struct {
	good    bool          // it took the mail, or said clearly that it will not
	slowest time.Duration // it let us wait for an answer
	trouble *failure      // it wants less of us, or is not there
}

// end ends the turn.
func (t *turn) end(e experience) {
	p := t.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.all[t.name]
	if d == nil {
		return
	}
	defer p.leave(t)
	now := p.now()
	asks := e.trouble != nil && (e.trouble.sense == senseRate || e.trouble.sense == senseBlock)
	switch {
	case e.trouble != nil && (!e.good || asks):
		d.last, d.troubled, d.good, d.proven = e.trouble, now, 0, e.good
		if t.start.Before(d.cut) {
			return // the others that were on their way when it began
		}
		d.limit = max(d.limit/2, 1)
		d.rest = min(max(2*d.rest, firstPause), mostPause)
		pause := d.rest
		switch {
		case e.trouble.wait > 0:
			pause = max(min(e.trouble.wait, 2*blockPause), time.Second)
		case e.trouble.sense == senseBlock:
			pause = blockPause
		}
		d.cut, d.pause = now, now.Add(pause)
	case e.slowest > slowAfter:
		d.slow, d.good = true, 0
		d.limit = min(d.limit, slowLimit)
	case e.good:
		d.slow, d.proven = false, true
		d.good++
		need := 1
		if now.Sub(d.troubled) < recovery {
			need = 4 * d.limit
		}
		if d.good >= need && e.trouble == nil {
			d.good = 0
			d.limit = min(d.limit+1, mostLimit)
		}
	}
}

// busy says whether a destination has other mail too, now or a moment ago.
func (t *turn) busy() bool {
	p := t.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.all[t.name]
	return d != nil && (len(d.turns) > 1 || p.now().Sub(d.before) < maxIdle)
}

// first says whether nobody was told within the hour that it blocks us.
func (t *turn) first() bool {
	p := t.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.all[t.name]
	if d == nil || p.now().Sub(d.told) < time.Hour {
		return false
	}
	d.told = p.now()
	return true
}

// resume takes back the pause of a domain's destination: an operator says so.
func (p *pacer) resume(domain string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.all[p.placeOf(domain)]; d != nil {
		d.pause, d.rest = time.Time{}, 0
	}
}

// destinationOf names who runs the best of these hosts, which are in order:
// the domain that the host's name was registered as. Of several that are as
// good as the first, the one whose name sorts first, so that their being
// shuffled changes nothing.
func destinationOf(hosts []host) string {
	if len(hosts) == 0 {
		return ""
	}
	var names []string
	for _, h := range hosts {
		if h.pref != hosts[0].pref {
			break
		}
		name, err := publicsuffix.EffectiveTLDPlusOne(strings.TrimSuffix(h.name, "."))
		if err != nil {
			name = h.name // an address, or a name of one label
		}
		names = append(names, name)
	}
	return slices.Min(names)
}
