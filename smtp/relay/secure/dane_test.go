package secure_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/dns"
	"colporteur/smtp/relay/secure"
	"colporteur/store/storetest"
)

// tlsa is the record "usage selector matching" for the i-th of a chain.
func tlsa(t testing.TB, kind string, c tls.Certificate, i int) string {
	t.Helper()
	var usage, selector, matching int
	fmt.Sscan(kind, &usage, &selector, &matching)
	data := c.Certificate[i]
	if selector == 1 {
		x, err := x509.ParseCertificate(data)
		if err != nil {
			t.Fatal(err)
		}
		data = x.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return fmt.Sprintf("%s %x", kind, data)
}

// signed has far.test and mx.far.test be in signed zones, with these TLSA records.
func signed(t testing.TB, records ...string) *network {
	t.Helper()
	n := policies(t, storetest.SQLite(t))
	n.Sign("far.test")
	for _, r := range records {
		n.Add("_25._tcp.mx.far.test. TLSA " + r)
	}
	return n
}

func TestDANEHoldsTheCertificateAgainstItsRecords(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	later := start.AddDate(1, 0, 0)
	good := ca.issue(later, "mx.far.test")
	nameless := ca.issue(later, "elsewhere.test")
	expired := ca.issue(start.Add(-time.Hour), "mx.far.test")
	alone := tls.Certificate{Certificate: good.Certificate[:1], PrivateKey: good.PrivateKey}
	zeros := strings.Repeat("00", 32)
	for _, c := range []struct {
		name    string
		records []string
		cert    tls.Certificate
		want    string
	}{
		{"3 1 1", []string{tlsa(t, "3 1 1", good, 0)}, good, ""},
		{"3 0 1", []string{tlsa(t, "3 0 1", good, 0)}, good, ""},
		{"3 1 2", []string{tlsa(t, "3 1 2", good, 0)}, good, ""},
		{"3 0 0", []string{tlsa(t, "3 0 0", good, 0)}, good, ""},
		{"3 1 0", []string{tlsa(t, "3 1 0", good, 0)}, good, ""},
		{"3 1 1 of the next one and of this one", []string{"3 1 1 " + zeros, tlsa(t, "3 1 1", good, 0)}, good, ""},
		{"3 1 1, another name", []string{tlsa(t, "3 1 1", nameless, 0)}, nameless, ""},
		{"3 1 1, expired", []string{tlsa(t, "3 1 1", expired, 0)}, expired, ""},
		{"3 1 1, another key", []string{tlsa(t, "3 1 1", nameless, 0)}, good, secure.TLSAInvalid},
		{"3 1 1 of the authority", []string{tlsa(t, "3 1 1", good, 1)}, good, secure.TLSAInvalid},
		{"2 1 1", []string{tlsa(t, "2 1 1", good, 1)}, good, ""},
		{"2 0 1", []string{tlsa(t, "2 0 1", good, 1)}, good, ""},
		{"2 0 2", []string{tlsa(t, "2 0 2", good, 1)}, good, ""},
		{"2 0 0, the authority is not sent", []string{tlsa(t, "2 0 0", good, 1)}, alone, ""},
		{"2 1 1, the authority is not sent", []string{tlsa(t, "2 1 1", good, 1)}, alone, secure.TLSAInvalid},
		{"2 1 1, the domain's name", []string{tlsa(t, "2 1 1", good, 1)}, ca.issue(later, "far.test"), ""},
		{"2 1 1, another name", []string{tlsa(t, "2 1 1", good, 1)}, nameless, secure.CertHostMismatch},
		{"2 1 1, expired", []string{tlsa(t, "2 1 1", good, 1)}, expired, secure.CertExpired},
		{"2 1 1, another authority", []string{tlsa(t, "2 1 1", good, 1)}, other.issue(later, "mx.far.test"), secure.TLSAInvalid},
		{"2 1 1 of the certificate itself", []string{tlsa(t, "2 1 1", good, 0)}, good, secure.TLSAInvalid},
		{"2 1 1, the authority is only shown", []string{tlsa(t, "2 1 1", good, 1)}, func() tls.Certificate {
			c := other.issue(later, "mx.far.test")
			c.Certificate = append(c.Certificate, ca.cert.Raw)
			return c
		}(), secure.CertNotTrusted},
		{"2 1 1 does not fit, 3 1 1 does", []string{"2 1 1 " + zeros, tlsa(t, "3 1 1", good, 0)}, good, ""},
		{"unusable beside usable", []string{"1 1 1 " + zeros, "3 1 1 00", "3 2 1 " + zeros, "9 1 1 " + zeros, tlsa(t, "3 1 1", good, 0)}, good, ""},
		{"the stronger digest counts", []string{tlsa(t, "3 1 1", good, 0), "3 1 2 " + zeros + zeros}, good, secure.TLSAInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := signed(t, c.records...)
			h := n.host(t, "mx.far.test")
			if h.Kind != secure.DANE || !h.Require || h.Testing || h.Verify == nil || h.ServerName != "mx.far.test" || len(h.Policy) != len(c.records) {
				t.Fatalf("got %+v", h)
			}
			if got := failure(shake(t, h, c.cert)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUnusableRecordsDemandEncryptionAndNoMore(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("00", 32)
	for _, r := range []string{"0 1 1 " + zeros, "1 1 1 " + zeros, "3 1 1 0000", "3 1 3 " + zeros, "3 7 1 " + zeros, "255 1 1 " + zeros, "2 0 0 " + zeros, "3 1 0 " + zeros} {
		n := signed(t, r)
		h := n.host(t, "mx.far.test")
		if h.Kind != secure.DANE || !h.Require || h.Verify != nil || len(h.Policy) != 1 {
			t.Errorf("%s: got %+v", r, h)
		}
	}
}

func TestDANENeedsAnUnbrokenChain(t *testing.T) {
	t.Parallel()
	record := "3 1 1 " + strings.Repeat("00", 32)
	for _, c := range []struct {
		name, want, server string
		prepare            func(n *network)
	}{
		{"all is signed", secure.DANE, "mx.far.test", func(n *network) { n.Sign("test") }},
		{"nothing is signed", secure.NoPolicy, "", func(n *network) {}},
		{"the mail exchangers are not signed", secure.NoPolicy, "", func(n *network) { n.Sign("mx.far.test") }},
		{"the addresses are not signed", secure.NoPolicy, "", func(n *network) {
			n.Sign("far.test")
			n.Sign("_25._tcp.mail.open.test") // whoever forges the address has the certificate for it
			n.Add("mail.open.test. A 192.0.2.9", "_25._tcp.mail.open.test. TLSA "+record)
		}},
		{"no records", secure.NoPolicy, "", func(n *network) { n.Sign("test"); n.Remove("_25._tcp.mx.far.test", 0) }},
		{"an alias, the records at its target", secure.DANE, "real.host.test", func(n *network) {
			n.Sign("test")
			n.Remove("mx.far.test", 0)
			n.Add("mx.far.test. CNAME real.host.test.", "real.host.test. AAAA 2001:db8::1", "_25._tcp.real.host.test. TLSA "+record)
		}},
		{"an alias, the records at itself", secure.DANE, "mx.far.test", func(n *network) {
			n.Sign("test")
			n.Remove("mx.far.test", 0)
			n.Add("mx.far.test. CNAME real.host.test.", "real.host.test. A 192.0.2.1")
		}},
		{"an alias to where nothing is signed", secure.DANE, "mx.far.test", func(n *network) {
			n.Sign("far.test")
			n.Remove("mx.far.test", 0)
			n.Add("mx.far.test. CNAME real.open.test.", "real.open.test. A 192.0.2.1", "_25._tcp.real.open.test. TLSA "+record)
		}},
		{"records behind an alias that is not signed", secure.NoPolicy, "", func(n *network) {
			n.Sign("far.test")
			n.Remove("_25._tcp.mx.far.test", 0)
			n.Add("_25._tcp.mx.far.test. CNAME shared.open.test.", "shared.open.test. TLSA "+record)
		}},
		{"records behind an alias", secure.DANE, "mx.far.test", func(n *network) {
			n.Sign("test")
			n.Remove("_25._tcp.mx.far.test", 0)
			n.Add("_25._tcp.mx.far.test. CNAME shared.host.test.", "shared.host.test. TLSA "+record)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := policies(t, storetest.SQLite(t))
			n.Add("_25._tcp.mx.far.test. TLSA " + record)
			c.prepare(n)
			host := "mx.far.test"
			if c.name == "the addresses are not signed" {
				host = "mail.open.test"
			}
			h := n.host(t, host)
			if h.Kind != c.want || h.Require != (c.want == secure.DANE) || c.server != "" && h.ServerName != c.server {
				t.Errorf("got %+v", h)
			}
		})
	}
}

func TestWhatCannotBeProvenWaits(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"far.test", "mx.far.test", "_25._tcp.mx.far.test"} {
		n := signed(t)
		n.Break(name)
		h, err := n.finder.Domain(t.Context(), "far.test").Host(t.Context(), "mx.far.test", false)
		if failure(err) != secure.DNSSECInvalid || !errors.Is(err, dns.ErrBogus) || !h.Require {
			t.Errorf("%s: got %+v, %v", name, h, err)
		}
	}
	// Where nothing is signed, servers that know no TLSA harm nobody.
	n := policies(t, storetest.SQLite(t))
	n.Break("_25._tcp.mx.far.test")
	if h := n.host(t, "mx.far.test"); h.Kind != secure.NoPolicy || n.Asked("_25._tcp.mx.far.test") != 0 {
		t.Errorf("got %+v", h)
	}
}

func TestAResolverElsewhereIsNotBelieved(t *testing.T) {
	t.Parallel()
	n := signed(t, "3 1 1 "+strings.Repeat("00", 32))
	n.finder.DNS = deaf{n.Client()}
	if h := n.host(t, "mx.far.test"); h.Kind != secure.NoPolicy {
		t.Errorf("got %+v", h)
	}
}

// deaf is a client that believes no resolver.
type deaf struct{ *dns.Client }

func (d deaf) Ask(ctx context.Context, name string, kind uint16) (dns.Answer, error) {
	a, err := d.Client.Ask(ctx, name, kind)
	a.Secure = false
	return a, err
}

func TestADomainThatIsItsOwnHost(t *testing.T) {
	t.Parallel()
	n := signed(t)
	n.Remove("far.test", 0)
	n.Add("far.test. A 192.0.2.1", "_2525._tcp.far.test. TLSA 3 1 1 "+strings.Repeat("00", 32))
	n.finder.Port = 2525
	h, err := n.finder.Domain(t.Context(), "far.test").Host(t.Context(), "far.test", true)
	if err != nil || h.Kind != secure.DANE {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestDANEComesBeforeMTASTS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert := ca.issue(start.AddDate(1, 0, 0), "anything.test") // no use under MTA-STS
	n := signed(t, tlsa(t, "3 1 1", cert, 0))
	n.publish("1", enforce)
	h := n.host(t, "mx.far.test")
	if h.Kind != secure.DANE || shake(t, h, cert) != nil {
		t.Errorf("got %+v", h)
	}
	// A certificate that MTA-STS likes does not excuse from DANE.
	if got := failure(shake(t, h, n.ca.issue(start.AddDate(1, 0, 0), "mx.far.test"))); got != secure.TLSAInvalid {
		t.Errorf("got %q", got)
	}
	if n.fetched() != 0 {
		t.Error("a policy was fetched that counts for nobody")
	}
	// Another host of the domain has no records.
	n.Add("far.test. MX 20 mx2.far.test.", "mx2.far.test. A 192.0.2.2")
	if h := n.host(t, "mx2.far.test"); h.Kind != secure.STS || !h.Forbidden {
		t.Errorf("got %+v", h)
	}
	// Records that nobody can use leave it to MTA-STS to name the certificate.
	n.Remove("_25._tcp.mx.far.test", mdns.TypeTLSA)
	n.Add("_25._tcp.mx.far.test. TLSA 1 1 1 " + strings.Repeat("00", 32))
	if h := n.host(t, "mx.far.test"); h.Kind != secure.STS || !h.Require || h.Verify == nil {
		t.Errorf("unusable, enforce: got %+v", h)
	}
	n.publish("2", strings.Replace(enforce, "enforce", "testing", 1))
	n.move(2 * time.Minute)
	if h := n.host(t, "mx.far.test"); h.Kind != secure.DANE || !h.Require || h.Testing {
		t.Errorf("unusable, testing: got %+v", h)
	}
}

func TestAThousandRecordsAreNoBurden(t *testing.T) {
	t.Parallel()
	cert := newAuthority(t).issue(start.AddDate(1, 0, 0), "mx.far.test")
	n := signed(t)
	for i := range 800 {
		n.Add(fmt.Sprintf("_25._tcp.mx.far.test. TLSA 2 1 1 %064x", i))
	}
	begun := time.Now()
	if got := failure(shake(t, n.host(t, "mx.far.test"), cert)); got != secure.TLSAInvalid {
		t.Errorf("got %q", got)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
