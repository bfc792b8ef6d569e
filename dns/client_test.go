package dns_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/dns"
	"colporteur/dns/dnstest"
)

func TestAMissingNameIsNotAMissingRecord(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Add("home.test. MX 10 mail.home.test.", "mail.home.test. A 192.0.2.1")
	c := z.Client()
	for name, want := range map[string]bool{"home.test": true, "mail.home.test.": true, "nobody.test": false, "x.home.test": false} {
		if got, err := c.Exists(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	_, err := c.LookupTXT(t.Context(), "home.test")
	var e *net.DNSError
	if !errors.As(err, &e) || !e.IsNotFound || e.IsTemporary {
		t.Errorf("no TXT: got %v, want a DNSError that is not found", err)
	}
}

func TestTextIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	texts := []string{`v=DMARC1; p=none`, `quotes " and \ back`, strings.Repeat("0123456789", 60), "\x01\xff é"}
	for i, s := range texts {
		z.TXT("t"+string(rune('0'+i))+".test", s)
	}
	for i, want := range texts[:3] {
		got, err := z.Client().LookupTXT(t.Context(), "t"+string(rune('0'+i))+".test")
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestALongAnswerComesOverTCP(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.TXT("long.test", strings.Repeat("a", 40_000))
	got, err := z.Client().LookupTXT(t.Context(), "long.test")
	if err != nil || len(got) != 1 || len(got[0]) != 40_000 {
		t.Fatalf("got %d records, %v", len(got), err)
	}
}

func TestAnAliasIsFollowedAndALoopEnds(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Add("a.test. CNAME b.test.", "b.test. CNAME c.test.", "c.test. A 192.0.2.7", "x.test. CNAME y.test.", "y.test. CNAME x.test.")
	a, err := z.Client().Ask(t.Context(), "a.test", mdns.TypeA)
	if err != nil || a.Name != "c.test" || len(a.Records) != 1 {
		t.Errorf("got %+v, %v", a, err)
	}
	if a, err := z.Client().Ask(t.Context(), "x.test", mdns.TypeA); err != nil || len(a.Records) != 0 {
		t.Errorf("a loop: got %+v, %v", a, err)
	}
}

func TestOnlyAResolverOnLoopbackIsBelieved(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Add("safe.test. A 192.0.2.1", "open.test. A 192.0.2.2")
	z.Sign("safe.test")
	c := z.Client()
	for name, want := range map[string]bool{"safe.test": true, "open.test": false} {
		if a, err := c.Ask(t.Context(), name, mdns.TypeA); err != nil || a.Secure != want {
			t.Errorf("%s: secure %v, %v, want %v", name, a.Secure, err, want)
		}
	}
	if !c.Validates() {
		t.Error("a client of loopback resolvers cannot validate")
	}
	away := &dns.Client{Servers: []string{"192.0.2.53:53"}}
	if away.Validates() {
		t.Error("a resolver elsewhere is believed")
	}
	if away = (&dns.Client{Servers: []string{"192.0.2.53:53"}, TrustAD: true}); !away.Validates() {
		t.Error("a resolver that the operator trusts is not believed")
	}
}

func TestWhatIsBogusIsTemporaryAndNotRemembered(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Add("b.test. A 192.0.2.1")
	z.Break("b.test")
	c := z.Client()
	_, err := c.Ask(t.Context(), "b.test", mdns.TypeA)
	var e *net.DNSError
	if !errors.Is(err, dns.ErrBogus) || !errors.As(err, &e) || !e.IsTemporary || e.IsNotFound {
		t.Fatalf("got %v", err)
	}
	z.Mend("b.test")
	if a, err := c.Ask(t.Context(), "b.test", mdns.TypeA); err != nil || len(a.Records) != 1 {
		t.Errorf("mended: got %+v, %v", a, err)
	}
}

func TestSilenceIsNoticedSoThatNotEveryMailWaits(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Silence("s.test")
	c := &dns.Client{Servers: []string{z.Addr}, Timeout: 20 * time.Millisecond}
	for range 5 {
		if _, err := c.Ask(t.Context(), "s.test", mdns.TypeA); err == nil {
			t.Fatal("silence was an answer")
		}
	}
	asked := z.Asked("s.test")
	for range 100 {
		if _, err := c.Ask(t.Context(), "s.test", mdns.TypeA); err == nil {
			t.Fatal("silence was an answer")
		}
	}
	if n := z.Asked("s.test") - asked; n > 4 { // one probe, each server twice
		t.Errorf("%d questions went out although nobody answers", n)
	}
}

func TestAnswersLastAsLongAsTheySay(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Add("now.test. A 192.0.2.1")
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c := &dns.Client{Servers: []string{z.Addr}, Now: func() time.Time { return now }}
	z.Add("kept.test. 300 IN A 192.0.2.1")
	for range 3 {
		c.Ask(t.Context(), "now.test", mdns.TypeA)
		c.Ask(t.Context(), "kept.test", mdns.TypeA)
	}
	if z.Asked("now.test") != 3 || z.Asked("kept.test") != 1 {
		t.Errorf("asked %d and %d times, want 3 and 1", z.Asked("now.test"), z.Asked("kept.test"))
	}
	now = now.Add(301 * time.Second)
	c.Ask(t.Context(), "kept.test", mdns.TypeA)
	if z.Asked("kept.test") != 2 {
		t.Error("an answer outlived its time")
	}
}

func TestWhoLeavesDoesNotWait(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Silence("s.test")
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error)
	go func() {
		_, err := z.Client().Ask(ctx, "s.test", mdns.TypeA)
		asked <- err
	}()
	for z.Asked("s.test") == 0 {
		runtime.Gosched()
	}
	began := time.Now()
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestBothFamiliesAreFoundAndNamesOfAddressesToo(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Add("m.test. A 192.0.2.1", "m.test. AAAA 2001:db8::1", "1.2.0.192.in-addr.arpa. PTR m.test.", "m.test. MX 20 b.test.", "m.test. MX 10 a.test.")
	c := z.Client()
	ips, err := c.LookupIPAddr(t.Context(), "m.test")
	if err != nil || len(ips) != 2 {
		t.Errorf("got %v, %v", ips, err)
	}
	names, err := c.LookupAddr(t.Context(), "192.0.2.1")
	if err != nil || !slices.Equal(names, []string{"m.test."}) {
		t.Errorf("got %v, %v", names, err)
	}
	mx, err := c.LookupMX(t.Context(), "m.test")
	if err != nil || len(mx) != 2 || mx[0].Host != "a.test." {
		t.Errorf("got %v, %v", mx, err)
	}
}
