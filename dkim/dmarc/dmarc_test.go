package dmarc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/dns"
	"colporteur/dns/dnstest"
	"colporteur/mail"
)

func author(domain string) Author { return Author{Domain: domain} }

func signed(domains ...string) (all []mail.DKIMResult) {
	for _, d := range domains {
		all = append(all, mail.DKIMResult{Result: mail.Pass, Domain: d})
	}
	return all
}

func sent(domain string) mail.SPFResult { return mail.SPFResult{Result: mail.Pass, Domain: domain} }

// zone has one organisation of every kind.
func zone(t *testing.T) *dnstest.Zone {
	z := dnstest.New(t)
	for name, text := range map[string]string{
		"plain.test":          "v=DMARC1; p=reject; sp=quarantine; np=none; rua=mailto:r@plain.test",
		"own.plain.test":      "v=DMARC1; p=none; sp=reject",
		"island.plain.test":   "v=DMARC1; p=quarantine; psd=n",
		"strict.test":         "v=DMARC1; p=reject; adkim=s; aspf=s",
		"testing.test":        "v=DMARC1; p=reject; sp=quarantine; np=none; t=y",
		"zero.test":           "v=DMARC1; p=quarantine; pct=0",
		"broken.test":         "v=DMARC1; p=rejekt",
		"typo.test":           "v=DMARC1; p=rejekt; sp=reject; rua=mailto:r@typo.test",
		"bank":                "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y",
		"told.bank":           "v=DMARC1; p=reject",
		"co.uk":               "v=DMARC1; p=reject",
		"shop.co.uk":          "v=DMARC1; p=none",
		"xn--bcher-kva.test":  "v=DMARC1; p=reject",
		"d.e.f.g.h.deep.test": "v=DMARC1; p=reject; psd=n",
	} {
		z.TXT("_dmarc."+name, text)
		z.Add(name + ". A 192.0.2.1")
	}
	z.TXT("_dmarc.two.test", "v=DMARC1; p=reject")
	z.TXT("_dmarc.two.test", "v=DMARC1; p=none")
	z.TXT("_dmarc.mixed.test", "some other text")
	z.TXT("_dmarc.mixed.test", "v=DMARC1; p=reject")
	z.Add("a.plain.test. A 192.0.2.1", "b.a.plain.test. A 192.0.2.1", "a.testing.test. A 192.0.2.1", "some.bank. A 192.0.2.1",
		"a.b.c.d.e.f.g.h.deep.test. A 192.0.2.1")
	return z
}

