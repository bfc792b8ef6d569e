package imap

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// mailURL is an IMAP URL (RFC 5092) that names a message or a part of one.
type mailURL struct {
	user, host string // "": those of the session
	mailbox    string // "": the selected one
	validity   uint32 // 0: whatever it is
	uid        mailbox.UID
	section    section
}

// parseURL reads the forms that CATENATE needs:
//
//	imap://user@host/MAILBOX;UIDVALIDITY=n/;UID=n/;SECTION=s/;PARTIAL=offset.count
//	/MAILBOX;UIDVALIDITY=n/;UID=n/;SECTION=s
//	;UID=n/;SECTION=s
//
// The slash before SECTION and PARTIAL may be missing: RFC 4469 writes both.
func parseURL(raw string) (u mailURL, ok bool) {
	for i := 0; i < len(raw); i++ {
		if raw[i] <= ' ' || raw[i] >= 0x7f {
			return u, false
		}
	}
	rest := raw
	if scheme := "imap://"; len(rest) >= len(scheme) && strings.EqualFold(rest[:len(scheme)], scheme) {
		authority, path, found := strings.Cut(rest[len(scheme):], "/")
		if !found || !u.setAuthority(authority) {
			return u, false
		}
		rest = "/" + path
	}
	at := strings.LastIndex(strings.ToUpper(rest), ";UID=")
	if at < 0 {
		return u, false
	}
	if !u.setMailbox(strings.TrimSuffix(rest[:at], "/")) {
		return u, false
	}
	number, rest := digits(rest[at+len(";UID="):])
	uid, err := strconv.ParseUint(number, 10, 32)
	if err != nil || uid == 0 {
		return u, false
	}
	u.uid = mailbox.UID(uid)
	if value, more, found := parameter(rest, "SECTION"); found {
		if !u.setSection(value) {
			return u, false
		}
		rest = more
	}
	if value, more, found := parameter(rest, "PARTIAL"); found {
		if !u.setPartial(value) {
			return u, false
		}
		rest = more
	}
	return u, rest == ""
}

func digits(s string) (number, rest string) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

// parameter reads "/;NAME=value", up to the next one.
func parameter(s, name string) (value, rest string, ok bool) {
	s = strings.TrimPrefix(s, "/")
	head := ";" + name + "="
	if len(s) < len(head) || !strings.EqualFold(s[:len(head)], head) {
		return "", s, false
	}
	s = s[len(head):]
	end := strings.IndexByte(s, ';')
	if end < 0 {
		return s, "", true
	}
	return strings.TrimSuffix(s[:end], "/"), s[end:], true
}

func (u *mailURL) setAuthority(s string) bool {
	user, host, found := strings.Cut(s, "@")
	if !found {
		user, host = "", s
	}
	user, _, _ = strings.Cut(user, ";") // ;AUTH=*
	user, err := url.PathUnescape(user)
	if err != nil {
		return false
	}
	u.user, u.host = user, host
	if name, port, found := strings.Cut(host, ":"); found {
		if _, rest := digits(port); rest != "" {
			return false
		}
		u.host = name
	}
	return u.host != ""
}

func (u *mailURL) setMailbox(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != '/' {
		return false // relative to a mailbox: nobody writes that
	}
	s = s[1:]
	if at := strings.LastIndex(strings.ToUpper(s), ";UIDVALIDITY="); at >= 0 {
		n, err := strconv.ParseUint(s[at+len(";UIDVALIDITY="):], 10, 32)
		if err != nil || n == 0 {
			return false
		}
		s, u.validity = s[:at], uint32(n)
	}
	name, err := url.PathUnescape(s)
	if err != nil || name == "" || !utf8.ValidString(name) {
		return false
	}
	u.mailbox = name
	return true
}

// setSection reads what would stand between the brackets of BODY[…].
func (u *mailURL) setSection(s string) bool {
	text, err := url.PathUnescape(s)
	if err != nil || text == "" {
		return false
	}
	d := wire.NewDecoder(strings.NewReader("a X ["+text+"]\r\n"), wire.After)
	if _, _, err := d.Begin(); err != nil || d.SP() != nil {
		return false
	}
	u.section, err = readSection(d, false)
	return err == nil && d.AtEnd()
}

func (u *mailURL) setPartial(s string) bool {
	from, count, counted := strings.Cut(s, ".")
	offset, err := strconv.ParseInt(from, 10, 64)
	if err != nil || offset < 0 {
		return false
	}
	u.section.partial, u.section.offset, u.section.count = true, offset, 1<<62
	if counted {
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil || n <= 0 {
			return false
		}
		u.section.count = n
	}
	return true
}
