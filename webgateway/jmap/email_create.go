package jmap

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
)

// creation is an Email as a client writes one (RFC 8621 §4.6).
type creation struct {
	MailboxIDs    map[string]bool      `json:"mailboxIds"`
	Keywords      map[string]bool      `json:"keywords"`
	ReceivedAt    *time.Time           `json:"receivedAt"`
	MessageID     []string             `json:"messageId"`
	InReplyTo     []string             `json:"inReplyTo"`
	References    []string             `json:"references"`
	Sender        []personArg          `json:"sender"`
	From          []personArg          `json:"from"`
	To            []personArg          `json:"to"`
	Cc            []personArg          `json:"cc"`
	Bcc           []personArg          `json:"bcc"`
	ReplyTo       []personArg          `json:"replyTo"`
	Subject       *string              `json:"subject"`
	SentAt        *time.Time           `json:"sentAt"`
	BodyStructure *partArg             `json:"bodyStructure"`
	BodyValues    map[string]bodyValue `json:"bodyValues"`
	TextBody      []partArg            `json:"textBody"`
	HTMLBody      []partArg            `json:"htmlBody"`
	Attachments   []partArg            `json:"attachments"`

	More map[string]jsontext.Value `json:",embed"` // header:…
}

type personArg struct {
	Name  *string `json:"name"`
	Email string  `json:"email"`
}

type bodyValue struct {
	Value             string `json:"value"`
	IsEncodingProblem bool   `json:"isEncodingProblem"`
	IsTruncated       bool   `json:"isTruncated"`
}

// partArg is an EmailBodyPart as a client writes one.
type partArg struct {
	PartID      *string   `json:"partId"`
	BlobID      *string   `json:"blobId"`
	Size        *int64    `json:"size"`
	Name        *string   `json:"name"`
	Type        *string   `json:"type"`
	Charset     *string   `json:"charset"`
	Disposition *string   `json:"disposition"`
	CID         *string   `json:"cid"`
	Language    []string  `json:"language"`
	Location    *string   `json:"location"`
	SubParts    []partArg `json:"subParts"`

	More map[string]jsontext.Value `json:",embed"` // header:…
}

// createEmail makes a mail of what the client says, and files it.
func (c *Call) createEmail(ctx context.Context, account mail.AccountID, raw jsontext.Value) (object, error) {
	var q creation
	if err := json.Unmarshal(raw, &q); err != nil {
		return nil, invalidProperties(why(err), where(err)...)
	}
	f, bad := c.filingOf(q.MailboxIDs, q.Keywords, q.ReceivedAt)
	if bad != nil {
		return nil, bad
	}
	header, bad := q.header(c)
	if bad != nil {
		return nil, bad
	}
	root, bad := q.tree()
	if bad != nil {
		return nil, bad
	}
	w := &composer{call: c, account: account, values: q.BodyValues, header: header}
	node, err := w.plan(ctx, root, 0)
	if err != nil {
		return nil, err
	}
	if len(w.missing) > 0 {
		return nil, &setError{Type: "blobNotFound", NotFound: w.missing}
	}
	if w.size > maxSizeUpload {
		return nil, &setError{Type: "tooLarge", MaxSize: maxSizeUpload}
	}
	r, pipe := io.Pipe()
	go func() { pipe.CloseWithError(w.write(ctx, pipe, node)) }()
	defer r.Close()
	return c.file(ctx, account, f, -1, r)
}

