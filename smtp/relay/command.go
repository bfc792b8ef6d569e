package relay

import (
	"fmt"
	"strconv"
	"strings"

	"colporteur/mail"
)

// mailCommand is MAIL with the parameters that this peer knows.
func (t *transaction) mailCommand(rcpts []*progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "MAIL FROM:<%s>", t.mail.From)
	if t.has("SIZE") && t.mail.Size > 0 && len(t.content.edits) == 0 {
		fmt.Fprintf(&b, " SIZE=%d", t.mail.Size)
	}
	if t.mail.Body == mail.Body8Bit && t.has("8BITMIME") {
		b.WriteString(" BODY=8BITMIME")
	}
	if t.has("SMTPUTF8") && t.needsUTF8(rcpts) {
		b.WriteString(" SMTPUTF8")
	}
	if t.mail.TLS {
		b.WriteString(" REQUIRETLS")
	}
	if t.has("DSN") {
		switch t.mail.Ret {
		case mail.RetFull:
			b.WriteString(" RET=FULL")
		case mail.RetHeaders:
			b.WriteString(" RET=HDRS")
		}
		if t.mail.EnvID != "" {
			b.WriteString(" ENVID=" + xtext(t.mail.EnvID))
		}
	}
	return b.String()
}

// needsUTF8: the parameter is given only when the mail cannot travel without,
// since a later hop may not know it.
func (t *transaction) needsUTF8(rcpts []*progress) bool {
	if !t.mail.From.IsASCII() {
		return true
	}
	for _, p := range rcpts {
		if !p.IsASCII() {
			return true
		}
	}
	return t.mail.UTF8 && t.content.headerUTF8(t.ctx)
}

func (t *transaction) rcptCommand(p *progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "RCPT TO:<%s>", p.Address)
	if !t.has("DSN") {
		return b.String()
	}
	if p.Notify != 0 {
		var words []string
		for _, n := range []struct {
			bit  mail.Notify
			word string
		}{{mail.NotifyNever, "NEVER"}, {mail.NotifySuccess, "SUCCESS"}, {mail.NotifyFailure, "FAILURE"}, {mail.NotifyDelay, "DELAY"}} {
			if p.Notify&n.bit != 0 {
				words = append(words, n.word)
			}
		}
		if p.Notify&mail.NotifyNever != 0 {
			words = words[:1] // NEVER stands alone (RFC 3461 §4.1)
		}
		b.WriteString(" NOTIFY=" + strings.Join(words, ","))
	}
	// It goes on as it came, encoded (RFC 3461 §5.2.1).
	if kind, addr, ok := strings.Cut(p.ORCPT, ";"); ok && isAtom(kind) && isXtext(addr) {
		b.WriteString(" ORCPT=" + kind + ";" + addr)
	}
	return b.String()
}

// xtext is RFC 3461 §4. What is not ASCII cannot be said in it.
func xtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c > ' ' && c < 0x7f && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "+%02X", c)
		}
	}
	return b.String()
}

func isXtext(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '=' {
			return false
		}
	}
	return s != ""
}

// unxtext undoes xtext; what is not xtext stays as it is.
func unxtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isAtom(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}
