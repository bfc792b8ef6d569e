package secure_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/dns"
	"colporteur/dns/dnstest"
	"colporteur/smtp/relay/secure"
	"colporteur/store"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.make(&x509.Certificate{Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: start.AddDate(5, 0, 0)})
	return a
}

func (a *authority) make(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<60))
	template.NotBefore = start.AddDate(-1, 0, 0)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c, key
}

// issue is a certificate that is good until end, with its chain.
func (a *authority) issue(end time.Time, names ...string) tls.Certificate {
	a.t.Helper()
	c, key := a.make(&x509.Certificate{DNSNames: names, NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature})
	return tls.Certificate{Certificate: [][]byte{c.Raw, a.cert.Raw}, PrivateKey: key, Leaf: c}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// network is the DNS, a site for policies, and whom our side trusts.
type network struct {
	*clock
	*dnstest.Zone
	ca     *authority
	finder *secure.Finder

	mu       sync.Mutex
	asked    int
	answer   http.HandlerFunc
	cert     tls.Certificate
	outcomes []secure.Outcome
}

// policies has far.test publish a policy with MTA-STS.
func policies(t testing.TB, db *store.DB) *network {
	t.Helper()
	n := &network{clock: &clock{now: start}, Zone: dnstest.New(t), ca: newAuthority(t)}
	n.cert = n.ca.issue(start.AddDate(3, 0, 0), "mta-sts.far.test")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.asked++
		answer := n.answer
		n.mu.Unlock()
		if r.Host != "mta-sts.far.test" || r.URL.Path != "/.well-known/mta-sts.txt" {
			t.Errorf("asked for %s%s", r.Host, r.URL.Path)
		}
		answer(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if h.ServerName != "mta-sts.far.test" {
			t.Errorf("SNI %q", h.ServerName)
		}
		return &n.cert, nil
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	n.Add("far.test. MX 10 mx.far.test.", "mx.far.test. A 192.0.2.1", "mta-sts.far.test. A 127.0.0.1")
	n.finder = &secure.Finder{DNS: &dns.Client{Servers: []string{n.Addr}, Now: n.Now}, DB: db, HTTPS: s.Listener.Addr().(*net.TCPAddr).Port, AllowPrivate: true,
		Roots: n.ca.pool(), Now: n.Now, Note: func(o secure.Outcome) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.outcomes = append(n.outcomes, o)
		}}
	return n
}

// publish has the policy of far.test be text, under id.
func (n *network) publish(id, text string) {
	n.Remove("_mta-sts.far.test", 0)
	n.Add(`_mta-sts.far.test. TXT "v=STSv1; id=` + id + `;"`)
	n.serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, text)
	})
}

func (n *network) serve(h http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = h
}

func (n *network) present(c tls.Certificate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cert = c
}

// fetched is how often the site was asked.
func (n *network) fetched() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// noted are the failures that the next TLS report tells of, since the last call.
func (n *network) noted() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, o := range n.outcomes {
		out = append(out, o.Domain+" "+o.Kind+" "+o.Failure)
	}
	n.outcomes = nil
	return strings.Join(out, ", ")
}

func (n *network) host(t testing.TB, host string) secure.Host {
	t.Helper()
	h, err := n.finder.Domain(t.Context(), "far.test").Host(t.Context(), host, false)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// shake is a real handshake with a server that has cert, and what h thinks of it.
func shake(t testing.TB, h secure.Host, cert tls.Certificate) error {
	t.Helper()
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		s := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}})
		ended <- s.Handshake()
	}()
	c := tls.Client(ours, &tls.Config{ServerName: h.ServerName, InsecureSkipVerify: true})
	defer func() { ours.Close(); theirs.Close(); <-ended }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if h.Verify == nil {
		return nil
	}
	return h.Verify(c.ConnectionState())
}
