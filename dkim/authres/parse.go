package authres

import (
	"errors"
	"strings"
)

// Results is one field taken apart.
type Results struct {
	AuthServ string // lower case
	Methods  []Method
}

// Method is one clause.
type Method struct {
	Name, Result, Reason string // lower case but for Reason
	Properties           []Property
}

// Property is ptype.property=value.
type Property struct {
	Name  string // "header.d", lower case
	Value string
}

// Value is the first property of that name.
func (m *Method) Value(name string) string {
	for _, p := range m.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Bounds of what a stranger may have us read.
const (
	maxField   = 64 << 10
	maxMethods = 100
	maxProps   = 40
)

// Parse reads the value of a field. It forgives what real servers write:
// comments anywhere, properties without a type, a clause that cannot be read,
// which is left out. Without a name of whoever wrote it, it is an error.
func Parse(value string) (*Results, error) {
	if len(value) > maxField {
		return nil, errors.New("the field is too long")
	}
	s := &scanner{s: value}
	id, ok := s.value()
	if !ok || id == "" {
		return nil, errors.New("nobody signed the field with a name")
	}
	r := &Results{AuthServ: strings.ToLower(id)}
	if s.peek() == '/' {
		s.next()
		s.value()
	} else if c := s.peek(); c != ';' && c != 0 {
		s.value() // a version: "mail.example 1"
	}
	for s.skip(); s.peek() == ';'; s.skip() {
		s.next()
		if len(r.Methods) == maxMethods {
			return r, nil
		}
		if m, ok := s.method(); ok {
			r.Methods = append(r.Methods, m)
		}
		for c := s.peek(); c != ';' && c != 0; c = s.peek() { // what was not understood
			if _, ok := s.value(); !ok {
				s.next()
			}
		}
	}
	return r, nil
}

// scanner reads the words of a field. Between them may be blanks, line ends and
// comments, which may be nested (RFC 5322 §3.2.2).
type scanner struct {
	s string
	i int
}

func (s *scanner) skip() {
	depth := 0
	for ; s.i < len(s.s); s.i++ {
		switch c := s.s[s.i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			s.i++
		case depth > 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			return
		}
	}
	s.i = len(s.s) // an escape may have led beyond
}

// peek is the next octet that counts, 0 at the end.
func (s *scanner) peek() byte {
	if s.skip(); s.i < len(s.s) {
		return s.s[s.i]
	}
	return 0
}

func (s *scanner) next() { s.i++ }

// value is a quoted string, or all up to the next octet that ends one.
func (s *scanner) value() (v string, ok bool) {
	if s.peek() == '"' {
		return s.quoted()
	}
	start := s.i
	for s.i < len(s.s) && strings.IndexByte(" \t\r\n;()\"=", s.s[s.i]) < 0 {
		s.i++
	}
	return s.s[start:s.i], s.i > start
}

func (s *scanner) quoted() (string, bool) {
	var b strings.Builder
	for s.i++; s.i < len(s.s); s.i++ {
		switch c := s.s[s.i]; {
		case c == '"':
			s.i++
			return b.String(), true
		case c == '\\' && s.i+1 < len(s.s):
			s.i++
			b.WriteByte(s.s[s.i])
		case c != '\r' && c != '\n':
			b.WriteByte(c)
		}
	}
	return "", false // it never ended: nothing in it can be believed
}

// method is one clause: method[/version]=result, reason, properties.
func (s *scanner) method() (m Method, ok bool) {
	name, ok := s.value()
	if !ok || s.peek() != '=' { // "none" too
		return m, false
	}
	m.Name, _, _ = strings.Cut(strings.ToLower(name), "/")
	s.next()
	result, ok := s.value()
	if !ok {
		return m, false
	}
	m.Result = strings.ToLower(result)
	for c := s.peek(); c != ';' && c != 0; c = s.peek() {
		name, ok := s.value()
		if !ok || s.peek() != '=' {
			return m, true // the rest of it is passed over
		}
		s.next()
		v, ok := s.pvalue()
		switch {
		case !ok:
			return m, true
		case strings.EqualFold(name, "reason"):
			m.Reason = v
		case len(m.Properties) < maxProps:
			m.Properties = append(m.Properties, Property{strings.ToLower(name), v})
		}
	}
	return m, true
}

// pvalue is a value that may go on after a quoted local part: "a b"@c.
func (s *scanner) pvalue() (string, bool) {
	v, ok := s.value()
	if !ok || s.i == len(s.s) || strings.IndexByte(" \t\r\n;(", s.s[s.i]) >= 0 {
		return v, ok
	}
	b := []byte(v)
	for s.i < len(s.s) && strings.IndexByte(" \t\r\n;(", s.s[s.i]) < 0 {
		if c := s.s[s.i]; c == '=' || c == ')' { // base64 has "="
			b = append(b, c)
			s.i++
			continue
		}
		more, has := s.value()
		if !has {
			break
		}
		b = append(b, more...)
	}
	return string(b), true
}
