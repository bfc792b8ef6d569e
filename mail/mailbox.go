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
		a := p.next()
		if a.group {
			continue
		}
		if m := (Mailbox{Name: nameText(a), Addr: addrText(a.spec)}); m != (Mailbox{}) {
			list = append(list, m)
		}
	}
	return list
}

// listed is an address, or the beginning of a group, as the field has it.
type listed struct {
	name    string // without its quotes
	comment bool   // the name is a comment
	route   string // RFC 5322 §4.4
	spec    string
	group   bool // name is a group's
}

func nameText(a listed) string {
	if a.comment {
		return Words(a.name)
	}
	return limit(strings.Join(strings.Fields(Words(a.name)), " "), 500)
}

type addressReader struct {
	s string
	i int

	ended bool // by a semicolon, which ends a group

	phrase  strings.Builder // as a name: quotes undone, blanks as they are
	spec    strings.Builder // as an address: quotes kept, blanks out
	comment strings.Builder
}

// next reads up to the next comma or semicolon, or to an angle bracket that
// begins another address without one; or a group's name.
func (p *addressReader) next() listed {
	p.ended = false
	p.phrase.Reset()
	p.spec.Reset()
	p.comment.Reset()
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case ',', ';':
			p.i++
			p.ended = c == ';'
			return p.bare()
		case ':':
			p.i++
			if strings.Contains(p.spec.String(), "@") {
				p.spec.WriteByte(c)
				p.phrase.WriteByte(c)
				continue
			}
			return listed{name: p.phrase.String(), group: true}
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
func (p *addressReader) bare() listed {
	spec := p.spec.String()
	if !strings.Contains(spec, "@") {
		spec = strings.Join(strings.Fields(p.phrase.String()), " ")
	}
	return listed{name: p.comment.String(), comment: true, spec: spec}
}

// angle reads <address>, and what stands between it and the next comma.
func (p *addressReader) angle() listed {
	a := listed{name: p.phrase.String()}
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
			p.ended = p.s[p.i-1] == ';'
			rest = false
		case '(':
			p.comments()
		case ' ', '\t', '\r', '\n', '>':
			p.i++
		default: // the comma was forgotten
			rest = false
		}
	}
	a.spec = p.spec.String()
	if strings.HasPrefix(a.spec, "@") {
		if i := strings.IndexByte(a.spec, ':'); i >= 0 {
			a.route, a.spec = a.spec[:i], a.spec[i+1:]
		}
	}
	if strings.TrimSpace(a.name) == "" {
		a.name = p.comment.String()
	}
	return a
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
