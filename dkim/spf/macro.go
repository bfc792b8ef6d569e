package spf

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// maxName is the longest domain name in text (RFC 7208 §7.3).
const maxName = 253

// macro is one %{…} taken apart (§7.1).
type macro struct {
	letter  byte // lower case
	escape  bool // it was a capital
	digits  int  // 0 is all
	reverse bool
	split   string // the delimiters
}

// nextMacro takes what s begins with: one literal octet, an escape, or a macro.
func nextMacro(s string) (literal string, m *macro, rest string, err error) {
	if s[0] != '%' {
		return s[:1], nil, s[1:], nil
	}
	if len(s) < 2 {
		return "", nil, "", errors.New("a lonely %")
	}
	switch s[1] {
	case '%':
		return "%", nil, s[2:], nil
	case '_':
		return " ", nil, s[2:], nil
	case '-':
		return "%20", nil, s[2:], nil
	case '{':
		end := strings.IndexByte(s, '}')
		if end < 3 {
			return "", nil, "", errors.New("a macro without an end")
		}
		m, err := parseMacro(s[2:end])
		return "", m, s[end+1:], err
	}
	return "", nil, "", errors.New("a lonely %")
}

func parseMacro(s string) (*macro, error) {
	m := &macro{letter: s[0] | 0x20, escape: s[0] < 'a', split: "."}
	if strings.IndexByte("slodiphcrtv", m.letter) < 0 || !isAlpha(s[0]) {
		return nil, errors.New("nobody knows this macro")
	}
	s = s[1:]
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n > 0 {
		d, err := strconv.Atoi(s[:n])
		if d == 0 || err != nil && n < 4 {
			return nil, errors.New("zero parts of a macro")
		}
		m.digits, s = min(d, 128), s[n:]
	}
	if s != "" && s[0]|0x20 == 'r' {
		m.reverse, s = true, s[1:]
	}
	if strings.Trim(s, ".-+,/_=") != "" {
		return nil, errors.New("nobody knows this macro")
	}
	if s != "" {
		m.split = s
	}
	return m, nil
}

// checkMacros reads a macro-string, and says whether it ends in a macro. c, r
// and t have a meaning in explanations only.
func checkMacros(s string, explains bool) (endsInMacro bool, err error) {
	for s != "" {
		start := s[0]
		_, m, rest, err := nextMacro(s)
		if err != nil {
			return false, err
		}
		if m != nil && !explains && strings.IndexByte("crt", m.letter) >= 0 {
			return false, errors.New("a macro for explanations only")
		}
		endsInMacro, s = start == '%', rest
	}
	return endsInMacro, nil
}

// expand makes a name of a domain-spec that checkSpec has seen. domain is the
// one whose record it stands in.
func (c *check) expand(ctx context.Context, spec, domain string) string {
	var b strings.Builder
	for spec != "" {
		literal, m, rest, err := nextMacro(spec)
		if err != nil {
			return ""
		}
		b.WriteString(literal)
		if m != nil {
			b.WriteString(m.apply(c.value(ctx, m.letter, domain)))
		}
		spec = rest
	}
	name := strings.TrimSuffix(b.String(), ".")
	for len(name) > maxName { // §7.3: labels go from the left
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return ""
		}
		name = rest
	}
	return name
}

func (c *check) value(ctx context.Context, letter byte, domain string) string {
	switch letter {
	case 's':
		return c.local + "@" + c.domain
	case 'l':
		return c.local
	case 'o':
		return c.domain
	case 'd':
		return domain
	case 'i':
		if c.ip.Is4() {
			return c.ip.String()
		}
		text := hex.EncodeToString(c.ip.AsSlice())
		return strings.Join(strings.Split(text, ""), ".")
	case 'v':
		if c.ip.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return c.helo
	case 'p':
		return c.proven(ctx, domain)
	}
	return ""
}

func (m *macro) apply(v string) string {
	parts := []string{v}
	if m.split != "." || m.reverse || m.digits > 0 {
		parts = strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(m.split, r) })
	}
	if m.reverse {
		slices.Reverse(parts)
	}
	if m.digits > 0 && m.digits < len(parts) {
		parts = parts[len(parts)-m.digits:]
	}
	v = strings.Join(parts, ".")
	if !m.escape {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if c := v[i]; isAlpha(c) || isDigit(c) || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}
