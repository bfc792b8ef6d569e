package rfc2136_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/libdns/libdns"

	"colporteur/dkim/keyring"
	"colporteur/dkim/records"
	"colporteur/dns"
	"colporteur/store/storetest"
)

func TestWhatIsMissingIsPublishedAndWhatAPersonWroteStays(t *testing.T) {
	t.Parallel()
	addr := named(t)
	ctx := t.Context()
	p := &records.Publisher{Provider: provider(addr)}
	if _, err := p.Provider.SetRecords(ctx, "home.test.", []libdns.Record{
		libdns.TXT{Name: "_mta-sts", Text: "v=STSv1; id=old"}, libdns.TXT{Name: "_dmarc", Text: "v=DMARC1; p=oops; rua=mailto:x@home.test"}}); err != nil {
		t.Fatal(err)
	}
	d := records.Domain{Name: "home.test", STS: "enforce", Host: records.Host{Name: "mail.home.test",
		Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.7")}, TLSA: []string{"3 1 1 " + strings.Repeat("ab", 32)},
		CA: "letsencrypt.org", Services: []records.Port{{Service: "_imaps._tcp", Port: 993}}}}
	// A resolver that never remembers.
	look := func() []records.Finding {
		return records.Check(ctx, &dns.Client{Servers: []string{addr}}, records.Wanted(d))
	}
	for _, done := range p.Publish(ctx, look()) {
		if done.Err != nil {
			t.Errorf("%s %s: %v", done.Record.Name, done.Record.Type, done.Err)
		}
	}
	for _, f := range look() {
		want := records.Good
		switch f.Record.Kind {
		case records.SPF, records.DMARC: // a person's: they do not let us send, and have a typo
			want = records.Wrong
		case records.Reverse, records.TLSA, records.CAA:
			continue // in another zone; in one that is not signed; this server says nothing of "test"
		}
		if f.Verdict != want {
			t.Errorf("%s %s: %s (%s), the DNS has %q", f.Record.Name, f.Record.Type, f.Verdict, f.Text.ID, f.Now)
		}
	}
	all, err := p.Provider.GetRecords(ctx, "home.test.")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, r := range all {
		if x, ok := r.(libdns.TXT); ok && (x.Name == "@" || x.Name == "_dmarc") {
			texts = append(texts, x.Text)
		}
	}
	slices.Sort(texts)
	if !slices.Equal(texts, []string{"some-service=mark", "v=DMARC1; p=oops; rua=mailto:x@home.test", "v=spf1 ip4:192.0.2.1 -all"}) {
		t.Errorf("texts of others: %q", texts)
	}
	if again := p.Publish(ctx, look()); len(again) != 0 {
		t.Errorf("published again: %+v", again)
	}
	// A resolver that has not heard of what the primary has: no second SPF.
	for _, f := range look() {
		if f.Record.Kind == records.SPF {
			f.Verdict = records.Missing
			if again := p.Publish(ctx, []records.Finding{f}); len(again) != 0 {
				t.Errorf("a second SPF record: %+v", again)
			}
		}
	}
}

func TestOnlyOurZoneIsChanged(t *testing.T) {
	t.Parallel()
	addr := named(t)
	for _, zone := range []string{"", "home.test"} {
		p := &records.Publisher{Provider: provider(addr), Zone: zone}
		for name, want := range map[string]bool{"a._domainkey.home.test": true, "home.test": true, "far.test": false, "nothome.test": false, "7.100.51.198.in-addr.arpa": false} {
			if got := p.Covers(t.Context(), name); got != want {
				t.Errorf("zone %q: %s: got %v, want %v", zone, name, got, want)
			}
		}
		if err := p.SetTXT(t.Context(), "x.far.test", "x"); err == nil {
			t.Error("a record elsewhere was published")
		}
	}
}

func TestAKeyringPublishesThroughNamed(t *testing.T) {
	t.Parallel()
	addr := named(t)
	r := &keyring.Ring{DB: storetest.SQLite(t), Key: make([]byte, 32), DNS: &dns.Client{Servers: []string{addr}},
		Domains:   func(context.Context) ([]string, error) { return []string{"home.test"}, nil },
		Publisher: &records.Publisher{Provider: provider(addr)}}
	if err := r.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.DNS = &dns.Client{Servers: []string{addr}} // one that does not remember that there was nothing
	keys, err := r.Signing(t.Context(), "home.test")
	if err != nil || len(keys) != 2 {
		t.Fatalf("got %d keys, %v", len(keys), err)
	}
	if _, err := r.Rotate(t.Context(), "home.test"); err != nil {
		t.Fatal(err)
	}
	all, err := r.List(t.Context(), "home.test")
	if err != nil || len(all) != 4 {
		t.Fatalf("got %+v, %v", all, err)
	}
}
