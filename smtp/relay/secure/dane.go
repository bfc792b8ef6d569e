package secure

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	mdns "github.com/miekg/dns"

	"colporteur/dns"
)

// dane is how host must be talked to because of its TLSA records; nil when DANE
// does not apply. Each step is taken only when the one before was Secure: who
// can forge that one needs not to hide the records, and servers that answer
// nothing to questions for TLSA are common where nothing is signed
// (RFC 7672 §2.1.2).
func (f *Finder) dane(ctx context.Context, domain, host string) (*Host, error) {
	if domain == "" {
		return nil, nil
	}
	mx, err := f.DNS.Ask(ctx, domain, mdns.TypeMX) // none, when the host is the domain itself
	if err != nil {
		return nil, unproven("mail exchangers of "+domain, err)
	}
	if !mx.Secure {
		return nil, nil
	}
	bases, err := f.bases(ctx, host)
	if err != nil {
		return nil, err
	}
	port := f.Port
	if port == 0 {
		port = 25
	}
	for _, base := range bases {
		name := "_" + strconv.Itoa(port) + "._tcp." + base
		tlsa, err := f.DNS.Ask(ctx, name, mdns.TypeTLSA)
		if err != nil {
			return nil, unproven(name, err)
		}
		if !tlsa.Secure || len(tlsa.Records) == 0 {
			continue
		}
		h := &Host{Kind: DANE, Require: true, ServerName: base} // RFC 7672 §8.1 for the SNI
		var fit []association
		fit, h.Policy = associations(tlsa.Records)
		if len(fit) > 0 {
			// The names that a certificate under a trust anchor may have, all of
			// them proven by DNSSEC (RFC 7672 §3.2.3, RFC 7671 §7).
			names := []string{base, host, domain, mx.Name}
			h.Verify = (&verifier{associations: fit, names: names, now: f.now}).verify
		}
		return h, nil
	}
	return nil, nil
}

// bases are the names below which TLSA records of host may be, the first that
// has some counts (RFC 7672 §2.2.2): of an alias its target, when all the way
// there is signed, and then the alias itself, when it is.
func (f *Finder) bases(ctx context.Context, host string) ([]string, error) {
	four, err4 := f.DNS.Ask(ctx, host, mdns.TypeA)
	six, err6 := f.DNS.Ask(ctx, host, mdns.TypeAAAA)
	if err4 != nil && err6 != nil {
		return nil, unproven("addresses of "+host, errors.Join(err4, err6))
	}
	// Nobody connects to what one of them did not tell.
	secure, target := true, host
	for _, a := range []struct {
		dns.Answer
		err   error
		other bool // the other one has addresses
	}{{six, err6, len(four.Records) > 0}, {four, err4, len(six.Records) > 0}} {
		if a.err != nil || len(a.Records) == 0 && a.other {
			continue
		}
		secure = secure && a.Secure
		if a.Name != "" {
			target = a.Name
		}
	}
	switch {
	case secure && target != host:
		return []string{target, host}, nil
	case secure:
		return []string{host}, nil
	case target == host:
		return nil, nil
	}
	alias, err := f.DNS.Ask(ctx, host, mdns.TypeCNAME)
	switch {
	case err != nil:
		return nil, unproven("alias "+host, err)
	case alias.Secure:
		return []string{host}, nil
	}
	return nil, nil
}

// unproven: not known is not the same as not there (RFC 7672 §2.1.1).
func unproven(what string, err error) error {
	return &Failure{Type: DNSSECInvalid, Err: fmt.Errorf("%s: %w", what, err)}
}
