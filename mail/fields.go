package mail

import (
	"strings"
)

// maxReferences kept; threads are found by the last ones.
const maxReferences = 20

// fields are those of a header that a Summary or a Part is made from. They are
// picked in one pass: most of a header is trace that nobody looks at.
type fields struct {
	contentType, disposition, encoding, id, description, md5, location, language string

	date, subject, from, sender, replyTo  string
	to, cc, bcc                           []string
	messageID, inReplyTo, references      string
	auto, precedence, suppress            string
	list                                  bool
	bad, mbox, repeated                   bool
	hasType, hasFrom, hasSubject, hasDate bool
}

// maxRepeated bounds how often an address field may come again.
const maxRepeated = 50

// pick reads a header block. Values are still folded.
func pick(block string, message bool) fields {
	var f fields
	var low [32]byte
	for first := true; block != ""; first = false {
		var line string
		line, block = cutLine(block)
		name, value, ok := splitField(line)
		if !ok {
			if strings.Trim(line, "\r\n") == "" {
				continue
			}
			// Mailboxes in the mbox format begin with such a line.
			if !(first && strings.HasPrefix(strings.TrimPrefix(line, ">"), "From ")) {
				f.bad = true
			}
			continue
		}
		if len(name) > len(low) {
			continue
		}
		for i := 0; i < len(name); i++ {
			c := name[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			low[i] = c
		}
		n := low[:len(name)]
		if low[0] == 'c' && f.content(n, value) || !message {
			continue
		}
		f.message(n, value)
	}
	return f
}

// set keeps the first of fields that may come once.
func (f *fields) set(to *string, has *bool, value string) {
	if *has {
		f.repeated = true
		return
	}
	*to, *has = unfold(value), true
}

func first(to *string, value string) {
	if *to == "" {
		*to = unfold(value)
	}
}

func (f *fields) content(name []byte, value string) bool {
	switch string(name) {
	case "content-type":
		f.set(&f.contentType, &f.hasType, value)
	case "content-disposition":
		first(&f.disposition, value)
	case "content-transfer-encoding":
		first(&f.encoding, value)
	case "content-id":
		first(&f.id, value)
	case "content-description":
		first(&f.description, value)
	case "content-md5":
		first(&f.md5, value)
	case "content-location":
		first(&f.location, value)
	case "content-language":
		first(&f.language, value)
	default:
		return false
	}
	return true
}

func (f *fields) message(name []byte, value string) {
	switch string(name) {
	case "date":
		f.set(&f.date, &f.hasDate, value)
	case "subject":
		f.set(&f.subject, &f.hasSubject, value)
	case "from":
		f.set(&f.from, &f.hasFrom, value)
	case "sender":
		first(&f.sender, value)
	case "reply-to":
		first(&f.replyTo, value)
	case "to":
		again(&f.to, value)
	case "cc":
		again(&f.cc, value)
	case "bcc":
		again(&f.bcc, value)
	case "message-id":
		first(&f.messageID, value)
	case "in-reply-to":
		first(&f.inReplyTo, value)
	case "references":
		first(&f.references, value)
	case "auto-submitted":
		first(&f.auto, value)
	case "precedence":
		first(&f.precedence, value)
	case "x-auto-response-suppress":
		first(&f.suppress, value)
	case "list-id", "list-unsubscribe":
		f.list = true
	}
}

// again keeps all of a field that some programs write once per person.
func again(to *[]string, value string) {
	if len(*to) < maxRepeated {
		*to = append(*to, unfold(value))
	}
}

// part makes the MIME side of p from the fields. fallback is the type without
// a Content-Type (RFC 2046 §5.1.5).
func (f *fields) part(p *Part, fallback string) {
	p.Type = fallback
	if f.contentType != "" {
		t, params := parseParams(f.contentType)
		p.Params = params
		if isType(t) {
			p.Type = t
		} else {
			p.Type = "text/plain" // RFC 2045 §5.2
			f.bad = true
		}
	}
	if f.disposition != "" {
		p.Disposition, p.DispParams = parseParams(f.disposition)
		p.Disposition = limit(p.Disposition, 100)
	}
	p.Encoding = limit(clean(strings.ToLower(firstWord(f.encoding))), 100)
	if p.Encoding == "7bit" {
		p.Encoding = ""
	}
	p.ID = limit(clean(f.id), maxWords)
	p.Description = Words(f.description)
	p.MD5 = limit(clean(f.md5), 100)
	p.Location = limit(clean(f.location), maxWords)
	p.Language = languages(f.language)
	name := p.DispParams["filename"]
	if name == "" {
		name = p.Params["name"]
	}
	if name != "" {
		p.Filename = FileName(name)
	}
}

func isType(t string) bool {
	kind, sub, ok := strings.Cut(t, "/")
	return ok && isToken(kind) && isToken(sub) && len(t) <= 255
}

// isToken as RFC 2045 §5.1 has it.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

func languages(v string) []string {
	if v == "" {
		return nil
	}
	var all []string
	for l := range strings.SplitSeq(limit(clean(v), 200), ",") {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, l)
		}
	}
	return all
}

