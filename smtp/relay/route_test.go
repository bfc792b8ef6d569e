package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/foxcpp/go-mockdns"
)

//
func TestHostsAreTriedInOrderOfPreference(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	order := []string{}
	for _, name := range []string{"c", "a", "b"} {
		n.host(name+".far.test", func(s *sink) { s.banner = "421 4.3.2 no" })
	}
	n.mx("far.test", net.MX{Host: "c.far.test.", Pref: 30}, net.MX{Host: "a.far.test.", Pref: 10}, net.MX{Host: "b.far.test.", Pref: 20})
	back := map[string]string{}
	for name, z := range n.zone {
		if len(z.A) > 0 {
			back[z.A[0]] = name
		}
	}
	n.relay.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ip, _, _ := net.SplitHostPort(addr)
		order = append(order, back[ip])
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	n.one(n.mail("bob@far.test"))
	if got := strings.Join(order, " "); got != "a.far.test. b.far.test. c.far.test." {
		t.Errorf("got %s", got)
	}
}

func TestHostsOfEqualPreferenceShareTheLoad(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.mx("far.test", net.MX{Host: "a.far.test.", Pref: 10}, net.MX{Host: "b.far.test.", Pref: 10}, net.MX{Host: "z.far.test.", Pref: 20})
	first := map[string]int{}
	for range 200 {
		hosts, f := n.relay.route(t.Context(), "far.test")
		if f != nil || len(hosts) != 3 || hosts[2].name != "z.far.test" {
			t.Fatalf("got %v %v", hosts, f)
		}
		first[hosts[0].name]++
	}
	// Each is first half of the time; 60 of 200 is nine deviations away.
	if first["a.far.test"] < 60 || first["b.far.test"] < 60 {
		t.Errorf("got %v", first)
	}
}

// what DNS says decides between delivery, bounce and another try.
func TestWhatDNSSaysDecides(t *testing.T) {
	t.Parallel()
	servfail := &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	many := func() (mxs []net.MX) {
		for i := range 50 {
			mxs = append(mxs, net.MX{Host: fmt.Sprintf("h%d.far.test.", i), Pref: 10})
		}
		return mxs
	}
	for _, c := range []struct {
		name   string
		zone   map[string]mockdns.Zone
		lost   bool
		status string
	}{
		{"no such domain", nil, true, "5.1.2"},
		{"null MX", map[string]mockdns.Zone{"far.test.": {MX: []net.MX{{Host: "."}}, A: []string{"127.0.0.1"}}}, true, "5.1.10"},
		{"MX times out", map[string]mockdns.Zone{"far.test.": {Err: servfail}}, false, "4.4.3"},
		{"MX host times out", map[string]mockdns.Zone{"far.test.": {MX: []net.MX{{Host: "mx.far.test."}}}, "mx.far.test.": {Err: servfail}}, false, "4.4.3"},
		{"MX host does not exist", map[string]mockdns.Zone{"far.test.": {MX: []net.MX{{Host: "mx.far.test."}}}}, true, "5.4.4"},
		{"fifty hosts without address", map[string]mockdns.Zone{"far.test.": {MX: many()}}, true, "5.4.4"},
		{"neither MX nor address", map[string]mockdns.Zone{"far.test.": {TXT: []string{"x"}}}, true, "5.1.2"},
		{"only we", map[string]mockdns.Zone{"far.test.": {MX: []net.MX{{Host: "MAIL.home.test."}}}}, true, "5.4.6"},
		{"we are the best", map[string]mockdns.Zone{"far.test.": {MX: []net.MX{{Host: "mail.home.test.", Pref: 1}, {Host: "mx.far.test.", Pref: 2}}}}, true, "5.4.6"},
	} {
		n := newInternet(t)
		n.relay.Resolver = &mockdns.Resolver{Zones: c.zone}
		n.relay.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s: a connection was made", c.name)
			return nil, errors.New("no")
		}
		if p := n.one(n.mail("bob@far.test")); p.lost() != c.lost || p.last.status != c.status {
			t.Errorf("%s: got lost %v, %v", c.name, p.lost(), p.last.status)
		}
	}
}

func TestImplicitAndAliasedHostsAreFound(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.host("far.test", nil) // an address, no MX
	if p := n.one(n.mail("bob@far.test")); !p.sent {
		t.Errorf("implicit MX: %v", p.last)
	}
	n.zone["alias.test."] = mockdns.Zone{CNAME: "far.test."}
	n.mx("other.test", net.MX{Host: "alias.test.", Pref: 1})
	if p := n.one(n.mail("bob@other.test")); !p.sent {
		t.Errorf("MX that is a CNAME: %v", p.last)
	}
	if len(far.took()) != 2 {
		t.Errorf("got %d mails", len(far.took()))
	}
}

