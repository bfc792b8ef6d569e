package secure

import (
	"crypto/x509"
	"errors"
)

// named gives the verdict over a certificate its name of RFC 8460 §4.3.2.
func named(err error) error {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	kind := ValidationFailure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &host):
		kind = CertHostMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		kind = CertExpired
	case errors.As(err, &unknown):
		kind = CertNotTrusted
	}
	return &Failure{Type: kind, Err: err}
}