// summary makes the envelope of a message from the fields.
func (f *fields) summary(s *Summary) {
	if f.date != "" {
		s.Date = ParseDate(f.date)
	}
	s.Subject = Words(f.subject)
	s.From = ParseAddressList(f.from)
	s.Sender = ParseAddressList(f.sender)
	s.ReplyTo = ParseAddressList(f.replyTo)
	s.To = addressLists(f.to)
	s.Cc = addressLists(f.cc)
	s.Bcc = addressLists(f.bcc)
	s.InReplyTo = MessageIDs(f.inReplyTo)
	s.References = MessageIDs(f.references)
	if ids := MessageIDs(f.messageID); len(ids) > 0 {
		s.MessageID = ids[0]
	} else if id := clean(f.messageID); id != "" && !strings.ContainsAny(id, " <>") {
		s.MessageID = limit(id, 998) // without its brackets, as some programs write it
	}
	if l := languages(f.language); len(l) > 0 {
		main, _, _ := strings.Cut(strings.ToLower(l[0]), "-")
		if len(main) <= 8 && isToken(main) {
			s.Lang = main
		}
	}
	s.Auto = f.automatic()
}

func addressLists(values []string) []Mailbox {
	if len(values) == 1 {
		return ParseAddressList(values[0])
	}
	var all []Mailbox
	for _, v := range values {
		all = append(all, ParseAddressList(v)...)
		if len(all) >= maxAddresses {
			return all[:maxAddresses]
		}
	}
	return all
}

// automatic says what marks a mail as one that no program must answer: RFC
// 3834 §2, what lists and mass mailers write, and what Exchange understands.
func (f *fields) automatic() string {
	if v := strings.ToLower(firstWord(f.auto)); v != "" && v != "no" {
		return limit(clean(v), 40)
	}
	switch strings.ToLower(firstWord(f.precedence)) {
	case "bulk", "junk":
		return "bulk"
	case "list":
		return "list"
	}
	if f.list {
		return "list"
	}
	if v := strings.ToLower(f.suppress); strings.Contains(v, "all") || strings.Contains(v, "autoreply") {
		return "auto"
	}
	return ""
}

// MessageIDs finds the ids of a field, at most the last 20, without their <>.
func MessageIDs(v string) []string {
	var ids []string
	for {
		i := strings.IndexByte(v, '<')
		if i < 0 {
			break
		}
		v = v[i+1:]
		j := strings.IndexAny(v, "<>")
		if j < 0 {
			break
		}
		if v[j] == '>' && j <= 998 {
			if id := clean(strings.Join(strings.Fields(v[:j]), "")); id != "" {
				ids = append(ids, id)
			}
			v = v[j+1:]
		} else {
			v = v[j:]
		}
		if len(ids) > 4*maxReferences {
			ids = append(ids[:0], ids[len(ids)-maxReferences:]...)
		}
	}
	return ids[max(0, len(ids)-maxReferences):]
}
