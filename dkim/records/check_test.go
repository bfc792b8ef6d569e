package records_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"colporteur/dkim/keyring"
	"colporteur/dkim/records"
	"colporteur/dns"
	"colporteur/dns/dnstest"
	"colporteur/locale"
)

const (
	rsaKey = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAoqjkkX/WjxTK93TU5q/NKvhzTvrOzmQAk5+jy15yAWn57fjlypKzVpXjGeKrx9OrlKQgRxcbk7LHk5Ttnt9rgRiF3LUukwkkF63tuiQHSp/YLB3c4CISJUW2rIOAw3LnNs3XUpHJdF7NuuuomzwHkhE7hs/dOI9A+3CS/AMKlSLIb6v7kzn/I7SclhtCXv6H9yROlVO13Yfaa44SoN1PQAMCYxqDZTyC0xaEDhEJn26+T5DmCBWBKBXeDbwOQ0Z3UwyTjOvOLBm8Ll8PJ1bLu9zXpz4I6CG+9lcrxKEpVC5l3qZWkHLoPIhL8PuTNICuGtMM3FyGKOvLgmBpyFYqqQIDAQAB"
	edKey  = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	rsaAt  = "c2611r._domainkey.home.test"
	tlsaAt = "_25._tcp.mail.home.test"
)

var leaf = "3 1 1 " + strings.Repeat("ab", 32)

func domain() records.Domain {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return records.Domain{Name: "home.test", STS: "enforce",
		Host: records.Host{Name: "mail.home.test", TLSA: []string{leaf}, CA: "letsencrypt.org",
			Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:7::7")},
			Services:  []records.Port{{Service: "_imaps._tcp", Port: 993}, {Service: "_imap._tcp", Port: 143, Priority: 10}}, Site: true},
		Keys: []keyring.Entry{
			{Domain: "home.test", Selector: "c2611r", Algorithm: keyring.RSA, State: keyring.Active, Record: rsaKey, Made: at},
			{Domain: "home.test", Selector: "c2611e", Algorithm: keyring.Ed25519, State: keyring.Active, Record: edKey, Made: at},
			{Domain: "home.test", Selector: "c2605r", Algorithm: keyring.RSA, State: keyring.Revoked, Record: rsaKey, Made: at},
			{Domain: "home.test", Selector: "c2511r", Algorithm: keyring.RSA, State: keyring.Gone, Record: rsaKey, Made: at},
		}}
}

// publish puts all that is wanted into a zone.
func publish(t testing.TB, z *dnstest.Zone, d records.Domain) {
	t.Helper()
	for _, r := range records.Wanted(d) {
		for _, l := range r.Lines() {
			z.Add(strings.Replace(l, " IN ", " ", 1))
		}
	}
}

func check(t testing.TB, z *dnstest.Zone, d records.Domain) []records.Finding {
	t.Helper()
	found := records.Check(t.Context(), z.Client(), records.Wanted(d))
	for _, f := range found {
		for _, lang := range locale.Langs {
			p := locale.For(lang)
			for _, s := range []string{p.Text(f.Text), p.Text(f.Record.Purpose), p.Text(f.Fix)} {
				if strings.HasPrefix(s, "records-") || strings.Contains(s, "<no value>") {
					t.Errorf("%s: a sentence that is none: %q", f.Record.Name, s)
				}
			}
		}
	}
	return found
}

// of is the findings of one kind and name, as "verdict sentence".
func of(found []records.Finding, k records.Kind, name string) (verdicts, ids string, harm bool) {
	var v, i []string
	for _, f := range found {
		if f.Record.Kind == k && (name == "" || f.Record.Name == name) {
			v, i = append(v, string(f.Verdict)), append(i, f.Text.ID)
			harm = harm || f.Harm
		}
	}
	return strings.Join(v, " "), strings.Join(i, " "), harm
}

func TestWhatIsPublishedAsWeSaidIsGood(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Sign("home.test")
	publish(t, z, domain())
	found := check(t, z, domain())
	if len(found) < 17 {
		t.Errorf("only %d findings", len(found))
	}
	for _, f := range found {
		if f.Verdict != records.Good || f.Harm {
			t.Errorf("%s %s: %s, %s; DNS has %q", f.Record.Name, f.Record.Type, f.Verdict, f.Text.ID, f.Now)
		}
	}
}

