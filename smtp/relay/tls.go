package relay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"

	"colporteur/smtp/relay/secure"
)

// aead are the suites of TLS 1.2 that we speak; those of 1.3 are all of this
// kind. A peer that only has CBC suites fails the handshake and, where nothing
// demands encryption, gets the mail in clear. That is a loss against someone
// who only listens, and taken on purpose: such servers stopped being kept up
// ten years ago, and a suite with known attacks that looks like encryption in
// the trace promises what it does not hold.
var aead = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// tlsConfig is the client's side of a handshake with host. It accepts any
// certificate: manner.check looks at it afterwards, so that what is wrong with
// it can be told from what is wrong with the encryption.
func (r *Relay) tlsConfig(host, serverName string) *tls.Config {
	cfg := &tls.Config{}
	if r.TLS != nil {
		cfg = r.TLS.Clone()
	}
	if cfg.MinVersion < tls.VersionTLS12 {
		cfg.MinVersion = tls.VersionTLS12
	}
	cfg.CipherSuites = aead
	cfg.InsecureSkipVerify = true
	cfg.ServerName = serverName
	if _, err := netip.ParseAddr(host); serverName == "" && err != nil {
		cfg.ServerName = host
	}
	return cfg
}

// publicly verifies the certificate of host as browsers do (PKIX).
func (r *Relay) publicly(host string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return &secure.Failure{Type: secure.ValidationFailure, Err: errors.New("no certificate")}
		}
		opts := x509.VerifyOptions{DNSName: host, Intermediates: x509.NewCertPool()}
		if r.TLS != nil {
			opts.Roots = r.TLS.RootCAs
			if r.TLS.Time != nil {
				opts.CurrentTime = r.TLS.Time()
			}
		}
		for _, c := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(opts)
		return err
	}
}

// typeOf names a failure of TLS as RFC 8460 §4.3 does.
func typeOf(err error) string {
	var named *secure.Failure
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &named):
		return named.Type
	case errors.As(err, &name):
		return secure.CertHostMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return secure.CertExpired
	case errors.As(err, &unknown):
		return secure.CertNotTrusted
	}
	return secure.ValidationFailure
}
