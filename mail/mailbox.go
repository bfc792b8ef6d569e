package mail

import "strings"

// ParseAddressList reads an address field as leniently as it can. Group syntax
// is flattened, comments are dropped or, as old programs meant them, taken for
// the name. What is no address at all stays in Addr as text.
func ParseAddressList(v string) []Mailbox {
	var list []Mailbox
	p := addressReader{s: v}
	for len(list) < maxAddresses {
		m, ok := p.next()
		if !ok {
			return list
		}
		if m.Name != "" || m.Addr != "" {
			list = append(list, m)
		}
	}
	return list
}

type addressReader struct {
	s string
	i int
}

// next reads up to the next comma, or the colon or semicolon of a group.
func (p *addressReader) next() (Mailbox, bool) {
	if p.i >= len(p.s) {
		return Mailbox{}, false
	}
	var words, angle, comment strings.Builder
	hasAngle := false
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case ',', ';':
			p.i++
			return box(words.String(), angle.String(), comment.String(), hasAngle), true
		case ':':
			if hasAngle || strings.ContainsRune(words.String(), '@') {
				words.WriteByte(c)
				p.i++
				continue
			}
			p.i++ // the name of a group
			words.Reset()
		case '"':
			quoted := p.quoted()
			if p.i < len(p.s) && p.s[p.i] == '@' { // a quoted local part
				words.WriteString(`"` + strings.ReplaceAll(quoted, `"`, `\"`) + `"`)
			} else {
				words.WriteString(quoted)
			}
		case '(':
			comment.WriteString(p.comment())
		case '<':
			end := strings.IndexByte(p.s[p.i:], '>')
			if end < 0 {
				end = len(p.s) - p.i
			}
			angle.WriteString(p.s[p.i+1 : p.i+end])
			hasAngle = true
			p.i = min(len(p.s), p.i+end+1)
		default:
			words.WriteByte(c)
			p.i++
		}
	}
	return box(words.String(), angle.String(), comment.String(), hasAngle), true
}

func (p *addressReader) quoted() string {
	var b strings.Builder
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '\\' && p.i+1 < len(p.s):
			p.i++
			b.WriteByte(p.s[p.i])
		case c == '"':
			p.i++
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (p *addressReader) comment() string {
	var b strings.Builder
	depth := 0
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '\\' && p.i+1 < len(p.s):
			p.i++
			b.WriteByte(p.s[p.i])
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				p.i++
				return b.String()
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func box(words, angle, comment string, hasAngle bool) Mailbox {
	words = strings.Join(strings.Fields(words), " ")
	if !hasAngle {
		if !strings.HasPrefix(words, `"`) {
			words = strings.ReplaceAll(words, " ", "")
		}
		return Mailbox{Name: Words(comment), Addr: limit(Words(words), 320)}
	}
	if i := strings.LastIndexByte(angle, ':'); i >= 0 && strings.HasPrefix(strings.TrimSpace(angle), "@") {
		angle = angle[i+1:] // a source route (RFC 5322 §4.4)
	}
	if words == "" {
		words = comment
	}
	return Mailbox{Name: Words(words), Addr: limit(Words(strings.ReplaceAll(angle, " ", "")), 320)}
}
