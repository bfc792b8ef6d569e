package arc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"colporteur/dkim"
	"colporteur/mail"
)

// Verifier judges the chains of mails.
type Verifier struct {
	DNS dkim.TXT
	// Trusted are the domains whose seals are believed, each by itself and not
	// for what is below it. None by default.
	Trusted []string
	// AuthServ reads what the sealer of an instance saw: field is the value of
	// its ARC-Authentication-Results after the i= and its semicolon, unfolded (blanks stay).
	// nil may be returned, and may be.
	AuthServ func(instance int, field string) *mail.Verdict
	Now      func() time.Time // nil: time.Now
}

// Verification is one mail being judged. Nothing has to be done when it is no
// longer wanted: the lookups end by themselves.
type Verification struct {
	v      *Verifier
	ctx    context.Context // of the mail: the header may be complete only later
	stream dkim.Stream
	begun  bool
	none   bool

	header *dkim.Header
	chain  chain
	fault  string // why the chain fails without its keys
	bodies dkim.Bodies
	fetch  *dkim.Fetch
}

// Begin is as dkim.Verifier.Begin: the header block is given, and then the
// whole mail is written.
func (v *Verifier) Begin(ctx context.Context, header []byte) *Verification {
	block, complete := dkim.Block(header)
	if complete && !dkim.Contains(block, nameSeal) && !dkim.Contains(block, nameMessage) && !dkim.Contains(block, nameResults) {
		return &Verification{none: true}
	}
	x := &Verification{v: v, ctx: ctx}
	x.stream = dkim.Stream{Keep: !complete, Body: x.body}
	if complete {
		x.begin(bytes.Clone(block), len(block) <= dkim.MaxHeader)
	}
	return x
}

func (x *Verification) begin(header []byte, whole bool) {
	x.begun = true
	x.header = dkim.ReadHeader(header)
	var err error
	x.chain, err = read(x.header)
	switch {
	case !x.chain.found:
		x.none = true
		return
	case !whole:
		x.fault = "the header is too long"
	case x.header.Odd != "":
		x.fault = x.header.Odd
	case err != nil:
		x.fault = err.Error()
	case len(x.chain.sets) == 0:
		x.fault = "no set is complete"
	default:
		if err := x.chain.check(x.header); err != nil {
			x.fault = err.Error()
		} else if newest := x.newest().ams; !newest.Expires.IsZero() && x.now().After(newest.Expires) {
			x.fault = "the newest signature has expired"
		}
	}
	if x.fault != "" {
		return
	}
	names := []string{x.newest().ams.KeyName()}
	for _, s := range x.chain.sets {
		names = append(names, s.as.KeyName())
	}
	x.bodies.Want(x.newest().ams)
	x.fetch = dkim.StartFetch(x.ctx, x.v.DNS, names)
}

func (x *Verification) newest() *set { return &x.chain.sets[len(x.chain.sets)-1] }

func (x *Verification) now() time.Time {
	if x.v.Now != nil {
		return x.v.Now()
	}
	return time.Now()
}

// Write never fails and never waits.
func (x *Verification) Write(p []byte) (int, error) {
	if x.none {
		return len(p), nil
	}
	return x.stream.Write(p)
}

func (x *Verification) body(p []byte) {
	if !x.begun {
		x.begin(x.stream.Header())
	}
	x.bodies.Write(p)
}

// Result waits for the keys, dkim.FetchTime at most since they were asked for.
func (x *Verification) Result() mail.ARCResult {
	if !x.begun && !x.none {
		x.begin(x.stream.Header())
	}
	if x.none {
		return mail.ARCResult{Result: mail.None}
	}
	var r mail.ARCResult
	for _, s := range x.chain.sets {
		if s.as != nil {
			r.Sealers = append(r.Sealers, s.as.Domain)
		}
	}
	if r.Result, r.Reason = x.judge(); r.Result != mail.Pass || !x.trusted(r.Sealers) || x.v.AuthServ == nil {
		return r
	}
	r.Origin = x.v.AuthServ(1, x.chain.sets[0].authres)
	return r
}

// judge does what needs keys (RFC 8617 §5.2 steps 4 and 6).
func (x *Verification) judge() (mail.Result, string) {
	if x.fault != "" {
		return mail.Fail, x.fault
	}
	x.bodies.Close()
	n := len(x.chain.sets)
	if result, _, why := x.newest().ams.Judge(x.fetch, x.header, &x.bodies); result != mail.Pass {
		return failed(result), fmt.Sprintf("the signature of set %d: %s", n, why)
	}
	var scope []byte
	for i := n - 1; i >= 0; i-- {
		s := x.chain.sets[i].as
		scope = s.Unsigned(x.chain.scope(scope[:0], i))
		digest := sha256.Sum256(scope)
		if result, _, why := s.Check(x.fetch, digest[:]); result != mail.Pass {
			return failed(result), fmt.Sprintf("the seal of set %d: %s", i+1, why)
		}
	}
	return mail.Pass, ""
}

// failed is the chain's result when a part of it has result.
func failed(result mail.Result) mail.Result {
	if result == mail.TempError {
		return mail.TempError
	}
	return mail.Fail
}

// trusted says whether every sealer is, and also who signed the message: a
// seal by one and a body by another is nobody's word.
func (x *Verification) trusted(sealers []string) bool {
	var list []string
	for _, d := range x.v.Trusted {
		if folded, err := mail.Domain(d); err == nil {
			list = append(list, folded)
		}
	}
	for _, d := range sealers {
		if !slices.Contains(list, d) {
			return false
		}
	}
	return slices.Contains(list, x.newest().ams.Domain)
}
