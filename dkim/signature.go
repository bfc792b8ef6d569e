package dkim

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Kind is what a signature field is. ARC's two are DKIM-Signature's kin: the
// same tags, another meaning of i= (RFC 8617 §4.1).
type Kind int

const (
	DKIMSignature       Kind = iota
	ARCMessageSignature      // i= is a number, no v=, t= without x=
	ARCSeal                  // neither h= nor bh=: what it covers is fixed
)

// maxSignature is far more than a signature field has; real ones stay under 4 KB.
const maxSignature = 16 << 10

// Signature is one signature field taken apart.
type Signature struct {
	Domain    string // d=, lower case, A-labels
	Selector  string // s=, likewise
	Identity  string // i=, as it stands; "" when it does not
	Algorithm string // a=
	Brief     string // the first characters of b= (RFC 6008)
	Headers   []string
	Partial   bool // l= is there
	Tags      Tags
	Expires   time.Time // x=, or zero

	field         Field
	b, bodyHash   []byte
	relaxedHeader bool
	relaxedBody   bool
	limit         int64 // l=, or noLimit
}

// errSHA1 is a signature that RFC 8301 §3.1 has us not look at.
var errSHA1 = errors.New("rsa-sha1 is not accepted")

// ParseSignature takes a field apart. What could be read before an error is in
// the Signature all the same.
func ParseSignature(f Field, kind Kind) (*Signature, error) {
	s := &Signature{field: f, limit: noLimit}
	if len(f) > maxSignature {
		return s, errors.New("the signature field is too long")
	}
	tags, err := ParseTags(string(f.value()))
	s.Tags = tags
	b64, _ := tags.squeezed("b")
	s.Brief = base64Only(b64[:min(len(b64), 8)])
	s.Algorithm, _ = tags.squeezed("a")
	d, _ := tags.squeezed("d")
	sel, _ := tags.squeezed("s")
	var dOK, sOK bool
	s.Domain, dOK = fold(d)
	s.Selector, sOK = fold(sel)
	if err != nil {
		return s, err
	}
	if v, ok := tags.squeezed("v"); kind == DKIMSignature && v != "1" || kind == ARCSeal && ok {
		return s, errors.New("v= is not 1")
	}
	switch s.Algorithm {
	case "rsa-sha256", "ed25519-sha256":
	case "rsa-sha1":
		return s, errSHA1
	default:
		return s, fmt.Errorf("a=%s is not known", brief(s.Algorithm, 40))
	}
	switch {
	case !dOK:
		return s, errors.New("d= is not a domain")
	case !sOK:
		return s, errors.New("s= is not a selector")
	}
	if s.b, err = decodeBase64(b64); err != nil || len(s.b) == 0 {
		return s, errors.New("b= is not base64")
	}
	if err := s.times(); err != nil {
		return s, err
	}
	if kind == ARCSeal {
		s.relaxedHeader = true
		return s, nil
	}
	return s, s.body(kind)
}

func base64Only(s string) string {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if !(c >= 'a' && c <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '+' && s[i] != '/' && s[i] != '=' {
			return s[:i]
		}
	}
	return s
}

// body reads the tags that an ARC-Seal does not have.
func (s *Signature) body(kind Kind) error {
	if kind == DKIMSignature {
		s.Identity, _ = s.Tags.squeezed("i")
		if s.Identity != "" && !within(s.identityDomain(), s.Domain) {
			return errors.New("i= is not within d=") // RFC 6376 §6.1.1
		}
	}
	bh, _ := s.Tags.squeezed("bh")
	var err error
	if s.bodyHash, err = decodeBase64(bh); err != nil || len(s.bodyHash) != sha256.Size {
		return errors.New("bh= is not the hash it should be")
	}
	signsFrom := false
	for _, h := range s.Tags.words("h") {
		h = strings.ToLower(h)
		s.Headers = append(s.Headers, h)
		signsFrom = signsFrom || h == "from"
	}
	if !signsFrom {
		return errors.New("From is not signed") // RFC 6376 §5.4
	}
	if err := s.canonical(); err != nil {
		return err
	}
	if l, ok := s.Tags.squeezed("l"); ok {
		s.Partial = true
		if s.limit, err = number(l); err != nil {
			return errors.New("l= is not a number")
		}
	}
	if q, ok := s.Tags.Value("q"); ok {
		for _, method := range strings.Split(q, ":") {
			if squeeze(method) == "dns/txt" {
				return nil
			}
		}
		return errors.New("q= names no way to the key that we know")
	}
	return nil
}

