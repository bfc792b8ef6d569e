package jmap

import (
	"context"
	"fmt"
	"strings"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Page is the HTML of a mail, as it came, and what it may show.
type Page struct {
	Account string
	HTML    string
	Inline  map[string]string // blobs by Content-ID
	Types   map[string]string // and what they are
	Files   []PageFile
	Prefix  []byte // what we wrote before the mail when it came: who it is really from
	Summary *mail.Summary
}

// PageFile is a file that goes with a mail.
type PageFile struct {
	Name string
	Size int64
}

// maxPage is how much HTML of one mail is shown.
const maxPage = 4 << 20

// Page finds the HTML of an email of the member's; kind NotFound when they see no
// such mail.
func (s *Server) Page(ctx context.Context, u mail.User, id string) (*Page, error) {
	c := &Call{User: u, srv: s, ctx: ctx, name: "page"}
	n, ok := number[mailbox.EmailID]('e', id)
	if !ok {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("no email %s", quoted(id)))
	}
	letters, err := c.letters(ctx, u.Account, []mailbox.EmailID{n}, true)
	if err != nil {
		return nil, err
	}
	l := letters[0]
	if l == nil {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("no email %s", quoted(id)))
	}
	p := &Page{Account: accountID(u.Account), Inline: map[string]string{}, Types: map[string]string{}, Prefix: l.prefix, Summary: l.sum}
	_, parts, files := l.flatten()
	for _, f := range files {
		if f.Filename != "" {
			p.Files = append(p.Files, PageFile{f.Filename, f.decoded()})
		}
	}
	for _, part := range parts {
		if part.Type != "text/html" && part.Type != "text/plain" {
			continue
		}
		v, err := l.value(ctx, part, maxPage)
		if err != nil {
			return nil, err
		}
		text := v["value"].(string)
		if part.Type == "text/plain" {
			text = "<pre>" + escaper.Replace(text) + "</pre>"
		}
		p.HTML += text
	}
	var walk func(part *spot)
	walk = func(part *spot) {
		if cid := strings.Trim(part.ID, "<> "); cid != "" && strings.HasPrefix(part.Type, "image/") && !strings.Contains(part.Type, "svg") {
			p.Inline[cid], p.Types[cid] = l.blob+"-"+part.path, part.Type
		}
		for _, child := range part.children() {
			walk(child)
		}
	}
	walk(l.root())
	return p, nil
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
