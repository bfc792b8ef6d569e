package workflow

import (
	"context"
	"io"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/text/encoding/htmlindex"

	"colporteur/mail"
	"colporteur/store"
)

// maxWords is how much of a body is read for its words.
const maxWords = 256 << 10

// Text is what the sender wrote: the first text part, as UTF-8 with LF line
// ends, without signature, at most limit characters. "" when there is none.
func (in *Inbound) Text(ctx context.Context, limit int) (string, error) {
	p := words1(in.Summary.Root, "text/plain")
	if p == nil {
		p = words1(in.Summary.Root, "text/html")
	}
	if p == nil {
		return "", nil
	}
	r, dec, err := in.body(ctx, p)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(dec, maxWords))
	if err != nil {
		return "", err
	}
	s := utf8Of(b, p.Params["charset"])
	if p.Type == "text/html" {
		s = plain(s)
	}
	return tidy(s, limit), nil
}

// words1 finds the first part of a type that is the mail's own words.
func words1(p *mail.Part, kind string) *mail.Part {
	if p == nil {
		return nil
	}
	if p.Type == kind && p.Disposition != "attachment" && p.Filename == "" {
		return p
	}
	for _, c := range p.Children {
		if found := words1(c, kind); found != nil {
			return found
		}
	}
	return nil
}

func utf8Of(b []byte, charset string) string {
	if charset != "" {
		if enc, err := htmlindex.Get(charset); err == nil {
			if out, err := enc.NewDecoder().Bytes(b); err == nil {
				b = out
			}
		}
	}
	return store.Clean(string(b))
}

// plain is the words of an HTML body. Quotations are left out: they are not
// what the sender wrote.
func plain(s string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	hidden := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if hidden == 0 {
				b.WriteString(strings.Join(strings.FieldsFunc(string(z.Text()), func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " "))
			}
		case html.StartTagToken:
			switch a, _ := tag(z); a {
			case atom.Script, atom.Style, atom.Head, atom.Title, atom.Blockquote:
				hidden++
			case atom.Br, atom.P, atom.Div, atom.Li, atom.Tr, atom.H1, atom.H2, atom.H3:
				b.WriteByte('\n')
			}
		case html.EndTagToken:
			switch a, _ := tag(z); a {
			case atom.Script, atom.Style, atom.Head, atom.Title, atom.Blockquote:
				hidden = max(hidden-1, 0)
			case atom.P, atom.Div, atom.Tr:
				b.WriteByte('\n')
			}
		case html.SelfClosingTagToken:
			if a, _ := tag(z); a == atom.Br {
				b.WriteByte('\n')
			}
		}
	}
}

func tag(z *html.Tokenizer) (atom.Atom, bool) {
	name, attrs := z.TagName()
	return atom.Lookup(name), attrs
}

// tidy brings lines to LF, drops what is not to be seen, the signature and runs
// of empty lines, and cuts at limit characters.
func tidy(s string, limit int) string {
	var b strings.Builder
	empty, n := 1, 0 // no empty lines at the beginning
	for line := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		if line == "-- " || line == "--" {
			break
		}
		line = strings.TrimRightFunc(strings.Map(func(r rune) rune {
			switch {
			case r == '\t' || r == 0xa0:
				return ' '
			case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff, r == 0x200b:
				return -1
			}
			return r
		}, line), unicode.IsSpace)
		if line == "" {
			if empty++; empty > 1 {
				continue
			}
		} else {
			empty = 0
		}
		for _, r := range line {
			if n++; n > limit {
				return strings.TrimSpace(b.String()) + "…"
			}
			b.WriteRune(r)
		}
		b.WriteByte('\n')
	}
	return strings.TrimSpace(b.String())
}
