package jmap

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"colporteur/mail"
)

// maxHeader is how much of a header is looked at.
const maxHeader = 1 << 20

// field is a header field as it stands in the mail.
type field struct {
	name string
	raw  string // behind the colon, without the line end
}

// fields are the header of l: ours and the mail's.
func (l *letter) fields(ctx context.Context) ([]field, error) {
	if l.read {
		return l.header, nil
	}
	end := int64(len(l.prefix))
	if l.sum.Root != nil {
		end += l.sum.Root.BodyOffset
	}
	b, err := l.octets(ctx, 0, min(end, maxHeader))
	if err != nil {
		return nil, err
	}
	l.header, l.read = fieldsOf(b), true
	return l.header, nil
}

// octets are those from..to of prefix and message.
func (l *letter) octets(ctx context.Context, from, to int64) ([]byte, error) {
	r, err := l.open(ctx, from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, max(to-from, 0))
	n, err := io.ReadFull(r, b)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// fieldsOf splits a header block. What is no field is left out.
func fieldsOf(block []byte) (list []field) {
	for len(block) > 0 {
		end := 0
		for {
			i := bytes.IndexByte(block[end:], '\n')
			if i < 0 {
				end = len(block)
				break
			}
			if end += i + 1; end >= len(block) || block[end] != ' ' && block[end] != '\t' {
				break
			}
		}
		line := block[:end]
		block = block[end:]
		name, value, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t\r\n") {
			continue
		}
		list = append(list, field{string(bytes.ToValidUTF8(name, nil)), strings.ToValidUTF8(strings.TrimRight(string(value), "\r\n"), "\uFFFD")})
	}
	return list
}

// headerProperty is "header:Name:asForm:all" (RFC 8621 §4.1.3).
type headerProperty struct {
	name string // lower case
	form string // asRaw, …
	all  bool
}

// forms says in which form fields may be asked for; those of no standard may be
// asked for in any (RFC 8621 §4.1.2).
var forms = func() map[string]string {
	m := map[string]string{"message-id": "asMessageIds", "in-reply-to": "asMessageIds", "references": "asMessageIds", "resent-message-id": "asMessageIds",
		"date": "asDate", "resent-date": "asDate", "subject": "asText", "comments": "asText", "keywords": "asText", "list-id": "asText",
		"return-path": "", "received": ""}
	for _, name := range []string{"from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-reply-to", "resent-to", "resent-cc", "resent-bcc"} {
		m[name] = "asAddresses asGroupedAddresses"
	}
	for _, name := range []string{"list-help", "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive"} {
		m[name] = "asURLs"
	}
	return m
}()

func parseHeaderProperty(s string) (*headerProperty, error) {
	parts := strings.Split(s, ":")[1:]
	h := &headerProperty{name: strings.ToLower(parts[0]), form: "asRaw"}
	rest := parts[1:]
	if n := len(rest); n > 0 && rest[n-1] == "all" {
		h.all, rest = true, rest[:n-1]
	}
	if len(rest) == 1 {
		h.form = rest[0]
	}
	bad := len(rest) > 1 || h.name == ""
	for _, c := range []byte(h.name) {
		bad = bad || c <= ' ' || c >= 0x7f
	}
	switch h.form {
	case "asRaw":
	case "asText", "asAddresses", "asGroupedAddresses", "asMessageIds", "asDate", "asURLs":
		if may, known := forms[h.name]; known && !strings.Contains(" "+may+" ", " "+h.form+" ") {
			bad = true
		}
	default:
		bad = true
	}
	if bad {
		return nil, invalid(quoted(s)+" is no property", "properties")
	}
	return h, nil
}

// value is the property's: of the last field of the name, or of all.
func (h *headerProperty) value(fields []field) any {
	all := []any{}
	for _, f := range fields {
		if strings.EqualFold(f.name, h.name) {
			all = append(all, parsed(f.raw, h.form))
		}
	}
	switch {
	case h.all:
		return all
	case len(all) == 0:
		return nil
	}
	return all[len(all)-1]
}

// parsed is the value of a field in a form.
func parsed(raw, form string) any {
	switch form {
	case "asText":
		return norm.NFC.String(mail.Words(unfolded(raw)))
	case "asAddresses":
		return personsOf(mail.ParseAddressList(unfolded(raw)))
	case "asGroupedAddresses":
		return groups(unfolded(raw))
	case "asMessageIds":
		return orNull(mail.MessageIDs(raw))
	case "asDate":
		if t := mail.ParseDate(unfolded(raw)); !t.IsZero() {
			return t.Format(time.RFC3339)
		}
		return nil
	case "asURLs":
		return urls(unfolded(raw))
	}
	return raw
}

func personsOf(list []mail.Mailbox) []object {
	out := make([]object, len(list))
	for i, m := range list {
		out[i] = person(m)
	}
	return out
}

func unfolded(raw string) string {
	return strings.TrimSpace(strings.NewReplacer("\r\n", "", "\n", "", "\r", "").Replace(raw))
}

// urls are those between < and > of a field of RFC 2369.
func urls(v string) any {
	var out []string
	for {
		_, rest, ok := strings.Cut(v, "<")
		if !ok {
			return orNull(out)
		}
		url, after, ok := strings.Cut(rest, ">")
		if !ok {
			return orNull(out)
		}
		out = append(out, strings.Join(strings.Fields(url), ""))
		v = after
	}
}

// groups are the addresses of a field, by the groups that it has.
func groups(v string) []object {
	out := []object{}
	flush := func(name any, list string) {
		if people := mail.ParseAddressList(list); name != nil || len(people) > 0 {
			out = append(out, object{"name": name, "addresses": personsOf(people)})
		}
	}
	var name any
	from, quote, angle, depth := 0, false, false, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\':
			i++
		case c == '"' && depth == 0:
			quote = !quote
		case quote:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case angle:
		case c == ':' && name == nil:
			label := v[from:i]
			if j := strings.LastIndexByte(label, ','); j >= 0 {
				flush(nil, label[:j])
				label = label[j+1:]
			}
			name, from = mail.Words(strings.Trim(strings.TrimSpace(label), `"`)), i+1
		case c == ';' && name != nil:
			flush(name, v[from:i])
			name, from = nil, i+1
		}
	}
	if from <= len(v) {
		flush(name, strings.TrimLeft(v[min(from, len(v)):], ", "))
	}
	return out
}
