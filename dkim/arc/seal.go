package arc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"colporteur/dkim"
	"colporteur/mail"
)

// ErrFull is a chain that has no place for another set.
var ErrFull = errors.New("the chain has 50 sets")

// Seal returns the three fields of the next set, to stand above the message in
// this order: ARC-Seal, ARC-Message-Signature, ARC-Authentication-Results,
// each folded and ending in CRLF. message is what leaves, after every change.
//
// The key should be an RSA one: others read Ed25519 in a DKIM-Signature before
// they read it here.
//
// authres is the value of an Authentication-Results field ("mail.home.test;
// spf=pass …"); chain is what Verifier found when the mail arrived. Nothing is
// returned, without an error, when there is nothing to continue: the chain was
// marked as failed by somebody before (RFC 8617 §5.1.2 lets that be said once),
// or whether it holds could not be found out, which neither pass nor fail
// would say truly.
func Seal(ctx context.Context, key dkim.Key, now time.Time, chain mail.Result, authres string, message io.WriterTo) ([]byte, error) {
	if chain == mail.TempError {
		return nil, nil
	}
	d, err := dkim.Read(ctx, message)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	c, err := read(d.Header)
	if c.dead {
		return nil, nil
	}
	if c.highest >= maxInstances {
		return nil, fmt.Errorf("seal: %w", ErrFull)
	}
	state := "fail"
	switch {
	case !c.found:
		state = "none"
	case chain == mail.Pass && err == nil:
		state = "pass"
	}
	if state != "pass" {
		// §5.1.2: as if the newest set were the only one.
		c.sets = nil
	}
	names, err := d.Names()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	for range min(d.Header.Count("dkim-signature"), 20) { // §4.1.2: they should be covered
		names = append(names, "dkim-signature")
	}
	out, err := (&sealer{key: key, now: now, instance: strconv.Itoa(c.highest + 1)}).seal(&c, d, names, state, authres)
	if err != nil {
		return nil, fmt.Errorf("seal for %s with %s: %w", key.Domain, key.Selector, err)
	}
	return out, nil
}

type sealer struct {
	key      dkim.Key
	now      time.Time
	instance string
}

func (s *sealer) seal(c *chain, d *dkim.Digest, names []string, state, authres string) ([]byte, error) {
	algorithm, err := s.key.Algorithm()
	if err != nil {
		return nil, err
	}
	time := strconv.FormatInt(s.now.Unix(), 10)
	results := fold("ARC-Authentication-Results:", "i="+s.instance+"; "+authres)
	ams, err := s.key.Append(nil, "ARC-Message-Signature", dkim.Tags{
		{Name: "i", Value: s.instance},
		{Name: "a", Value: algorithm},
		{Name: "c", Value: "relaxed/relaxed"},
		{Name: "d", Value: s.key.Domain},
		{Name: "s", Value: s.key.Selector},
		{Name: "t", Value: time},
		{Name: "h", Value: strings.Join(names, ":")},
		{Name: "bh", Value: base64.StdEncoding.EncodeToString(d.Body)},
	}, d.Signed(names))
	if err != nil {
		return nil, err
	}
	c.sets = append(c.sets, set{message: ams, results: results})
	out, err := s.key.Append(nil, "ARC-Seal", dkim.Tags{
		{Name: "i", Value: s.instance},
		{Name: "a", Value: algorithm},
		{Name: "cv", Value: state},
		{Name: "d", Value: s.key.Domain},
		{Name: "s", Value: s.key.Selector},
		{Name: "t", Value: time},
	}, c.scope(nil, len(c.sets)-1))
	if err != nil {
		return nil, err
	}
	return append(append(out, ams...), results...), nil
}

// fold writes a field of words, a new line where one is full and after each
// semicolon.
func fold(name, value string) []byte {
	out := []byte(name)
	column := len(out)
	for _, w := range strings.Fields(value) {
		if column+1+len(w) > 76 || column > 40 && out[len(out)-1] == ';' {
			out = append(out, "\r\n\t"...)
			column = 8
		} else {
			out = append(out, ' ')
			column++
		}
		out = append(out, w...)
		column += len(w)
	}
	return append(out, "\r\n"...)
}
