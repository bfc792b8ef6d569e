package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"

	"colporteur/config"
	"colporteur/host"
)

// acme is a certificate that an authority gives us (RFC 8555), because we
// answer at the names it is for. Until the first has come, and when it cannot,
// one of our own making serves: mail is better under a certificate that nobody
// checks than not at all, and most servers check none (RFC 7435).
type acme struct {
	dir       string   // of what the authority gave: account, keys, certificates
	names     []string // the server's own first
	issuer    *certmagic.ACMEIssuer
	magic     *certmagic.Config
	cache     *certmagic.Cache
	meanwhile *certificate
	log       *slog.Logger
	atDomains *domainHosts // names that come and go with our domains
}

var _ host.Certificates = (*acme)(nil)

// newACME reads what is there already; nobody is asked before Run.
func newACME(ctx context.Context, cfg *config.Config, log *slog.Logger) (*acme, error) {
	a := &acme{dir: acmeDir(cfg), names: certificateNames(cfg), log: log}
	own := selfSigned{dir: cfg.Data, names: append(slices.Clone(a.names), "localhost"), now: time.Now}
	a.meanwhile = &certificate{load: own.load, now: time.Now, log: log}
	if _, err := a.meanwhile.get(nil); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return nil, err
	}
	template, err := issuerOf(cfg)
	if err != nil {
		return nil, err
	}
	quiet := zap.New(zapTo{log: log})
	template.Logger = quiet
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil },
		Logger:           quiet,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage:   &certmagic.FileStorage{Path: a.dir},
		KeySource: certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		// A TLSA record (3 1 1) names the key: with a new one at each renewal,
		// those who heed it would bring no more mail (RFC 7671 §8.1).
		ReusePrivateKeys: true,
		// Servers that bring mail often name nobody, or the mail domain.
		DefaultServerName:  cfg.Hostname,
		FallbackServerName: cfg.Hostname,
		// A start must not wait for the authority's other services.
		OCSP:           certmagic.OCSPConfig{DisableStapling: true},
		OnEvent:        a.happened,
		ShouldEmitFunc: func(event string) bool { return strings.HasPrefix(event, "cert_") }, // not at each handshake
		Logger:         quiet,
	})
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	a.atDomains = a.domainHosts(cfg)
	for _, name := range a.names {
		have, err := a.magic.CacheManagedCertificate(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			log.Warn("certificate not obtained yet, one of our own making serves meanwhile", "host", name)
		case err != nil:
			// No reason to refuse mail; `colporteur check` says it too.
			log.Error("certificate cannot be used, one of our own making serves instead", "host", name, "err", err)
		case have.NeedsRenewal(a.magic):
			// What is in memory is next looked at in ten minutes; what Run
			// finds on the disk, at once.
			a.cache.Remove([]string{have.Hash()})
		}
	}
	return a, nil
}

func acmeDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "acme") }

// certificateNames are the names that people reach this host by.
func certificateNames(cfg *config.Config) []string {
	names := []string{cfg.Hostname}
	if u, err := url.Parse(cfg.Web.ContentURL); err == nil && u.Scheme == "https" && net.ParseIP(u.Hostname()) == nil && !slices.Contains(names, u.Hostname()) {
		names = append(names, u.Hostname())
	}
	return names
}

// issuerOf is the authority of cfg, and the ways it may try us.
func issuerOf(cfg *config.Config) (certmagic.ACMEIssuer, error) {
	is := certmagic.ACMEIssuer{
		CA:       cmp.Or(cfg.TLS.ACMEDirectory, certmagic.LetsEncryptProductionCA),
		Agreed:   true, // tls.mode = "acme" says so; setup tells
		Resolver: cfg.DNS.Resolver,
	}
	var host string
	is.ListenHost, is.AltHTTPPort = door(cfg.Web.HTTP)
	is.DisableHTTPChallenge = is.AltHTTPPort == 0
	host, is.AltTLSALPNPort = door(cfg.Web.Listen)
	is.DisableTLSALPNChallenge = is.AltTLSALPNPort == 0
	if is.DisableHTTPChallenge {
		is.ListenHost = host
	}
	if cfg.TLS.ACMECA != "" {
		b, err := os.ReadFile(cfg.TLS.ACMECA)
		if err != nil {
			return is, fmt.Errorf("tls.acme_ca: %w", err)
		}
		is.TrustedRoots = x509.NewCertPool()
		if !is.TrustedRoots.AppendCertsFromPEM(b) {
			return is, fmt.Errorf("tls.acme_ca: there is no certificate in %s", cfg.TLS.ACMECA)
		}
	}
	return is, nil
}