func TestOurselvesAmongTheHostsEndTheList(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.mx("far.test", net.MX{Host: "a.far.test.", Pref: 5}, net.MX{Host: "b.far.test.", Pref: 10},
		net.MX{Host: "mail.home.test.", Pref: 10}, net.MX{Host: "c.far.test.", Pref: 20})
	for range 20 {
		hosts, f := n.relay.route(t.Context(), "far.test")
		if f != nil || len(hosts) != 1 || hosts[0].name != "a.far.test" {
			t.Fatalf("got %v %v", hosts, f)
		}
	}
}

// strangers' DNS must not send us into our own network.
func TestAddressesThatAreNotTheInternetAreNeverCalled(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3", "::", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "198.18.0.1", "2001:db8::1"} {
		n := newInternet(t)
		n.relay.AllowPrivate = false
		n.zone["mx.far.test."] = mockdns.Zone{A: []string{ip}}
		n.mx("far.test", net.MX{Host: "mx.far.test.", Pref: 1})
		n.relay.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s was called", ip)
			return nil, errors.New("no")
		}
		p := n.one(n.mail("bob@far.test"))
		// Our own addresses, which 127.0.0.1 is one of, are a loop.
		if !p.lost() || p.last.status != "5.4.4" && p.last.status != "5.4.6" {
			t.Errorf("%s: got %v", ip, p.last)
		}
	}
	for _, ip := range []string{"8.8.8.8", "2600::1", "64:ff9b::808:808", "100.128.0.1", "172.32.0.1"} {
		n := newInternet(t)
		n.relay.AllowPrivate = false
		n.zone["far.test."] = mockdns.Zone{A: []string{ip}}
		called := false
		n.relay.Dial = func(context.Context, string, string) (net.Conn, error) { called = true; return nil, errors.New("no") }
		if n.one(n.mail("bob@far.test")); !called {
			t.Errorf("%s was not called", ip)
		}
	}
}

// The dialer looks again, whatever the resolver's answer was before.
func TestDialerRefusesLoopbackByItself(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", nil)
	n.relay.AllowPrivate = false
	addr, _ := n.relay.lookup(t.Context(), host{name: far.ip})
	if c, err := n.relay.dial(t.Context(), host{name: "mx.far.test", port: n.port}, addr[0]); err == nil {
		c.Close()
		t.Error("connected")
	}
	if far.calls() != 0 {
		t.Error("the peer saw a connection")
	}
}

func TestBothAddressFamiliesAreTriedInTurn(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	var order []string
	n.zone["far.test."] = mockdns.Zone{A: []string{"192.0.2.1", "192.0.2.2"}, AAAA: []string{"2001:db8::1", "2001:db8::2"}}
	n.relay.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
		ip, _, _ := net.SplitHostPort(addr)
		order = append(order, ip)
		return nil, errors.New("network is unreachable")
	}
	p := n.one(n.mail("bob@far.test"))
	if got := strings.Join(order, " "); got != "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2" || p.lost() {
		t.Errorf("got %s, %v", got, p.last)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	var mxs []net.MX
	for i := range 50 {
		name := fmt.Sprintf("h%d.far.test.", i)
		mxs = append(mxs, net.MX{Host: name, Pref: uint16(i)})
		n.zone[name] = mockdns.Zone{A: []string{fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("192.0.3.%d", i), fmt.Sprintf("192.0.4.%d", i)}}
	}
	n.mx("far.test", mxs...)
	calls := 0
	n.relay.Dial = func(context.Context, string, string) (net.Conn, error) { calls++; return nil, errors.New("no") }
	if n.one(n.mail("bob@far.test")); calls != maxAddresses {
		t.Errorf("got %d connections, want %d", calls, maxAddresses)
	}
}

func TestSmarthostTakesAllMail(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	hub := n.host("hub.home.test", nil)
	n.relay.AllowPrivate = false // the operator's word counts
	n.relay.Smarthost = fmt.Sprintf("hub.home.test:%d", n.port)
	if p := n.one(n.mail("bob@nowhere.test")); !p.sent || len(hub.took()) != 1 {
		t.Errorf("got %+v %v", p, p.last)
	}
}
