package relay

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/mail"

	"go.uber.org/goleak"
)

// pacerAt is a pacer with a clock of its own.
func pacerAt() (*pacer, *time.Time) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	return &pacer{now: func() time.Time { return now }, workers: 300}, &now
}

func (p *pacer) round(t *testing.T, domain string, e experience) {
	t.Helper()
	turn, last, _ := p.enter(domain)
	if turn == nil {
		t.Fatalf("%s has no room: %v", domain, last)
	}
	turn.end(e)
}

var tired = &failure{status: "4.7.0", sense: senseRate, trouble: true}

func TestPaceGrowsOneByOneAndIsHalvedByTrouble(t *testing.T) {
	t.Parallel()
	p, now := pacerAt()
	room := func() int { return p.limit("far.test").Jobs }
	if room() != firstLimit {
		t.Errorf("begins with %d", room())
	}
	for i := range 30 {
		p.round(t, "far.test", experience{good: true})
		if want := min(firstLimit+i+1, mostLimit); room() != want {
			t.Fatalf("after %d mails: %d, want %d", i+1, room(), want)
		}
	}
	// What was on its way when the trouble began is the same trouble.
	var turns []*turn
	for range 8 {
		turn, _, _ := p.enter("far.test")
		turns = append(turns, turn)
	}
	*now = now.Add(time.Second)
	for _, turn := range turns {
		turn.end(experience{trouble: tired})
	}
	if got := p.limit("far.test"); got.Jobs != 0 || got.Again.Sub(*now) != firstPause {
		t.Errorf("after trouble: %+v", got)
	}
	pauses := []time.Duration{}
	for range 8 {
		until := p.limit("far.test").Again
		pauses = append(pauses, until.Sub(*now))
		*now = until
		p.round(t, "far.test", experience{trouble: tired})
	}
	if pauses[1] != 2*firstPause || pauses[7] != mostPause {
		t.Errorf("pauses of %v", pauses)
	}
	*now = p.limit("far.test").Again
	if room() != 1 {
		t.Errorf("then %d at once, want 1", room())
	}
	for range 3 {
		p.round(t, "far.test", experience{good: true})
	}
	if room() != 1 {
		t.Error("grows as quickly as before the trouble")
	}
	p.round(t, "far.test", experience{good: true})
	if room() != 2 {
		t.Errorf("%d at once, want 2", room())
	}
}

func TestSlowDestinationNeverHasMoreThanFour(t *testing.T) {
	t.Parallel()
	p, now := pacerAt()
	for range 30 {
		p.round(t, "far.test", experience{good: true})
	}
	turn, _, _ := p.enter("far.test")
	*now = now.Add(slowAfter + time.Second) // and it has not answered yet
	if got := p.limit("far.test"); got.Jobs != slowLimit || got.Class != classSlow {
		t.Errorf("while one is stuck: %+v", got)
	}
	turn.end(experience{good: true, slowest: slowAfter + time.Second})
	if got := p.limit("far.test"); got.Jobs != slowLimit || got.Class != classSlow {
		t.Errorf("after a slow answer: %+v", got)
	}
	p.round(t, "far.test", experience{good: true})
	if got := p.limit("far.test"); got.Jobs != slowLimit+1 || got.Class != "" {
		t.Errorf("after a quick one: %+v", got)
	}
}

func TestDomainsOfOneProviderShareItsLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want  string
		hosts []host
	}{
		{"outlook.com", []host{{name: "a-fr.mail.protection.outlook.com"}}},
		{"orange.fr", []host{{name: "smtp-in.orange.fr", pref: 10}, {name: "mx.backup.net", pref: 20}}},
		{"a.co.uk", []host{{name: "mx.b.co.uk", pref: 5}, {name: "mx.a.co.uk", pref: 5}}},
		{"192.0.2.1", []host{{name: "192.0.2.1"}}},
	} {
		if got := destinationOf(c.hosts); got != c.want {
			t.Errorf("%v: got %s, want %s", c.hosts, got, c.want)
		}
	}
	p, _ := pacerAt()
	for _, domain := range []string{"a.test", "b.test"} {
		turn, _, _ := p.enter(domain)
		if _, _, ok := turn.move(domain, "provider.test"); !ok {
			t.Fatalf("%s has no room", domain)
		}
	}
	turn, _, _ := p.enter("c.test") // nobody knows yet that it is there too
	if _, _, ok := turn.move("c.test", "provider.test"); ok {
		t.Error("a third connection")
	}
	turn.end(experience{}) // harmless
	if turn, _, _ := p.enter("c.test"); turn != nil || p.place("c.test") != "provider.test" {
		t.Error("the second mail does not know where it goes")
	}
}

