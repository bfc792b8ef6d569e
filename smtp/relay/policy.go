package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"colporteur/mail"
	"colporteur/smtp/relay/secure"
)

// manner is how one mail must travel to one host: what the recipient's domain
// publishes (MTA-STS, DANE), and what the sender asks for (REQUIRETLS). Without
// either it is opportunistic (RFC 7435): encrypted when the peer offers it,
// whatever its certificate, because the alternative is not to encrypt.
type manner struct {
	secure.Host
	all      bool // REQUIRETLS
	enforced bool // the domain demands encryption, whatever the sender does
}

// policy finds what the recipient's domain publishes; nil is nothing. A host
// that the operator named is asked for no policy.
func (r *Relay) policy(ctx context.Context, domain string) secure.Domain {
	if r.Policies == nil || r.Smarthost != "" {
		return nil
	}
	return r.Policies.Domain(ctx, domain)
}

// manner says how the visit's mail travels to h. A failure means that h must
// not be used now; it waits for another day, for an attacker may be at work.
func (v *visit) manner(h host) (*manner, *failure) {
	m := &manner{Host: secure.Host{Kind: secure.NoPolicy}, all: v.mail.TLS}
	if v.published != nil {
		found, err := v.published.Host(v.ctx, h.name, h.implicit)
		m.Host, m.enforced = found, found.Require && !found.Testing
		switch {
		case err != nil && v.ctx.Err() != nil:
			return nil, broken(h.name, "4.7.5", "relay-why-policy-unknown", err)
		case err != nil:
			v.outcome(m, h, netip.Addr{}, err)
			return nil, broken(h.name, "4.7.5", "relay-why-policy-unknown", err)
		case found.Forbidden:
			err := &secure.Failure{Type: secure.ValidationFailure, Err: errors.New("the domain's policy does not name this host")}
			v.outcome(m, h, netip.Addr{}, err)
			return nil, broken(h.name, "4.7.5", "relay-why-policy-host", err)
		}
	}
	if m.all {
		// RFC 8689 §4.2.1: the certificate is proven by DANE or as browsers do it.
		if !m.Require || m.Verify == nil {
			m.Verify = v.relay.publicly(h.name)
		}
		m.Require, m.Testing = true, false
	}
	return m, nil
}

// check looks at a certificate. Under a policy that is only tried out, what is
// wrong is reported and nothing else.
func (m *manner) check(state tls.ConnectionState) (fatal, reported error) {
	if m.Verify == nil {
		return nil, nil
	}
	err := m.Verify(state)
	if err != nil && m.Require && !m.Testing {
		return err, err
	}
	return nil, err
}

// clear says whether the mail may go unencrypted.
func (m *manner) clear() bool { return !m.Require || m.Testing }

// key names the manner: only mails of the same one share a connection. Under
// DANE the certificate may be in the name of the recipient's domain (RFC 7672
// §3.2.2), so it is good for mail to that one.
func (m *manner) key(domain string) string {
	if m.Kind != secure.DANE {
		domain = ""
	}
	return fmt.Sprintf("%s %t %t %t %s %s\n%s", m.Kind, m.Require, m.Testing, m.all, domain, m.ServerName, strings.Join(m.Policy, "\n"))
}

// outcome reports a session with a peer, for TLS reports; err nil is success.
func (v *visit) outcome(m *manner, h host, a netip.Addr, err error) {
	if v.relay.TLSResult == nil {
		return
	}
	o := secure.Outcome{Domain: v.domain, Host: h.name, Kind: m.Kind, Policy: m.Policy, MX: m.MX}
	if a.IsValid() {
		o.IP = a.String()
	}
	if err != nil {
		o.Failure, o.Reason = typeOf(err), tidy(err.Error())
	}
	v.relay.TLSResult(o)
}

// unsafe is the failure of a host that cannot give what the domain demands.
func (m *manner) unsafe(host, why string, err error) *failure {
	f := broken(host, "4.7.5", why, err)
	if m.all && !m.enforced {
		f.why = mail.MakeText("relay-why-tls") // nobody but the sender demands it
	}
	return f
}
