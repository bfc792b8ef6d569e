package jmap

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"

	"colporteur/mail"
)

// composer writes a mail (RFC 2045, RFC 2046). First it plans, so that what
// cannot be is refused before anything is written; files are read while it is.
type composer struct {
	call    *Call
	account mail.AccountID
	values  map[string]bodyValue
	header  []headerLine // of the mail

	missing []string // blobs that are not there
	size    int64
	parts   int
}

const maxParts = 1000

// node is a part that is ready to be written.
type node struct {
	fields   []string // lines
	boundary string   // of a multipart
	children []*node
	text     *string // of a text
	file     *stream
	encoding string
}

func randomID() string {
	b := make([]byte, 15)
	rand.Read(b)
	return base32.HexEncoding.EncodeToString(b)
}

// plan turns a part of the client's into a node.
func (w *composer) plan(ctx context.Context, p *partArg, depth int) (*node, error) {
	if w.parts++; w.parts > maxParts || depth > 20 {
		return nil, invalidProperties("the mail has too many parts", "bodyStructure")
	}
	n := &node{}
	t := ""
	if p.Type != nil {
		t = strings.ToLower(*p.Type)
	}
	if p.SubParts != nil || strings.HasPrefix(t, "multipart/") {
		return n, w.multipart(ctx, n, p, t, depth)
	}
	if (p.PartID == nil) == (p.BlobID == nil) {
		return nil, invalidProperties("a part has a partId or a blobId", "bodyStructure")
	}
	params := map[string]string{}
	if p.PartID != nil {
		v, ok := w.values[*p.PartID]
		switch {
		case !ok:
			return nil, invalidProperties("this text is not there", "bodyValues/"+*p.PartID)
		case v.IsEncodingProblem || v.IsTruncated:
			return nil, invalidProperties("a text that is sent is whole", "bodyValues/"+*p.PartID)
		case p.Charset != nil:
			return nil, invalidProperties("the charset is the server's to choose", "bodyStructure/charset")
		}
		if t == "" {
			t = "text/plain"
		}
		if !strings.HasPrefix(t, "text/") {
			return nil, invalidProperties("a text has a type text/…", "bodyStructure/type")
		}
		n.text, n.encoding = &v.Value, "quoted-printable"
		params["charset"] = "utf-8"
		w.size += int64(len(v.Value))
	} else {
		id := w.call.idOf(*p.BlobID)
		b, err := w.call.blob(ctx, w.account, id)
		if mail.Is(err, mail.NotFound) {
			w.missing = append(w.missing, *p.BlobID)
			return n, nil
		}
		if err != nil {
			return nil, err
		}
		n.file, n.encoding = b, "base64"
		w.size += max(b.size, 0)
		if t == "" {
			t, _, _ = mime.ParseMediaType(b.mediaType)
		}
		if t == "message/rfc822" { // RFC 2046 §5.2.1 lets it be nothing else
			n.encoding = "8bit"
		}
		if p.Charset != nil && strings.HasPrefix(t, "text/") {
			params["charset"] = *p.Charset
		}
	}
	disposition := map[string]string{}
	if p.Name != nil && *p.Name != "" {
		name := mail.FileName(*p.Name)
		params["name"], disposition["filename"] = name, name
	}
	full := mime.FormatMediaType(t, params)
	if full == "" {
		return nil, invalidProperties("this is no media type", "bodyStructure/type")
	}
	n.field("Content-Type", full)
	n.field("Content-Transfer-Encoding", n.encoding)
	d := ""
	if p.Disposition != nil {
		d = strings.ToLower(*p.Disposition)
	} else if p.Name != nil {
		d = "attachment"
	}
	if d != "" {
		full := mime.FormatMediaType(d, disposition)
		if full == "" {
			return nil, invalidProperties("this is no disposition", "bodyStructure/disposition")
		}
		n.field("Content-Disposition", full)
	}
	return n, w.rest(n, p)
}

