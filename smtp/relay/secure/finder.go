package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"colporteur/dns"
	"colporteur/store"
)

// Asker is the DNS; *dns.Client is one. DANE is as good as its Secure.
type Asker interface {
	Ask(ctx context.Context, name string, kind uint16) (dns.Answer, error)
}

// Finder finds policies in the DNS and on the web, and keeps those of MTA-STS
// in the database. DNS and DB are needed, all else has a default.
type Finder struct {
	DNS Asker
	DB  *store.DB
	// Port of the mail exchangers, which is in the names of TLSA records; 0 is 25.
	Port int
	// AllowPrivate lets policies come from addresses that are not on the Internet.
	AllowPrivate bool
	HTTPS        int            // port that policies are fetched at; 0 is 443
	Roots        *x509.CertPool // whom to trust under MTA-STS; nil: the system's
	// Note hears of each policy that could not be fetched, for TLS reports. It
	// may be called by several goroutines at once.
	Note func(Outcome)
	Now  func() time.Time
	Log  *slog.Logger

	flights flights
}

var _ Policies = (*Finder)(nil)

// Domain implements Policies. It asks nobody yet: what MTA-STS says is fetched
// when the first host is asked for that DANE leaves open.
func (f *Finder) Domain(_ context.Context, name string) Domain {
	return &domain{finder: f, name: strings.ToLower(strings.TrimSuffix(name, "."))}
}

type domain struct {
	finder *Finder
	name   string

	mu     sync.Mutex
	known  bool
	policy *Policy
}

// Host implements Domain.
func (d *domain) Host(ctx context.Context, host string, implicit bool) (Host, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	bound, err := d.finder.dane(ctx, d.name, host)
	if err != nil {
		return Host{Kind: DANE, Require: true, ServerName: host}, err
	}
	if bound != nil && bound.Verify != nil {
		return *bound, nil
	}
	policy, err := d.sts(ctx)
	if err != nil {
		return Host{Kind: STS, Require: true, ServerName: host}, fmt.Errorf("mta-sts policy: %w", err)
	}
	switch {
	case policy != nil && policy.Mode == Enforce, policy != nil && policy.Mode == Testing && bound == nil:
		return d.finder.under(policy, host), nil
	case bound != nil: // encrypted, to whomever: more than a policy that is only tried out
		return *bound, nil
	}
	return Host{Kind: NoPolicy, ServerName: host}, nil
}

// sts is the domain's MTA-STS policy, nil when there is none. It is the same
// for all hosts of one visit.
func (d *domain) sts(ctx context.Context) (*Policy, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known {
		return d.policy, nil
	}
	policy, err := d.finder.sts(ctx, d.name)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // what was not found was perhaps not looked for
		return nil, ctx.Err()
	}
	d.policy, d.known = policy, true
	return policy, nil
}

// under is how p has mail travel to host (RFC 8461 §4, §5).
func (f *Finder) under(p *Policy, host string) Host {
	h := Host{Kind: STS, ServerName: host, Policy: p.Lines(), MX: p.MX,
		Require: p.Mode == Enforce, Testing: p.Mode == Testing, Verify: f.pkix(host)}
	if !p.Names(host) {
		h.Forbidden = h.Require
		h.Verify = func(tls.ConnectionState) error {
			return &Failure{Type: ValidationFailure, Err: errors.New("the policy does not name " + host)}
		}
	}
	return h
}

// pkix verifies a certificate as browsers do (RFC 8461 §4.1).
func (f *Finder) pkix(host string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errNoCertificate
		}
		opts := x509.VerifyOptions{DNSName: host, Roots: f.Roots, CurrentTime: f.now(), Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(opts)
		return named(err)
	}
}

var errNoCertificate = &Failure{Type: ValidationFailure, Err: errors.New("no certificate")}

func (f *Finder) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

func (f *Finder) log() *slog.Logger {
	if f.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return f.Log
}