func TestPoliciesAndAlignment(t *testing.T) {
	t.Parallel()
	c := zone(t).Client()
	for _, x := range []struct {
		name   string
		author string
		spf    mail.SPFResult
		dkim   []mail.DKIMResult
		want   mail.Result
		at     string // where the policy is
		demand mail.Demand
		org    string
	}{
		{"nothing proven", "plain.test", mail.SPFResult{}, nil, mail.Fail, "plain.test", "reject", "plain.test"},
		{"its own signature", "plain.test", mail.SPFResult{}, signed("plain.test"), mail.Pass, "plain.test", "reject", "plain.test"},
		{"its own SPF", "plain.test", sent("plain.test"), nil, mail.Pass, "plain.test", "reject", "plain.test"},
		{"signed below", "plain.test", mail.SPFResult{}, signed("other.test", "x.y.plain.test"), mail.Pass, "plain.test", "reject", "plain.test"},
		{"SPF beside", "b.a.plain.test", sent("news.plain.test"), nil, mail.Pass, "plain.test", "quarantine", "plain.test"},
		{"signed above", "a.plain.test", mail.SPFResult{}, signed("plain.test"), mail.Pass, "plain.test", "quarantine", "plain.test"},
		{"somebody else", "a.plain.test", sent("other.test"), signed("evil.test", "notplain.test"), mail.Fail, "plain.test", "quarantine", "plain.test"},
		{"no such name", "ghost.plain.test", mail.SPFResult{}, nil, mail.Fail, "plain.test", "none", "plain.test"},
		{"a record of its own", "own.plain.test", mail.SPFResult{}, signed("plain.test"), mail.Pass, "own.plain.test", "none", "plain.test"},
		{"an organisation inside", "island.plain.test", mail.SPFResult{}, signed("plain.test"), mail.Fail, "island.plain.test", "quarantine", "island.plain.test"},
		{"from inside for outside", "plain.test", mail.SPFResult{}, signed("island.plain.test"), mail.Fail, "plain.test", "reject", "plain.test"},
		{"below inside", "x.island.plain.test", sent("y.island.plain.test"), nil, mail.Pass, "island.plain.test", "quarantine", "island.plain.test"},
		{"strict, below", "strict.test", sent("a.strict.test"), signed("b.strict.test"), mail.Fail, "strict.test", "reject", "strict.test"},
		{"strict, the same", "strict.test", mail.SPFResult{}, signed("strict.test"), mail.Pass, "strict.test", "reject", "strict.test"},
		{"testing", "testing.test", mail.SPFResult{}, nil, mail.Fail, "testing.test", "quarantine", "testing.test"},
		{"testing, below", "a.testing.test", mail.SPFResult{}, nil, mail.Fail, "testing.test", "none", "testing.test"},
		{"pct=0", "zero.test", mail.SPFResult{}, nil, mail.Fail, "zero.test", "none", "zero.test"},
		{"broken", "broken.test", mail.SPFResult{}, signed("broken.test"), mail.PermError, "", "", "broken.test"},
		{"broken, with reports", "typo.test", mail.SPFResult{}, nil, mail.Fail, "typo.test", "none", "typo.test"},
		{"broken, below", "a.typo.test", mail.SPFResult{}, nil, mail.Fail, "typo.test", "none", "typo.test"},
		{"none", "nobody.test", sent("nobody.test"), signed("nobody.test"), mail.None, "", "", "nobody.test"},
		{"two records", "two.test", mail.SPFResult{}, nil, mail.None, "", "", "two.test"},
		{"another text beside", "mixed.test", mail.SPFResult{}, nil, mail.Fail, "mixed.test", "reject", "mixed.test"},
		{"of a registry", "a.some.bank", mail.SPFResult{}, signed("some.bank"), mail.Pass, "bank", "reject", "some.bank"},
		{"of a registry, existing", "some.bank", mail.SPFResult{}, signed("other.bank"), mail.Fail, "bank", "quarantine", "some.bank"},
		{"the registry itself", "bank", mail.SPFResult{}, nil, mail.Fail, "bank", "none", "bank"},
		{"not of a registry", "told.bank", mail.SPFResult{}, signed("bank"), mail.Fail, "told.bank", "reject", "told.bank"},
		{"a registry without psd", "shop.co.uk", mail.SPFResult{}, signed("evil.co.uk"), mail.Fail, "shop.co.uk", "none", "shop.co.uk"},
		{"below such", "a.new.co.uk", mail.SPFResult{}, signed("new.co.uk"), mail.Pass, "co.uk", "reject", "new.co.uk"},
		{"of a U-label", "xn--bcher-kva.test", mail.SPFResult{}, signed("mail.xn--bcher-kva.test"), mail.Pass, "xn--bcher-kva.test", "reject", "xn--bcher-kva.test"},
		{"ten labels", "a.b.c.d.e.f.g.h.deep.test", sent("x.d.e.f.g.h.deep.test"), nil, mail.Pass, "d.e.f.g.h.deep.test", "reject", "d.e.f.g.h.deep.test"},
	} {
		got := Evaluate(t.Context(), c, author(x.author), x.spf, x.dkim)
		var at string
		var demand mail.Demand
		if got.Policy != nil {
			at, demand = got.Policy.Domain, got.Policy.Demand
		}
		if got.Result != x.want || at != x.at || demand != x.demand || got.Org != x.org || got.From != x.author {
			t.Errorf("%s: got %+v, policy %+v, want %s, %s at %s, of %s", x.name, got, got.Policy, x.want, x.demand, x.at, x.org)
		}
	}
}

func TestOnlyWhatIsWholeAndPassesCounts(t *testing.T) {
	t.Parallel()
	c := zone(t).Client()
	for name, x := range map[string]struct {
		spf  mail.SPFResult
		dkim mail.DKIMResult
		want mail.Result
	}{
		"partly signed":          {dkim: mail.DKIMResult{Result: mail.Pass, Domain: "plain.test", Partial: true}, want: mail.Fail},
		"a key under test":       {dkim: mail.DKIMResult{Result: mail.Pass, Domain: "plain.test", Testing: true}, want: mail.Pass},
		"a weak key":             {dkim: mail.DKIMResult{Result: mail.PolicyNo, Domain: "plain.test"}, want: mail.Fail},
		"soft":                   {spf: mail.SPFResult{Result: mail.SoftFail, Domain: "plain.test"}, want: mail.Fail},
		"neutral":                {spf: mail.SPFResult{Result: mail.Neutral, Domain: "plain.test"}, want: mail.Fail},
		"SPF not known":          {spf: mail.SPFResult{Result: mail.TempError, Domain: "plain.test"}, want: mail.TempError},
		"of no matter":           {spf: mail.SPFResult{Result: mail.TempError, Domain: "other.test"}, want: mail.Fail},
		"key not known":          {dkim: mail.DKIMResult{Result: mail.TempError, Domain: "a.plain.test"}, want: mail.TempError},
		"one is enough":          {spf: mail.SPFResult{Result: mail.TempError, Domain: "plain.test"}, dkim: mail.DKIMResult{Result: mail.Pass, Domain: "plain.test"}, want: mail.Pass},
		"a signature of nobody":  {dkim: mail.DKIMResult{Result: mail.Pass}, want: mail.Fail},
		"a signature of the top": {dkim: mail.DKIMResult{Result: mail.Pass, Domain: "test"}, want: mail.Fail},
	} {
		got := Evaluate(t.Context(), c, author("plain.test"), x.spf, []mail.DKIMResult{x.dkim})
		if got.Result != x.want {
			t.Errorf("%s: got %+v, want %s", name, got, x.want)
		}
	}
}

