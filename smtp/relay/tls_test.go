package relay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
)

//
func TestEncryptionIsUsedWhenOffered(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", func(s *sink) { s.cert = certificate(t, "wrong.test") })
	if p := n.one(n.mail("bob@far.test")); !p.sent {
		t.Fatal(p.last)
	}
	if got := far.took(); !got[0].tls {
		t.Error("sent in clear")
	}
}

//
func TestBrokenEncryptionFallsBackToClear(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", func(s *sink) { s.cert, s.breakTLS = certificate(t, "x.test"), true })
	if p := n.one(n.mail("bob@far.test")); !p.sent {
		t.Fatal(p.last)
	}
	if got := far.took(); got[0].tls || far.calls() != 2 {
		t.Errorf("got tls %v in %d sessions", got[0].tls, far.calls())
	}
}

// Q-06, CVE-2021-38371
func TestRepliesInjectedBeforeTheHandshakeEndTheSession(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	far := n.site("far.test", func(s *sink) {
		s.cert, s.afterTLS = certificate(t, "mx.far.test"), "250-hello\r\n250 EVIL\r\n250 ok\r\n250 ok\r\n354 ok\r\n250 taken\r\n"
	})
	p := n.one(n.mail("bob@far.test"))
	if p.sent || p.lost() || !errors.Is(p.last, errInjected) {
		t.Errorf("got %+v %v", p, p.last)
	}
	if len(far.took()) != 0 || far.calls() != 1 {
		t.Errorf("took %d in %d sessions", len(far.took()), far.calls())
	}
}

func TestRequireTLS(t *testing.T) {
	t.Parallel()
	good := certificate(t, "mx.far.test")
	for _, c := range []struct {
		name       string
		set        func(*sink)
		sent, lost bool
	}{
		{"no STARTTLS", nil, false, true},
		{"REQUIRETLS without STARTTLS", func(s *sink) { s.ehlo = []string{"REQUIRETLS"} }, false, true},
		{"no REQUIRETLS", func(s *sink) { s.cert = good }, false, true},
		{"REQUIRETLS in clear only", func(s *sink) { s.cert, s.ehlo, s.ehloTLS = good, []string{"REQUIRETLS"}, []string{"SIZE"} }, false, true},
		{"another's certificate", func(s *sink) { s.cert, s.ehlo = certificate(t, "mx.far.test"), []string{"REQUIRETLS"} }, false, false},
		{"all is well", func(s *sink) { s.cert, s.ehlo = good, []string{"REQUIRETLS"} }, true, false},
	} {
		n := newInternet(t)
		pool := x509.NewCertPool()
		pool.AddCert(good.Leaf)
		n.relay.TLS = &tls.Config{RootCAs: pool}
		far := n.site("far.test", c.set)
		d := n.mail("bob@far.test")
		d.TLS = true
		p := n.one(d)
		if p.sent != c.sent || p.lost() != c.lost {
			t.Errorf("%s: got %+v %v", c.name, p, p.last)
		}
		if c.lost && p.last.status != "5.7.30" {
			t.Errorf("%s: got status %s", c.name, p.last.status)
		}
		if c.sent && !strings.HasSuffix(far.took()[0].from, " REQUIRETLS") {
			t.Errorf("%s: got %q", c.name, far.took()[0].from)
		}
	}
}
