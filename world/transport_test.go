package world_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"colporteur/config"
	"colporteur/world"
)

// tlsa publishes the fingerprint of the key that every server of the world shows.
func tlsa(t *testing.T, w *world.World, domain string, change func([]byte)) {
	t.Helper()
	leaf, err := x509.ParseCertificate(w.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if change != nil {
		change(sum[:])
	}
	name := fmt.Sprintf("_%d._tcp.mail.%s.", w.Port(), domain)
	w.DNS.Remove(name, 0)
	w.DNS.Add(name + " TLSA 3 1 1 " + hex.EncodeToString(sum[:]))
}

func TestDANEDecidesWhetherMailGoes(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann"), far.Member("bob")
	w.DNS.Sign("far.test")
	tlsa(t, w, "far.test", func(sum []byte) { sum[0] ^= 1 })
	ann.Send(bob.Address, world.Subject("mismatch"))
	w.Settle()
	bob.Inbox().Empty()
	ann.Inbox().Empty() // it waits, it is not given up
	if got := tale(t, home, bob.Address); got != "accepted delayed" {
		t.Errorf("trace: %q", got)
	}
	tlsa(t, w, "far.test", nil)
	w.Advance(20 * time.Minute)
	w.Settle()
	bob.Inbox().One()

	// Signatures that do not hold are no reason to go without.
	w.DNS.Break(fmt.Sprintf("_%d._tcp.mail.far.test", w.Port()))
	ann.Send(bob.Address, world.Subject("bogus"))
	w.Settle()
	bob.Inbox().One()
	w.DNS.Mend(fmt.Sprintf("_%d._tcp.mail.far.test", w.Port()))
	w.Advance(20 * time.Minute)
	w.Settle()
	if n := len(bob.Inbox().All); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}

	// A day later the other side hears how encryption fared, from us.
	for _, s := range []*world.Server{home, far} {
		s.Publish("p=none")
	}
	if err := home.Reports.TLS.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Advance(30 * time.Hour)
	if n, err := home.Reports.Sender.Send(t.Context()); err != nil || n == 0 {
		t.Fatalf("%d reports sent: %v", n, err)
	}
	w.Settle()
	s, err := far.Reports.Store.Summary(t.Context(), "far.test", w.Clock.Now().Add(-72*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if s.TLS.Good != 2 || s.TLS.Bad < 2 || len(s.TLS.Failures) < 2 {
		t.Errorf("what far.test knows of its TLS: %+v", s.TLS)
	}
}

func TestAnAggregateReportComesAfterADay(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	home.Publish("p=reject")
	far.Publish("p=reject")
	ann, bob := home.Member("ann"), far.Member("bob")
	ann.Send(bob.Address)
	w.Settle()
	bob.Inbox().One()
	w.DNS.Remove("home.test", 16)
	w.DNS.TXT("home.test", "v=spf1 -all")
	if err := far.FromOutside("ann@home.test", []string{bob.Address}, from("<ann@home.test>")); err == nil {
		t.Fatal("a forgery was taken")
	}
	if err := far.Reports.Origins.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Advance(30 * time.Hour)
	if n, err := far.Reports.Sender.Send(t.Context()); err != nil || n == 0 {
		t.Fatalf("%d reports sent: %v", n, err)
	}
	w.Settle()
	s, err := home.Reports.Store.Summary(t.Context(), "home.test", w.Clock.Now().Add(-72*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if s.Mails != 2 || s.Pass != 1 || s.Fail != 1 || s.Refused != 1 || s.UnprovenReports != 0 {
		t.Errorf("what home.test knows of its mail: %+v", s)
	}
}

func TestAnEnforcedPolicyDecidesWhetherMailGoes(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	far := w.Server("far.test", func(c *config.Config) { c.TLS.Mode, c.Web.Listen = config.ACME, []string{"127.0.0.1:0"} })
	far.Config.Profile = config.Server // a laptop has no policy
	ann, bob := home.Member("ann"), far.Member("bob")
	leaf, err := x509.ParseCertificate(w.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	home.Policies.Roots = x509.NewCertPool()
	home.Policies.Roots.AddCert(leaf)
	_, port, _ := net.SplitHostPort(far.Addr("https"))
	home.Policies.HTTPS, _ = strconv.Atoi(port)
	w.DNS.Add("mta-sts.far.test. A 127.0.0.1")
	w.DNS.TXT("_mta-sts.far.test", "v=STSv1; id=1")

	ann.Send(bob.Address, world.Subject("by the book"))
	w.Settle()
	bob.Inbox().One()
	if home.Policies.HTTPS == 0 {
		t.Fatal("no https listener")
	}

	// Somebody leads the mail elsewhere: the policy does not name that host.
	w.DNS.Remove("far.test", dns.TypeMX)
	w.DNS.Add("far.test. MX 10 evil.away.test.", "evil.away.test. A "+strings.Split(far.Addr("mx"), ":")[0])
	ann.Send(bob.Address, world.Subject("led astray"))
	w.Settle()
	bob.Inbox().One()
	if got := tale(t, home, bob.Address); got != "accepted relayed; accepted delayed" {
		t.Errorf("trace: %q", got)
	}
	w.DNS.Remove("far.test", dns.TypeMX)
	w.DNS.Add("far.test. MX 10 mail.far.test.")
	w.Advance(20 * time.Minute)
	w.Settle()
	if n := len(bob.Inbox().All); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}