func TestTroubleOfOneRecipientIsNotTheDestinations(t *testing.T) {
	t.Parallel()
	for reply, slower := range map[string]bool{
		"450 4.2.0 greylisted": false, "452 4.2.2 full": false, "550 5.1.1 no": false, "421 4.7.0 go slower": true,
	} {
		n := newInternet(t)
		n.site("far.test", refuseRcpt(reply))
		n.one(n.mail("bob@far.test"))
		if paused := n.relay.pacer().limit("far.test").Jobs == 0; paused != slower {
			t.Errorf("%s: paused %v", reply, paused)
		}
	}
}

// peers that hold the connection open and say nothing.
func TestSilentPeersHoldUpNobodyElse(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.relay.Now = time.Now
	n.relay.stages = nil
	n.relay.Workers = 12
	n.keep(sample)
	hold := make(chan struct{})
	defer close(hold)
	var domains []string
	var quick []*sink
	for i := range 30 { // more of them than workers
		domain := fmt.Sprintf("silent%02d.test", i)
		n.site(domain, func(s *sink) { s.hold = hold })
		domains = append(domains, domain)
	}
	for i := range 6 {
		domain := fmt.Sprintf("quick%d.test", i)
		quick = append(quick, n.site(domain, nil))
		domains = append(domains, domain)
		n.relay.pacer().round(t, domain, experience{good: true}) // they have shown that they are
	}
	done := make(chan struct{})
	var mu sync.Mutex
	left := 6 * 20
	n.relay.Trace = func(_ context.Context, events ...delivery.Event) error {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			if e.What == delivery.Relayed {
				if left--; left == 0 {
					close(done)
				}
			}
		}
		return nil
	}
	n.post(20, domains...)
	stop := n.start()
	defer stop()
	select {
	case <-done: // while the silent ones still hold theirs
	case <-time.After(30 * time.Second):
		t.Fatalf("%d mails have not left", left)
	}
	for _, s := range quick {
		if len(s.took()) != 20 {
			t.Errorf("%s took %d", s.ip, len(s.took()))
		}
	}
}

func TestPausedDestinationHoldsItsMailAndTellsWhoIsLate(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", nil)
	var mu sync.Mutex
	n.relay.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return n.clock }
	n.keep(sample)
	n.relay.pacer().round(t, "far.test", experience{trouble: &failure{status: "4.7.0", host: "mx.far.test", reply: "451 4.7.0 blocked",
		sense: senseBlock, trouble: true, why: mail.MakeText("relay-why-later"), wait: 4 * time.Hour}})
	n.clock = n.clock.Add(time.Minute)
	n.post(1, "far.test")
	n.clock = n.clock.Add(3*time.Hour + 30*time.Minute)
	stop := n.start()
	for { // it is overdue: looked at, and put off
		if jobs, err := n.relay.Queue.List(t.Context(), delivery.JobRelay, 2); err != nil {
			t.Fatal(err)
		} else if len(jobs) == 1 && jobs[0].Reason != "" {
			break
		}
	}
	if far.calls() != 0 {
		t.Error("the destination was called in its pause")
	}
	stop()
	mu.Lock()
	n.clock = n.clock.Add(28 * time.Minute) // of its fourth hour; the warning is due in three minutes
	mu.Unlock()
	w := &work{Relay: n.mail("bob@far.test"), overdue: true}
	w.At = n.clock.Add(-warnAfter)
	if s := n.relay.run(t.Context(), w, letter(sample), yes); s.ended || len(w.Notices) != 1 || w.Notices[0].Action != delayed || w.Tries != 0 {
		t.Errorf("got %+v, notices %+v", s, w.Notices)
	}
	if many, err := n.relay.RetryDomain(t.Context(), "far.test"); err != nil || many != 1 {
		t.Fatal(many, err)
	}
	if n.relay.pacer().limit("far.test").Jobs == 0 {
		t.Error("an operator's word does not end the pause")
	}
}