// header is the mail's fields, in the order that people like to read.
func (q *creation) header(c *Call) ([]headerLine, *setError) {
	h := &headerWriter{}
	for name := range q.More {
		if !strings.HasPrefix(name, "header:") {
			return nil, invalidProperties("an email that is made has no such property", name)
		}
	}
	date := c.srv.now()
	if q.SentAt != nil {
		date = *q.SentAt
	}
	h.people("From", q.From)
	h.people("Sender", q.Sender)
	h.people("Reply-To", q.ReplyTo)
	h.people("To", q.To)
	h.people("Cc", q.Cc)
	h.people("Bcc", q.Bcc)
	if q.Subject != nil {
		h.text("Subject", *q.Subject)
	}
	if len(q.MessageID) > 1 {
		h.refuse("there is one", "messageId")
	}
	h.ids("Message-ID", q.MessageID)
	h.ids("In-Reply-To", q.InReplyTo)
	h.ids("References", q.References)
	for _, name := range slices.Sorted(maps.Keys(q.More)) {
		h.more(name, q.More[name], true)
	}
	if !h.has("date") {
		h.line("Date", date.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	}
	if !h.has("message-id") {
		_, domain, _ := strings.Cut(c.User.Address.String(), "@")
		h.line("Message-ID", "<"+randomID()+"@"+domain+">")
	}
	return h.lines, h.bad
}

// tree is the body: the client's own structure, or one made of its texts and files.
func (q *creation) tree() (*partArg, *setError) {
	if q.BodyStructure != nil {
		if q.TextBody != nil || q.HTMLBody != nil || q.Attachments != nil {
			return nil, invalidProperties("bodyStructure stands alone", "bodyStructure")
		}
		return q.BodyStructure, nil
	}
	one := func(name, want string, list []partArg) (*partArg, *setError) {
		if list == nil {
			return nil, nil
		}
		if len(list) != 1 || list[0].Type != nil && *list[0].Type != want || list[0].SubParts != nil {
			return nil, invalidProperties("it has one part of type "+want, name)
		}
		p := list[0]
		p.Type = &want
		return &p, nil
	}
	text, bad := one("textBody", "text/plain", q.TextBody)
	if bad != nil {
		return nil, bad
	}
	page, bad := one("htmlBody", "text/html", q.HTMLBody)
	if bad != nil {
		return nil, bad
	}
	multi := func(sub string, parts ...partArg) *partArg {
		t := "multipart/" + sub
		return &partArg{Type: &t, SubParts: parts}
	}
	// Pictures that the HTML shows stand with it; the rest are files.
	var inline, files []partArg
	for _, p := range q.Attachments {
		if page != nil && p.CID != nil && (p.Disposition == nil || *p.Disposition != "attachment") {
			inline = append(inline, p)
		} else {
			if p.Disposition == nil {
				d := "attachment"
				p.Disposition = &d
			}
			files = append(files, p)
		}
	}
	if page != nil && len(inline) > 0 {
		page = multi("related", append([]partArg{*page}, inline...)...)
	}
	root := text
	switch {
	case text != nil && page != nil:
		root = multi("alternative", *text, *page)
	case page != nil:
		root = page
	case text == nil && len(files) == 0:
		empty := ""
		t := "text/plain"
		q.BodyValues = map[string]bodyValue{"": {}}
		return &partArg{PartID: &empty, Type: &t}, nil
	}
	if len(files) > 0 {
		if root == nil {
			return multi("mixed", files...), nil
		}
		root = multi("mixed", append([]partArg{*root}, files...)...)
	}
	return root, nil
}

// headerLine is a field that is ready to be written, with its line end.
type headerLine struct{ name, line string }

// headerWriter gathers fields; the first that cannot be is in bad.
type headerWriter struct {
	lines []headerLine
	bad   *setError
}

func (h *headerWriter) refuse(why, name string) {
	if h.bad == nil {
		h.bad = invalidProperties(why, name)
	}
}

func (h *headerWriter) has(name string) bool {
	return slices.ContainsFunc(h.lines, func(l headerLine) bool { return l.name == name })
}

func (h *headerWriter) line(name, value string) {
	if h.has(strings.ToLower(name)) {
		h.refuse("this field is there twice", "header:"+name)
		return
	}
	h.put(name, value)
}

func (h *headerWriter) put(name, value string) {
	h.lines = append(h.lines, headerLine{strings.ToLower(name), name + ": " + value + "\r\n"})
}

func (h *headerWriter) people(name string, list []personArg) {
	if list == nil {
		return
	}
	var all []mail.Mailbox
	for _, p := range list {
		m := mail.Mailbox{Addr: p.Email}
		if p.Name != nil {
			m.Name = *p.Name
		}
		if strings.ContainsAny(m.Addr, "\r\n\x00<>,") || strings.ContainsAny(m.Name, "\r\n\x00") {
			h.refuse("this is no address", strings.ToLower(name[:1])+name[1:])
			return
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return
	}
	if h.has(strings.ToLower(name)) {
		h.refuse("this field is there twice", "header:"+name)
	}
	h.lines = append(h.lines, headerLine{strings.ToLower(name), mail.AddressField(name, all...)})
}

func (h *headerWriter) ids(name string, ids []string) {
	if len(ids) == 0 {
		return
	}
	var b strings.Builder
	for i, id := range ids {
		if id == "" || strings.ContainsAny(id, " \t\r\n<>\x00") {
			h.refuse("this is no message id", strings.ToLower(name))
			return
		}
		if i > 0 {
			b.WriteString("\r\n ") // a reference to a line: none becomes too long
		}
		b.WriteString("<" + id + ">")
	}
	h.line(name, b.String())
}

func (h *headerWriter) text(name, value string) {
	if strings.ContainsAny(value, "\r\n\x00") {
		h.refuse("a line end cannot be in a field", strings.ToLower(name))
		return
	}
	if h.has(strings.ToLower(name)) {
		h.refuse("this field is there twice", "header:"+name)
		return
	}
	h.lines = append(h.lines, headerLine{strings.ToLower(name), mail.TextField(name, value)})
}

// more is a "header:…" property. Of the mail, not of a part, Content-… is ours.
func (h *headerWriter) more(property string, raw jsontext.Value, top bool) {
	p, err := parseHeaderProperty(property)
	if err != nil {
		h.refuse("this is no field", property)
		return
	}
	if p.name == "content-transfer-encoding" || top && strings.HasPrefix(p.name, "content-") {
		h.refuse("this field is the server's to write", property)
		return
	}
	name := strings.Split(property, ":")[1]
	values := []jsontext.Value{raw}
	if p.all {
		if json.Unmarshal(raw, &values) != nil {
			h.refuse("it is a list", property)
			return
		}
	} else if h.has(p.name) {
		h.refuse("this field is there twice", property)
		return
	}
	for _, v := range values {
		if null(v) {
			continue
		}
		line, ok := fieldLine(name, p.form, v)
		if !ok {
			h.refuse("it cannot be written in this form", property)
			return
		}
		h.lines = append(h.lines, headerLine{p.name, line})
	}
}

// fieldLine writes a field from a value in a form.
func fieldLine(name, form string, v jsontext.Value) (string, bool) {
	h := &headerWriter{}
	switch form {
	case "asRaw":
		s, ok := textOf(v)
		// What folds is folded; nothing may begin a field of its own.
		s = strings.TrimLeft(s, " ")
		plain := strings.NewReplacer("\r\n ", "", "\r\n\t", "").Replace(s)
		if !ok || strings.ContainsAny(plain, "\r\n\x00") {
			return "", false
		}
		return name + ": " + s + "\r\n", true
	case "asText":
		s, ok := textOf(v)
		if !ok {
			return "", false
		}
		h.text(name, s)
	case "asAddresses":
		var list []personArg
		if json.Unmarshal(v, &list) != nil {
			return "", false
		}
		h.people(name, list)
	case "asGroupedAddresses":
		var list []struct {
			Name      *string     `json:"name"`
			Addresses []personArg `json:"addresses"`
		}
		if json.Unmarshal(v, &list) != nil {
			return "", false
		}
		var all []string
		for _, g := range list {
			one := &headerWriter{}
			one.people(name, g.Addresses)
			if one.bad != nil {
				return "", false
			}
			text := ""
			if len(one.lines) > 0 {
				text = strings.TrimSuffix(strings.TrimPrefix(one.lines[0].line, name+": "), "\r\n")
			}
			if g.Name != nil {
				if strings.ContainsAny(*g.Name, "\r\n\x00\"\\") {
					return "", false
				}
				text = `"` + *g.Name + `": ` + text + ";"
			}
			all = append(all, text)
		}
		return name + ": " + strings.Join(all, ",\r\n ") + "\r\n", true
	case "asMessageIds":
		var ids []string
		if json.Unmarshal(v, &ids) != nil {
			return "", false
		}
		h.ids(name, ids)
	case "asDate":
		var t time.Time
		if json.Unmarshal(v, &t) != nil {
			return "", false
		}
		h.line(name, t.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	case "asURLs":
		var urls []string
		if json.Unmarshal(v, &urls) != nil || slices.ContainsFunc(urls, func(u string) bool { return strings.ContainsAny(u, "<> \r\n\x00") }) {
			return "", false
		}
		h.line(name, "<"+strings.Join(urls, ">,\r\n <")+">")
	}
	if h.bad != nil || len(h.lines) == 0 {
		return "", false
	}
	return h.lines[0].line, true
}
