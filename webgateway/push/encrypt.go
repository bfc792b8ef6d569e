package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Keys are a browser's, so that the service that carries a push cannot read it
// (RFC 8291 §2).
type Keys struct {
	P256dh []byte `json:"p256dh"` // its public key, uncompressed
	Auth   []byte `json:"auth"`   // 16 octets that only it and we know
}

const (
	recordSize = 4096 // RFC 8291 §4: a push is one record, and services take no larger body
	saltSize   = 16
	pointSize  = 65
	header     = saltSize + 4 + 1 + pointSize
	overhead   = 1 + 16 // the delimiter, and the tag of AES-GCM

	// maxPayload is what one push can say.
	maxPayload = recordSize - header - overhead
)

// ReadKeys reads keys as clients write them: base64url, padded or not, for there
// are libraries of both kinds.
func ReadKeys(p256dh, auth string) (*Keys, error) {
	k := &Keys{}
	var err, err2 error
	k.P256dh, err = unbase64(p256dh)
	k.Auth, err2 = unbase64(auth)
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	if _, err := ecdh.P256().NewPublicKey(k.P256dh); err != nil { // not on the curve: it would give away what we have in common
		return nil, err
	}
	if len(k.Auth) != 16 {
		return nil, errors.New("auth has not 16 octets")
	}
	return k, nil
}

func unbase64(s string) ([]byte, error) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	return base64.RawURLEncoding.DecodeString(s)
}

// encrypt makes the body of a push (RFC 8291 §3.4, RFC 8188 §2). Key and salt are
// made anew for each: with the same two, two bodies would be under one nonce.
func (k *Keys) encrypt(plain []byte) ([]byte, error) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return k.seal(plain, private, salt)
}

func (k *Keys) seal(plain []byte, private *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	if len(plain) > maxPayload {
		return nil, errors.New("it is too long for one push")
	}
	theirs, err := ecdh.P256().NewPublicKey(k.P256dh)
	if err != nil {
		return nil, err
	}
	secret, err := private.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	ours := private.PublicKey().Bytes()
	a, nonce, err := contentKey(secret, k.Auth, k.P256dh, ours, salt)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, header+len(plain)+overhead)
	out = append(out, salt...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, pointSize)
	out = append(out, ours...)
	// 2 ends the last record (RFC 8188 §2); it is the only one.
	return a.Seal(out, nonce, append(append([]byte{}, plain...), 2), nil), nil
}

// contentKey is what both sides come to (RFC 8291 §3.3, RFC 8188 §2.2 and §2.3).
func contentKey(secret, auth, receiver, sender, salt []byte) (a cipher.AEAD, nonce []byte, err error) {
	ikm, err := hkdf.Key(sha256.New, secret, auth, "WebPush: info\x00"+string(receiver)+string(sender), 32)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, err
	}
	if nonce, err = hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	a, err = cipher.NewGCM(block)
	return a, nonce, err
}
