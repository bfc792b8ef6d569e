package mail

import (
	"bytes"
	"mime"
	"net/mail"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// fields is a header block, read leniently: names in lower case, values
// unfolded but not decoded.
type fields struct {
	names  []string
	values []string
	bad    bool // a line that is not a field
}

func parseHeader(block []byte) fields {
	var h fields
	for len(block) > 0 {
		line := block
		if i := bytes.IndexByte(block, '\n'); i >= 0 {
			line, block = block[:i], block[i+1:]
		} else {
			block = nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) == 0 {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if n := len(h.values); n > 0 {
				h.values[n-1] += " " + strings.TrimSpace(string(line)) // RFC 5322 §2.2.3
			}
			continue
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t\x00") {
			// Mailboxes in the mbox format begin with such a line; others are damage.
			h.bad = h.bad || !bytes.HasPrefix(line, []byte("From "))
			continue
		}
		h.names = append(h.names, strings.ToLower(string(name)))
		h.values = append(h.values, strings.TrimSpace(string(value)))
	}
	return h
}

func (h fields) get(name string) string {
	for i, n := range h.names {
		if n == name {
			return h.values[i]
		}
	}
	return ""
}

func (h fields) has(name string) bool {
	for _, n := range h.names {
		if n == name {
			return true
		}
	}
	return false
}

const (
	maxWords      = 2000 // characters of one decoded field
	maxAddresses  = 500
	maxReferences = 20
)

// fill reads the MIME fields of a part.
func (p *Part) fill(h fields) {
	if v := h.get("content-type"); v != "" {
		t, params := mediaType(v)
		if strings.Count(t, "/") == 1 && !strings.HasPrefix(t, "/") && !strings.HasSuffix(t, "/") {
			p.Type, p.Params = t, params
		} else {
			p.Type = "application/octet-stream" // RFC 2045 §5.2: what we cannot read is not text
		}
	}
	if v := h.get("content-disposition"); v != "" {
		p.Disposition, p.DispParams = mediaType(v)
	}
	p.Encoding = strings.ToLower(firstWord(h.get("content-transfer-encoding")))
	if p.Encoding == "7bit" {
		p.Encoding = ""
	}
	p.ID = limit(clean(h.get("content-id")), maxWords)
	p.Description = Words(h.get("content-description"))
	p.MD5 = limit(clean(h.get("content-md5")), 100)
	p.Location = limit(clean(h.get("content-location")), maxWords)
	if v := h.get("content-language"); v != "" {
		for _, l := range strings.Split(limit(v, 200), ",") {
			if l = strings.TrimSpace(l); l != "" {
				p.Language = append(p.Language, clean(l))
			}
		}
	}
	name := p.DispParams["filename"]
	if name == "" {
		name = p.Params["name"]
	}
	p.Filename = FileName(name)
}

// isAttachment says whether a person would call it one.
func (p *Part) isAttachment() bool {
	if p.Disposition == "attachment" {
		return true
	}
	return p.Disposition != "inline" && p.Filename != "" || !strings.HasPrefix(p.Type, "text/") && p.ID == "" && p.Filename != ""
}

// fill reads the fields of a message's own header.
func (s *Summary) fill(h fields) {
	s.Date = ParseDate(h.get("date"))
	s.Subject = Words(h.get("subject"))
	s.From = ParseAddressList(h.get("from"))
	s.Sender = ParseAddressList(h.get("sender"))
	s.ReplyTo = ParseAddressList(h.get("reply-to"))
	s.To = h.addresses("to")
	s.Cc = h.addresses("cc")
	s.Bcc = h.addresses("bcc")
	s.InReplyTo = messageIDs(h.get("in-reply-to"))
	s.References = messageIDs(h.get("references"))
	if ids := messageIDs(h.get("message-id")); len(ids) > 0 {
		s.MessageID = ids[0]
	}
	if l, _, _ := strings.Cut(h.get("content-language"), ","); l != "" {
		l, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(l)), "-")
		s.Lang = limit(clean(l), 8)
	}
	s.Auto = automatic(h)
}

// addresses joins fields that some programs write several times.
func (h fields) addresses(name string) []Mailbox {
	var all []Mailbox
	for i, n := range h.names {
		if n == name {
			all = append(all, ParseAddressList(h.values[i])...)
		}
	}
	return all[:min(len(all), maxAddresses)]
}

