package mail

import "strings"

// maxAddresses of one field. Summaries are kept; thousands of readers of a
// careless To need not be.
const maxAddresses = 1000

// ParseAddressList reads an address field as leniently as it can. Group syntax
// is flattened; comments are dropped or, where there is no other name, taken
// for one, as old programs mean them. What is no address stays in Addr as text.
// Words are decoded after the list is taken apart, so that a name cannot bring
// an address along.
func ParseAddressList(v string) []Mailbox {
	var list []Mailbox
	p := addressReader{s: v}
	for p.i < len(p.s) && len(list) < maxAddresses {
		if m := p.next(); m != (Mailbox{}) {
			list = append(list, m)
		}
	}
	return list
}

type addressReader struct {
	s string
	i int

	phrase  strings.Builder // as a name: quotes undone, blanks as they are
	spec    strings.Builder // as an address: quotes kept, blanks out
	comment strings.Builder
}

// next reads up to the next comma or semicolon, or to an angle bracket that
// begins another address without one.
func (p *addressReader) next() Mailbox {
	p.phrase.Reset()
	p.spec.Reset()
	p.comment.Reset()
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case ',', ';':
			p.i++
			return p.bare()
		case ':':
			p.i++
			if strings.Contains(p.spec.String(), "@") {
				p.spec.WriteByte(c)
				p.phrase.WriteByte(c)
				continue
			}
			p.phrase.Reset() // it was the name of a group
			p.spec.Reset()
			p.comment.Reset()
		case '"':
			p.quoted()
		case '(':
			p.comments()
		case '<':
			return p.angle()
		case '=':
			// A comma inside an encoded word is not allowed, and seen.
			if strings.HasPrefix(p.s[p.i:], "=?") {
				if _, n := encodedWord(p.s[p.i:]); n > 0 {
					p.phrase.WriteString(p.s[p.i : p.i+n])
					p.spec.WriteString(p.s[p.i : p.i+n])
					p.i += n
					continue
				}
			}
			p.plain(c)
		default:
			p.plain(c)
		}
	}
	return p.bare()
}

func (p *addressReader) plain(c byte) {
	p.i++
	p.phrase.WriteByte(c)
	if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
		p.spec.WriteByte(c)
	}
}

// bare is an address without angle brackets.
func (p *addressReader) bare() Mailbox {
	spec := p.spec.String()
	if !strings.Contains(spec, "@") {
		spec = strings.Join(strings.Fields(p.phrase.String()), " ")
	}
	return Mailbox{Name: Words(p.comment.String()), Addr: addrText(spec)}
}

// angle reads <address>, and what stands between it and the next comma.
func (p *addressReader) angle() Mailbox {
	name := p.phrase.String()
	p.i++
	p.spec.Reset()
	for open := true; open && p.i < len(p.s); {
		switch c := p.s[p.i]; c {
		case '>':
			p.i++
			open = false
		case '"':
			p.quoted()
		case '(':
			p.comments()
		case '<':
			p.i++ // doubled, by programs that quote twice
		default:
			p.plain(c)
		}
	}
	for rest := true; rest && p.i < len(p.s); {
		switch p.s[p.i] {
		case ',', ';':
			p.i++
			rest = false
		case '(':
			p.comments()
		case ' ', '\t', '\r', '\n', '>':
			p.i++
		default: // the comma was forgotten
			rest = false
		}
	}
	spec := p.spec.String()
	if strings.HasPrefix(spec, "@") { // a source route (RFC 5322 §4.4)
		if i := strings.IndexByte(spec, ':'); i >= 0 {
			spec = spec[i+1:]
		}
	}
	if strings.TrimSpace(name) == "" {
		name = p.comment.String()
	}
	return Mailbox{Name: limit(strings.Join(strings.Fields(Words(name)), " "), 500), Addr: addrText(spec)}
}

// addrText bounds what stands for an address.
func addrText(spec string) string {
	if strings.Contains(spec, "=?") {
		spec = Words(spec)
	}
	if len(spec) > 4*MaxAddress {
		spec = spec[:4*MaxAddress]
	}
	return limit(Words(spec), 320)
}

// quoted reads a quoted string; one without an end goes on to the end.
func (p *addressReader) quoted() {
	start := p.i
	for p.i++; p.i < len(p.s); p.i++ {
		c := p.s[p.i]
		if c == '"' {
			p.i++
			break
		}
		if c == '\\' && p.i+1 < len(p.s) {
			p.i++
			c = p.s[p.i]
		}
		p.phrase.WriteByte(c)
	}
	p.spec.WriteString(p.s[start:p.i])
}

// comments reads a comment, nested ones included (RFC 5322 §3.2.2).
func (p *addressReader) comments() {
	depth := 0
	if p.comment.Len() > 0 {
		p.comment.WriteByte(' ')
	}
	for ; p.i < len(p.s); p.i++ {
		c := p.s[p.i]
		switch {
		case c == '(':
			if depth++; depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				p.i++
				return
			}
		case c == '\\' && p.i+1 < len(p.s):
			p.i++
			c = p.s[p.i]
		}
		p.comment.WriteByte(c)
	}
}
