package keyring

import (
	"context"
	"crypto"
	"errors"
	"net"
	"strings"

	"colporteur/dkim"
)

// Sight is what the DNS says about one of our records.
type Sight int

const (
	Unknown Sight = iota // it does not answer
	Missing              // there is no key record
	Right                //
	Wrong                // another key, one that is cut off, several
)

// Look compares what e wants to be published with what is.
func (r *Ring) Look(ctx context.Context, e Entry) Sight {
	txts, err := r.DNS.LookupTXT(ctx, e.Name())
	var dns *net.DNSError
	switch {
	case err == nil:
	case errors.As(err, &dns) && dns.IsNotFound:
		txts = nil
	default:
		return Unknown
	}
	return Compare(e, txts)
}

// Compare is Look for TXT records that are at hand. What stands beside a key
// and is none, such as the mark of some service, does not count.
func Compare(e Entry, txts []string) Sight {
	var keys []string
	for _, t := range txts {
		if strings.Contains(t, "p=") || strings.Contains(t, "DKIM1") {
			keys = append(keys, t)
		}
	}
	switch {
	case len(keys) == 0:
		return Missing
	case e.State == Gone || len(keys) > 1: // RFC 6376 §3.6.2.2: then anything may happen
		return Wrong
	}
	got, err := dkim.ParseRecord(keys[0])
	if err != nil {
		return Wrong
	}
	if e.State == Revoked {
		if got.Revoked {
			return Right
		}
		return Wrong
	}
	want, err := dkim.ParseRecord(e.Record)
	if err != nil || got.Revoked || got.Algorithm != want.Algorithm || !forUs(got) {
		return Wrong
	}
	if k, ok := want.Key.(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(got.Key) {
		return Wrong
	}
	return Right
}

// forUs says whether a record lets the key sign what we sign: mail, with SHA-256.
func forUs(k *dkim.Record) bool {
	has := func(list []string, words ...string) bool {
		for _, l := range list {
			for _, w := range words {
				if l == w {
					return true
				}
			}
		}
		return list == nil
	}
	return has(k.Hashes, "sha256") && has(k.Services, "*", "email")
}
