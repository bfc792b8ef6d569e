package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colporteur/dns/dnstest"
)

// asking has the host ask this DNS.
func (p *place) asking(z *dnstest.Zone) {
	p.Helper()
	p.edit(func(conf string) string {
		return strings.Replace(conf, `resolver = ""`, fmt.Sprintf("resolver = %q", z.Addr), 1)
	})
}

// publish puts what `records` prints into a zone.
func publish(t testing.TB, z *dnstest.Zone, printed string) {
	t.Helper()
	for line := range strings.Lines(printed) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "; "))
		if name, _, ok := strings.Cut(line, " IN "); ok && !strings.Contains(name, " ") && !strings.Contains(line, "(") {
			z.Add(strings.Replace(line, " IN ", " ", 1))
		}
	}
}

func TestRecordsArePrintedInBothLanguages(t *testing.T) {
	t.Parallel()
	p := setup(t)
	english := p.do("records").ends(0, "home.test. IN MX 10 mail.home.test.", `home.test. IN TXT "v=spf1 mx ~all"`, `" "`, // an RSA key is longer than one string
		"_dmarc.home.test. IN TXT", "_smtp._tls.home.test. IN TXT", "says which server takes the mail of home.test", "PTR mail.home.test.")
	french := p.do("records", "home.test", "--lang", "fr").ends(0, "home.test. IN MX 10 mail.home.test.", "dit quel serveur reçoit le courrier de home.test")
	only := func(s string) string {
		var b strings.Builder
		for line := range strings.Lines(s) {
			if !strings.HasPrefix(line, ";") {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	if only(english.out) != only(french.out) {
		t.Errorf("the records differ:\n%s\n%s", english.out, french.out)
	}
	p.do("records", "far.test").ends(exitRefused, "far.test is not a domain of ours")
	p.do("records", "--publish").ends(exitRefused, "No server takes our updates of the DNS")
	p.do("records", "--lang", "de").ends(exitUsage)
}

func TestTheLanguageFollowsTheEnvironment(t *testing.T) {
	for _, c := range []struct{ flag, all, messages, lang, want string }{
		{"", "", "", "", "en"}, {"", "", "", "fr_FR.UTF-8", "fr"}, {"", "", "en_GB", "fr_FR", "en"},
		{"", "fr", "en", "en", "fr"}, {"en", "fr", "fr", "fr", "en"}, {"", "", "", "de_DE", "en"}, {"fr", "C", "", "", "fr"},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_MESSAGES", c.messages)
		t.Setenv("LANG", c.lang)
		if got := printer(c.flag).Lang; got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestCheckComparesWithTheDNS(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	p := setup(t)
	p.asking(z)
	p.do("check").ends(0, "note   Nothing of what home.test should publish is in the DNS: `colporteur records` shows it.",
		"note   home.test: mail is not signed yet")
	printed := p.do("records").ends(0).out
	publish(t, z, printed)
	z.Add("mail.home.test. A 198.51.100.7", "7.100.51.198.in-addr.arpa. PTR mail.home.test.")
	p.do("check").ends(0, "good   home.test (MX) is in order.", "good   7.100.51.198.in-addr.arpa (PTR) is in order.",
		"good   _smtp._tls.home.test (TXT) is in order.", "note   _dmarc.home.test (TXT) is in order. For now it only asks for reports")
	p.do("check", "--lang", "fr").ends(0, "good   home.test (MX) est en ordre.")

	// What harms is wrong on a server, and a note on a laptop.
	z.Remove("home.test", 0)
	p.do("check").ends(0, "note   home.test has no MX record")
}

func TestCheckOfAServerFailsForWhatHarms(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	dir := t.TempDir()
	p := &place{t, filepath.Join(dir, "data"), filepath.Join(dir, "data", "colporteur.toml")}
	printed := colporteur(t, "", "setup", "--data", p.data, "--domain", "home.test", "--key", filepath.Join(dir, "key"), "--tls", "selfsigned").
		ends(0, "_domainkey.home.test. IN TXT").out
	p.edit(func(s string) string {
		for _, port := range []string{"25", "587", "465", "143", "993", "443", "80", "4190", "9465"} {
			for _, host := range []string{"", "127.0.0.1"} {
				s = strings.ReplaceAll(s, fmt.Sprintf("%q", host+":"+port), `"127.0.0.1:0"`)
			}
		}
		return s
	})
	p.asking(z)
	publish(t, z, printed)
	if strings.Contains(printed, "the public address of this server") { // this machine knows none
		z.Add("mail.home.test. A 198.51.100.7", "7.100.51.198.in-addr.arpa. PTR mail.home.test.")
	}
	p.do("check").ends(0, "good   home.test (MX) is in order.")
	z.Remove("home.test", 16)
	z.Add(`home.test. TXT "v=spf1 ip4:203.0.113.250 -all"`)
	p.do("check").ends(exitRefused, "wrong  The SPF record of home.test does not let this server (", "Put “a:mail.home.test” into it", "one thing is wrong")
}

func TestCheckIsQuickWhenTheDNSIsSilent(t *testing.T) {
	t.Parallel()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0") // takes everything, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	p := setup(t)
	p.edit(func(conf string) string {
		return strings.Replace(conf, `resolver = ""`, fmt.Sprintf("resolver = %q", pc.LocalAddr()), 1)
	})
	start := time.Now()
	said := p.do("check").ends(0, "note   The DNS does not answer: nothing of what is published could be compared.")
	if took := time.Since(start); took > 6*time.Second { // the wait is 1.5 s, and the machine is shared
		t.Errorf("it took %v", took)
	}
	if n := strings.Count(said.out, "The DNS d"); n != 1 {
		t.Errorf("it says so more than once:\n%s", said.out)
	}
}

func TestKeysAreListedAndChangedByCommand(t *testing.T) {
	t.Parallel()
	z := dnstest.New(t)
	p := setup(t)
	p.asking(z)
	before := p.do("dkim", "list").ends(0, "home.test", "rsa", "ed25519", "made", "never").out
	publish(t, z, p.do("records").ends(0).out)
	rotated := p.do("dkim", "rotate", "home.test").ends(0, "active", "wait for their records").out
	if strings.Count(rotated, "active") != 2 {
		t.Errorf("the published keys do not sign:\nbefore\n%s\nafter\n%s", before, rotated)
	}
	rotated = p.do("dkim", "rotate").ends(0).out
	if strings.Count(rotated, " made ") != 2 || strings.Count(rotated, " active ") != 2 {
		t.Errorf("want two keys that wait and two that sign:\n%s", rotated)
	}
	p.do("dkim", "list", "far.test").ends(exitRefused, "is not a domain of ours")
	if b, err := os.ReadFile(filepath.Join(p.data, "colporteur.db")); err != nil || strings.Contains(string(b), "PRIVATE") {
		t.Errorf("a secret in the clear, or %v", err)
	}
}