func TestWithoutOneAuthorItFails(t *testing.T) {
	t.Parallel()
	c := zone(t).Client()
	a := ReadAuthor([]byte("From: ann@plain.test\r\nFrom: bob@plain.test\r\n\r\n"))
	got := Evaluate(t.Context(), c, a, sent("plain.test"), signed("plain.test"))
	if got.Result != mail.Fail || got.From != "" || got.Policy != nil || got.Reason == "" {
		t.Errorf("got %+v", got)
	}
}

// The names of the example in RFC 9989 §4.10, and no others.
func TestTheWalkAsksEightTimesAtMost(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	Discover(t.Context(), z.Client(), author("a.b.c.d.e.f.g.h.i.j.mail.example.com"))
	for name, want := range map[string]int{
		"a.b.c.d.e.f.g.h.i.j.mail.example.com": 1, "b.c.d.e.f.g.h.i.j.mail.example.com": 0, "f.g.h.i.j.mail.example.com": 0,
		"g.h.i.j.mail.example.com": 1, "h.i.j.mail.example.com": 1, "i.j.mail.example.com": 1, "j.mail.example.com": 1,
		"mail.example.com": 1, "example.com": 1, "com": 1,
	} {
		if got := z.Asked("_dmarc." + name); got != want {
			t.Errorf("%s: asked %d times, want %d", name, got, want)
		}
	}
}

func TestManySigningDomainsAreNotAllAskedFor(t *testing.T) {
	t.Parallel()
	z := zone(t)
	var domains []string
	for i := range 50 {
		domains = append(domains, fmt.Sprintf("d%d.plain.test", i))
		z.TXT("_dmarc."+domains[i], "v=DMARC1; p=none; psd=n")
	}
	got := Evaluate(t.Context(), z.Client(), author("plain.test"), mail.SPFResult{}, signed(domains...))
	asked := 0
	for _, d := range domains {
		asked += z.Asked("_dmarc." + d)
	}
	if got.Result != mail.Fail || asked > maxDomains {
		t.Errorf("%d domains were asked for, got %+v", asked, got)
	}
}

func TestFaultsOfTheDNSAreTemporary(t *testing.T) {
	t.Parallel()
	z := zone(t)
	z.Break("_dmarc.away.test")
	z.Break("_dmarc.test") // above the domain whose record is there
	z.TXT("_dmarc.np.bank", "v=DMARC1; p=reject; np=none; psd=n")
	z.Break("ghost.np.bank")
	c := z.Client()
	for _, x := range []struct {
		author string
		dkim   []mail.DKIMResult
		want   mail.Result
	}{
		{"away.test", signed("away.test"), mail.TempError},
		{"x.away.test", nil, mail.TempError},
		{"plain.test", signed("plain.test"), mail.Pass}, // the same name: no organisation is needed
		{"plain.test", signed("a.plain.test"), mail.TempError},
		{"plain.test", signed("away.bank"), mail.Fail}, // not even the top is the same
		{"strict.test", signed("a.strict.test"), mail.Fail},
		{"plain.test", nil, mail.Fail},
		{"ghost.np.bank", nil, mail.TempError}, // p or np?
		{"ghost.np.bank", signed("np.bank"), mail.Pass},
	} {
		if got := Evaluate(t.Context(), c, author(x.author), mail.SPFResult{}, x.dkim); got.Result != x.want {
			t.Errorf("%s: got %+v, want %s", x.author, got, x.want)
		}
	}
}

func TestHostileDNSGetsAVerdictInTime(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.TXT("_dmarc.big.test", "v=DMARC1; p=reject; "+strings.Repeat("x=y;", 15_000))
	for range 40 {
		z.TXT("_dmarc.many.test", strings.Repeat("v=DMARC1;", 150))
	}
	z.Add("_dmarc.loop.test. CNAME _dmarc.loop.test.", "_dmarc.alias.test. CNAME _dmarc.big.test.")
	z.Silence("_dmarc.quiet.test")
	for domain, want := range map[string]mail.Result{"big.test": mail.Fail, "many.test": mail.None, "loop.test": mail.None, "alias.test": mail.Fail, "quiet.test": mail.TempError} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		got := Evaluate(ctx, &dns.Client{Servers: []string{z.Addr}}, author(domain), mail.SPFResult{}, nil)
		if got.Result != want || time.Since(start) > 2*time.Second {
			t.Errorf("%s: got %+v after %v, want %s", domain, got, time.Since(start), want)
		}
		if got.Policy != nil && len(got.Policy.Record) > maxRecord {
			t.Errorf("%s: %d octets are kept of the record", domain, len(got.Policy.Record))
		}
	}
}
