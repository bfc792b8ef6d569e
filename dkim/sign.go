package dkim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Key is what a domain signs with.
type Key struct {
	Domain, Selector string
	Signer           crypto.Signer // *rsa.PrivateKey of 2048 bits or more, or ed25519.PrivateKey
}

// Lifetime is how long a signature counts (x=). It outlasts the five days that
// a mail may wait with us and the five that it may wait at a relay, so nothing
// late is lost; and it ends the worth of a signed mail to those who send it on
// a million times. A key must stay published this long after its last use.
const Lifetime = 14 * 24 * time.Hour

// minSigningBits: RFC 8301 §3.2 asks for 2048.
const minSigningBits = 2048

// always are the fields that are signed once more than they occur even when
// they do not occur: adding one would change what is read.
var always = []string{"from", "subject", "to", "cc", "date", "reply-to", "message-id",
	"mime-version", "content-type"}

// present are signed, once more than they occur, when they occur. Those that
// others rightfully add on the way (Sender and List-* by a list) stay free when
// we did not set them; those that every host writes (Received, Return-Path,
// Resent-*) are not signed at all (RFC 6376 §5.4.1).
var present = []string{"sender", "in-reply-to", "references", "content-transfer-encoding",
	"content-disposition", "content-language", "auto-submitted", "list-id", "list-unsubscribe",
	"list-unsubscribe-post", "list-post", "list-help", "list-subscribe", "list-owner",
	"list-archive", "feedback-id", "autocrypt"}

// maxListed bounds how often one name is listed: a mail with more fields of
// that name than this is not one we wrote.
const maxListed = 50

// Sign returns one DKIM-Signature field per key, folded, each ending in CRLF.
// The message, header and body with CRLF, is written once and not kept.
func Sign(ctx context.Context, keys []Key, now time.Time, message io.WriterTo) ([]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	d, err := Read(ctx, message)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	names, err := d.Names()
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signed := d.Signed(names)
	var out []byte
	for _, key := range keys {
		algorithm, err := key.Algorithm()
		if err == nil {
			out, err = key.Append(out, "DKIM-Signature", append(Tags{
				{Name: "v", Value: "1"}, {Name: "a", Value: algorithm}}, d.tags(key, names, now)...), signed)
		}
		if err != nil {
			return nil, fmt.Errorf("sign for %s with %s: %w", key.Domain, key.Selector, err)
		}
	}
	return out, nil
}

// Digest is what of a mail is signed: its header, and its body's hash in the
// relaxed form.
type Digest struct {
	Header *Header
	Body   []byte
}

// Read reads a message, once.
func Read(ctx context.Context, message io.WriterTo) (*Digest, error) {
	body := NewBody(true)
	s := &Stream{Keep: true, Body: func(p []byte) { body.Write(p) }}
	if _, err := message.WriteTo(patient{ctx, s}); err != nil {
		return nil, fmt.Errorf("read the message: %w", err)
	}
	body.Close()
	block, ok := s.Header()
	if !ok {
		return nil, errors.New("the header is too long")
	}
	return &Digest{Header: ReadHeader(block), Body: body.Sum()}, nil
}

// patient ends a long message when the context does.
type patient struct {
	ctx context.Context
	w   io.Writer
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}

// Names is what h= lists, each name once more than it occurs.
func (d *Digest) Names() ([]string, error) {
	names := make([]string, 0, 40)
	for i, list := range [][]string{always, present} {
		for _, name := range list {
			n := d.Header.Count(name)
			switch {
			case n > maxListed:
				return nil, fmt.Errorf("%d fields %s", n, name)
			case n == 0 && i == 1:
				continue
			}
			for range n + 1 {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// Signed is the canonical header that names stand for. A signature covers it
// and then its own field.
func (d *Digest) Signed(names []string) []byte {
	signed := make([]byte, 0, 1024)
	p := &picker{h: d.Header, used: make(map[string]int, len(names))}
	for _, name := range names {
		if f := p.next(name); f != nil {
			signed = AppendRelaxed(signed, f)
		}
	}
	return signed
}

// tags are those of a signature, but for v=, a= and b=.
func (d *Digest) tags(key Key, names []string, now time.Time) Tags {
	return Tags{
		{Name: "c", Value: "relaxed/relaxed"},
		{Name: "d", Value: key.Domain},
		{Name: "s", Value: key.Selector},
		{Name: "t", Value: strconv.FormatInt(now.Unix(), 10)},
		{Name: "x", Value: strconv.FormatInt(now.Add(Lifetime).Unix(), 10)},
		{Name: "h", Value: strings.Join(names, ":")},
		{Name: "bh", Value: base64.StdEncoding.EncodeToString(d.Body)},
	}
}

// Algorithm is the key's a=.
func (k Key) Algorithm() (string, error) {
	if k.Signer == nil {
		return "", errors.New("no key")
	}
	switch pub := k.Signer.Public().(type) {
	case *rsa.PublicKey:
		if n := pub.N.BitLen(); n < minSigningBits {
			return "", fmt.Errorf("an RSA key of %d bits", n)
		}
		return "rsa-sha256", nil
	case ed25519.PublicKey:
		return "ed25519-sha256", nil
	default:
		return "", fmt.Errorf("keys of type %T are not known to DKIM", pub)
	}
}

// Append appends a field of that name with those tags and b=, the signature of
// signed and of the field itself (RFC 6376 §3.7).
func (k Key) Append(dst []byte, name string, tags Tags, signed []byte) ([]byte, error) {
	for _, s := range []string{k.Domain, k.Selector} {
		if folded, ok := fold(s); !ok || folded != s {
			return nil, fmt.Errorf("%q is not a name in lower-case A-labels", s)
		}
	}
	field := AppendTags(nil, name, append(tags, Tag{Name: "b"}))
	hash := sha256.New()
	hash.Write(signed)
	own := AppendRelaxed(make([]byte, 0, len(field)+2), field)
	hash.Write(own[:len(own)-2])
	digest := hash.Sum(nil)
	sig, err := k.Signer.Sign(rand.Reader, digest, k.options())
	if err != nil {
		return nil, err
	}
	dst = append(dst, field...)
	for b := base64.StdEncoding.EncodeToString(sig); b != ""; {
		n := min(len(b), 72)
		dst = append(append(dst, "\r\n\t"...), b[:n]...)
		b = b[n:]
	}
	return append(dst, crlf...), nil
}

// options tell the signer what it is given: for Ed25519 the digest is the
// message itself (RFC 8463 §3).
func (k Key) options() crypto.SignerOpts {
	if _, ok := k.Signer.Public().(ed25519.PublicKey); ok {
		return crypto.Hash(0)
	}
	return crypto.SHA256
}