func TestAnEmptyZoneLacksWhatIsRequired(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	var harm []string
	for _, f := range check(t, z, domain()) {
		if f.Record.Key != nil && (f.Record.Key.State == keyring.Revoked || f.Record.Key.State == keyring.Gone) || f.Record.Kind == records.TLSA {
			continue
		}
		if f.Verdict != records.Missing && f.Verdict != records.Unknown {
			t.Errorf("%s %s: %s", f.Record.Name, f.Record.Type, f.Verdict)
		}
		if f.Harm {
			harm = append(harm, string(f.Record.Kind))
		}
	}
	if got := strings.Join(harm, " "); got != "address ptr ptr mx spf dkim" {
		t.Errorf("harm is done by %q", got)
	}
}

// TestEachMistakeGetsItsName changes one thing of a right zone.
func TestEachMistakeGetsItsName(t *testing.T) {
	t.Parallel()
	txt := func(name string, texts ...string) func(*dnstest.Zone) {
		return func(z *dnstest.Zone) {
			z.Remove(name, 16)
			for _, s := range texts {
				z.TXT(name, s)
			}
		}
	}
	lines := func(name string, lines ...string) func(*dnstest.Zone) {
		return func(z *dnstest.Zone) {
			z.Remove(name, 0)
			z.Add(lines...)
		}
	}
	add := func(lines ...string) func(*dnstest.Zone) { return func(z *dnstest.Zone) { z.Add(lines...) } }
	ten := make([]string, 11)
	for i := range ten {
		ten[i] = fmt.Sprintf("a:n%d.home.test", i)
	}
	ptr := "7.100.51.198.in-addr.arpa"
	for _, c := range []struct {
		name   string
		kind   records.Kind
		at     string
		change func(*dnstest.Zone)
		want   string // verdict and sentence
		fix    string // its sentence, when it matters
		harm   bool
	}{
		{"spf that includes us", records.SPF, "", func(z *dnstest.Zone) {
			txt("home.test", "v=spf1 include:_spf.home.test -all")(z)
			z.TXT("_spf.home.test", "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8:7::/48 -all")
		}, "good good", "", false},
		{"spf in another way", records.SPF, "", txt("home.test", "V=SPF1   a:mail.home.test  -ALL "), "good good", "", false},
		{"spf beside other texts", records.SPF, "", func(z *dnstest.Zone) { z.TXT("home.test", "google-site-verification=x") }, "good good", "", false},
		{"spf without an end", records.SPF, "", txt("home.test", "v=spf1 mx"), "good good", "advice-spf-open", false},
		{"spf with ?all", records.SPF, "", txt("home.test", "v=spf1 mx ?all"), "good good", "advice-spf-open", false},
		{"spf that forgets us", records.SPF, "", txt("home.test", "v=spf1 ip4:192.0.2.0/24 ~all"), "wrong spf-not-us", "fix-spf-not-us", true},
		{"spf that forgets our IPv6", records.SPF, "", txt("home.test", "v=spf1 ip4:198.51.100.7 -all"), "wrong spf-not-us", "", true},
		{"spf for everybody", records.SPF, "", txt("home.test", "v=spf1 mx +all"), "wrong spf-all", "fix-replace", true},
		{"two spf", records.SPF, "", txt("home.test", "v=spf1 mx ~all", "v=spf1 include:far.test -all"), "wrong spf-two", "fix-spf-two", true},
		{"eleven lookups", records.SPF, "", func(z *dnstest.Zone) {
			for i := range ten {
				z.Add(fmt.Sprintf("n%d.home.test. A 192.0.2.1", i))
			}
			txt("home.test", "v=spf1 "+strings.Join(ten, " ")+" mx -all")(z)
		}, "wrong spf-ten", "", true},
		{"spf with a typo inside", records.SPF, "", txt("home.test", "v=spf1 mxx ~all"), "wrong spf-broken", "", true},
		{"spf with a typo in front", records.SPF, "", txt("home.test", "spf1 mx ~all"), "wrong spf-typo", "", true},
		{"no spf", records.SPF, "", txt("home.test"), "missing missing", "fix-add", true},
		{"64 KB of spf", records.SPF, "", txt("home.test", "v=spf1 "+strings.Repeat("ip4:192.0.2.1 ", 4500)+"-all"), "wrong spf-not-us", "", true},
		{"host without spf", records.HostSPF, "", txt("mail.home.test"), "missing missing", "", false},

		{"mx elsewhere", records.MX, "", lines("home.test", "home.test. MX 10 mx.far.test.", "mx.far.test. A 203.0.113.1"), "wrong mx-elsewhere", "fix-replace", true},
		{"mx and another", records.MX, "", add("home.test. MX 20 mx.far.test."), "extra mx-others", "fix-mx-others", false},
		{"null mx", records.MX, "", lines("home.test", "home.test. MX 0 ."), "wrong mx-null", "", true},
		{"mx by another name", records.MX, "", lines("home.test", "home.test. MX 10 mx1.home.test.", "mx1.home.test. A 198.51.100.7"), "extra mx-other-name", "fix-replace", false},
		{"mx at an alias", records.Address, "", lines("mail.home.test", "mail.home.test. CNAME box.far.test.", "box.far.test. A 198.51.100.7"), "wrong address-alias", "fix-address", true},
		{"private address", records.Address, "", lines("mail.home.test", "mail.home.test. A 192.168.1.7", "mail.home.test. AAAA 2001:db8:7::7"), "wrong address-private", "", true},
		{"another address", records.Address, "", lines("mail.home.test", "mail.home.test. A 203.0.113.9", "mail.home.test. AAAA 2001:db8:7::7"), "wrong address-elsewhere", "", true},

		{"no ptr", records.Reverse, ptr, lines(ptr), "missing ptr-missing", "fix-ptr", true},
		{"ptr that leads nowhere", records.Reverse, ptr, lines(ptr, ptr+". PTR host7.isp.test."), "wrong ptr-not-back", "fix-ptr", true},
		{"ptr that leads elsewhere", records.Reverse, ptr, lines(ptr, ptr+". PTR host7.isp.test.", "host7.isp.test. A 203.0.113.4"), "wrong ptr-not-back", "", true},
		{"ptr with another name", records.Reverse, ptr, lines(ptr, ptr+". PTR host7.isp.test.", "host7.isp.test. A 198.51.100.7"), "good good", "advice-ptr", false},

		{"dkim in another way", records.DKIM, rsaAt, txt(rsaAt, "k=rsa ; t=s; p="+rsaKey[18:60]+" "+rsaKey[60:]+";"), "good good", "", false},
		{"dkim cut", records.DKIM, rsaAt, txt(rsaAt, rsaKey[:255]), "wrong dkim-cut", "fix-replace", true},
		{"dkim with a typo", records.DKIM, rsaAt, txt(rsaAt, strings.Replace(rsaKey, "MIIBIj", "MIIBJj", 1)), "wrong dkim-unreadable", "", true},
		{"dkim with quotes", records.DKIM, rsaAt, txt(rsaAt, rsaKey[:255]+`" "`+rsaKey[255:]), "wrong dkim-quotes", "", true},
		{"dkim of another", records.DKIM, rsaAt, txt(rsaAt, edKey), "wrong dkim-other", "", true},
		{"dkim revoked", records.DKIM, rsaAt, txt(rsaAt, "v=DKIM1; p="), "wrong dkim-now-revoked", "", true},
		{"dkim twice", records.DKIM, rsaAt, txt(rsaAt, rsaKey, rsaKey+";"), "wrong dkim-two", "", true},
		{"dkim not for mail", records.DKIM, rsaAt, txt(rsaAt, rsaKey+"; s=tlsrpt"), "wrong dkim-limited", "", true},
		{"no dkim", records.DKIM, rsaAt, txt(rsaAt), "missing missing", "", true},
		{"an old key left", records.DKIM, "c2511r._domainkey.home.test", txt("c2511r._domainkey.home.test", rsaKey), "extra dkim-left", "fix-remove", false},
		{"an old key not revoked", records.DKIM, "c2605r._domainkey.home.test", txt("c2605r._domainkey.home.test", rsaKey), "extra dkim-unrevoked", "fix-replace", false},
		{"an old key taken away", records.DKIM, "c2605r._domainkey.home.test", txt("c2605r._domainkey.home.test"), "good good", "", false},

		{"dmarc p=none", records.DMARC, "", add(), "good good", "advice-dmarc-none", false},
		{"dmarc p=reject", records.DMARC, "", txt("_dmarc.home.test", "v=DMARC1;p=reject;rua=mailto:x@far.test"), "good good", "", false},
		{"dmarc without reports", records.DMARC, "", txt("_dmarc.home.test", "v=DMARC1; p=reject"), "good good", "advice-dmarc-reports", false},
		{"dmarc twice", records.DMARC, "", txt("_dmarc.home.test", "v=DMARC1; p=none", "v=DMARC1; p=reject"), "wrong dmarc-two", "fix-dmarc-two", false},
		{"dmarc with a typo in front", records.DMARC, "", txt("_dmarc.home.test", "v=DMARC; p=none"), "wrong dmarc-typo", "", false},
		{"dmarc with a typo in p", records.DMARC, "", txt("_dmarc.home.test", "v=DMARC1; p=rejekt; rua=mailto:x@home.test"), "wrong dmarc-broken", "", false},
		{"dmarc with a typo in a tag", records.DMARC, "", txt("_dmarc.home.test", "v=DMARC1; p=reject; adkmi=s; rua=mailto:x@home.test"), "wrong dmarc-tag", "", false},
		{"dmarc without mailto", records.DMARC, "", txt("_dmarc.home.test", "v=DMARC1; p=reject; rua=x@home.test"), "wrong dmarc-rua", "", false},

		{"an old mta-sts id", records.STS, "", txt("_mta-sts.home.test", "v=STSv1; id=20200101"), "wrong sts-id", "fix-replace", false},
		{"mta-sts twice", records.STS, "", txt("_mta-sts.home.test", "v=STSv1; id=1", "v=STSv1; id=2"), "wrong sts-two", "", false},
		{"mta-sts with a typo", records.STS, "", txt("_mta-sts.home.test", "v=STS1; id=1"), "wrong sts-typo", "", false},
		{"mta-sts elsewhere", records.STSHost, "", lines("mta-sts.home.test", "mta-sts.home.test. A 203.0.113.5"), "wrong sts-host-elsewhere", "", false},
		{"mta-sts by address", records.STSHost, "", lines("mta-sts.home.test", "mta-sts.home.test. A 198.51.100.7"), "good good", "", false},
		{"autoconfig elsewhere", records.Setup, "autoconfig.home.test", lines("autoconfig.home.test", "autoconfig.home.test. A 203.0.113.5"), "wrong setup-host-elsewhere", "", false},
		{"no autodiscover", records.Setup, "autodiscover.home.test", lines("autodiscover.home.test"), "missing missing", "", false},
		{"tlsrpt without mailto", records.TLSRPT, "", txt("_smtp._tls.home.test", "v=TLSRPTv1; rua=tls@home.test"), "wrong tlsrpt-typo", "", false},
		{"tlsrpt elsewhere", records.TLSRPT, "", txt("_smtp._tls.home.test", "v=TLSRPTv1;rua=https://far.test/r"), "good good", "", false},

		{"tlsa of another certificate", records.TLSA, "", lines(tlsaAt, tlsaAt+". TLSA 3 1 1 "+strings.Repeat("cd", 32)), "wrong tlsa-stale", "fix-replace", true},
		{"tlsa of the next one too", records.TLSA, "", add(tlsaAt + ". TLSA 3 1 1 " + strings.Repeat("cd", 32)), "good good", "", false},
		{"no tlsa", records.TLSA, "", lines(tlsaAt), "missing missing", "", false},
		{"caa for another", records.CAA, "", add(`home.test. CAA 0 issue "far.test"`), "good good", "", false},
		{"caa above for another", records.CAA, "", lines("mail.home.test", `home.test. CAA 0 issue "far.test"`, `home.test. CAA 0 iodef "mailto:a@home.test"`), "wrong caa-forbids", "", true},
		{"caa for nobody", records.CAA, "", lines("mail.home.test", `mail.home.test. CAA 0 issue ";"`), "wrong caa-forbids", "fix-add", true},
		{"caa about mail only", records.CAA, "", lines("mail.home.test", `home.test. CAA 0 iodef "mailto:a@home.test"`), "good good", "", false},
		{"caa with a condition", records.CAA, "", lines("mail.home.test", `home.test. CAA 0 issue "LetsEncrypt.org; validationmethods=http-01"`), "good good", "", false},
		{"srv elsewhere", records.Service, "_imaps._tcp.home.test", lines("_imaps._tcp.home.test", "_imaps._tcp.home.test. SRV 0 1 993 imap.far.test."), "wrong service-elsewhere", "", false},
		{"srv with another weight", records.Service, "_imaps._tcp.home.test", lines("_imaps._tcp.home.test", "_imaps._tcp.home.test. SRV 5 0 993 MAIL.home.test."), "good good", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			z := dnstest.New(t)
			z.Sign("home.test")
			publish(t, z, domain())
			c.change(z)
			found := check(t, z, domain())
			verdict, id, harm := of(found, c.kind, c.at)
			if c.kind == records.Address { // A, then AAAA
				verdict, _, _ = strings.Cut(verdict, " ")
				id, _, _ = strings.Cut(id, " ")
			}
			if got := verdict + " " + strings.TrimPrefix(id, "records-"); got != c.want || harm != c.harm {
				t.Errorf("got %q, harm %v; want %q, harm %v", got, harm, c.want, c.harm)
			}
			for _, f := range found {
				if c.fix != "" && f.Record.Kind == c.kind && (c.at == "" || f.Record.Name == c.at) {
					if f.Fix.ID != "records-"+c.fix {
						t.Errorf("fix: got %q, want %q", f.Fix.ID, c.fix)
					}
					break
				}
			}
		})
	}
}

