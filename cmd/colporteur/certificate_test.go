package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"colporteur/config"
)

func roots(t testing.TB, dir string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		t.Fatal("ca.pem has no certificate")
	}
	return pool
}

func leaf(t testing.TB, c *tls.Certificate) *x509.Certificate {
	t.Helper()
	l, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTheSelfSignedCertificateIsTrustedByItsAuthority(t *testing.T) {
	t.Parallel()
	cfg := config.Defaults(config.Dev)
	cfg.Hostname, cfg.Data = "mail.home.test", t.TempDir()
	conf, err := tlsConfig(&cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got, err := conf.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mail.home.test", "localhost", "127.0.0.1", "::1"} {
		if _, err := leaf(t, got).Verify(x509.VerifyOptions{DNSName: name, Roots: roots(t, cfg.Data)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if leaf(t, got).VerifyHostname("else.test") == nil {
		t.Error("it serves any name")
	}
	// The same after a restart: programs that remember the leaf are not disturbed.
	conf, err = tlsConfig(&cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := conf.GetCertificate(nil)
	if leaf(t, again).SerialNumber.Cmp(leaf(t, got).SerialNumber) != 0 {
		t.Error("a restart changed the certificate")
	}
	cfg.Hostname = "mx.home.test"
	if conf, err = tlsConfig(&cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	again, _ = conf.GetCertificate(nil)
	if leaf(t, again).VerifyHostname("mx.home.test") != nil {
		t.Error("the certificate kept the old name")
	}
	if err := os.Remove(filepath.Join(cfg.Data, "ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	cfg.Hostname = "third.home.test"
	if _, err := tlsConfig(&cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("an authority that people trust was replaced in silence")
	}
}

func TestTheSelfSignedCertificateIsRenewedWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	at := time.Now()
	now := func() time.Time { return at }
	dir := t.TempDir()
	c := &certificate{load: selfSigned{dir, []string{"mail.home.test"}, now}.load, now: now, log: slog.New(slog.DiscardHandler)}
	first, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	at = at.Add(leafLife - leafRenewal - time.Hour)
	if same, _ := c.get(nil); same != first {
		t.Error("renewed too early")
	}
	at = at.Add(2 * time.Hour)
	second, err := c.get(nil)
	if err != nil || second == first {
		t.Fatalf("not renewed: %v", err)
	}
	if _, err := leaf(t, second).Verify(x509.VerifyOptions{DNSName: "mail.home.test", Roots: roots(t, dir), CurrentTime: at.Add(leafLife - time.Hour)}); err != nil {
		t.Errorf("the new one: %v", err)
	}
}

func TestCertificateFilesAreReadAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	at := time.Now()
	now := func() time.Time { return at }
	dir := t.TempDir()
	path := filepath.Join(dir, "pair.pem")
	write := func(name string) {
		t.Helper()
		from := t.TempDir()
		if _, err := (selfSigned{from, []string{name}, time.Now}).load(nil); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(from, "tls.pem"))
		if err == nil {
			err = replace(path, b)
		}
		if err == nil {
			err = os.Chtimes(path, at, at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("one.test")
	c := &certificate{load: (&pair{cert: path, key: path}).load, now: now, log: slog.New(slog.DiscardHandler)}
	name := func() string {
		t.Helper()
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return leaf(t, got).Subject.CommonName
	}
	if got := name(); got != "one.test" {
		t.Errorf("got %s", got)
	}
	at = at.Add(time.Minute)
	write("two.test")
	if got := name(); got != "two.test" {
		t.Errorf("got %s, want the new one", got)
	}
	at = at.Add(time.Minute)
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "two.test" {
		t.Errorf("got %s, want the last good one", got)
	}
}
