package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colporteur/world"
)

const hostname = "mail.home.test"

// server is a host that fetches its certificate, and an authority for it that
// may ask over HTTP, over TLS, or both.
func server(t *testing.T, overHTTP, overTLS bool, replace ...string) (*world.Process, *pebble) {
	t.Helper()
	web, secure := free(t), free(t)
	p := authority(t, web, secure)
	list := func(addr string, on bool) string {
		if !on {
			return "[]"
		}
		return fmt.Sprintf("[%q]", addr)
	}
	s := world.Setup(t, filepath.Join(t.TempDir(), "data"), append(replace,
		`mode = "selfsigned"`, `mode = "acme"`,
		`acme_directory = ""`, fmt.Sprintf("acme_directory = %q", p.directory),
		`acme_ca = ""`, fmt.Sprintf("acme_ca = %q", p.ca),
		`(?m)^listen = \[\]`, "listen = "+list(secure, overTLS),
		`(?m)^http   = \[.*?\]`, "http   = "+list(web, overHTTP))...)
	s.Ports["http"], s.Ports["https"] = web, secure
	return s, p
}

// handshake is what a listener shows a client that offers these protocols.
func handshake(s *world.Process, listener string, protocols ...string) (tls.ConnectionState, error) {
	var none tls.ConnectionState
	conn, err := net.DialTimeout("tcp", s.Ports[listener], 5*time.Second)
	if err != nil {
		return none, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if listener == "mx" || listener == "submission" {
		c := textproto.NewConn(conn)
		if _, _, err := c.ReadResponse(220); err != nil {
			return none, err
		}
		for _, step := range []struct {
			line string
			code int
		}{{"EHLO client.test", 250}, {"STARTTLS", 220}} {
			c.PrintfLine("%s", step.line)
			if _, _, err := c.ReadResponse(step.code); err != nil {
				return none, err
			}
		}
	}
	// Whose certificate it is, the tests look at afterwards.
	c := tls.Client(conn, &tls.Config{ServerName: hostname, InsecureSkipVerify: true, NextProtos: protocols})
	if err := c.Handshake(); err != nil {
		return none, err
	}
	return c.ConnectionState(), nil
}

// presents wants a certificate for the host from roots.
func presents(s *world.Process, listener string, roots *x509.CertPool) (*x509.Certificate, error) {
	state, err := handshake(s, listener)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", listener, err)
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := state.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: hostname, Roots: roots, Intermediates: between}); err != nil {
		return nil, fmt.Errorf("%s: %w", listener, err)
	}
	return leaf, nil
}

// own is the authority that the host made for itself.
func own(t *testing.T, s *world.Process) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b)
	return roots
}

func TestTheAuthoritysCertificateServesEveryProtocol(t *testing.T) {
	s, p := server(t, true, true)
	s.Start()
	var first *x509.Certificate
	for _, l := range []string{"mx", "submission", "submissions", "imaps", "https"} {
		eventually(t, "the authority's certificate", func() error {
			leaf, err := presents(s, l, p.roots)
			first = leaf
			return err
		})
	}
	if key, ok := first.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is a %T, want P-256", first.PublicKey)
	}
	if out, err := s.Try("", "check", "--config", s.Config); !strings.Contains(out, "good   The certificate for "+hostname+" lasts until") {
		t.Errorf("check: %v\n%s", err, out)
	}

	// The authority's question is for the web alone.
	for _, l := range []string{"mx", "submission", "submissions", "imaps"} {
		if state, err := handshake(s, l, "acme-tls/1"); err == nil {
			t.Errorf("%s took the protocol of certificate authorities: %q", l, state.NegotiatedProtocol)
		}
	}
	for _, protocol := range []string{"h2", "http/1.1"} {
		if state, err := handshake(s, "https", protocol, "acme-tls/1"); err != nil || state.NegotiatedProtocol != protocol {
			t.Errorf("https with %s: %q, %v", protocol, state.NegotiatedProtocol, err)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/.well-known/acme-challenge/invented": 404} {
		res, err := http.Get("http://" + s.Ports["http"] + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	private(t, filepath.Join(s.Data, "acme"))

	// A second start uses what it has.
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	asked := p.orders(t)
	if asked == 0 {
		t.Fatal("the authority was never asked: this test counts the wrong line")
	}
	s.Start()
	again, err := presents(s, "imaps", p.roots)
	if err != nil || !again.Equal(first) {
		t.Errorf("after a restart another certificate is shown: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := p.orders(t); n != asked {
		t.Errorf("a restart asked the authority %d times more", n-asked)
	}

	// So it does when the authority is gone.
	p.stop()
	s.Start()
	if again, err := presents(s, "mx", p.roots); err != nil || !again.Equal(first) {
		t.Errorf("without the authority another certificate is shown: %v", err)
	}
	if strings.Contains(s.Log(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}
}

func TestEachWayToBeAskedIsEnough(t *testing.T) {
	for _, c := range []struct {
		name              string
		overHTTP, overTLS bool
	}{{"HTTP-01", true, false}, {"TLS-ALPN-01", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			s, p := server(t, c.overHTTP, c.overTLS)
			s.Start()
			eventually(t, "the authority's certificate", func() error {
				_, err := presents(s, "imaps", p.roots)
				return err
			})
		})
	}
}

func TestAHostServesWithoutItsAuthority(t *testing.T) {
	s, p := server(t, true, true)
	p.stop()
	s.Start()
	for _, l := range []string{"mx", "imaps", "https"} {
		if _, err := presents(s, l, own(t, s)); err != nil {
			t.Errorf("meanwhile: %v", err)
		}
	}
	if !strings.Contains(s.Log(), "certificate not obtained yet, one of our own making serves meanwhile") {
		t.Errorf("the log does not say which certificate serves:\n%s", s.Log())
	}
	eventually(t, "check says why", func() error {
		out, err := s.Try("", "check", "--config", s.Config)
		if err == nil || !strings.Contains(out, "wrong  The certificate for "+hostname+" has not come yet: ") || !strings.Contains(out, "connection refused") {
			return fmt.Errorf("%v\n%s", err, out)
		}
		return nil
	})
	if err := s.Stop(); err != nil {
		t.Errorf("stopping while the authority is asked: %v", err)
	}
}

// private wants a folder in which other users find nothing to read.
func private(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		files++
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%s: %d files, %v", dir, files, err)
	}
}
