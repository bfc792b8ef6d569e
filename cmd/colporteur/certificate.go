package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"colporteur/config"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	leafRenewal   = 30 * 24 * time.Hour // before its end
	reloadEvery   = 10 * time.Second    // at most, and only when somebody connects
)

// certificate is the TLS certificate of this host, renewed or read again while
// the server runs.
type certificate struct {
	load func(old *tls.Certificate) (*tls.Certificate, error) // old itself: nothing has changed
	now  func() time.Time
	log  *slog.Logger

	mu     sync.Mutex
	have   *tls.Certificate
	looked time.Time
}

// tlsConfig is the certificate of cfg as servers use it, in the modes that ask nobody.
func tlsConfig(cfg *config.Config, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{now: time.Now, log: log}
	switch cfg.TLS.Mode {
	case config.SelfSigned:
		s := selfSigned{dir: cfg.Data, names: append(certificateNames(cfg), "localhost"), now: c.now}
		c.load = s.load
	case config.Files:
		c.load = (&pair{cert: cfg.TLS.Cert, key: cfg.TLS.Key}).load
	default:
		return nil, fmt.Errorf("tls.mode %q has no certificate of its own", cfg.TLS.Mode)
	}
	if _, err := c.get(nil); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12}, nil
}

// get looks for a newer certificate now and then. When that fails the old one
// goes on: a half-written file must not cut everybody off.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.have != nil && now.Sub(c.looked) < reloadEvery {
		return c.have, nil
	}
	c.looked = now
	got, err := c.load(c.have)
	switch {
	case err == nil:
		c.have = got
	case c.have == nil:
		return nil, err
	default:
		c.log.Error("certificate not read again", "err", err)
	}
	return c.have, nil
}

// pair is a certificate and its key in files that somebody else renews.
type pair struct {
	cert, key string
	seen      [2]time.Time
}

func (p *pair) load(old *tls.Certificate) (*tls.Certificate, error) {
	var seen [2]time.Time
	for i, path := range []string{p.cert, p.key} {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		seen[i] = info.ModTime()
	}
	if old != nil && seen == p.seen {
		return old, nil
	}
	got, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, err
	}
	p.seen = seen
	return &got, nil
}

// selfSigned makes certificates of a CA of its own. People put ca.pem into
// their programs once; the leaf changes.
type selfSigned struct {
	dir   string
	names []string
	now   func() time.Time
}

func (s selfSigned) load(old *tls.Certificate) (*tls.Certificate, error) {
	if old != nil && s.good(old) {
		return old, nil
	}
	path := filepath.Join(s.dir, "tls.pem")
	if kept, err := tls.LoadX509KeyPair(path, path); err == nil && s.good(&kept) {
		return &kept, nil
	}
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	parent, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		return nil, err
	}
	template := s.template(s.names[0], leafLife)
	template.DNSNames = s.names
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	b, err := issue(template, parent, ca.PrivateKey)
	if err != nil {
		return nil, err
	}
	if err := replace(path, b); err != nil {
		return nil, err
	}
	leaf, err := tls.X509KeyPair(b, b)
	return &leaf, err
}

// good says whether a leaf still serves: for these names, by this authority,
// and not about to end.
func (s selfSigned) good(c *tls.Certificate) bool {
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil || s.now().After(leaf.NotAfter.Add(-leafRenewal)) {
		return false
	}
	roots := x509.NewCertPool()
	b, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil || !roots.AppendCertsFromPEM(b) {
		return false
	}
	for _, name := range s.names {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: s.now()}); err != nil {
			return false
		}
	}
	return true
}

// authority reads the CA, or makes it. Its key lies apart from ca.pem, which is
// there to be copied.
func (s selfSigned) authority() (*tls.Certificate, error) {
	cert, key := filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "ca-key.pem")
	ca, err := tls.LoadX509KeyPair(cert, key)
	if err == nil {
		return &ca, nil
	}
	if _, cerr := os.Stat(cert); !errors.Is(cerr, os.ErrNotExist) {
		return nil, fmt.Errorf("the authority in %s cannot be used: %w; remove %s and %s for a new one", s.dir, err, cert, key)
	}
	template := s.template("Colporteur on "+s.names[0], authorityLife)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign
	b, err := issue(template, template, nil)
	if err != nil {
		return nil, err
	}
	public, private := pem.Decode(b)
	if err := replace(key, private); err != nil {
		return nil, err
	}
	if err := replace(cert, pem.EncodeToMemory(public)); err != nil {
		return nil, err
	}
	ca, err = tls.LoadX509KeyPair(cert, key)
	return &ca, err
}

func (s selfSigned) template(name string, life time.Duration) *x509.Certificate {
	serial := make([]byte, 16)
	rand.Read(serial)
	return &x509.Certificate{SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: s.now().Add(-time.Hour), NotAfter: s.now().Add(life)}
}

// issue makes a key and a certificate for it, signed by parent's key or, when
// that is nil, by itself; PEM of the certificate, then of the key.
func issue(template, parent *x509.Certificate, signer any) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}
