package keyring

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// rsaBits: every verifier takes 2048 (RFC 8301 §3.2); the record of a larger
// key does not fit where some providers let people type it.
const rsaBits = 2048

// Generate makes the private half of a key.
func Generate(algorithm string) (crypto.Signer, error) {
	if algorithm == Ed25519 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return rsa.GenerateKey(rand.Reader, rsaBits)
}

// aead is AES-256-GCM. Few keys are sealed in a life, so nonces are random.
func (r *Ring) aead() (cipher.AEAD, error) {
	if len(r.Key) != 32 {
		return nil, fmt.Errorf("the key that encrypts dkim keys has %d bytes, not 32", len(r.Key))
	}
	block, err := aes.NewCipher(r.Key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// place is bound to what is sealed: a row that is copied to another domain or
// selector does not open there.
func place(domain, selector string) []byte {
	return []byte("dkim key\x00" + domain + "\x00" + selector)
}

func (r *Ring) seal(domain, selector string, signer crypto.Signer) ([]byte, error) {
	a, err := r.aead()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, a.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return a.Seal(nonce, nonce, der, place(domain, selector)), nil
}

func (r *Ring) open(domain, selector string, sealed []byte) (crypto.Signer, error) {
	a, err := r.aead()
	if err != nil {
		return nil, err
	}
	if len(sealed) < a.NonceSize() {
		return nil, fmt.Errorf("dkim key %s of %s: nothing is kept of it", selector, domain)
	}
	der, err := a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], place(domain, selector))
	if err != nil {
		return nil, fmt.Errorf("dkim key %s of %s: %w", selector, domain, ErrWrongKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("dkim key %s of %s: %w", selector, domain, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("a dkim key that cannot sign")
	}
	return signer, nil
}
