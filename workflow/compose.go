package workflow

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"

	"mime/multipart"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/workflow/link"
)

// compose writes n out as a message. Kind NotFound when a link in it has ended.
//
// It is 7-bit ASCII, save where the recipient's own address is not: a server
// elsewhere that lacks SMTPUTF8 still takes it.
func (p *Post) compose(ctx context.Context, n *Notice) (io.Reader, error) {
	urls := map[int64]string{}
	for _, ref := range n.Letter.Refs() {
		l, err := p.Links.Get(ctx, link.ID(ref))
		if err != nil {
			return nil, err
		}
		urls[ref] = p.WebURL(l.Kind, p.Links.Token(l))
	}
	url := func(ref int64) string { return urls[ref] }
	html, err := n.Letter.HTML(n.Lang, url)
	if err != nil {
		return nil, fmt.Errorf("letter: %w", err)
	}

	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	from, fromName := n.From, n.FromName
	if !from.IsASCII() {
		from.Local = "aide"
	}
	if fromName == "" {
		fromName = locale.For(n.Lang).T("workflow-name")
	}
	replyTo, err := p.replyTo(ctx, n)
	if err != nil {
		return nil, err
	}
	field("Date", p.now().Format(time.RFC1123Z))
	field("Message-ID", "<"+strings.ReplaceAll(n.once(), "/", ".")+"@"+p.Hostname+">")
	field("From", mailbox(fromName, from))
	field("To", mailbox(n.ToName, n.To))
	field("Reply-To", replyTo)
	field("Subject", words(n.Letter.Subject))
	if id := headerSafe(n.InReplyTo); id != "" {
		field("In-Reply-To", "<"+id+">")
		var refs []string
		for _, r := range n.References {
			if r = headerSafe(r); r != "" {
				refs = append(refs, "<"+r+">")
			}
		}
		field("References", strings.Join(refs, "\r\n "))
	}
	auto := "auto-generated"
	if n.Replied {
		auto = "auto-replied"
	}
	field("Auto-Submitted", auto)            // RFC 3834 §5
	field("X-Auto-Response-Suppress", "All") // Exchange does not know the field above
	field("Content-Language", n.Lang)
	field("MIME-Version", "1.0")
	parts := multipart.NewWriter(&b)
	parts.SetBoundary("=_" + n.once()[len("notice/"):])
	fmt.Fprintf(&b, "Content-Type: multipart/alternative;\r\n boundary=%q\r\n\r\n", parts.Boundary())
	for _, part := range []struct{ kind, text string }{{"text/plain", n.Letter.Text(url)}, {"text/html", string(html)}} {
		w, _ := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type":              {part.kind + "; charset=utf-8"},
			"Content-Transfer-Encoding": {"quoted-printable"},
		})
		q := quotedprintable.NewWriter(w) // makes CRLF of LF
		io.WriteString(q, part.text)
		q.Close()
	}
	parts.Close()
	return &b, nil
}

func (p *Post) replyTo(ctx context.Context, n *Notice) (string, error) {
	switch {
	case n.ReplyLink != 0:
		l, err := p.Links.Get(ctx, link.ID(n.ReplyLink))
		if err != nil {
			return "", err
		}
		return mail.Address{Local: "r." + string(p.Links.ReplyToken(l)), Domain: n.From.Domain}.String(), nil
	case n.ReplyTo != nil && (n.ReplyTo.IsASCII() || !n.To.IsASCII()):
		return n.ReplyTo.String(), nil
	}
	return "", nil
}

// mailbox is a display name and an address for a header field.
func mailbox(name string, a mail.Address) string {
	if name = bound(name, 80); name == "" || name == a.String() {
		return a.String()
	}
	// Base64: Go's Q encoding leaves quotes as they are, which a phrase cannot
	// hold (RFC 2047 §5 rule 3).
	if enc := mime.BEncoding.Encode("utf-8", name); enc != name {
		return strings.ReplaceAll(enc, "?= =?", "?=\r\n =?") + " <" + a.String() + ">"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `" <` + a.String() + ">"
}

// words encodes text for a header field (RFC 2047), folded between the encoded words.
func words(s string) string {
	s = bound(s, 200)
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}

// headerSafe is a message id of a stranger's that may stand in a field of ours.
func headerSafe(id string) string {
	for _, r := range id {
		if r <= ' ' || r >= 0x7f || r == '<' || r == '>' {
			return ""
		}
	}
	if len(id) > 250 {
		return ""
	}
	return id
}