func TestAZoneThatIsNotSignedNeedsNoTLSA(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	publish(t, z, domain())
	z.Remove(tlsaAt, 0)
	if verdict, id, harm := of(check(t, z, domain()), records.TLSA, ""); verdict != "good" || id != "records-tlsa-unsigned" || harm {
		t.Errorf("got %s %s", verdict, id)
	}
	z.Add(tlsaAt + ". TLSA 3 1 1 " + strings.Repeat("cd", 32))
	if verdict, _, harm := of(check(t, z, domain()), records.TLSA, ""); verdict != "wrong" || harm {
		t.Errorf("a stale one that nobody looks at: %s, harm %v", verdict, harm)
	}
}

func TestAddressesThatAreNotKnownAreTakenFromTheDNS(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	publish(t, z, domain())
	d := domain()
	d.Host.Addresses = nil
	found := check(t, z, d)
	if verdict, _, _ := of(found, records.Address, ""); verdict != "good" {
		t.Errorf("address: %s", verdict)
	}
	if verdict, _, _ := of(found, records.Reverse, ""); verdict != "good good" {
		t.Errorf("reverse: %s", verdict)
	}
	if verdict, _, _ := of(found, records.SPF, ""); verdict != "good" {
		t.Errorf("spf: %s", verdict)
	}
}

