package workflow

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/workflow/link"
)

// compose writes n out as a message. Kind NotFound when a link in it has ended.
//
// It is 7-bit ASCII, save where the recipient's own address is not: a server
// elsewhere that lacks SMTPUTF8 still takes it.
func (p *Post) compose(ctx context.Context, n *Notice) (io.Reader, error) {
	var err error
	urls := map[int64]string{}
	for _, ref := range n.Letter.Refs() {
		l, err := p.Links.Get(ctx, link.ID(ref))
		if err != nil {
			return nil, err
		}
		urls[ref] = p.WebURL(l.Kind, p.Links.Token(l))
	}
	url := func(ref int64) string { return urls[ref] }
	if n.Letter.Blocks, err = p.codes(ctx, n.Letter.Blocks); err != nil {
		return nil, err
	}
	html, err := n.Letter.HTML(n.Lang, url)
	if err != nil {
		return nil, fmt.Errorf("letter: %w", err)
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
	c := mail.Compose{
		From:      mailbox(fromName, from),
		ReplyTo:   replyTo,
		To:        []mail.Mailbox{mailbox(n.ToName, n.To)},
		Subject:   bound(n.Letter.Subject, 200),
		MessageID: n.Name() + "@" + p.Hostname,
		Date:      p.now(),
		Lang:      n.Lang,
		Auto:      "auto-generated",
		Extra:     []mail.Field{{Name: "X-Auto-Response-Suppress", Value: "All"}}, // Exchange does not know Auto-Submitted
		Text:      n.Letter.Text(url),
		HTML:      string(html),
	}
	if c.Bare, err = p.stop(ctx, n); err != nil {
		return nil, err
	}
	if n.Replied {
		c.Auto = "auto-replied"
	}
	if c.InReplyTo = SafeID(n.InReplyTo); c.InReplyTo != "" {
		for _, r := range n.References {
			c.References = append(c.References, SafeID(r))
		}
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, err
	}
	return &b, nil
}

// replyTo is none or one.
func (p *Post) replyTo(ctx context.Context, n *Notice) ([]mail.Mailbox, error) {
	switch {
	case n.ReplyLink != 0:
		l, err := p.Links.Get(ctx, link.ID(n.ReplyLink))
		if err != nil {
			return nil, err
		}
		a := mail.Address{Local: "r." + string(p.Links.ReplyToken(l)), Domain: n.From.Domain}
		return []mail.Mailbox{{Addr: a.String()}}, nil
	case n.ReplyTo != nil && (n.ReplyTo.IsASCII() || !n.To.IsASCII()):
		return []mail.Mailbox{{Addr: n.ReplyTo.String()}}, nil
	}
	return nil, nil
}

// stop is how a mail program offers to stop mails like n: a POST that needs
// nothing but the address (RFC 8058), else a mail (RFC 2369 §3.2).
func (p *Post) stop(ctx context.Context, n *Notice) ([]mail.Field, error) {
	if n.Stop == 0 {
		return nil, nil
	}
	l, err := p.Links.Get(ctx, link.ID(n.Stop))
	if err != nil {
		return nil, err
	}
	page := p.WebURL(l.Kind, p.Links.Token(l)) + "/stop/" + n.StopWhat
	reply := mail.Address{Local: "r." + string(p.Links.ReplyToken(l)), Domain: n.From.Domain}
	fs := []mail.Field{{Name: "List-Unsubscribe", Value: "<" + page + ">, <mailto:" + reply.String() + "?subject=STOP>"}}
	if strings.HasPrefix(page, "https://") {
		fs = append(fs, mail.Field{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"})
	}
	return fs, nil
}

// mailbox is an address with its name, if that says more.
func mailbox(name string, a mail.Address) mail.Mailbox {
	if name = bound(name, 80); name == a.String() {
		name = ""
	}
	return mail.Mailbox{Name: name, Addr: a.String()}
}

// SafeID is a message id of a stranger's that may stand in a field of ours.
func SafeID(id string) string {
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
