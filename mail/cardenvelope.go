package mail

import (
	"mime"
	"strings"
	"time"
)

// appendEnvelope writes the envelope of a message from its header (RFC 9051
// §7.5.2). room bounds what the addresses may take.
func (f *fields) appendEnvelope(b []byte, room int) []byte {
	b = append(b, '(')
	b = append(appendNText(b, f.date, f.hasDate), ' ')
	b = append(appendNText(b, f.subject, f.hasSubject), ' ')
	at := len(b)
	b = appendAddresses(b, room, f.from)
	from := string(b[at:])
	for _, list := range [...][]string{{f.sender}, {f.replyTo}} {
		b = append(b, ' ')
		at := len(b)
		if b = appendAddresses(b, room-len(b), list...); string(b[at:]) == "NIL" {
			b = append(b[:at], from...) // absent or empty: whom it is from
		}
	}
	for _, list := range [...][]string{f.to, f.cc, f.bcc} {
		b = append(b, ' ')
		b = appendAddresses(b, room-len(b), list...)
	}
	b = append(b, ' ')
	b = append(appendNText(b, f.inReplyTo, f.inReplyTo != ""), ' ')
	b = appendNText(b, f.messageID, f.messageID != "")
	return append(b, ')')
}

// noEnvelope is that of a message that was not looked into.
const noEnvelope = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

// appendAddresses writes the addresses of fields of one name, or NIL. A group
// begins with an address that has only a name, in the place of the mailbox, and
// ends with one that has nothing.
func appendAddresses(b []byte, room int, values ...string) []byte {
	const none = "(NIL NIL NIL NIL)"
	start := len(b)
	b = append(b, '(')
	n := 0
	for _, v := range values {
		p := addressReader{s: v}
		open := false
		for p.i < len(p.s) && n < maxAddresses && len(b)-start < room {
			switch a := p.next(); {
			case a.group:
				if open { // they cannot be nested
					b = append(b, none...)
				}
				open = true
				b = append(b, "(NIL NIL "...)
				b = appendText(b, oneBlank(a.name))
				b = append(b, " NIL)"...)
				n++
			case strings.TrimSpace(a.name) != "" || a.spec != "":
				b = a.append(b)
				n++
			}
			if p.ended && open {
				b, open = append(b, none...), false
			}
		}
		if open {
			b = append(b, none...)
		}
	}
	if n == 0 {
		return append(b[:start], "NIL"...)
	}
	return append(b, ')')
}

// Names for the missing half of an address: NIL would begin or end a group.
// They are Dovecot's; programs have seen them.
const (
	missingMailbox = "MISSING_MAILBOX"
	missingDomain  = "MISSING_DOMAIN"
)

// append writes an address.
func (a listed) append(b []byte) []byte {
	local, domain := a.spec, ""
	if i := strings.LastIndexByte(a.spec, '@'); i >= 0 {
		local, domain = a.spec[:i], a.spec[i+1:]
	}
	if local = unquoted(local); local == "" {
		local = missingMailbox
	}
	if domain == "" {
		domain = missingDomain
	}
	name := oneBlank(a.name)
	b = append(b, '(')
	b = append(appendNText(b, limit(name, maxWords), name != ""), ' ')
	b = append(appendNText(b, limit(a.route, maxWords), a.route != ""), ' ')
	b = append(appendText(b, limit(local, maxWords)), ' ')
	return append(appendText(b, limit(domain, maxWords)), ')')
}

// oneBlank makes of all white space in a phrase single blanks.
func oneBlank(s string) string {
	if !strings.ContainsAny(s, "\t\r\n") && !strings.Contains(s, "  ") {
		return strings.Trim(s, " ")
	}
	return strings.Join(strings.Fields(s), " ")
}

// unquoted takes the quotes off a local part.
func unquoted(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// appendEnvelope writes the envelope of a message whose header is not at hand.
func (s *Summary) appendEnvelope(b []byte) []byte {
	b = append(b, '(')
	date := ""
	if !s.Date.IsZero() {
		date = s.Date.Format(time.RFC1123Z)
	}
	b = append(appendNText(b, date, date != ""), ' ')
	b = append(appendNText(b, encoded(s.Subject), s.Subject != ""), ' ')
	from := string(appendMailboxes(nil, s.From))
	b = append(b, from...)
	for _, list := range [...][]Mailbox{s.Sender, s.ReplyTo} {
		b = append(b, ' ')
		if len(list) == 0 {
			b = append(b, from...)
		} else {
			b = appendMailboxes(b, list)
		}
	}
	for _, list := range [...][]Mailbox{s.To, s.Cc, s.Bcc} {
		b = append(b, ' ')
		b = appendMailboxes(b, list)
	}
	ids := ""
	for _, id := range s.InReplyTo {
		ids += " <" + id + ">"
	}
	b = append(b, ' ')
	b = append(appendNText(b, strings.TrimPrefix(ids, " "), ids != ""), ' ')
	b = appendNText(b, "<"+s.MessageID+">", s.MessageID != "")
	return append(b, ')')
}

func appendMailboxes(b []byte, list []Mailbox) []byte {
	if len(list) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for _, m := range list {
		b = listed{name: encoded(m.Name), spec: m.Addr}.append(b)
	}
	return append(b, ')')
}

// encoded writes words as a header would.
func encoded(s string) string { return mime.QEncoding.Encode("utf-8", s) }
