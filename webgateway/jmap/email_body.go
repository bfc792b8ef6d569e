package jmap

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"colporteur/mail"
)

var bodyProperties = []string{"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"}

// partProperties are those of body parts that a client wants to see.
type partProperties struct {
	names  []string
	fields map[string]*headerProperty
}

func showParts(wanted *[]string) (*partProperties, error) {
	p := &partProperties{names: bodyProperties, fields: map[string]*headerProperty{}}
	if wanted == nil {
		return p, nil
	}
	p.names = *wanted
	for _, name := range p.names {
		switch {
		case strings.HasPrefix(name, "header:"):
			h, err := parseHeaderProperty(name)
			if err != nil {
				return nil, err
			}
			p.fields[name] = h
		case name != "headers" && name != "subParts" && !slices.Contains(bodyProperties, name):
			return nil, invalid("a body part has no property "+quoted(name), "bodyProperties")
		}
	}
	return p, nil
}

// spot is a part and where it is in the tree: "1", "2-1".
type spot struct {
	*mail.Part
	path string
}

// isText says whether a part's text is in bodyValues.
func (p *spot) isText() bool { return strings.HasPrefix(p.Type, "text/") }

// root is the part that the mail consists of.
func (l *letter) root() *spot {
	r := l.sum.Root
	if r == nil {
		r = &mail.Part{Type: "text/plain"}
	}
	if len(r.Children) > 0 {
		return &spot{r, ""}
	}
	return &spot{r, "1"}
}

func (p *spot) children() []*spot {
	out := make([]*spot, len(p.Children))
	for i, c := range p.Children {
		out[i] = &spot{c, strings.TrimPrefix(fmt.Sprintf("%s-%d", p.path, i+1), "-")}
	}
	return out
}

// at finds a part by its path; nil when there is none.
func (l *letter) at(path string) *spot {
	found := l.root()
	if path == found.path {
		return found
	}
	at := ""
	for step := range strings.SplitSeq(path, "-") {
		at = strings.TrimPrefix(at+"-"+step, "-")
		i := slices.IndexFunc(found.children(), func(c *spot) bool { return c.path == at })
		if i < 0 {
			return nil
		}
		found = found.children()[i]
	}
	if found == nil || found.path != path {
		return nil
	}
	return found
}

// decoded is how many octets a part's file has. Where the encoding was not
// undone at delivery it is computed, and off by two at most: how a base64 text
// ends is not known without reading it.
func (p *spot) decoded() int64 {
	switch {
	case p.Blob != 0:
		return p.Decoded
	case p.Encoding == "base64":
		return max(p.Size-2*p.Lines, 0) / 4 * 3
	}
	return p.Size
}

// part is one EmailBodyPart (RFC 8621 §4.1.4).
func (s *shown) part(ctx context.Context, l *letter, p *spot, deep bool) (object, error) {
	o := object{}
	leaf := len(p.Children) == 0
	for _, name := range s.parts.names {
		if h := s.parts.fields[name]; h != nil {
			fields, err := l.partFields(ctx, p)
			if err != nil {
				return nil, err
			}
			o[name] = h.value(fields)
			continue
		}
		var v any
		switch name {
		case "partId":
			if leaf {
				v = p.path
			}
		case "blobId":
			if leaf {
				v = l.blob + "-" + p.path
			}
		case "size":
			v = p.decoded()
		case "name":
			v = some(p.Filename)
		case "type":
			v = p.Type
		case "charset":
			if p.isText() {
				if v = some(strings.ToLower(p.Params["charset"])); v == nil {
					v = "us-ascii"
				}
			}
		case "disposition":
			v = some(p.Disposition)
		case "cid":
			v = some(strings.Trim(p.ID, "<> "))
		case "language":
			v = orNull(p.Language)
		case "location":
			v = some(p.Location)
		case "headers":
			fields, err := l.partFields(ctx, p)
			if err != nil {
				return nil, err
			}
			list := make([]object, len(fields))
			for i, f := range fields {
				list[i] = object{"name": f.name, "value": f.raw}
			}
			v = list
		case "subParts":
			continue
		}
		o[name] = v
	}
	if deep && !leaf {
		sub := []object{}
		for _, c := range p.children() {
			one, err := s.part(ctx, l, c, true)
			if err != nil {
				return nil, err
			}
			sub = append(sub, one)
		}
		o["subParts"] = sub
	}
	return o, nil
}

