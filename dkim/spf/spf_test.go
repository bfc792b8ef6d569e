package spf

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"colporteur/dns/dnstest"
	"colporteur/mail"
)

var (
	four = netip.MustParseAddr("192.0.2.1")
	six  = netip.MustParseAddr("2001:db8::1")
)

func TestBothIdentitiesAreChecked(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.TXT("home.test", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/64 -all")
	z.TXT("mx.home.test", "v=spf1 a -all")
	z.Add("mx.home.test. AAAA 2001:db8::1", "mx.home.test. A 192.0.2.9")
	z.TXT("xn--bcher-kva.example", "v=spf1 exists:%{l}.%{o} -all")
	z.Add("ann.xn--bcher-kva.example. A 127.0.0.2")
	for _, c := range []struct {
		name         string
		ip           netip.Addr
		helo, from   string
		sender, ehlo mail.SPFResult
	}{
		{"both", six, "MX.home.test", "ann@home.test",
			mail.SPFResult{Result: mail.Pass, Domain: "home.test", Sender: "ann@home.test"},
			mail.SPFResult{Result: mail.Pass, Domain: "mx.home.test", Sender: "postmaster@mx.home.test"}},
		{"mapped", netip.MustParseAddr("::ffff:192.0.2.1"), "mx.home.test.", "ann@home.test",
			mail.SPFResult{Result: mail.Pass, Domain: "home.test", Sender: "ann@home.test"},
			mail.SPFResult{Result: mail.Fail, Domain: "mx.home.test", Sender: "postmaster@mx.home.test"}},
		{"null sender", six, "mx.home.test", "",
			mail.SPFResult{Result: mail.Pass, Domain: "mx.home.test", Sender: "postmaster@mx.home.test"},
			mail.SPFResult{Result: mail.Pass, Domain: "mx.home.test", Sender: "postmaster@mx.home.test"}},
		{"literal", four, "[192.0.2.1]", "ann@bücher.example",
			mail.SPFResult{Result: mail.Pass, Domain: "xn--bcher-kva.example", Sender: "ann@xn--bcher-kva.example"},
			mail.SPFResult{Result: mail.None}},
		{"one label", four, "laptop", "ann@nobody.test",
			mail.SPFResult{Result: mail.None, Domain: "nobody.test", Sender: "ann@nobody.test"},
			mail.SPFResult{Result: mail.None}},
		{"no name at all", four, "a b\x00c", `"a@b"@home.test`,
			mail.SPFResult{Result: mail.Pass, Domain: "home.test", Sender: `"a@b"@home.test`},
			mail.SPFResult{Result: mail.None}},
		{"no address", netip.Addr{}, "mx.home.test", "ann@home.test",
			mail.SPFResult{Result: mail.None, Domain: "home.test", Sender: "ann@home.test"},
			mail.SPFResult{Result: mail.None, Domain: "mx.home.test", Sender: "postmaster@mx.home.test"}},
	} {
		sender := Check(t.Context(), z.Client(), c.ip, c.helo, c.from)
		ehlo := Check(t.Context(), z.Client(), c.ip, c.helo, "")
		sender.Reason, ehlo.Reason = "", ""
		if sender != c.sender || ehlo != c.ehlo {
			t.Errorf("%s: got %+v and %+v, want %+v and %+v", c.name, sender, ehlo, c.sender, c.ehlo)
		}
	}
}

// With IPv6 alone at stake, an A record that exists must not hide that the AAAA
// could not be found out: a fail would be wrong.
func TestTheFamilyOfTheClientDecides(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.TXT("home.test", "v=spf1 ip6:::ffff:192.0.2.1 -a:x.home.test ?all")
	z.Add("x.home.test. AAAA ::ffff:192.0.2.1")
	if got := Check(t.Context(), z.Client(), four, "x", "a@home.test"); got.Result != mail.Neutral {
		t.Errorf("a mapped address stood for an IPv4 host: %+v", got)
	}
	if got := Check(t.Context(), z.Client(), six, "x", "a@home.test"); got.Result != mail.Neutral {
		t.Errorf("got %+v", got)
	}
}

// The name is "a.home", a label of its own below test, and nobody's in home.test.
func TestADotInsideALabelIsNoBorder(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.TXT("home.test", "v=spf1 ptr -all")
	z.TXT("macro.test", "v=spf1 exists:%{p}.ok.test -all")
	z.Add(`1.2.0.192.in-addr.arpa. PTR a\.home.test.`, `a\.home.test. A 192.0.2.1`, `a\.home.test.ok.test. A 127.0.0.2`)
	for _, domain := range []string{"home.test", "macro.test"} {
		if got := Check(t.Context(), z.Client(), four, "x", "a@"+domain); got.Result != mail.Fail {
			t.Errorf("got %+v", got)
		}
	}
}

// RFC 7208 §7.3: labels go from the left until the name fits.
func TestANameThatIsTooLongLosesLabels(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.TXT("home.test", "v=spf1 exists:%{l}.%{l}.%{l}.%{l}.%{l}.home.test -all")
	local := strings.Repeat("a", 60)
	z.Add(strings.Repeat(local+".", 4) + "home.test. A 127.0.0.2")
	if got := Check(t.Context(), z.Client(), four, "x", local+"@home.test"); got.Result != mail.Pass {
		t.Errorf("got %+v", got)
	}
}

// What hostile or broken DNS does (RFC 7208 §4.6.4, §11.1).
func TestHostileDNSGetsAVerdictInTime(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	for i := range 20 {
		z.Add(fmt.Sprintf("c%d.chain.test. CNAME c%d.chain.test.", i, i+1))
	}
	z.TXT("c20.chain.test", "v=spf1 +all")
	z.TXT("chain.test", "v=spf1 include:c0.chain.test -all")
	z.Add("l.loop.test. CNAME m.loop.test.", "m.loop.test. CNAME l.loop.test.")
	z.TXT("loop.test", "v=spf1 a:l.loop.test mx:l.loop.test -all")
	z.TXT("round.test", "v=spf1 include:round.test")
	var void, big strings.Builder
	for i := range 10 {
		fmt.Fprintf(&void, " a:v%d.void.test", i)
	}
	z.TXT("void.test", "v=spf1"+void.String()+" +all")
	for i := range 2600 {
		fmt.Fprintf(&big, " ip4:10.%d.%d.0/24", i/256, i%256)
	}
	z.TXT("big.test", "v=spf1"+big.String()+" ip4:192.0.2.1 -all")
	z.TXT("bad.test", "v=spf1"+strings.Repeat(" ip4:10.0.0.0/33", 4000))
	z.TXT("many.test", "v=spf1"+strings.Repeat(" a", 32_000))
	z.TXT("macro.test", "v=spf1 exists:"+strings.Repeat("%{s}", 16_000)+".x.test -all")
	z.TXT("two.test", "v=spf1 +all")
	z.TXT("two.test", "v=spf1 -all")
	z.TXT("mx.test", "v=spf1 mx -all")
	for i := range 11 {
		z.Add(fmt.Sprintf("mx.test. MX 10 h%d.mx.test.", i), fmt.Sprintf("h%d.mx.test. A 192.0.2.1", i))
	}
	z.TXT("broken.test", "v=spf1 a:b.broken.test -all")
	z.Break("b.broken.test")
	for domain, want := range map[string]mail.Result{
		"chain.test": mail.PermError, "loop.test": mail.Fail, "round.test": mail.PermError, "void.test": mail.PermError,
		"big.test": mail.Pass, "bad.test": mail.PermError, "many.test": mail.PermError, "macro.test": mail.Fail,
		"two.test": mail.PermError, "mx.test": mail.PermError, "broken.test": mail.TempError, "nobody.test": mail.None,
		"c0.chain.test": mail.None,
	} {
		start := time.Now()
		got := Check(t.Context(), z.Client(), four, "mx."+domain, "a@"+domain)
		if got.Result != want {
			t.Errorf("%s: got %s (%.200s), want %s", domain, got.Result, got.Reason, want)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s took %v", domain, took)
		}
		if len(got.Reason) > 1000 {
			t.Errorf("%s: a reason of %d octets", domain, len(got.Reason))
		}
	}
}

// Silence ends by the clock, and never as a fail: neither where the record is,
// nor for a ptr, whose errors the RFC wants ignored.
func TestSilenceIsATemporaryError(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	z.Silence("quiet.test")
	z.TXT("ptr.test", "v=spf1 ptr -all")
	z.Silence("1.2.0.192.in-addr.arpa")
	for _, domain := range []string{"quiet.test", "ptr.test"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		got := Check(ctx, z.Client(), four, "x", "a@"+domain)
		if got.Result != mail.TempError || time.Since(start) > 3*time.Second {
			t.Errorf("%s: got %+v after %v", domain, got, time.Since(start))
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, s := range []string{"v=spf1", "V=SPF1 a:%{ir}.%{v}._spf.%{d2}/24//64 ~all", "v=spf1 redirect=%{d", "v=spf1 exp=%{c}.x.test -all",
		"v=spf1 ip6:::1/129 mx//64", "v=spf1 a:%%%_%-.x.test", "v=spf1 include:%{L2r+-}.x ptr:%{p}"} {
		f.Add(s)
	}
	c := &check{ip: four, local: "ann", domain: "home.test", helo: "mx.home.test", named: true}
	f.Fuzz(func(t *testing.T, txt string) {
		if !isRecord(txt) {
			return
		}
		rec, err := parse(txt)
		if err != nil {
			return
		}
		c.targets = nil
		out := c.plain(t.Context(), rec, "home.test")
		if strings.ContainsAny(out, "%\n") {
			t.Fatalf("%q became %q", txt, out)
		}
		for i := range c.targets {
			if name, _ := c.real(t.Context(), fmt.Sprintf("t%d", i)); len(name) > maxName {
				t.Fatalf("a name of %d octets", len(name))
			}
		}
	})
}
