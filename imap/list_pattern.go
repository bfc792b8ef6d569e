package imap

import (
	"strings"

	"colporteur/imap/wire"

	"golang.org/x/text/unicode/norm"
)

const (
	maxPatterns = 50
	maxPattern  = 1000
)

// patterns are those of one LIST: a name that one of them matches is shown.
type patterns []string

func (p patterns) match(name string) bool {
	for _, one := range p {
		if matches(one, name) {
			return true
		}
	}
	return false
}

// listPatterns reads a mailbox pattern, or a list of them (RFC 5258 §3). Each
// gets ref put before it, as it is (RFC 9051 §6.3.9).
func listPatterns(d *wire.Decoder, ref string) (all patterns, err error) {
	one := func() error {
		s, err := d.ListMailbox()
		if err != nil {
			return err
		}
		if len(all) == maxPatterns || len(ref)+len(s) > maxPattern {
			return &status{"NO", "LIMIT", "Too many patterns, or too long ones"}
		}
		if s != "" { // else it asks for the separator
			s = ref + s
		}
		all = append(all, simplified(norm.NFC.String(s)))
		return nil
	}
	if d.Peek() == '(' {
		return all, d.List(one)
	}
	return all, one()
}

// simplified writes runs of wildcards as one: they say no more.
func simplified(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '*' && s[i] != '%' {
			b.WriteByte(s[i])
			i++
			continue
		}
		w := byte('%')
		for ; i < len(s) && (s[i] == '*' || s[i] == '%'); i++ {
			if s[i] == '*' {
				w = '*'
			}
		}
		b.WriteByte(w)
	}
	return b.String()
}

// matches says whether a pattern fits: "*" is anything, "%" anything within one
// level. INBOX is written in any case (RFC 9051 §5.1).
//
// It is linear in both lengths multiplied; a matcher that backtracks is not, and
// "*a*a*a*a" would be an attack.
func matches(p, name string) bool {
	fold := false
	if first, _, _ := strings.Cut(name, "/"); first == "INBOX" {
		fold = true
	}
	on := make([]bool, 2*(len(p)+1)) // on[i]: p[:i] matches what was read
	on, next := on[:len(p)+1], on[len(p)+1:]
	on[0] = true
	spread := func(set []bool) { // a wildcard may be nothing
		for i := 0; i < len(p); i++ {
			if set[i] && (p[i] == '*' || p[i] == '%') {
				set[i+1] = true
			}
		}
	}
	spread(on)
	for j := 0; j < len(name); j++ {
		if name[j] == '/' {
			fold = false
		}
		clear(next)
		for i := 0; i < len(p); i++ {
			switch {
			case !on[i]:
			case p[i] == '*' || p[i] == '%' && name[j] != '/':
				next[i] = true
			case p[i] == name[j] && p[i] != '%', fold && j < len("INBOX") && p[i]&^0x20 == name[j]:
				next[i+1] = true
			}
		}
		spread(next)
		on, next = next, on
	}
	return on[len(p)]
}