func (w *composer) multipart(ctx context.Context, n *node, p *partArg, t string, depth int) error {
	if p.PartID != nil || p.BlobID != nil || len(p.SubParts) == 0 {
		return invalidProperties("a multipart has parts, and nothing else", "bodyStructure")
	}
	if t == "" {
		t = "multipart/mixed"
	}
	n.boundary = "=_" + randomID() // "=_" is in no encoded text (RFC 2045 §6.7)
	full := mime.FormatMediaType(t, map[string]string{"boundary": n.boundary})
	if full == "" || !strings.HasPrefix(t, "multipart/") {
		return invalidProperties("this is no multipart", "bodyStructure/type")
	}
	n.field("Content-Type", full)
	for i := range p.SubParts {
		child, err := w.plan(ctx, &p.SubParts[i], depth+1)
		if err != nil {
			return err
		}
		n.children = append(n.children, child)
	}
	return w.rest(n, p)
}

// rest are the fields that any part may have.
func (w *composer) rest(n *node, p *partArg) error {
	h := &headerWriter{}
	if p.CID != nil {
		h.ids("Content-ID", []string{*p.CID})
	}
	if len(p.Language) > 0 {
		h.text("Content-Language", strings.Join(p.Language, ", "))
	}
	if p.Location != nil {
		h.text("Content-Location", *p.Location)
	}
	for _, name := range slices.Sorted(maps.Keys(p.More)) {
		h.more(name, p.More[name], false)
		if h.bad == nil && (h.has("content-type") || h.has("content-disposition")) {
			h.refuse("this field is made of other properties", name)
		}
	}
	if h.bad != nil {
		return h.bad
	}
	for _, l := range h.lines {
		n.fields = append(n.fields, l.line)
	}
	return nil
}

func (n *node) field(name, value string) {
	n.fields = append(n.fields, name+": "+strings.ReplaceAll(value, "; ", ";\r\n ")+"\r\n")
}

// write writes the mail.
func (w *composer) write(ctx context.Context, to io.Writer, root *node) error {
	out := bufio.NewWriter(to)
	for _, l := range w.header {
		out.WriteString(l.line)
	}
	out.WriteString("MIME-Version: 1.0\r\n")
	return errors.Join(root.write(ctx, out), out.Flush())
}

func (n *node) write(ctx context.Context, w *bufio.Writer) error {
	for _, line := range n.fields {
		w.WriteString(line)
	}
	w.WriteString("\r\n")
	switch {
	case n.boundary != "":
		for _, c := range n.children {
			fmt.Fprintf(w, "\r\n--%s\r\n", n.boundary)
			if err := c.write(ctx, w); err != nil {
				return err
			}
		}
		fmt.Fprintf(w, "\r\n--%s--\r\n", n.boundary)
		return nil
	case n.text != nil:
		q := quotedprintable.NewWriter(w)
		text := strings.ReplaceAll(strings.ReplaceAll(*n.text, "\r\n", "\n"), "\r", "\n")
		if _, err := io.WriteString(q, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
			return err
		}
		return q.Close()
	}
	r, err := n.file.open(ctx, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	if n.encoding == "8bit" {
		_, err = io.Copy(w, r)
		return err
	}
	lines := &lineWriter{w: w}
	enc := base64.NewEncoder(base64.StdEncoding, lines)
	if _, err := io.Copy(enc, r); err != nil {
		return err
	}
	return enc.Close()
}

// lineWriter breaks base64 into lines of 76 (RFC 2045 §6.8).
type lineWriter struct {
	w  io.Writer
	at int
}

func (l *lineWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if l.at == 76 {
			if _, err := io.WriteString(l.w, "\r\n"); err != nil {
				return n, err
			}
			l.at = 0
		}
		k := min(76-l.at, len(p))
		if _, err := l.w.Write(p[:k]); err != nil {
			return n, err
		}
		l.at += k
		n += k
		p = p[k:]
	}
	return n, nil
}
