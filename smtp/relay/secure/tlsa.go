package secure

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	mdns "github.com/miekg/dns"
)

// association is a TLSA record that SMTP can use.
type association struct {
	usage, selector, matching uint8
	data                      []byte
	whole                     *x509.Certificate // a trust anchor that the record has in full
}

// Fields of TLSA records (RFC 7218).
const (
	daneTA, daneEE       = 2, 3
	wholeCert, spki      = 0, 1
	full, sha256d, sha5d = 0, 1, 2
)

// maxTLSA is how many records of a host count. Real ones have two to six.
const maxTLSA = 100

// associations are the usable ones of records, and all of them in words.
//
// Unusable is what RFC 7672 §3.1.3 says: PKIX-TA and PKIX-EE, for there is no
// list of authorities that all servers of mail agree on, and whatever is not
// known or damaged.
func associations(records []mdns.RR) (usable []association, words []string) {
	for _, rr := range records[:min(len(records), maxTLSA)] {
		r, ok := rr.(*mdns.TLSA)
		if !ok {
			continue
		}
		words = append(words, fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.MatchingType, r.Certificate))
		data, err := hex.DecodeString(r.Certificate)
		a := association{usage: r.Usage, selector: r.Selector, matching: r.MatchingType, data: data}
		if err == nil && a.usable() {
			usable = append(usable, a)
		}
	}
	// Of several digests of the same kind the strongest counts, so that a
	// broken one cannot be played against it (RFC 7671 §9).
	return slices.DeleteFunc(usable, func(a association) bool {
		return a.matching == sha256d && slices.ContainsFunc(usable, func(b association) bool {
			return b.matching == sha5d && b.usage == a.usage && b.selector == a.selector
		})
	}), words
}

func (a *association) usable() bool {
	if a.usage != daneTA && a.usage != daneEE || a.selector != wholeCert && a.selector != spki {
		return false
	}
	switch a.matching {
	case sha256d:
		return len(a.data) == sha256.Size
	case sha5d:
		return len(a.data) == sha512.Size
	case full:
		if a.selector == spki {
			_, err := x509.ParsePKIXPublicKey(a.data)
			return err == nil
		}
		c, err := x509.ParseCertificate(a.data)
		if a.usage == daneTA {
			a.whole = c
		}
		return err == nil
	}
	return false
}

func (a *association) fits(c *x509.Certificate) bool {
	data := c.Raw
	if a.selector == spki {
		data = c.RawSubjectPublicKeyInfo
	}
	switch a.matching {
	case sha256d:
		sum := sha256.Sum256(data)
		data = sum[:]
	case sha5d:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return bytes.Equal(a.data, data)
}

// verifier holds certificates against TLSA records.
type verifier struct {
	associations []association
	names        []string
	now          func() time.Time
}

func (v *verifier) verify(state tls.ConnectionState) error {
	chain := state.PeerCertificates
	if len(chain) == 0 {
		return errNoCertificate
	}
	anchors, between := x509.NewCertPool(), x509.NewCertPool()
	anchored := false
	for i := range v.associations {
		a := &v.associations[i]
		if a.usage == daneEE {
			// The record says all that is to be known: neither names nor dates
			// of the certificate count (RFC 7672 §3.1.1).
			if a.fits(chain[0]) {
				return nil
			}
			continue
		}
		if a.whole != nil {
			anchors.AddCert(a.whole)
			anchored = true
		}
		for _, c := range chain[1:] {
			if a.fits(c) {
				anchors.AddCert(c)
				anchored = true
			}
		}
	}
	if !anchored {
		return &Failure{Type: TLSAInvalid, Err: fmt.Errorf("the certificate fits none of %d TLSA records", len(v.associations))}
	}
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	opts := x509.VerifyOptions{Roots: anchors, Intermediates: between, CurrentTime: v.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := chain[0].Verify(opts); err != nil {
		return named(err)
	}
	var err error
	for _, name := range v.names {
		if e := chain[0].VerifyHostname(name); e == nil {
			return nil
		} else if err == nil {
			err = e // about the name that is expected most
		}
	}
	if err == nil {
		err = errors.New("no name to compare with")
	}
	return named(err)
}
