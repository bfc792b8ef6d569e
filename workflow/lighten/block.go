package lighten

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"maps"
	"mime/quotedprintable"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"

	"colporteur/mail"
)

// Block is what comes in the place of the files that were taken out.
type Block struct {
	Heading string   // ends before the address
	URL     string   // "" is none
	Lines   []string // one for each file
}

// plain is the block as text, lines ended by CRLF. No line of it ends in a
// space, so that format=flowed leaves it alone (RFC 3676 §4.1).
func (b Block) plain() string {
	var s strings.Builder
	s.WriteString("\r\n" + b.Heading + "\r\n")
	if b.URL != "" {
		s.WriteString(b.URL + "\r\n")
	}
	for _, l := range b.Lines {
		s.WriteString("* " + strings.TrimSpace(l) + "\r\n")
	}
	return s.String()
}

// markup is the block as HTML. It is ASCII, so it means the same in whatever
// charset the part around it has.
func (b Block) markup() string {
	var s strings.Builder
	s.WriteString("\r\n<hr>\r\n<p>" + ascii(b.Heading))
	if b.URL != "" {
		s.WriteString("<br>\r\n<a href=\"" + ascii(b.URL) + "\">" + ascii(b.URL) + "</a>")
	}
	s.WriteString("</p>\r\n<ul>\r\n")
	for _, l := range b.Lines {
		s.WriteString("<li>" + ascii(l) + "</li>\r\n")
	}
	s.WriteString("</ul>\r\n")
	return s.String()
}

func ascii(s string) string {
	var b strings.Builder
	for _, r := range html.EscapeString(s) {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

// newPart is the block as a text part of its own, from its header on.
func newPart(b Block) ([]byte, error) {
	body, err := encode("quoted-printable", []byte(strings.TrimPrefix(b.plain(), "\r\n")))
	return slices.Concat([]byte("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"), body), err
}

// text is a part of the mail's words.
type text struct {
	kind     string
	charset  string
	params   map[string]string
	encoding string
	head     []byte // its header as it came
	body     []byte // decoded, in its charset
}

// with is the part with the block at its end, header included. ok is false when
// the part's charset is none that we write.
func (t *text) with(b Block) (out []byte, ok bool, err error) {
	var body []byte
	charset := t.charset
	if t.kind == "text/html" {
		if _, ok := writer(charset); !ok {
			return nil, false, nil
		}
		i := before(t.body)
		body = slices.Concat(t.body[:i], []byte(b.markup()), t.body[i:])
	} else if body, charset, ok = t.append(b.plain()); !ok {
		return nil, false, nil
	}
	code := t.encoding
	if code != "base64" && code != "quoted-printable" && code != "8bit" && code != "binary" && !isASCII(body) {
		code = "quoted-printable"
	}
	head := t.head
	if charset != t.charset || code != t.encoding {
		head = t.header(charset, code)
	}
	body, err = encode(code, body)
	return slices.Concat(head, body), true, err
}

// before is where in an HTML page more can be said.
func before(page []byte) int {
	low := bytes.ToLower(page)
	if len(low) != len(page) { // letters whose small form is longer: offsets would not fit
		return len(page)
	}
	for _, end := range []string{"</body>", "</html>"} {
		if i := bytes.LastIndex(low, []byte(end)); i >= 0 {
			return i
		}
	}
	return len(page)
}

// append is the body of a plain text with s behind it, and its charset. That
// stays what it is unless it lacks a letter of s: then all becomes UTF-8.
func (t *text) append(s string) ([]byte, string, bool) {
	body := slices.Clip(t.body)
	if len(body) > 0 && !bytes.HasSuffix(body, []byte("\n")) {
		s = "\r\n" + s
	}
	enc, ok := writer(t.charset)
	if !ok {
		return nil, "", false
	}
	if enc == nil { // ASCII or UTF-8
		switch {
		case isASCII(body) && isASCII([]byte(s)):
			return append(body, s...), t.charset, true
		case utf8.Valid(body):
			return append(body, s...), "utf-8", true
		}
		return nil, "", false
	}
	if added, err := enc.NewEncoder().Bytes([]byte(s)); err == nil {
		return append(body, added...), t.charset, true
	}
	reader, _ := htmlindex.Get(t.charset)
	if reader == nil {
		return nil, "", false
	}
	said, err := reader.NewDecoder().Bytes(body)
	if err != nil {
		return nil, "", false
	}
	return append(said, s...), "utf-8", true
}

// writer is how a charset is written: nil for ASCII and UTF-8. ok is false for
// those that we do not know and those in which ASCII is something else.
func writer(charset string) (enc encoding.Encoding, ok bool) {
	switch c := strings.ToLower(charset); c {
	case "", "us-ascii", "ascii", "utf-8", "utf8":
		return nil, true
	case "iso-8859-1", "latin1", "iso8859-1": // htmlindex takes it for windows-1252, which mail readers need not
		return charmap.ISO8859_1, true
	default:
		if strings.HasPrefix(c, "utf-") || strings.HasPrefix(c, "utf1") || c == "x-user-defined" {
			return nil, false
		}
		e, err := htmlindex.Get(c)
		if err != nil || e == encoding.Replacement {
			return nil, false
		}
		return e, true
	}
}

// header is the part's header for another charset and encoding.
func (t *text) header(charset, code string) []byte {
	cuts := append(mail.FieldRanges(t.head, "Content-Type"), mail.FieldRanges(t.head, "Content-Transfer-Encoding")...)
	slices.SortFunc(cuts, func(a, b [2]int) int { return a[0] - b[0] })
	out := []byte("Content-Type: " + t.kind + "; charset=" + charset)
	for _, name := range slices.Sorted(maps.Keys(t.params)) {
		if v := t.params[name]; name != "charset" && isASCII([]byte(v)) && !strings.ContainsAny(v, "\"\\\r\n") {
			out = append(out, ";\r\n "+name+"=\""+v+"\""...)
		}
	}
	if charset == "" {
		out = bytes.Replace(out, []byte("; charset="), nil, 1)
	}
	out = append(out, "\r\nContent-Transfer-Encoding: "+code+"\r\n"...)
	at := 0
	for _, c := range cuts {
		out = append(out, t.head[at:c[0]]...)
		at = c[1]
	}
	return append(out, t.head[at:]...)
}

// encode is a body in its transfer encoding (RFC 2045 §6).
func encode(code string, body []byte) ([]byte, error) {
	switch code {
	case "base64":
		coded := base64.StdEncoding.EncodeToString(body)
		var out bytes.Buffer
		for len(coded) > 76 {
			out.WriteString(coded[:76] + "\r\n")
			coded = coded[76:]
		}
		out.WriteString(coded + "\r\n")
		return out.Bytes(), nil
	case "quoted-printable":
		var out bytes.Buffer
		w := quotedprintable.NewWriter(&out)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		err := w.Close()
		return out.Bytes(), err
	}
	return body, nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