func some(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (l *letter) partFields(ctx context.Context, p *spot) ([]field, error) {
	if p.Part == l.sum.Root {
		return l.fields(ctx)
	}
	from := int64(len(l.prefix)) + p.Offset
	b, err := l.octets(ctx, from, from+min(p.BodyOffset-p.Offset, maxHeader))
	return fieldsOf(b), err
}

func (s *shown) structure(ctx context.Context, l *letter) (object, error) {
	return s.part(ctx, l, l.root(), true)
}

func (s *shown) bodies(ctx context.Context, l *letter, name string) ([]object, error) {
	text, html, attachments := l.flatten()
	list := map[string][]*spot{"textBody": text, "htmlBody": html, "attachments": attachments}[name]
	out := []object{}
	for _, p := range list {
		o, err := s.part(ctx, l, p, false)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// flatten says which parts are the mail's words as text, which as HTML, and
// which are files that go with it (RFC 8621 §4.1.4).
func (l *letter) flatten() (text, html, attachments []*spot) {
	f := &flattened{}
	f.walk([]*spot{l.root()}, "mixed", false, &f.html, &f.text)
	return f.text, f.html, f.attachments
}

type flattened struct{ text, html, attachments []*spot }

// walk looks at parts that stand together under a multipart of the given
// subtype. html and text are nil where the other form of the same words is found.
func (f *flattened) walk(parts []*spot, subtype string, alternative bool, html, text *[]*spot) {
	texts, htmls := -1, -1
	if text != nil {
		texts = len(*text)
	}
	if html != nil {
		htmls = len(*html)
	}
	for i, p := range parts {
		inline := p.Disposition != "attachment" && (p.Type == "text/plain" || p.Type == "text/html" || isMedia(p.Type)) &&
			// In multipart/related the first part is shown and the others by it.
			(i == 0 || subtype != "related" && (isMedia(p.Type) || p.Filename == ""))
		switch {
		case len(p.Children) > 0 || strings.HasPrefix(p.Type, "multipart/"):
			sub := strings.TrimPrefix(p.Type, "multipart/")
			f.walk(p.children(), sub, alternative || sub == "alternative", html, text)
		case inline && subtype == "alternative":
			switch p.Type {
			case "text/plain":
				put(text, p)
			case "text/html":
				put(html, p)
			default:
				f.attachments = append(f.attachments, p)
			}
		case inline:
			if alternative {
				if p.Type == "text/plain" {
					html = nil
				}
				if p.Type == "text/html" {
					text = nil
				}
			}
			put(text, p)
			put(html, p)
			if (text == nil || html == nil) && isMedia(p.Type) {
				f.attachments = append(f.attachments, p)
			}
		default:
			f.attachments = append(f.attachments, p)
		}
	}
	if subtype == "alternative" && text != nil && html != nil {
		// One form only: it stands for the other.
		if len(*text) == texts && len(*html) != htmls {
			*text = append(*text, (*html)[htmls:]...)
		}
		if len(*html) == htmls && len(*text) != texts {
			*html = append(*html, (*text)[texts:]...)
		}
	}
}

func put(list *[]*spot, p *spot) {
	if list != nil {
		*list = append(*list, p)
	}
}

func isMedia(t string) bool {
	return strings.HasPrefix(t, "image/") || strings.HasPrefix(t, "audio/") || strings.HasPrefix(t, "video/")
}

// maxValue is the most of one text that is shown when the client names no bound.
const maxValue = 5 << 20

// values are the texts that the client wants, by partId.
func (s *shown) values(ctx context.Context, l *letter, room *int) (map[string]object, error) {
	text, html, _ := l.flatten()
	want := map[string]*spot{}
	add := func(list []*spot) {
		for _, p := range list {
			if p.isText() {
				want[p.path] = p
			}
		}
	}
	if s.body.FetchTextBodyValues {
		add(text)
	}
	if s.body.FetchHTMLBodyValues {
		add(html)
	}
	if s.body.FetchAllBodyValues {
		var all []*spot
		var walk func(p *spot)
		walk = func(p *spot) {
			if len(p.Children) == 0 {
				all = append(all, p)
			}
			for _, c := range p.children() {
				walk(c)
			}
		}
		walk(l.root())
		add(all)
	}
	out := map[string]object{}
	for path, p := range want {
		most := maxValue
		if n := s.body.MaxBodyValueBytes; n > 0 {
			most = min(n, most)
		}
		most = min(most, max(*room, 0))
		v, err := l.value(ctx, p, most)
		if err != nil {
			return nil, err
		}
		*room -= len(v["value"].(string))
		out[path] = v
	}
	return out, nil
}

// value is an EmailBodyValue: a text in UTF-8, cut before most octets so that it
// stays text, and HTML outside of a tag.
func (l *letter) value(ctx context.Context, p *spot, most int) (object, error) {
	r, dec, err := l.file(ctx, p)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// A text of another charset may grow, or shrink to half, in UTF-8.
	raw, err := io.ReadAll(io.LimitReader(dec, int64(2*most+16)))
	if err != nil {
		return nil, err
	}
	more := len(raw) == 2*most+16
	text, ok := mail.UTF8(p.Params["charset"], raw)
	text = strings.ReplaceAll(text, "\r\n", "\n")
	cut := false
	if len(text) > most {
		text, cut = strings.ToValidUTF8(text[:most], ""), true
		if p.Type == "text/html" {
			if i := strings.LastIndexByte(text, '<'); i > strings.LastIndexByte(text, '>') {
				text = text[:i]
			}
		}
	}
	return object{"value": text, "isEncodingProblem": !ok || dec.Bad(), "isTruncated": cut || more}, nil
}

// file is a part's content, decoded.
func (l *letter) file(ctx context.Context, p *spot) (io.Closer, *mail.Decoder, error) {
	r, err := l.open(ctx, int64(len(l.prefix))+p.BodyOffset)
	if err != nil {
		return nil, nil, err
	}
	return r, mail.DecodeBody(p.Encoding, io.LimitReader(r, p.Size)), nil
}