// automatic says what marks a mail as one that nobody must answer by program
// (RFC 3834 §2, and what list and mass mailers write).
func automatic(h fields) string {
	if v := strings.ToLower(firstWord(h.get("auto-submitted"))); v != "" && v != "no" {
		return limit(clean(v), 40)
	}
	switch v := strings.ToLower(firstWord(h.get("precedence"))); v {
	case "bulk", "list", "junk":
		return v
	}
	if h.has("list-id") || h.has("list-unsubscribe") {
		return "list"
	}
	if h.has("x-auto-response-suppress") || h.has("x-autoreply") || h.has("x-autorespond") {
		return "auto"
	}
	return ""
}

// messageIDs finds the ids of a field, at most the last 20, without their <>.
func messageIDs(v string) []string {
	var ids []string
	for {
		i := strings.IndexByte(v, '<')
		if i < 0 {
			break
		}
		v = v[i+1:]
		j := strings.IndexByte(v, '>')
		if j < 0 {
			break
		}
		if id := clean(strings.ReplaceAll(v[:j], " ", "")); id != "" && len(id) <= 998 {
			ids = append(ids, id)
		}
		v = v[j+1:]
	}
	if n := len(ids); n > maxReferences {
		ids = ids[n-maxReferences:]
	}
	return ids
}

// ParseDate reads a Date field as leniently as it can; zero when it cannot.
func ParseDate(v string) time.Time {
	if v == "" {
		return time.Time{}
	}
	t, err := mail.ParseDate(v)
	if err != nil {
		for _, form := range []string{time.RFC1123Z, time.RFC1123, time.RFC3339, time.RFC850, time.ANSIC, "Mon, _2 Jan 2006 15:04 -0700", "_2 Jan 2006 15:04:05", "2006-01-02 15:04:05 -0700"} {
			if t, err = time.Parse(form, strings.TrimSpace(v)); err == nil {
				break
			}
		}
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// mediaType reads "type/sub; name=value". Where the standard library gives up
// (RFC 2045 leaves it little choice), what is readable is kept.
func mediaType(v string) (string, map[string]string) {
	t, params, err := mime.ParseMediaType(v)
	if err == nil || err == mime.ErrInvalidMediaParameter && len(params) > 0 {
		return clean(t), decodedParams(params)
	}
	t, rest, _ := strings.Cut(v, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	params = map[string]string{}
	for rest != "" && len(params) < 30 {
		var one string
		one, rest = cutParam(rest)
		k, val, ok := strings.Cut(one, "=")
		if k = strings.ToLower(strings.TrimSpace(k)); ok && k != "" && params[k] == "" {
			params[k] = strings.Trim(strings.TrimSpace(val), `"`)
		}
	}
	return limit(clean(firstWord(t)), 200), decodedParams(params)
}

// cutParam ends at the next ; that is not quoted.
func cutParam(s string) (one, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++
		case ';':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

func decodedParams(params map[string]string) map[string]string {
	if len(params) == 0 {
		return nil
	}
	for k, v := range params {
		if strings.Contains(v, "=?") || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
			if k != "boundary" {
				params[k] = Words(v)
			}
		}
	}
	return params
}

func firstWord(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, " \t;("); i >= 0 {
		s = s[:i]
	}
	return s
}

// Words decodes encoded words (RFC 2047) and makes the result fit to show:
// UTF-8, one line, bounded.
func Words(v string) string {
	if strings.Contains(v, "=?") {
		d := mime.WordDecoder{CharsetReader: charsetReader}
		if w, err := d.DecodeHeader(v); err == nil {
			v = w
		}
	}
	if !utf8.ValidString(v) {
		v = latin1(v) // 8-bit without a label: what old programs meant
	}
	return limit(clean(v), maxWords)
}

// clean drops control characters, and those that turn the direction of writing
// to make one name look like another.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(s)
}

// limit cuts s to n octets, between characters.
func limit(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// FileName makes what a stranger calls a file fit to be one: one path element,
// no leading dot, at most 200 octets with its ending kept.
func FileName(s string) string {
	s = Words(s)
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, s)
	s = strings.TrimRight(strings.TrimLeft(strings.TrimSpace(s), "."), ". ")
	if len(s) > 200 {
		ext := path.Ext(s)
		if len(ext) > 20 {
			ext = ""
		}
		s = limit(strings.TrimSuffix(s, ext), 200-len(ext)) + ext
	}
	return s
}