func TestAHostThatIsItsOwnMailDomainHasOneSPF(t *testing.T) {
	t.Parallel()
	d := domain()
	d.Name = d.Host.Name
	n := 0
	for _, r := range records.Wanted(d) {
		if r.Kind == records.SPF || r.Kind == records.HostSPF {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d SPF records at one name", n)
	}
}

func TestSilenceIsUnknownAndEndsInTime(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	d := domain()
	for _, r := range records.Wanted(d) {
		z.Silence(r.Name)
	}
	z.Silence("home.test")
	for _, n := range []string{"mail.home.test", "test"} {
		z.Silence(n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	found := records.Check(ctx, &dns.Client{Servers: []string{z.Addr}}, records.Wanted(d))
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, f := range found {
		if f.Verdict != records.Unknown || f.Harm {
			t.Errorf("%s %s: %s", f.Record.Name, f.Record.Type, f.Verdict)
		}
	}
}

func TestHostileRecordsAreShownShort(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.TXT("_dmarc.home.test", "v=DMARC1; "+strings.Repeat("\x1b[2Jx=y; ", 5000))
	for i := range 200 {
		z.TXT("_smtp._tls.home.test", fmt.Sprintf("v=TLSRPTv1; rua=mailto:%d@%s", i, strings.Repeat("x", 50)))
	}
	start := time.Now()
	for _, f := range check(t, z, domain()) {
		if len(f.Now) > 20 {
			t.Errorf("%s: %d values", f.Record.Name, len(f.Now))
		}
		for _, v := range append(f.Now, locale.For("en").Text(f.Text)) {
			if len(v) > 1000 || strings.ContainsRune(v, '\x1b') {
				t.Errorf("%s: %q", f.Record.Name, v)
			}
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestEverySentenceExists finds those that are named by half their id.
func TestEverySentenceExists(t *testing.T) {
	t.Parallel()
	n := 0
	for _, file := range []string{"check.go", "checkhost.go", "checktext.go", "wanted.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(say\([^"\n]*|text\(|fix\(|advise\(|return |purpose\(|id, r.Need = |id = |id := )"([a-z0-9]+(?:-[a-z0-9]+)*)"`).FindAllStringSubmatch(string(b), -1) {
			id := "records-" + m[2]
			if strings.HasPrefix(m[1], "purpose") || strings.HasPrefix(m[1], "id") {
				id = "records-for-" + m[2]
			}
			n++
			if got := locale.For("en").T(id); got == id {
				t.Errorf("%s: there is no %s", file, id)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d found", n)
	}
}

func FuzzAStrangersRecords(f *testing.F) {
	for _, s := range []string{rsaKey, edKey, "v=spf1 mx ~all", "v=DMARC1; p=none", "v=STSv1; id=1", "v=TLSRPTv1; rua=mailto:x@y", "", "p=", "v=spf1 all", "\xff;=\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, f := range records.Check(t.Context(), oneText(s), records.OfDomain(domain())) {
			if f.Text.ID == "" || f.Verdict == "" {
				t.Errorf("%q: %+v", s, f)
			}
		}
	})
}
