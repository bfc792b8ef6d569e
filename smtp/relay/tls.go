package relay

import (
	"context"
	"crypto/tls"
	"net/netip"
)

// tlsPolicy is what a domain wants of the connections that bring its mail.
type tlsPolicy struct {
	// require: no delivery without encryption; there is no falling back.
	require bool
	// verify: the certificate must be valid for the host's name.
	verify bool
}

// policy says how mail for domain must travel. Today it is opportunistic for
// every domain (RFC 7435): encrypted when the peer offers it, whatever its
// certificate, because the alternative is not to encrypt. What a domain
// publishes with MTA-STS or DANE belongs here and nowhere else.
func (r *Relay) policy(_ context.Context, _ string) tlsPolicy {
	return tlsPolicy{}
}

// tlsConfig is the client's side of a handshake with host.
func (r *Relay) tlsConfig(host string, p tlsPolicy) *tls.Config {
	cfg := &tls.Config{}
	if r.TLS != nil {
		cfg = r.TLS.Clone()
	}
	if cfg.MinVersion < tls.VersionTLS12 {
		cfg.MinVersion = tls.VersionTLS12
	}
	if _, err := netip.ParseAddr(host); err != nil || p.verify {
		cfg.ServerName = host
	}
	cfg.InsecureSkipVerify = !p.verify
	return cfg
}