func (s *Signature) canonical() error {
	c, ok := s.Tags.squeezed("c")
	if !ok {
		return nil // simple/simple
	}
	header, body, ok := strings.Cut(c, "/")
	if !ok {
		body = "simple"
	}
	s.relaxedHeader, s.relaxedBody = header == "relaxed", body == "relaxed"
	if !s.relaxedHeader && header != "simple" || !s.relaxedBody && body != "simple" {
		return fmt.Errorf("c=%s is not known", brief(c, 40))
	}
	return nil
}

func (s *Signature) times() error {
	var signed int64
	t, ok := s.Tags.squeezed("t")
	if ok {
		n, err := number(t)
		if err != nil {
			return errors.New("t= is not a time")
		}
		signed = n
	}
	if x, ok := s.Tags.squeezed("x"); ok {
		n, err := number(x)
		if err != nil || n <= signed { // RFC 6376 §3.5: x= must be later than t=
			return errors.New("x= is not a time after t=")
		}
		s.Expires = time.Unix(min(n, 1<<40), 0)
	}
	return nil
}

// number reads digits; one that is too large for us is the largest there is.
func number(s string) (int64, error) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, errors.New("not a number")
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return maxLimit, nil
	}
	return n, err
}

func (s *Signature) identityDomain() string {
	d := s.Identity[strings.LastIndexByte(s.Identity, '@')+1:]
	if !strings.Contains(s.Identity, "@") {
		return ""
	}
	d, _ = fold(d)
	return d
}

func within(d, domain string) bool {
	return d == domain || strings.HasSuffix(d, "."+domain)
}

// fold folds a domain or a selector to lower-case A-labels (RFC 8616 §5).
func fold(s string) (string, bool) {
	s = strings.ToLower(s)
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			var err error
			if s, err = idna.Lookup.ToASCII(s); err != nil {
				return "", false
			}
			break
		}
	}
	if len(s) > 240 {
		return "", false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 {
			return "", false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return "", false
			}
		}
	}
	return s, true
}

// KeyName is where the signature's key stands.
func (s *Signature) KeyName() string { return KeyName(s.Selector, s.Domain) }

// Unsigned appends the field as it is signed: canonical, its b= empty, without
// the last line end (RFC 6376 §3.7).
func (s *Signature) Unsigned(dst []byte) []byte {
	f := s.field
	for _, t := range s.Tags {
		if t.Name == "b" {
			colon := len(f) - len(f.rest())
			cut := append(Field{}, f[:colon+t.from]...)
			end := colon + t.to
			if end == colon+len(f.value()) { // the last tag: the line end stays
				f = append(cut, crlf...)
			} else {
				f = append(cut, f[end:]...)
			}
			break
		}
	}
	if s.relaxedHeader {
		dst = AppendRelaxed(dst, f)
	} else {
		dst = append(dst, f...)
	}
	if n := len(dst); n >= 2 && string(dst[n-2:]) == crlf {
		dst = dst[:n-2]
	}
	return dst
}

// headerHash is what b= signs.
func (s *Signature) headerHash(h *Header) []byte {
	hash := sha256.New()
	p := &picker{h: h, own: s.field, used: map[string]int{}}
	var buf []byte
	for _, name := range s.Headers {
		f := p.next(name)
		switch {
		case f == nil:
			continue
		case s.relaxedHeader:
			buf = AppendRelaxed(buf[:0], f)
			hash.Write(buf)
		default:
			hash.Write(f)
			if !strings.HasSuffix(string(f), crlf) {
				hash.Write([]byte(crlf))
			}
		}
	}
	hash.Write(s.Unsigned(buf[:0]))
	return hash.Sum(nil)
}
