package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RFC 8301 §3.2: what a verifier must be able to take, and no more. A larger
// key only costs time.
const (
	minKeyBits = 1024
	maxKeyBits = 4096
	// maxRecord is four times the record of the largest key we take.
	maxRecord = 4096
)

// Record is a published key (RFC 6376 §3.6.1).
type Record struct {
	Key       crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey; nil when revoked
	Algorithm string           // "rsa" or "ed25519"
	Revoked   bool             // p= is empty
	Testing   bool             // t=y
	Strict    bool             // t=s: i= must be of d= itself
	Hashes    []string         // h=; nil is all
	Services  []string         // s=; nil is all
}

// ParseRecord reads the text of a key record. The size of the key is not
// judged here.
func ParseRecord(txt string) (*Record, error) {
	if len(txt) > maxRecord {
		return nil, fmt.Errorf("the key record has %d octets", len(txt))
	}
	tags, err := ParseTags(txt)
	if err != nil {
		return nil, fmt.Errorf("key record: %w", err)
	}
	if v, ok := tags.Value("v"); ok && (v != "DKIM1" || tags[0].Name != "v") {
		return nil, errors.New("key record: v= is not DKIM1 in the first place") // RFC 6376 §3.6.1: discard
	}
	r := &Record{Algorithm: "rsa", Hashes: tags.words("h"), Services: tags.words("s")}
	if k, ok := tags.Value("k"); ok {
		r.Algorithm = k
	}
	if r.Algorithm != "rsa" && r.Algorithm != "ed25519" {
		return nil, fmt.Errorf("key record: k=%s is not known", brief(r.Algorithm, 40))
	}
	for _, f := range tags.words("t") {
		r.Testing = r.Testing || f == "y"
		r.Strict = r.Strict || f == "s"
	}
	p, ok := tags.squeezed("p")
	if !ok {
		return nil, errors.New("key record: no p=")
	}
	if p == "" {
		r.Revoked = true
		return r, nil
	}
	if r.Key, err = parseKey(r.Algorithm, p); err != nil {
		return nil, fmt.Errorf("key record: %w", err)
	}
	return r, nil
}

func parseKey(algorithm, p string) (crypto.PublicKey, error) {
	b, err := decodeBase64(p)
	if err != nil {
		return nil, errors.New("p= is not base64")
	}
	if algorithm == "ed25519" {
		if len(b) != ed25519.PublicKeySize { // RFC 8463 §4.2: the bare key
			return nil, fmt.Errorf("an Ed25519 key of %d octets", len(b))
		}
		return ed25519.PublicKey(b), nil
	}
	// RFC 6376 says RSAPublicKey in one place and SubjectPublicKeyInfo in
	// another; erratum 3017 lets both be.
	if pub, err := x509.ParsePKIXPublicKey(b); err == nil {
		if key, ok := pub.(*rsa.PublicKey); ok {
			return key, nil
		}
		return nil, errors.New("p= is not an RSA key")
	}
	key, err := x509.ParsePKCS1PublicKey(b)
	if err != nil {
		return nil, errors.New("p= cannot be read as a key")
	}
	return key, nil
}

// decodeBase64 forgives missing padding, which some publish.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// allows says why the key must not be used for a signature by algorithm, "" when it may.
func (r *Record) allows(algorithm string) string {
	key, hash, _ := strings.Cut(algorithm, "-")
	switch {
	case r.Revoked:
		return "the key is revoked"
	case r.Algorithm != key:
		return "the key is " + r.Algorithm + ", the signature " + key
	case r.Hashes != nil && !slices.Contains(r.Hashes, hash):
		return "the key is not for " + hash
	case r.Services != nil && !slices.Contains(r.Services, "*") && !slices.Contains(r.Services, "email"):
		return "the key is not for mail"
	}
	return ""
}

// size says why the key's size is not acceptable, "" when it is.
func (r *Record) size() string {
	if key, ok := r.Key.(*rsa.PublicKey); ok {
		if n := key.N.BitLen(); n < minKeyBits || n > maxKeyBits {
			return fmt.Sprintf("an RSA key of %d bits", n)
		}
	}
	return ""
}

// holds says whether sig is the key's signature of a SHA-256 digest.
func (r *Record) holds(digest, sig []byte) bool {
	switch key := r.Key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, digest, sig)
	}
	return false
}

// PublicRecord is what to publish for a key.
func PublicRecord(pub crypto.PublicKey) (string, error) {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return "", fmt.Errorf("encode key: %w", err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key), nil
	}
	return "", fmt.Errorf("keys of type %T are not known to DKIM", pub)
}
