// Package letter lays out the mails we write: one text, and an HTML twin that
// says the same in one column.
//
// The twin has inline styles, no colours that a dark reader would have to fight,
// no image and nothing remote. Sentences come from package locale, already in
// the reader's language.
package letter

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
)

// Letter is one mail for a person, kept as JSON until it is sent. It holds no
// secret: links are references that are resolved when it is written out.
type Letter struct {
	Subject string  `json:"s"`
	Heading string  `json:"h,omitempty"`
	Blocks  []Block `json:"b,omitempty"`
}

// Block is one paragraph of one kind: the field that is set.
type Block struct {
	Para  string `json:"p,omitempty"`
	Link  *Link  `json:"l,omitempty"`
	Code  *Link  `json:"c,omitempty"` // a code to type, or an address with a secret in it; it becomes a Para when the mail is written out
	Quote string `json:"q,omitempty"` // what a person wrote
	Items []Item `json:"i,omitempty"`
	Small string `json:"m,omitempty"`
}

// Link is a page's address with the words before it.
type Link struct {
	Label string `json:"t"`
	Ref   int64  `json:"r"`           // resolved by the function given to Text and HTML
	URL   string `json:"u,omitempty"` // an address that is no secret; then Ref is 0
}

// Item is one line of a list.
type Item struct {
	Name   string `json:"n"`
	Detail string `json:"d,omitempty"` // behind it, in brackets
	Text   string `json:"t,omitempty"` // below it
	Print  string `json:"f,omitempty"` // below it, for machines: a checksum
}

// Para adds a paragraph, and the others a block of their kind; each returns l
// so that a letter reads from top to bottom.
func (l *Letter) Para(s string) *Letter { return l.add(s != "", Block{Para: s}) }

func (l *Letter) Quote(s string) *Letter { return l.add(s != "", Block{Quote: s}) }

func (l *Letter) Small(s string) *Letter { return l.add(s != "", Block{Small: s}) }

func (l *Letter) Items(it []Item) *Letter { return l.add(len(it) > 0, Block{Items: it}) }

func (l *Letter) LinkTo(label string, ref int64) *Letter {
	return l.add(true, Block{Link: &Link{Label: label, Ref: ref}})
}

func (l *Letter) add(ok bool, b Block) *Letter {
	if ok {
		l.Blocks = append(l.Blocks, b)
	}
	return l
}

// Refs are the links of the letter that need resolving.
func (l *Letter) Refs() []int64 {
	var refs []int64
	for _, b := range l.Blocks {
		if b.Link != nil && b.Link.Ref != 0 {
			refs = append(refs, b.Link.Ref)
		}
	}
	return refs
}

func (k *Link) resolve(url func(int64) string) string {
	if k.Ref != 0 {
		return url(k.Ref)
	}
	return k.URL
}

// Text is the letter as plain text, lines ended by LF. The links stand alone on
// their lines: mail programs that find links in text stumble over punctuation.
func (l *Letter) Text(url func(ref int64) string) string {
	var b strings.Builder
	if l.Heading != "" {
		b.WriteString(l.Heading + "\n\n")
	}
	for _, k := range l.Blocks {
		switch {
		case k.Para != "":
			b.WriteString(k.Para + "\n\n")
		case k.Link != nil:
			b.WriteString(k.Link.Label + "\n" + k.Link.resolve(url) + "\n\n")
		case k.Quote != "":
			for line := range strings.SplitSeq(k.Quote, "\n") {
				b.WriteString(strings.TrimRight("| "+line, " ") + "\n")
			}
			b.WriteByte('\n')
		case len(k.Items) > 0:
			for _, it := range k.Items {
				b.WriteString("* " + it.Name)
				if it.Detail != "" {
					b.WriteString(" (" + it.Detail + ")")
				}
				b.WriteByte('\n')
				for _, below := range []string{it.Text, it.Print} {
					if below != "" {
						b.WriteString("  " + below + "\n")
					}
				}
			}
			b.WriteByte('\n')
		case k.Small != "":
			b.WriteString(k.Small + "\n\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

//go:embed letter.html
var page string

var tmpl = template.Must(template.New("letter").Funcs(template.FuncMap{
	"lines": func(s string) []string { return strings.Split(s, "\n") },
}).Parse(page))

// HTML is the twin.
func (l *Letter) HTML(lang string, url func(ref int64) string) ([]byte, error) {
	var b bytes.Buffer
	err := tmpl.Execute(&b, map[string]any{
		"Lang": lang, "Letter": l,
		"URL": func(k *Link) string { return k.resolve(url) },
	})
	return b.Bytes(), err
}