func TestConnectionsAreUsedAgainAndGoneAtTheEnd(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("run", func(t *testing.T) {
		n := newInternet(t)
		n.relay.Now = time.Now
		n.keep(sample)
		far := n.site("far.test", func(s *sink) { s.cert = certificate(t, "mx.far.test") })
		n.mx("other.test", net.MX{Host: "mx.far.test.", Pref: 1})
		n.post(60, "far.test", "other.test")
		stop := n.start()
		if err := n.relay.Queue.Idle(t.Context(), delivery.JobRelay); err != nil {
			t.Fatal(err)
		}
		if got, calls := len(far.took()), far.calls(); got != 120 || calls > mostLimit+5 {
			t.Errorf("%d mails in %d connections", got, calls)
		}
		if far.said("RSET") == 0 {
			t.Error("no RSET between two mails")
		}
		stop()
		if n.relay.spare.count != 0 {
			t.Errorf("%d connections wait for a queue that has ended", n.relay.spare.count)
		}
	})
}

func TestConnectionThatDiedWhileItWaitedCostsNoAttempt(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", func(s *sink) { s.ehlo = []string{"PIPELINING"} })
	keep := func() { // as the second mail within a moment does
		n.relay.pacer().round(t, "far.test", experience{good: true})
	}
	keep()
	if p := n.one(n.mail("bob@far.test")); !p.sent || n.relay.spare.count != 1 {
		t.Fatalf("got %v, %d spare", p.last, n.relay.spare.count)
	}
	for _, list := range n.relay.spare.by {
		list[0].conn.(*net.TCPConn).CloseWrite() // the peer sees us go, and goes
	}
	if p := n.one(n.mail("eve@far.test")); !p.sent {
		t.Errorf("got %v", p.last)
	}
	if len(far.took()) != 2 || far.calls() != 2 {
		t.Errorf("%d mails in %d connections", len(far.took()), far.calls())
	}
	if p := n.one(n.mail("eve@far.test")); !p.sent || far.calls() != 2 {
		t.Errorf("got %v in %d connections", p.last, far.calls())
	}
}

func TestConnectionIsLeftAfterAHundredMails(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", nil)
	n.relay.pacer().round(t, "far.test", experience{good: true})
	for range maxMails + 1 {
		if p := n.one(n.mail("bob@far.test")); !p.sent {
			t.Fatal(p.last)
		}
	}
	if far.calls() != 2 {
		t.Errorf("%d connections, want 2", far.calls())
	}
}

func TestLastHostsAreThoseThatDidNotAnswer(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.host("b.far.test", nil)
	n.zone["a.far.test."] = n.zone["b.far.test."]
	n.mx("far.test", net.MX{Host: "a.far.test.", Pref: 1}, net.MX{Host: "b.far.test.", Pref: 2})
	order := func() string {
		hosts, f := n.relay.route(t.Context(), "far.test")
		if f != nil {
			t.Fatal(f)
		}
		var names []string
		for _, h := range n.relay.livelyFirst(hosts) {
			names = append(names, h.name[:1])
		}
		return strings.Join(names, "")
	}
	n.relay.died(host{name: "a.far.test"})
	if got := order(); got != "ba" {
		t.Errorf("got %s", got)
	}
	n.clock = n.clock.Add(deadFor)
	if got := order(); got != "ab" {
		t.Errorf("after a while: got %s", got)
	}
}