// door is where we answer the authority. The library must know: it listens
// itself where nobody else does.
func door(l config.List) (host string, port int) {
	if len(l) == 0 {
		return "", 0
	}
	host, p, _ := net.SplitHostPort(l[0])
	port, _ = strconv.Atoi(p)
	return host, port
}

// tls is what the listeners use. Each sets its own protocols over it.
func (a *acme) tls() *tls.Config {
	c := a.magic.TLSConfig().Clone()
	c.GetCertificate, c.NextProtos, c.MinVersion = a.get, nil, tls.VersionTLS12
	return c
}

func (a *acme) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	got, err := a.magic.GetCertificate(hello)
	if err == nil || slices.Contains(hello.SupportedProtos, acmez.ACMETLS1Protocol) {
		return got, err
	}
	return a.meanwhile.get(hello)
}

// Challenge answers the authority's questions over HTTP, and leaves all else to next.
func (a *acme) Challenge(next http.Handler) http.Handler { return a.issuer.HTTPChallengeHandler(next) }

// Run asks for what is missing and renews what ends, until ctx ends.
func (a *acme) Run(ctx context.Context) error {
	defer certmagic.CleanUpOwnLocks(context.WithoutCancel(ctx), a.magic.Logger)
	defer a.cache.Stop()
	if err := a.magic.ManageAsync(ctx, a.names); err != nil {
		return err
	}
	if a.atDomains.domains != nil {
		a.atDomains.run(ctx)
	}
	<-ctx.Done()
	return nil
}

// follow has the names at these domains that others ask over HTTPS be among the names that lead here.
// It is called before Run.
func (a *acme) follow(domains func(context.Context) ([]string, error)) { a.atDomains.domains = domains }

// contact makes the postmaster whom the authority may write to.
func (a *acme) contact(domains []string) {
	if len(domains) == 0 {
		return
	}
	domain := domains[0]
	for _, d := range domains {
		if a.names[0] == d || strings.HasSuffix(a.names[0], "."+d) {
			domain = d
		}
	}
	a.issuer.Email = "postmaster@" + domain
}

// happened hears what the library does.
func (a *acme) happened(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	switch event {
	case "cert_obtained":
		os.Remove(failureFile(a.dir, name))
		a.log.Info("certificate obtained", "host", name, "issuer", data["issuer"])
	case "cert_failed":
		err, _ := data["error"].(error)
		// For `colporteur check`, which may run when we do not.
		if kept := replace(failureFile(a.dir, name), []byte(strings.Join(strings.Fields(fmt.Sprint(err)), " ")+"\n")); kept != nil {
			a.log.Warn("failure not written down", "err", kept)
		}
		a.log.Warn("certificate not obtained", "host", name, "err", err)
	}
	return nil
}

func failureFile(dir, name string) string {
	return filepath.Join(dir, "failure-"+certmagic.StorageKeys.Safe(name))
}

// lastFailure is why the last try to get a certificate for name did not work; "" when it did.
func lastFailure(cfg *config.Config, name string) string {
	b, _ := os.ReadFile(failureFile(acmeDir(cfg), name))
	return strings.TrimSuffix(strings.TrimSpace(string(b)), ".")
}

// obtained is the certificate that the authority gave for name.
func obtained(cfg *config.Config, name string) (*tls.Certificate, error) {
	template, err := issuerOf(cfg)
	if err != nil {
		return nil, err
	}
	key := template.IssuerKey()
	file := func(s string) string { return filepath.Join(acmeDir(cfg), filepath.FromSlash(s)) }
	c, err := tls.LoadX509KeyPair(file(certmagic.StorageKeys.SiteCert(key, name)), file(certmagic.StorageKeys.SitePrivateKey(key, name)))
	return &c, err
}
