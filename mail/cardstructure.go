package mail

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// form is what a part's header says, in IMAP's words. It lives from the header's
// end until the card is written.
type form struct {
	params []byte // of the type: a list, or NIL
	base   []byte // id, description, encoding
	md5    []byte
	tail   []byte // disposition, language, location
}

// form writes the fields of a part.
func (f *fields) form(p *Part) *form {
	var w form
	b := make([]byte, 0, 160)
	cut := func(from int) []byte { return b[from:len(b):len(b)] }
	at := 0
	switch {
	case f.contentType != "":
		b = appendParams(b, f.contentType)
	case p.Type == "text/plain":
		b = append(b, `("charset" "us-ascii")`...) // RFC 2045 §5.2
	default:
		b = append(b, "NIL"...)
	}
	w.params, at = cut(at), len(b)
	b = append(appendNText(b, limit(f.id, maxWords), f.id != ""), ' ')
	b = append(appendNText(b, limit(f.description, maxWords), f.description != ""), ' ')
	b = appendEncoding(b, p)
	w.base, at = cut(at), len(b)
	b = appendNText(b, limit(f.md5, 100), f.md5 != "")
	w.md5, at = cut(at), len(b)
	if p.Disposition == "" {
		b = append(b, "NIL "...)
	} else {
		b = append(b, '(')
		b = append(appendText(b, p.Disposition), ' ')
		b = append(appendParams(b, f.disposition), ") "...)
	}
	b = append(appendList(b, p.Language), ' ')
	b = appendNText(b, limit(f.location, maxWords), f.location != "")
	w.tail = cut(at)
	return &w
}

// appendParams writes the parameters of a field with the names and values it
// has: pieces and charsets of RFC 2231 are left for the client to put together.
func appendParams(b []byte, field string) []byte {
	start := len(b)
	_, rest := cutValue(field)
	for n := 0; rest != "" && n < maxParams; {
		var one string
		one, rest = cutParam(rest)
		name, value, ok := strings.Cut(one, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !ok || len(name) > 80 || !isToken(name) || len(value) > maxCardText {
			continue
		}
		if b = append(b, ' '); n == 0 {
			b[start] = '('
		}
		b = append(appendText(b, name), ' ')
		b = appendText(b, paramValue(value))
		n++
	}
	if len(b) == start {
		return append(b, "NIL"...)
	}
	return append(b, ')')
}

func appendEncoding(b []byte, p *Part) []byte {
	if p.Encoding == "" {
		return append(b, `"7bit"`...)
	}
	return appendText(b, p.Encoding)
}

func appendList(b []byte, list []string) []byte {
	if len(list) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for i, s := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendText(b, s)
	}
	return append(b, ')')
}

// plainForm is that of a part of which only the type and the encoding are said.
func plainForm(p *Part) *form {
	none := []byte("NIL")
	return &form{params: none, base: appendEncoding([]byte("NIL NIL "), p), md5: none, tail: []byte("NIL NIL NIL")}
}

// size is what the form takes in memory.
func (w *form) size() int { return len(w.params) + len(w.base) + len(w.md5) + len(w.tail) }

// structureWriter writes BODYSTRUCTURE and notes what can be left out.
type structureWriter struct {
	b     []byte
	marks []mark
}

func (w *structureWriter) mark(from int, kind uint64) {
	w.marks = append(w.marks, mark{from, len(w.b), kind})
}

// part writes a part and those below it.
func (w *structureWriter) part(p *Part) {
	if p == nil {
		w.b = append(w.b, `("text" "plain" NIL NIL NIL "7bit" 0 0`...)
		w.extension(func(b []byte) []byte { return append(b, " NIL NIL NIL NIL"...) })
		w.b = append(w.b, ')')
		return
	}
	kind, sub, _ := strings.Cut(p.Type, "/")
	f := p.form
	if f == nil {
		f = storedForm(p)
	}
	w.b = append(w.b, '(')
	if kind == "multipart" && len(p.Children) > 0 {
		for _, c := range p.Children {
			w.part(c)
		}
		w.b = append(w.b, ' ')
		w.b = appendText(w.b, sub)
		w.extension(func(b []byte) []byte {
			b = append(append(b, ' '), f.params...)
			return append(append(b, ' '), f.tail...)
		})
		w.b = append(w.b, ')')
		return
	}
	if kind == "multipart" {
		// The grammar has no multipart without parts; this one is damaged. Its
		// octets can be had as part 1, and somebody may want to read them.
		kind, sub = "text", "plain"
	}
	w.b = append(appendText(w.b, kind), ' ')
	w.b = append(appendText(w.b, sub), ' ')
	w.b = append(append(w.b, f.params...), ' ')
	w.b = append(append(w.b, f.base...), ' ')
	w.b = strconv.AppendInt(w.b, min(p.Size, 1<<32-1), 10) // body-fld-octets has 32 bits
	switch {
	case kind == "text":
		w.b = append(w.b, ' ')
		w.b = strconv.AppendInt(w.b, p.Lines, 10)
	case p.Type == "message/rfc822":
		w.message(p)
	case p.Type == "message/global":
		from := len(w.b)
		w.message(p)
		w.mark(from, global)
	}
	w.extension(func(b []byte) []byte {
		b = append(append(b, ' '), f.md5...)
		return append(append(b, ' '), f.tail...)
	})
	w.b = append(w.b, ')')
}

// message writes what an attached message has over other parts. The grammar
// demands an envelope and a body also where a broken or encoded one has none.
func (w *structureWriter) message(p *Part) {
	var root *Part
	w.b = append(w.b, ' ')
	switch {
	case p.Message == nil:
		w.b = append(w.b, noEnvelope...)
	case p.Message.envelope != nil:
		root = p.Message.Root
		w.b = append(w.b, p.Message.envelope...)
	default:
		root = p.Message.Root
		w.b = p.Message.appendEnvelope(w.b)
	}
	w.b = append(w.b, ' ')
	w.part(root)
	w.b = append(w.b, ' ')
	w.b = strconv.AppendInt(w.b, p.Lines, 10)
}

func (w *structureWriter) extension(write func([]byte) []byte) {
	from := len(w.b)
	w.b = write(w.b)
	w.mark(from, extension)
}

// storedForm is that of a part whose header is not at hand.
func storedForm(p *Part) *form {
	base := append(appendNText(nil, p.ID, p.ID != ""), ' ')
	base = append(appendNText(base, encoded(p.Description), p.Description != ""), ' ')
	tail := []byte("NIL ")
	if p.Disposition != "" {
		tail = append(appendText([]byte{'('}, p.Disposition), ' ')
		tail = append(appendStored(tail, p.DispParams), ") "...)
	}
	tail = append(appendList(tail, p.Language), ' ')
	return &form{
		params: appendStored(nil, p.Params),
		base:   appendEncoding(base, p),
		md5:    appendNText(nil, p.MD5, p.MD5 != ""),
		tail:   appendNText(tail, p.Location, p.Location != ""),
	}
}

// appendStored writes decoded parameters as a header would write them.
func appendStored(b []byte, params map[string]string) []byte {
	if len(params) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for i, name := range slices.Sorted(maps.Keys(params)) {
		if i > 0 {
			b = append(b, ' ')
		}
		value := params[name]
		if !isASCII(value) {
			name, value = name+"*", "utf-8''"+percent(value)
		}
		b = append(appendText(b, name), ' ')
		b = appendText(b, value)
	}
	return append(b, ')')
}

// percent writes an extended value (RFC 2231 §4).
func percent(v string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
