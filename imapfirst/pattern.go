package imap

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

const (
	maxPatterns = 50
	maxPattern  = 1000
)

// pattern is a LIST pattern: "*" is anything, "%" anything within one level.
type pattern string

func parsePattern(ref, s string) (pattern, bool) {
	if len(ref)+len(s) > maxPattern {
		return "", false
	}
	// The reference is put before the pattern as it is (RFC 3501 §6.3.8).
	s = norm.NFC.String(ref + s)
	// Runs of wildcards say no more than one does.
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
	return pattern(b.String()), true
}

// match is linear in both lengths multiplied; a matcher that backtracks is not,
// and "*a*a*a*a" would be an attack.
func (p pattern) match(name string) bool {
	if strings.EqualFold(name, "INBOX") { // is case-insensitive (RFC 3501 §5.1)
		return matches(strings.ToUpper(string(p)), "INBOX")
	}
	return matches(string(p), name)
}

func matches(p, name string) bool {
	on := make([]bool, len(p)+1) // on[i]: p[:i] matches what was read
	next := make([]bool, len(p)+1)
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
		clear(next)
		for i := 0; i < len(p); i++ {
			if !on[i] {
				continue
			}
			switch {
			case p[i] == '*' || p[i] == '%' && name[j] != '/':
				next[i] = true
			case p[i] == name[j] && p[i] != '%':
				next[i+1] = true
			}
		}
		spread(next)
		on, next = next, on
	}
	return on[len(p)]
}
