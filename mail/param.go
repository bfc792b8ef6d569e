package mail

import (
	"cmp"
	"slices"
	"strings"
)

// maxParams of one field; real ones have a handful.
const maxParams = 40

// parseParams reads `value; name=value; …` of Content-Type and
// Content-Disposition, as leniently as it can: blanks in bare values, missing
// quotes, comments, encoded words, continuations and charsets of RFC 2231. The
// value and the names are lower case. Of a name said twice the first counts.
func parseParams(v string) (value string, params map[string]string) {
	value, rest := cutValue(v)
	value = clean(strings.ToLower(value))
	var pieces []piece
	for rest != "" && len(pieces) < maxParams {
		var one string
		one, rest = cutParam(rest)
		if p, ok := parsePiece(one); ok {
			pieces = append(pieces, p)
		}
	}
	return value, join(pieces)
}

// cutValue takes the value off its parameters. Some programs forget the semicolon
// between them; blanks are not allowed in a value.
func cutValue(v string) (value, params string) {
	head, rest := cutParam(v)
	value = firstWord(head)
	after := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(head), value))
	if after == "" || after[0] == '(' || strings.IndexByte(after, '=') < 0 {
		return value, rest
	}
	return value, after + ";" + rest
}

// cutParam ends at the next semicolon that is not quoted.
func cutParam(s string) (one, rest string) {
	if !strings.ContainsAny(s, `"(`) {
		one, rest, _ = strings.Cut(s, ";")
		return one, rest
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
				i++
			}
		case ';':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// piece is one name=value, or a part of one (RFC 2231 §3).
type piece struct {
	name     string
	index    int // of a continuation; -1 when it is whole
	extended bool
	value    string
}

func parsePiece(s string) (p piece, ok bool) {
	name, value, ok := strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimSpace(name))
	if !ok || name == "" || len(name) > 60 {
		return p, false
	}
	p = piece{name: name, index: -1}
	if n, ok := strings.CutSuffix(p.name, "*"); ok {
		p.name, p.extended = n, true
	}
	if base, number, ok := strings.Cut(p.name, "*"); ok {
		n := 0
		for i := 0; i < len(number); i++ {
			if number[i] < '0' || number[i] > '9' || i > 3 {
				return p, false
			}
			n = n*10 + int(number[i]-'0')
		}
		p.name, p.index = base, n
	}
	p.value = paramValue(value)
	return p, p.name != "" && clean(p.name) == p.name
}

// paramValue takes off quotes. A backslash is only an escape before a quote or
// another one: old browsers write whole Windows paths as they are.
func paramValue(v string) string {
	v = strings.TrimSpace(v)
	if v == "" || v[0] != '"' {
		if i := strings.Index(v, " ("); i >= 0 {
			v = v[:i] // a comment
		}
		return strings.TrimSpace(v)
	}
	v = v[1:]
	if !strings.Contains(v, `\`) {
		v, _, _ = strings.Cut(v, `"`)
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v) && v[i] != '"'; i++ {
		if v[i] == '\\' && i+1 < len(v) && (v[i+1] == '"' || v[i+1] == '\\') {
			i++
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

// join puts the pieces of each name together.
func join(pieces []piece) map[string]string {
	if len(pieces) == 0 {
		return nil
	}
	params := make(map[string]string, len(pieces))
	split := false
	for _, p := range pieces {
		if p.index >= 0 || p.extended {
			split = true
			continue
		}
		if _, twice := params[p.name]; !twice {
			params[p.name] = decodeParam(p.name, p.value)
		}
	}
	if !split {
		return params
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.index, b.index))
	})
	for i := 0; i < len(pieces); {
		n := i + 1
		for n < len(pieces) && pieces[n].name == pieces[i].name {
			n++
		}
		if v, ok := continued(pieces[i:n]); ok {
			params[pieces[i].name] = v
		}
		i = n
	}
	return params
}

// continued reads the extended form of a parameter, which counts for more than
// the plain one beside it. Pieces after a gap are not its.
func continued(pieces []piece) (string, bool) {
	var charset string
	var octets []byte
	next, found := 0, false
	for _, p := range pieces {
		switch {
		case p.index < 0 && !p.extended:
			continue
		case p.index < 0: // name*=…: whole
			found, next = true, -1
		case p.index != next:
			continue
		default:
			found = true
			next++
		}
		if !p.extended {
			octets = append(octets, p.value...)
			continue
		}
		v := p.value
		if p.index <= 0 {
			if parts := strings.SplitN(v, "'", 3); len(parts) == 3 {
				charset, v = parts[0], parts[2]
			}
		}
		octets = unpercent(octets, v)
		if p.index < 0 {
			break
		}
	}
	if !found {
		return "", false
	}
	text, _ := toUTF8(charset, octets)
	return limit(clean(string(text)), maxWords), true
}

func unpercent(dst []byte, v string) []byte {
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '%' && i+2 < len(v) {
			if hi, lo := hexDigit(v[i+1]), hexDigit(v[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// decodeParam: encoded words are not allowed in parameters (RFC 2047 §5), and
// everybody writes them. A boundary is compared octet by octet, so it stays.
func decodeParam(name, v string) string {
	if name == "boundary" {
		return strings.TrimRight(v, " \t\r\n")
	}
	return Words(v)
}

func firstWord(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " \t\r\n;("); i >= 0 {
		s = s[:i]
	}
	return s
}
