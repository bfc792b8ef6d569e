package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"colporteur/smtp/relay/secure"
)

// published is what the domains of a test publish, by host.
type published map[string]secure.Host

var errUnknown = &secure.Failure{Type: secure.DNSSECInvalid, Err: errors.New("the signature does not fit")}

func (p published) Domain(context.Context, string) secure.Domain { return p }
func (p published) Host(_ context.Context, host string, _ bool) (secure.Host, error) {
	h, ok := p[host]
	if !ok {
		return secure.Host{Kind: secure.DANE}, errUnknown
	}
	return h, nil
}

// results keeps what is reported.
func (n *internet) results() func() []secure.Outcome {
	var mu sync.Mutex
	var all []secure.Outcome
	n.relay.TLSResult = func(o secure.Outcome) { mu.Lock(); defer mu.Unlock(); all = append(all, o) }
	return func() []secure.Outcome { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
}

func refuseCert(tls.ConnectionState) error {
	return &secure.Failure{Type: secure.CertHostMismatch, Err: errors.New("it is for somebody else")}
}

func acceptCert(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	return nil
}

//
func TestPolicyDecidesHowTheMailTravels(t *testing.T) {
	t.Parallel()
	cert := certificate(t, "mx.far.test")
	sts := secure.Host{Kind: secure.STS, Policy: []string{"version: STSv1"}, MX: []string{"*.far.test"}}
	with := func(set func(*secure.Host)) published { h := sts; set(&h); return published{"mx.far.test": h} }
	for _, c := range []struct {
		name      string
		policies  secure.Policies
		set       func(*sink)
		sent, tls bool
		why       string
		failure   []string // reported, in order; "" is success
	}{
		{"no policy, no TLS", nil, nil, true, false, "", []string{secure.StartTLSNotSupported}},
		{"no policy, any certificate", nil, func(s *sink) { s.cert = cert }, true, true, "", []string{""}},
		{"no policy, broken TLS", nil, func(s *sink) { s.cert, s.breakTLS = cert, true }, true, false, "", []string{secure.ValidationFailure}},
		{"no policy, old suites", nil, func(s *sink) { s.cert, s.cbc = cert, true }, true, false, "", []string{secure.ValidationFailure}},
		{"enforced and good", with(func(h *secure.Host) { h.Require, h.Verify = true, acceptCert }), func(s *sink) { s.cert = cert }, true, true, "", []string{""}},
		{"enforced, wrong certificate", with(func(h *secure.Host) { h.Require, h.Verify = true, refuseCert }), func(s *sink) { s.cert = cert },
			false, false, "relay-why-policy-cert", []string{secure.CertHostMismatch}},
		{"enforced, STARTTLS stripped", with(func(h *secure.Host) { h.Require, h.Verify = true, acceptCert }), nil,
			false, false, "relay-why-policy-tls", []string{secure.StartTLSNotSupported}},
		{"enforced, broken TLS", with(func(h *secure.Host) { h.Require, h.Verify = true, acceptCert }), func(s *sink) { s.cert, s.breakTLS = cert, true },
			false, false, "relay-why-policy-tls", []string{secure.ValidationFailure}},
		{"tried out, wrong certificate", with(func(h *secure.Host) { h.Require, h.Testing, h.Verify = true, true, refuseCert }), func(s *sink) { s.cert = cert },
			true, true, "", []string{secure.CertHostMismatch}},
		{"tried out, STARTTLS stripped", with(func(h *secure.Host) { h.Testing, h.Verify = true, acceptCert }), nil, true, false, "", []string{secure.StartTLSNotSupported}},
		{"another host", with(func(h *secure.Host) { h.Forbidden = true }), func(s *sink) { s.cert = cert }, false, false, "relay-why-policy-host", []string{secure.ValidationFailure}},
		{"not known", published{}, func(s *sink) { s.cert = cert }, false, false, "relay-why-policy-unknown", []string{secure.DNSSECInvalid}},
	} {
		n := newInternet(t)
		far := n.site("far.test", c.set)
		n.relay.Policies = c.policies
		results := n.results()
		p := n.one(n.mail("bob@far.test"))
		if p.sent != c.sent || p.lost() {
			t.Errorf("%s: sent %v, lost %v: %v", c.name, p.sent, p.lost(), p.last)
			continue
		}
		if c.sent && far.took()[0].tls != c.tls {
			t.Errorf("%s: encrypted %v", c.name, far.took()[0].tls)
		}
		if !c.sent && (p.last.why.ID != c.why || p.last.status != "4.7.5" || len(far.took()) != 0 || far.said("MAIL") != 0) {
			t.Errorf("%s: got %s %s, heard %q", c.name, p.last.status, p.last.why.ID, far.lines)
		}
		var got []string
		for _, o := range results() {
			got = append(got, o.Failure)
			if o.Domain != "far.test" || o.Host != "mx.far.test" || c.policies != nil && len(c.policies.(published)) > 0 && (o.Kind != secure.STS || len(o.MX) != 1) {
				t.Errorf("%s: got %+v", c.name, o)
			}
		}
		if !slices.Equal(got, c.failure) {
			t.Errorf("%s: reported %q, want %q", c.name, got, c.failure)
		}
	}
}

func TestHostThatThePolicyForbidsIsPassedOver(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	evil := n.host("evil.test", func(s *sink) { s.cert = certificate(t, "evil.test") })
	good := n.host("mx.far.test", func(s *sink) { s.cert = certificate(t, "mx.far.test") })
	n.mx("far.test", net.MX{Host: "evil.test.", Pref: 1}, net.MX{Host: "mx.far.test.", Pref: 2})
	n.relay.Policies = published{"evil.test": {Kind: secure.STS, Forbidden: true}, "mx.far.test": {Kind: secure.STS, Require: true, Verify: acceptCert}}
	if p := n.one(n.mail("bob@far.test")); !p.sent || evil.calls() != 0 || len(good.took()) != 1 {
		t.Errorf("got %v; the forbidden host was called %d times", p.last, evil.calls())
	}
}

func TestPolicyFailureIsToldInWords(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", nil)
	n.relay.Policies = published{"mx.far.test": {Kind: secure.STS, Require: true, Verify: acceptCert}}
	w := &work{Relay: n.mail("bob@far.test")}
	n.drive(w, letter(sample), nil)
	both := n.notices(2)
	for i, action := range []string{"delayed", "failed"} {
		if got := both[i].status[1].Get("Action"); got != action || !strings.Contains(both[i].words, "veut que son courrier voyage chiffré") ||
			!strings.Contains(both[i].words, "We do not send your mail in the open") {
			t.Errorf("%s: got\n%s", got, both[i].words)
		}
	}
}

func TestRequireTLSTrustsDANEOrThePublicList(t *testing.T) {
	t.Parallel()
	cert := certificate(t, "mx.far.test")
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	for _, c := range []struct {
		name  string
		host  secure.Host
		roots *x509.CertPool
		sent  bool
	}{
		{"DANE alone", secure.Host{Kind: secure.DANE, Require: true, Verify: acceptCert}, x509.NewCertPool(), true},
		{"DANE that does not fit", secure.Host{Kind: secure.DANE, Require: true, Verify: refuseCert}, pool, false},
		{"the public list alone", secure.Host{Kind: secure.NoPolicy}, pool, true},
		{"a policy that is tried out proves nothing", secure.Host{Kind: secure.STS, Testing: true, Verify: acceptCert}, x509.NewCertPool(), false},
		{"neither", secure.Host{Kind: secure.NoPolicy}, x509.NewCertPool(), false},
	} {
		n := newInternet(t)
		n.site("far.test", func(s *sink) { s.cert, s.ehlo = cert, []string{"REQUIRETLS"} })
		n.relay.TLS = &tls.Config{RootCAs: c.roots}
		n.relay.Policies = published{"mx.far.test": c.host}
		d := n.mail("bob@far.test")
		d.TLS = true
		if p := n.one(d); p.sent != c.sent || p.lost() {
			t.Errorf("%s: got sent %v, %v", c.name, p.sent, p.last)
		}
	}
}

// Somebody between may have taken STARTTLS away: REQUIRETLS makes no bounce of it.
func TestStrippedSTARTTLSWaitsWhereTheDomainDemandsEncryption(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", nil)
	n.relay.Policies = published{"mx.far.test": {Kind: secure.DANE, Require: true, Verify: acceptCert}}
	d := n.mail("bob@far.test")
	d.TLS = true
	if p := n.one(d); p.sent || p.lost() || p.last.why.ID != "relay-why-policy-tls" {
		t.Errorf("got %+v %v", p, p.last)
	}
}

func TestConnectionsAreNotSharedAcrossPolicies(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	cert := certificate(t, "mx.far.test")
	far := n.site("far.test", func(s *sink) { s.cert, s.ehlo = cert, []string{"REQUIRETLS"} })
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	n.relay.TLS = &tls.Config{RootCAs: pool}
	n.relay.pacer().round(t, "far.test", experience{good: true})
	send := func(strict bool, h secure.Host, calls int) {
		t.Helper()
		n.relay.Policies = published{"mx.far.test": h}
		d := n.mail("bob@far.test")
		d.TLS = strict
		if p := n.one(d); !p.sent || far.calls() != calls {
			t.Errorf("sent %v in %d connections, want %d: %v", p.sent, far.calls(), calls, p.last)
		}
	}
	none, enforced := secure.Host{Kind: secure.NoPolicy}, secure.Host{Kind: secure.STS, Require: true, Verify: acceptCert}
	send(false, none, 1)
	send(false, enforced, 2)
	send(true, enforced, 3)
	send(false, enforced, 3)
	send(false, none, 3)
	dane := secure.Host{Kind: secure.DANE, Require: true, Verify: acceptCert}
	send(false, dane, 4)
	n.mx("other.test", net.MX{Host: "mx.far.test.", Pref: 1})
	if p := n.one(n.mail("bob@other.test")); !p.sent || far.calls() != 5 {
		t.Errorf("DANE of another domain: sent %v in %d connections", p.sent, far.calls())
	}
}
