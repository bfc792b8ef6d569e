package dkim

import (
	"crypto/subtle"

	"colporteur/mail"
)

// Bodies are the canonical forms of a body that signatures want, each hashed
// once. The zero value is ready.
type Bodies struct {
	simple, relaxed *Body
}

// Want has the body hashed as s needs it. It comes before the first Write.
func (b *Bodies) Want(s *Signature) {
	of := &b.simple
	if s.relaxedBody {
		of = &b.relaxed
	}
	if *of == nil {
		*of = NewBody(s.relaxedBody)
	}
	if s.limit != noLimit {
		(*of).cut(s.limit)
	}
}

// Write never fails.
func (b *Bodies) Write(p []byte) (int, error) {
	for _, body := range []*Body{b.simple, b.relaxed} {
		if body != nil {
			body.Write(p)
		}
	}
	return len(p), nil
}

// Close comes after the last Write and before Judge.
func (b *Bodies) Close() error {
	for _, body := range []*Body{b.simple, b.relaxed} {
		if body != nil {
			body.Close()
		}
	}
	return nil
}

// same says why the body is not the one that was signed, "" when it is.
func (b *Bodies) same(s *Signature) string {
	body := b.simple
	if s.relaxedBody {
		body = b.relaxed
	}
	sum := body.sum(s.limit)
	switch {
	case sum == nil:
		return "l= is more than the body has" // RFC 6376 §6.1.3 (1)
	case subtle.ConstantTimeCompare(sum, s.bodyHash) != 1:
		return "the body is not what was signed"
	}
	return ""
}

// Judge says whether a signature that was wanted of bodies holds. A body that
// is not what was signed fails without waiting for the key.
func (s *Signature) Judge(keys *Fetch, h *Header, bodies *Bodies) (result mail.Result, testing bool, reason string) {
	if reason := bodies.same(s); reason != "" {
		return mail.Fail, false, reason
	}
	return s.Check(keys, s.headerHash(h))
}

// Check says whether b= is the signature of a SHA-256 digest by one of the
// keys that stand under its name.
func (s *Signature) Check(keys *Fetch, digest []byte) (result mail.Result, testing bool, reason string) {
	records, result, reason := keys.records(s.KeyName())
	if result != mail.None {
		return result, false, reason
	}
	for i, r := range records {
		res, why := s.by(r, digest)
		if i == 0 || res == mail.Pass {
			result, testing, reason = res, r.Testing, why
		}
		if res == mail.Pass {
			break
		}
	}
	return result, testing, reason
}

func (s *Signature) by(r *Record, digest []byte) (mail.Result, string) {
	if why := r.allows(s.Algorithm); why != "" {
		return mail.PermError, why
	}
	if why := r.size(); why != "" {
		return mail.PolicyNo, why
	}
	if r.Strict && s.Identity != "" && s.identityDomain() != s.Domain {
		return mail.PermError, "the key is for d= itself only" // RFC 6376 §3.6.1, t=s
	}
	if !r.holds(digest, s.b) {
		return mail.Fail, "the signature is not of this header"
	}
	return mail.Pass, ""
}
