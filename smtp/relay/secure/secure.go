// Package secure says how mail for a domain must travel: what the domain
// publishes with DANE (RFC 7672) and MTA-STS (RFC 8461).
//
// DANE comes first: a domain that has usable TLSA records is bound by those,
// and MTA-STS neither adds to nor excuses from them (RFC 8461 §2). Where the
// TLSA records are none that SMTP can use, they demand encryption, and an
// enforced MTA-STS policy may demand more.
//
// # What is not known
//
// DANE fails closed: a question that a validating resolver cannot answer has
// the host passed over. MTA-STS fails open the first time, because RFC 8461
// §3.3 demands it, and closed for as long as a policy that was fetched once is
// valid.
package secure

import (
	"context"
	"crypto/tls"

	"github.com/miekg/dns"
)

// Kinds of policies, in the words of TLS-RPT (RFC 8460 §4.2).
const (
	NoPolicy = "no-policy-found"
	STS      = "sts"
	DANE     = "tlsa"
)

// Policies finds them; Finder is the real one. One is shared by all of the
// relay, and used like this, for a mail to a domain:
//
//	d := policies.Domain(ctx, domain)
//	for each of its hosts:
//		h, err := d.Host(ctx, host, implicit)
//		err != nil or h.Forbidden: pass over it, report, keep the mail
//		STARTTLS not offered and h.Require: pass over it, report, keep the mail
//		handshake with h.ServerName and InsecureSkipVerify, then h.Verify:
//		its error is fatal when h.Require, and reported in any case
//
// Under DANE a certificate may be in the name of the recipient's domain, so a
// connection is used again only for mail to the same domain when h.Kind is DANE.
type Policies interface {
	// Domain finds what domain publishes for all of its hosts. It never fails:
	// what cannot be found out is in what the hosts say.
	Domain(ctx context.Context, domain string) Domain
}

// Domain is the policy of one recipient domain.
type Domain interface {
	// Host says how to talk to one of its mail exchangers. implicit: the domain
	// has no MX and host is its own name.
	// An error means not now: the answer is not known, and a guess could be
	// what an attacker wants (RFC 7672 §2.2). The host is passed over and the
	// mail waits.
	Host(ctx context.Context, host string, implicit bool) (Host, error)
}

// Host is how to talk to one mail exchanger.
type Host struct {
	Kind string // NoPolicy, STS, DANE
	// Require: nothing is sent without TLS that Verify accepts.
	Require bool
	// Forbidden: an enforced MTA-STS policy does not name this host. It is not
	// to be used (RFC 8461 §5).
	Forbidden bool
	// Testing: what fails is reported and nothing else happens (mode "testing").
	Testing bool
	// Verify looks at the handshake; nil accepts any certificate. The caller
	// handshakes with InsecureSkipVerify and calls it itself.
	Verify func(tls.ConnectionState) error
	// ServerName to send (SNI).
	ServerName string

	// For reports: the policy as it was published, and the hosts it names.
	Policy []string
	MX     []string
}

// Failures of TLS, in the words of RFC 8460 §4.3.
const (
	StartTLSNotSupported = "starttls-not-supported"
	CertHostMismatch     = "certificate-host-mismatch"
	CertExpired          = "certificate-expired"
	CertNotTrusted       = "certificate-not-trusted"
	ValidationFailure    = "validation-failure"
	TLSAInvalid          = "tlsa-invalid"
	DNSSECInvalid        = "dnssec-invalid"
	DANERequired         = "dane-required"
	STSPolicyFetchError  = "sts-policy-fetch-error"
	STSPolicyInvalid     = "sts-policy-invalid"
	STSWebPKIInvalid     = "sts-webpki-invalid"
)

// Failure is an error that has one of these names.
type Failure struct {
	Type string
	Err  error
}

func (f *Failure) Error() string { return f.Type + ": " + f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Outcome is one session with a peer, for TLS reports. Failure "" is success.
type Outcome struct {
	Domain  string // the recipient domain
	Host    string // the MX
	IP      string // of the peer, "" when none was reached
	Kind    string // of the policy
	Policy  []string
	MX      []string
	Failure string
	Reason  string
}

var _ = dns.TypeTLSA
