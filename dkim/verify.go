package dkim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/mail"
)

// maxSignatures is how many of a mail's signatures are looked at, from the top:
// the newest ones.
const maxSignatures = 10

// Verifier judges the signatures of mails.
type Verifier struct {
	DNS TXT
	Now func() time.Time // nil: time.Now
}

// Verification is one mail being judged. Nothing has to be done when it is no
// longer wanted: the lookups end by themselves.
type Verification struct {
	v      *Verifier
	ctx    context.Context // of the mail: the header may be complete only later
	stream Stream
	begun  bool
	none   bool

	header *Header
	reject string // why no signature of this mail counts
	list   []seen
	more   int // signatures not looked at
	bodies Bodies
	fetch  *Fetch
}

// seen is a signature with what is already known of it, "" when its key decides.
type seen struct {
	*Signature
	result mail.Result
	reason string
}

// Begin starts looking at the signatures of a mail whose header block, with
// its empty line, is given; the whole mail is to be written then, header
// included. A block without the empty line was cut: the keys are fetched when
// the rest has come. The block may be used again when Begin has returned.
func (v *Verifier) Begin(ctx context.Context, header []byte) *Verification {
	block, complete := Block(header)
	if complete && !Contains(block, "dkim-signature") {
		return &Verification{none: true}
	}
	x := &Verification{v: v, ctx: ctx}
	x.stream = Stream{Keep: !complete, Body: x.body}
	if complete {
		x.begin(bytes.Clone(block), len(block) <= MaxHeader)
	}
	return x
}

// Block is the header block at the beginning of b, up to MaxHeader and an
// octet of it; complete is false when it goes on after b.
func Block(b []byte) (block []byte, complete bool) {
	end := 2
	if !bytes.HasPrefix(b, []byte(crlf)) {
		i := bytes.Index(b, []byte(crlf+crlf))
		if i < 0 {
			return b, false
		}
		end = i + 4
	}
	return b[:min(end, MaxHeader+1)], true
}

// Contains says whether a header block has a field of that name, without
// taking it apart.
func Contains(header []byte, name string) bool {
	for len(header) > len(name) {
		if strings.EqualFold(string(header[:len(name)]), name) && strings.IndexByte(": \t", header[len(name)]) >= 0 {
			return true
		}
		i := bytes.IndexByte(header, '\n')
		if i < 0 {
			return false
		}
		header = header[i+1:]
	}
	return false
}

// begin reads the signatures and fetches their keys.
func (x *Verification) begin(header []byte, whole bool) {
	x.begun = true
	x.header = ReadHeader(header)
	if x.reject = x.header.Odd; !whole {
		x.reject = "the header is too long"
	}
	var names []string
	for _, f := range x.header.Fields {
		if !f.is("dkim-signature") {
			continue
		}
		if len(x.list) == maxSignatures {
			x.more++
			continue
		}
		s := x.look(f)
		if s.result == "" {
			names = append(names, s.KeyName())
			x.bodies.Want(s.Signature)
		}
		x.list = append(x.list, s)
	}
	x.fetch = StartFetch(x.ctx, x.v.DNS, names)
}

// Write never fails and never waits.
func (x *Verification) Write(p []byte) (int, error) {
	if x.none {
		return len(p), nil
	}
	return x.stream.Write(p)
}

// body gets what comes after the empty line.
func (x *Verification) body(p []byte) {
	if !x.begun {
		x.begin(x.stream.Header())
	}
	x.bodies.Write(p)
}

// Results waits for the keys, FetchTime at most since they were asked for. The
// order is that of the signatures, from the top; nil is a mail without any.
func (x *Verification) Results() []mail.DKIMResult {
	if x.none {
		return nil
	}
	if !x.begun {
		x.begin(x.stream.Header())
	}
	x.bodies.Close()
	var results []mail.DKIMResult
	for _, s := range x.list {
		results = append(results, x.judge(s))
	}
	if x.more > 0 {
		last := &results[len(results)-1]
		note := fmt.Sprintf("%d more signatures were not looked at", x.more)
		if last.Reason != "" {
			note = last.Reason + "; " + note
		}
		last.Reason = note
	}
	return results
}

func (x *Verification) judge(s seen) mail.DKIMResult {
	r := mail.DKIMResult{
		Result: s.result, Reason: s.reason,
		Domain: s.Domain, Selector: s.Selector, Identity: brief(s.Identity, 320),
		Algorithm: brief(s.Algorithm, 40), Signature: s.Brief, Partial: s.Partial,
	}
	if r.Result == "" {
		r.Result, r.Testing, r.Reason = s.Judge(x.fetch, x.header, &x.bodies)
	}
	return r
}

// look finds out what can be known of a signature without its key.
func (x *Verification) look(f Field) seen {
	s, err := ParseSignature(f, DKIMSignature)
	switch {
	case errors.Is(err, errSHA1):
		return seen{s, mail.PolicyNo, err.Error()}
	case err != nil:
		return seen{s, mail.Neutral, err.Error()}
	}
	if why := x.policy(s); why != "" {
		return seen{s, mail.PolicyNo, why}
	}
	return seen{s, "", ""}
}

// policy says why a signature is not acceptable to us, whatever its key says.
func (x *Verification) policy(s *Signature) string {
	if x.reject != "" {
		return x.reject
	}
	if !s.Expires.IsZero() && x.now().After(s.Expires) {
		return "the signature has expired"
	}
	return s.Beside(x.header)
}

func (x *Verification) now() time.Time {
	if x.v.Now != nil {
		return x.v.Now()
	}
	return time.Now()
}

// once are the fields a mail has once (RFC 5322 §3.6, RFC 2045). Signatures
// count from the bottom and programs show the one at the top: a second one put
// above a signed one speaks in the signer's name (RFC 6376 §8.15).
var once = []string{"from", "subject", "date", "to", "cc", "reply-to", "sender", "message-id",
	"mime-version", "content-type", "content-transfer-encoding"}

// Beside says which field stands in the header beside a signed one of its
// name, unsigned, "" when none does.
func (s *Signature) Beside(h *Header) string {
	for _, name := range once {
		n := h.Count(name)
		if n < 2 {
			continue
		}
		signed := 0
		for _, s := range s.Headers {
			if s == name {
				signed++
			}
		}
		if signed > 0 && signed < n {
			return "an unsigned " + name + " stands beside the signed one"
		}
	}
	return ""
}
