package mail

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/net/html"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/transform"
)

// collector gathers the words of a message for search and the preview.
type collector struct {
	limit  int
	folded []byte
	plain  string // the beginning of the first text/plain
	html   string // and of the first text/html
}

func (c *collector) room() bool { return len(c.folded) < c.limit }

func (c *collector) add(s string) { c.addBytes([]byte(s)) }

func (c *collector) addBytes(b []byte) {
	if len(b) == 0 || !c.room() {
		return
	}
	if len(c.folded) > 0 {
		c.folded = append(c.folded, '\n')
	}
	if room := c.limit - len(c.folded); len(b) > room {
		b = b[:max(room, 0)]
	}
	c.folded = AppendFold(c.folded, b)
	if len(c.folded) > c.limit { // folding may lengthen
		c.folded = c.folded[:c.limit]
	}
}

func (c *collector) header(s *Summary) {
	c.add(s.Subject)
	for _, list := range [][]Mailbox{s.From, s.To, s.Cc, s.Bcc, s.ReplyTo} {
		for _, m := range list {
			c.add(m.Name)
			c.add(m.Addr)
		}
	}
}

// previewSource is how much decoded text the preview is made from.
const previewSource = 4096

// part takes the encoded body of a text part.
func (c *collector) part(p *Part, raw []byte) {
	text := decodeText(p, raw)
	if p.Type == "text/html" {
		text = stripHTML(text)
	}
	c.addBytes(text)
	if p.Disposition == "attachment" {
		return
	}
	head := text[:min(len(text), previewSource)]
	switch {
	case p.Type == "text/plain" && c.plain == "":
		c.plain = string(head)
	case p.Type == "text/html" && c.html == "":
		c.html = string(head)
	}
}

// preview is the first 250 characters a person would read: not what they
// quoted, and not the signature.
func (c *collector) preview() string {
	text := c.plain
	if strings.TrimSpace(text) == "" {
		text = c.html
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "--" {
			break
		}
		if line == "" || line[0] == '>' {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		for i, word := range strings.Fields(line) {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(bareLink(word))
		}
		if b.Len() > 1200 {
			break
		}
	}
	s := clean(b.String())
	n := 0
	for i := range s {
		if n++; n > 250 {
			return strings.TrimRight(s[:i], " ")
		}
	}
	return s
}

// bareLink shows where a link leads and no more. People skip the rest, and
// previews stand in the clear where links, which may be keys, must not.
func bareLink(word string) string {
	i := strings.Index(word, "://")
	if i < 0 {
		return word
	}
	host, rest, more := strings.Cut(word[i+3:], "/")
	if !more || rest == "" {
		return word
	}
	return word[:i+3] + host + "/…"
}

// decodeText undoes the transfer encoding and the charset. Where it fails in
// the middle, what came before counts.
func decodeText(p *Part, raw []byte) []byte {
	switch p.Encoding {
	case "base64", "quoted-printable":
		raw, _ = io.ReadAll(DecodeBody(p.Encoding, bytes.NewReader(raw)))
	}
	name := strings.ToLower(p.Params["charset"])
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		if !utf8.Valid(raw) {
			return []byte(latin1(string(raw)))
		}
		return raw
	}
	r, err := charsetReader(name, bytes.NewReader(raw))
	if err != nil {
		return bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	}
	text, _ := io.ReadAll(r)
	return text
}

// charsetReader turns a charset into UTF-8, with the names go-message lacks.
func charsetReader(name string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(name) {
	case "cp932", "ms932", "windows-31j":
		return transform.NewReader(r, japanese.ShiftJIS.NewDecoder()), nil
	case "cp949", "ms949", "uhc", "iso-2022-kr": // of the last, the ASCII at least
		return transform.NewReader(r, korean.EUCKR.NewDecoder()), nil
	}
	return charset.Reader(name, r)
}

// latin1 reads unlabelled 8-bit text as Windows-1252 does, which contains
// what Latin-1 means.
func latin1(s string) string {
	r, err := charset.Reader("windows-1252", strings.NewReader(s))
	if err != nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return string(b)
}

// stripHTML keeps the words of an HTML text, for search and the preview; it is
// never shown as HTML.
func stripHTML(src []byte) []byte {
	z := html.NewTokenizer(bytes.NewReader(src))
	z.SetMaxBuf(64 << 10)
	var out []byte
	skip := ""
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out
		case html.TextToken:
			if skip == "" {
				out = append(out, z.Text()...)
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch string(name) {
			case "script", "style", "title":
				skip = string(name)
			case "p", "br", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "blockquote", "td":
				out = append(out, '\n')
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == skip {
				skip = ""
			}
		}
	}
}

// HeaderWords is the beginning of the text that Scanner.Close returned with s:
// the words of its header fields, without what parts added.
func HeaderWords(s *Summary) []byte {
	c := collector{limit: defaultText}
	c.header(s)
	return c.folded
}
