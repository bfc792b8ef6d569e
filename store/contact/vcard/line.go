package vcard

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// What a file may have. A picture of ten megabytes is a line of fourteen.
const (
	maxLine  = 16 << 20
	maxCard  = 24 << 20
	maxLines = 5_000 // of a card
)

var errLong = errors.New("a line is too long")

// line is one content line (RFC 6350 §3.3), unfolded and decoded.
type line struct {
	group  string
	name   string // in capitals
	params map[string][]string
	value  string // as vCard 3.0 and 4.0 write it
}

// lines reads the lines of a file.
type lines struct {
	r    *bufio.Reader
	read int // octets, since it was last set to 0
}

// newLines reads r, which may begin with a byte order mark: Outlook and others
// save in UTF-16.
func newLines(r io.Reader) *lines {
	return &lines{r: bufio.NewReaderSize(transform.NewReader(r, unicode.BOMOverride(transform.Nop)), 64<<10)}
}

// physical is the next line without its end. One that is too long is read to its
// end and gives errLong.
func (s *lines) physical() ([]byte, error) {
	var out []byte
	long := false
	for {
		part, err := s.r.ReadSlice('\n')
		s.read += len(part)
		if long = long || len(out)+len(part) > maxLine; !long {
			out = append(out, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && (err != io.EOF || len(out) == 0 && !long) {
			return nil, err
		}
		if long {
			return nil, errLong
		}
		return bytes.TrimRight(out, "\r\n"), nil
	}
}

// next is the next content line; io.EOF after the last.
func (s *lines) next() (*line, error) {
	raw, err := s.physical()
	for err == nil && len(bytes.TrimSpace(raw)) == 0 {
		raw, err = s.physical()
	}
	if err != nil {
		return nil, err
	}
	for {
		b, err := s.r.Peek(1)
		folded := err == nil && (b[0] == ' ' || b[0] == '\t')
		// vCard 2.1 breaks quoted-printable where mail does.
		soft := err == nil && !folded && bytes.HasSuffix(raw, []byte("=")) && isQuoted(raw)
		if !folded && !soft {
			break
		}
		more, err := s.physical()
		if err != nil {
			return nil, err
		}
		if folded {
			if len(bytes.TrimSpace(more)) == 0 {
				break // the end of base64 in 2.1
			}
			more = more[1:]
		} else {
			raw = raw[:len(raw)-1]
		}
		if raw = append(raw, more...); len(raw) > maxLine {
			return nil, errLong
		}
	}
	return parse(raw), nil
}

func isQuoted(raw []byte) bool {
	head, _, _ := bytes.Cut(raw, []byte(":"))
	return bytes.Contains(bytes.ToUpper(head), []byte("QUOTED-PRINTABLE"))
}

// parse reads a content line. What has no colon is a name without a value.
func parse(raw []byte) *line {
	l := &line{params: map[string][]string{}}
	head, value := splitHead(raw)
	parts := splitOutside(head, ';')
	l.name = strings.ToUpper(strings.TrimSpace(parts[0]))
	if g, name, ok := strings.Cut(l.name, "."); ok {
		l.group, l.name = strings.ToLower(g), name
	}
	for _, p := range parts[1:] {
		name, v, ok := strings.Cut(p, "=")
		name = strings.ToUpper(strings.TrimSpace(name))
		if !ok { // vCard 2.1: a value alone
			name, v = "TYPE", name
			switch v {
			case "QUOTED-PRINTABLE", "BASE64", "B", "8BIT", "7BIT":
				name = "ENCODING"
			case "URL", "URI", "INLINE":
				name = "VALUE"
			}
		}
		if name == "" {
			continue
		}
		for _, one := range splitOutside(v, ',') {
			one = unquote(one)
			if name == "TYPE" && strings.Contains(one, ",") { // TYPE="home,voice"
				l.params[name] = append(l.params[name], strings.Split(one, ",")...)
				continue
			}
			l.params[name] = append(l.params[name], one)
		}
	}
	l.value = l.decode(value)
	return l
}

// splitHead finds the colon that ends the name and its parameters.
func splitHead(raw []byte) (head string, value []byte) {
	quoted := false
	for i, c := range raw {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ':' && !quoted:
			return toText(raw[:i], ""), raw[i+1:]
		}
	}
	if before, after, ok := bytes.Cut(raw, []byte(":")); ok { // a quote that never ends
		return toText(before, ""), after
	}
	return toText(raw, ""), nil
}

// splitOutside splits at a separator that is not in quotes.
func splitOutside(s string, at byte) (parts []string) {
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// unquote undoes quotes, and RFC 6868.
func unquote(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), `"`, "")
	return strings.NewReplacer("^n", "\n", "^N", "\n", "^'", `"`, "^^", "^").Replace(s)
}

// decode is the value as text.
func (l *line) decode(raw []byte) string {
	charset := l.take("CHARSET")
	if strings.EqualFold(l.param("ENCODING"), "QUOTED-PRINTABLE") {
		l.take("ENCODING")
		b, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(raw))) // as far as it can be read
		s := strings.ReplaceAll(toText(b, charset), "\r\n", "\n")
		return strings.NewReplacer("\n", `\n`, "\r", `\n`).Replace(s)
	}
	switch strings.ToUpper(l.param("ENCODING")) {
	case "8BIT", "7BIT":
		l.take("ENCODING")
	}
	return toText(raw, charset)
}

// toText is what b says in a charset. Without one it is UTF-8, and what is none
// was written by an old Windows.
func toText(b []byte, charset string) string {
	if e, err := htmlindex.Get(charset); charset != "" && err == nil {
		if s, err := e.NewDecoder().Bytes(b); err == nil {
			b = s
		}
	}
	if !utf8.Valid(b) {
		b, _ = charmap.Windows1252.NewDecoder().Bytes(b)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "")
}

// param is the first value of a parameter.
func (l *line) param(name string) string {
	if v := l.params[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// take is param, and the parameter is gone then: what nobody takes is kept as
// it is.
func (l *line) take(name string) string {
	v := l.param(name)
	delete(l.params, name)
	return v
}

// takeType says whether the line has a type, and takes it.
func (l *line) takeType(name string) bool {
	found := false
	var rest []string
	for _, t := range l.params["TYPE"] {
		if strings.EqualFold(t, name) {
			found = true
		} else {
			rest = append(rest, t)
		}
	}
	if l.params["TYPE"] = rest; len(rest) == 0 {
		delete(l.params, "TYPE")
	}
	return found
}
