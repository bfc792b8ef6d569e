package jmap

import (
	"context"
	"io"
	"maps"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

var emailMethods = map[string]method{
	"Email/get":          {usingMail, typed(getEmails)},
	"Email/changes":      {usingMail, typed(changesOfEmails)},
	"Email/query":        {usingMail, typed(queryEmails)},
	"Email/queryChanges": {usingMail, typed(queryChangesOfEmails)},
	"Email/set":          {usingMail, typed(setEmails)},
	"Email/import":       {usingMail, typed(importEmails)},
	"Email/copy":         {usingMail, typed(copyEmails)},
	"Email/parse":        {usingMail, typed(parseEmails)},
	"SearchSnippet/get":  {usingMail, typed(getSnippets)},
}

// letter is a mail whose properties can be told: one of an account, or one that
// is a file somewhere.
type letter struct {
	blob   string // its blobId; those of its parts begin with it
	prefix []byte // header lines of ours before it
	size   int64  // prefix and message
	sum    *mail.Summary
	open   func(ctx context.Context, offset int64) (io.ReadCloser, error) // prefix and message

	email *mailbox.Email // nil: it is in no mailbox
	proof *proof         // when it was asked for
	until any            // when it comes back; nil: it does not wait

	header []field // read when it is wanted
	read   bool
}

var defaultEmail = []string{"id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo", "references",
	"sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments"}

var defaultParsed = []string{"messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt",
	"hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments"}

var allEmail = append([]string{"headers", "bodyStructure"}, defaultEmail...)

// bodyArgs are what Email/get and Email/parse have in common (RFC 8621 §4.2).
type bodyArgs struct {
	BodyProperties      *[]string `json:"bodyProperties"`
	FetchTextBodyValues bool      `json:"fetchTextBodyValues"`
	FetchHTMLBodyValues bool      `json:"fetchHTMLBodyValues"`
	FetchAllBodyValues  bool      `json:"fetchAllBodyValues"`
	MaxBodyValueBytes   int       `json:"maxBodyValueBytes"`
}

type emailGetArgs struct {
	getArgs  `json:",embed"`
	bodyArgs `json:",embed"`
}

// shown is what of a mail a client wants to see.
type shown struct {
	names  []string // of properties, as the client wrote them
	fields map[string]*headerProperty
	body   bodyArgs
	parts  *partProperties
}

// show reads which properties a client wants; ours: it knows those that are not
// RFC 8621's.
func show(wanted *[]string, otherwise []string, b bodyArgs, ours bool) (*shown, error) {
	s := &shown{names: otherwise, fields: map[string]*headerProperty{}, body: b}
	if b.MaxBodyValueBytes < 0 {
		return nil, invalid("maxBodyValueBytes is not negative", "maxBodyValueBytes")
	}
	if wanted != nil {
		s.names = *wanted
	}
	known := map[string]bool{}
	for _, name := range allEmail {
		known[name] = true
	}
	known["proof"], known["snoozedUntil"] = ours, ours
	for _, name := range s.names {
		if strings.HasPrefix(name, "header:") {
			h, err := parseHeaderProperty(name)
			if err != nil {
				return nil, err
			}
			s.fields[name] = h
		} else if !known[name] {
			return nil, invalid("there is no property "+quoted(name), "properties")
		}
	}
	var err error
	s.parts, err = showParts(b.BodyProperties)
	return s, err
}

func (s *shown) wants(names ...string) bool {
	for _, have := range s.names {
		for _, name := range names {
			if have == name {
				return true
			}
		}
	}
	return false
}

// needsSummary says whether more is wanted than a mail's place among the others.
func (s *shown) needsSummary() bool {
	for _, name := range s.names {
		switch name {
		case "id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "snoozedUntil":
		default:
			return true
		}
	}
	return false
}

func getEmails(ctx context.Context, c *Call, a *emailGetArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	s, err := show(a.Properties, defaultEmail, a.bodyArgs, c.uses(usingOwnMail))
	if err != nil {
		return nil, err
	}
	asked, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	if all {
		return nil, &failure{Type: "requestTooLarge", Description: "say which emails"}
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: state(now), List: []object{}, NotFound: []string{}}
	var ids []mailbox.EmailID
	var known []string
	for _, name := range asked {
		if n, ok := number[mailbox.EmailID]('e', c.idOf(name)); ok {
			ids, known = append(ids, n), append(known, name)
		} else {
			out.NotFound = append(out.NotFound, name)
		}
	}
	letters, err := c.letters(ctx, account, ids, s.needsSummary())
	if err != nil {
		return nil, err
	}
	until, err := c.snoozes(ctx, s, account, ids)
	if err != nil {
		return nil, err
	}
	room := maxResponse / 2
	for i, l := range letters {
		if l == nil {
			out.NotFound = append(out.NotFound, known[i])
			continue
		}
		if at, ok := until[ids[i]]; ok {
			l.until = utcDate(at)
		}
		if s.wants("proof") {
			l.proof = c.proofOf(l)
		}
		o, err := s.object(ctx, l, &room)
		if err != nil {
			return nil, err
		}
		o["id"] = emailID(ids[i])
		out.List = append(out.List, o)
	}
	return out, nil
}

// letters are the emails of ids that the member sees, nil for the others.
func (c *Call) letters(ctx context.Context, account mail.AccountID, ids []mailbox.EmailID, summaries bool) ([]*letter, error) {
	emails, err := c.srv.Mailboxes.Emails(ctx, c.User, account, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*letter, len(ids))
	var contents []*mailbox.Content
	if summaries {
		if contents, err = c.srv.Mailboxes.Contents(ctx, account, ids); err != nil {
			return nil, err
		}
	}
	for i, e := range emails {
		if e == nil || summaries && contents[i] == nil {
			continue
		}
		l := &letter{email: e, size: e.Size, blob: mailBlob(e.ID)}
		if summaries {
			content := contents[i]
			l.prefix, l.sum = content.Prefix, content.Summary
			l.open = func(ctx context.Context, offset int64) (io.ReadCloser, error) {
				return c.srv.Mailboxes.Open(ctx, content, offset)
			}
		}
		out[i] = l
	}
	return out, nil
}

// object is what the client wants to see of l. room is how many octets of bodies
// the whole answer still has.
func (s *shown) object(ctx context.Context, l *letter, room *int) (object, error) {
	o := object{}
	for _, name := range s.names {
		if h := s.fields[name]; h != nil {
			fields, err := l.fields(ctx)
			if err != nil {
				return nil, err
			}
			o[name] = h.value(fields)
			continue
		}
		switch name {
		case "proof":
			o[name] = l.proof
			continue
		case "snoozedUntil":
			o[name] = l.until
			continue
		}
		v, err := s.property(ctx, l, name)
		if err != nil {
			return nil, err
		}
		o[name] = v
	}
	if s.wants("bodyValues") {
		values, err := s.values(ctx, l, room)
		if err != nil {
			return nil, err
		}
		o["bodyValues"] = values
	}
	return o, nil
}

func (s *shown) property(ctx context.Context, l *letter, name string) (any, error) {
	switch name {
	case "blobId":
		return l.blob, nil
	case "size":
		return l.size, nil
	case "id", "threadId", "mailboxIds", "keywords", "receivedAt":
		return l.placed(name), nil
	case "headers":
		fields, err := l.fields(ctx)
		list := make([]object, len(fields))
		for i, f := range fields {
			list[i] = object{"name": f.name, "value": f.raw}
		}
		return list, err
	case "messageId":
		if l.sum.MessageID == "" {
			return nil, nil
		}
		return []string{l.sum.MessageID}, nil
	case "inReplyTo":
		return orNull(l.sum.InReplyTo), nil
	case "references":
		return orNull(l.sum.References), nil
	case "sender":
		return people(l.sum.Sender), nil
	case "from":
		return people(l.sum.From), nil
	case "to":
		return people(l.sum.To), nil
	case "cc":
		return people(l.sum.Cc), nil
	case "bcc":
		return people(l.sum.Bcc), nil
	case "replyTo":
		return people(l.sum.ReplyTo), nil
	case "subject":
		if l.sum.Subject == "" {
			return nil, nil
		}
		return l.sum.Subject, nil
	case "sentAt":
		if l.sum.Date.IsZero() {
			return nil, nil
		}
		return l.sum.Date.Format(time.RFC3339), nil
	case "hasAttachment":
		return l.sum.Attachment, nil
	case "preview":
		return l.sum.Preview, nil
	case "bodyStructure":
		return s.structure(ctx, l)
	case "textBody", "htmlBody", "attachments":
		return s.bodies(ctx, l, name)
	}
	return nil, nil // bodyValues: comes last
}

// placed are the properties of where a mail is; null for one that is nowhere.
func (l *letter) placed(name string) any {
	e := l.email
	if e == nil {
		return nil
	}
	switch name {
	case "id":
		return emailID(e.ID)
	case "threadId":
		return threadID(e.Thread)
	case "receivedAt":
		return utcDate(e.Date)
	case "mailboxIds":
		in := map[string]bool{}
		for _, p := range e.Places {
			in[boxID(p.Mailbox)] = true
		}
		return in
	}
	return keywordsOf(e.Flags)
}

// utcDate is RFC 8620 §1.4's UTCDate.
func utcDate(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// systemFlags are the keywords of RFC 8621 §4.1.1 that IMAP calls flags.
var systemFlags = map[string]string{"$seen": `\Seen`, "$answered": `\Answered`, "$flagged": `\Flagged`, "$draft": `\Draft`}

// keywordsOf are flags as JMAP shows them.
func keywordsOf(flags []string) map[string]bool {
	out := map[string]bool{}
	for _, f := range flags {
		switch {
		case f == `\Deleted` || f == `\Recent`:
		case strings.HasPrefix(f, `\`):
			out["$"+strings.ToLower(f[1:])] = true
		default:
			out[strings.ToLower(f)] = true
		}
	}
	return out
}

// flagOf is a keyword as IMAP writes it; false when it is none (RFC 8621 §4.1.1:
// 1 to 255 octets without those that IMAP's atoms lack).
func flagOf(keyword string) (string, bool) {
	if flag, ok := systemFlags[strings.ToLower(keyword)]; ok {
		return flag, true
	}
	if keyword == "" || len(keyword) > 255 {
		return "", false
	}
	for _, c := range []byte(keyword) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`(){]%*"\`, c) >= 0 {
			return "", false
		}
	}
	return strings.ToLower(keyword), true
}

func orNull(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// people is a list of addresses, null when there are none.
func people(list []mail.Mailbox) any {
	if len(list) == 0 {
		return nil
	}
	out := make([]object, len(list))
	for i, m := range list {
		out[i] = person(m)
	}
	return out
}

func person(m mail.Mailbox) object {
	o := object{"name": nil, "email": m.Addr}
	if m.Name != "" {
		o["name"] = m.Name
	}
	return o
}

func changesOfEmails(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	since, err := sinceState(a.SinceState)
	if err != nil {
		return nil, err
	}
	most, err := a.most()
	if err != nil {
		return nil, err
	}
	got, err := c.srv.Mailboxes.EmailChanges(ctx, c.User, account, since, most)
	if err != nil {
		return nil, err
	}
	return changed(a, got, 'e'), nil
}

type parseArgs struct {
	AccountID  string    `json:"accountId"`
	BlobIDs    []string  `json:"blobIds"`
	Properties *[]string `json:"properties"`
	bodyArgs   `json:",embed"`
}

// parseEmails is Email/parse (RFC 8621 §4.9): a mail that came as a file.
func parseEmails(ctx context.Context, c *Call, a *parseArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if len(a.BlobIDs) > maxObjectsInGet/10 { // each of them is read whole
		return nil, &failure{Type: "requestTooLarge"}
	}
	s, err := show(a.Properties, defaultParsed, a.bodyArgs, false)
	if err != nil {
		return nil, err
	}
	parsed, notParsable, notFound := map[string]object{}, []string{}, []string{}
	room := maxResponse / 2
	for _, id := range a.BlobIDs {
		b, err := c.blob(ctx, account, c.idOf(id))
		if mail.Is(err, mail.NotFound) {
			notFound = append(notFound, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		l, err := b.letter(ctx)
		if err != nil {
			return nil, err
		}
		if l == nil {
			notParsable = append(notParsable, id)
			continue
		}
		o, err := s.object(ctx, l, &room)
		if err != nil {
			return nil, err
		}
		parsed[id] = o
	}
	maps.DeleteFunc(parsed, func(_ string, o object) bool { return o == nil })
	return map[string]any{"accountId": a.AccountID, "parsed": orNone(parsed), "notParsable": orNull(notParsable), "notFound": orNull(notFound)}, nil
}

func orNone(m map[string]object) any {
	if len(m) == 0 {
		return nil
	}
	return m
}
