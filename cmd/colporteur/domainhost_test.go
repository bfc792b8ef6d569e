package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/dns"
	"colporteur/dns/dnstest"
)

func TestCertificatesAreWantedForNamesOfDomainsThatLeadHere(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Add("mail.home.test. A 192.0.2.1", "mail.home.test. AAAA 2001:db8::1",
		"mta-sts.home.test. CNAME mail.home.test.",
		"autoconfig.home.test. CNAME mail.home.test.", "autodiscover.home.test. A 198.51.100.9",
		"mta-sts.away.test. A 198.51.100.9",
		"mta-sts.half.test. A 192.0.2.1", "mta-sts.half.test. AAAA 2001:db8::bad",
		"mta-sts.local.test. A 192.0.2.77")
	z.Break("mta-sts.broken.test")
	z.Break("mta-sts.kept.test")
	domains := []string{"home.test", "away.test", "half.test", "local.test", "none.test", "broken.test", "kept.test"}
	live := map[string]context.Context{}
	now := time.Now()
	p := &domainHosts{hostname: "mail.home.test", dns: &dns.Client{Servers: []string{z.Addr}, Now: func() time.Time { return now }},
		domains: func(context.Context) ([]string, error) { return domains, nil },
		own:     func() []net.IP { return []net.IP{net.ParseIP("192.0.2.77")} },
		have:    func(name string) bool { return name == "mta-sts.kept.test" },
		manage: func(ctx context.Context, name string) {
			if live[name] != nil {
				t.Errorf("%s is managed twice", name)
			}
			live[name] = ctx
		},
		forget: func(name string) {
			if live[name].Err() == nil {
				t.Errorf("%s is still being ordered", name)
			}
			delete(live, name)
		},
		log: slog.New(slog.DiscardHandler)}
	round := func(want string) {
		t.Helper()
		p.round(t.Context())
		if got := strings.Join(slices.Sorted(maps.Keys(live)), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		now = now.Add(2 * time.Hour)
	}
	round("autoconfig.home.test mta-sts.home.test mta-sts.kept.test mta-sts.local.test")
	round("autoconfig.home.test mta-sts.home.test mta-sts.kept.test mta-sts.local.test")
	// What is not known for an hour changes nothing.
	z.Break("mta-sts.home.test")
	round("autoconfig.home.test mta-sts.home.test mta-sts.kept.test mta-sts.local.test")
	z.Mend("mta-sts.home.test")
	z.Mend("mta-sts.kept.test") // to nothing
	z.Remove("mta-sts.half.test", 28)
	round("autoconfig.home.test mta-sts.half.test mta-sts.home.test mta-sts.local.test")
	domains = domains[1:]
	round("mta-sts.half.test mta-sts.local.test")
	p.domains = func(context.Context) ([]string, error) { return nil, errors.New("away") }
	round("mta-sts.half.test mta-sts.local.test")
}
