// Package arc reads and continues the Authenticated Received Chain of a mail
// (RFC 8617): what each host that passed it on saw when it arrived, sealed.
//
// A chain that passes proves only that those who sealed it said what it says.
// It becomes evidence when every one of them is trusted: then Origin is what
// the first of them saw, which is what matters when a list has changed the
// mail since and its author's signature no longer holds.
package arc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"colporteur/dkim"
)

// maxInstances is RFC 8617 §5.1.1.1's (and §5.2's) bound of a chain.
const maxInstances = 50

const (
	nameSeal    = "arc-seal"
	nameMessage = "arc-message-signature"
	nameResults = "arc-authentication-results"
)

// set is what one host added.
type set struct {
	seal, message, results dkim.Field
	authres                string // the results without their i=
	as, ams                *dkim.Signature
}

// chain is the sets of a mail, the oldest first.
type chain struct {
	sets    []set
	highest int  // the highest instance there is, also in a broken chain
	dead    bool // the newest seal says cv=fail: nothing comes after that
	found   bool
}

// instance reads an i= of 1 to 50.
func instance(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxInstances || s[0] == '+' {
		return 0, errors.New("i= is not 1 to 50")
	}
	return n, nil
}

// cutInstance takes the i= from the front of an ARC-Authentication-Results
// (RFC 8617 §4.1.1).
func cutInstance(v string) (int, string, error) {
	first, rest, _ := strings.Cut(v, ";")
	name, number, ok := strings.Cut(first, "=")
	if !ok || strings.Trim(name, " \t") != "i" {
		return 0, "", errors.New("ARC-Authentication-Results without i=")
	}
	i, err := instance(strings.Trim(number, " \t"))
	return i, strings.TrimSpace(rest), err
}

// read finds the chain of a header. An error says why it is not one; what was
// found is returned all the same.
func read(h *dkim.Header) (c chain, err error) {
	sets := map[int]*set{}
	fault := func(e error) {
		if err == nil {
			err = e
		}
	}
	put := func(i int, where func(*set) *dkim.Field, f dkim.Field) {
		if sets[i] == nil {
			sets[i] = &set{}
		}
		if *where(sets[i]) != nil {
			fault(fmt.Errorf("two fields of one kind in set %d", i))
			return
		}
		*where(sets[i]) = f
		c.highest = max(c.highest, i)
	}
	take := func(name string, kind dkim.Kind, where func(*set) *dkim.Field, parsed func(*set) **dkim.Signature) {
		for k, f := range h.All(name) {
			c.found = true
			if k > maxInstances {
				fault(errors.New("more than 50 sets"))
				return
			}
			sig, e := dkim.ParseSignature(f, kind)
			n, _ := sig.Tags.Value("i")
			i, e2 := instance(n)
			if e2 != nil {
				fault(fmt.Errorf("%s: %w", name, e2))
				continue
			}
			put(i, where, f)
			*parsed(sets[i]) = sig
			if e != nil {
				fault(fmt.Errorf("%s of set %d: %w", name, i, e))
			}
		}
	}
	take(nameSeal, dkim.ARCSeal, func(s *set) *dkim.Field { return &s.seal }, func(s *set) **dkim.Signature { return &s.as })
	take(nameMessage, dkim.ARCMessageSignature, func(s *set) *dkim.Field { return &s.message }, func(s *set) **dkim.Signature { return &s.ams })
	for k, f := range h.All(nameResults) {
		c.found = true
		if k > maxInstances {
			fault(errors.New("more than 50 sets"))
			break
		}
		i, rest, e := cutInstance(f.Value())
		if e != nil {
			fault(e)
			continue
		}
		put(i, func(s *set) *dkim.Field { return &s.results }, f)
		sets[i].authres = rest
	}
	if last := sets[c.highest]; last != nil && last.as != nil {
		c.dead = cv(last.as) == "fail"
	}
	for i := 1; i <= c.highest; i++ {
		s := sets[i]
		if s == nil || s.seal == nil || s.message == nil || s.results == nil {
			fault(fmt.Errorf("set %d is not complete", i))
			return c, err
		}
		c.sets = append(c.sets, *s)
	}
	return c, err
}

// cv is the state of the chain as the sealer found it.
func cv(s *dkim.Signature) string {
	v, _ := s.Tags.Value("cv")
	return strings.ToLower(v)
}

// check looks at what can be known without keys (RFC 8617 §5.2 steps 2, 3).
func (c *chain) check(h *dkim.Header) error {
	if c.dead {
		return errors.New("the newest seal says that the chain failed")
	}
	for i, s := range c.sets {
		want := "pass"
		if i == 0 {
			want = "none"
		}
		if got := cv(s.as); got != want {
			return fmt.Errorf("the seal of set %d says cv=%.10q", i+1, got)
		}
		// §4.1.3: a seal with h= fails.
		if _, ok := s.as.Tags.Value("h"); ok {
			return fmt.Errorf("the seal of set %d has h=", i+1)
		}
		for _, name := range s.ams.Headers {
			if name == nameSeal { // §4.1.2
				return fmt.Errorf("the signature of set %d covers a seal", i+1)
			}
		}
	}
	newest := c.sets[len(c.sets)-1].ams
	if newest.Partial {
		return errors.New("the newest signature leaves an end of the body out")
	}
	if why := newest.Beside(h); why != "" {
		return errors.New(why)
	}
	return nil
}

// scope appends what the seal of set i (from 0) covers, but for the seal
// itself (RFC 8617 §5.1.1).
func (c *chain) scope(dst []byte, i int) []byte {
	for k, s := range c.sets[:i+1] {
		dst = dkim.AppendRelaxed(dst, s.results)
		dst = dkim.AppendRelaxed(dst, s.message)
		if k < i {
			dst = dkim.AppendRelaxed(dst, s.seal)
		}
	}
	return dst
}
