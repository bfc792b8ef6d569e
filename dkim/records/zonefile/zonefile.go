// Package zonefile writes DNS records as lines of a zone file (RFC 1035 §5).
package zonefile

import (
	"fmt"
	"strings"
)

// maxString is the most one character-string holds (RFC 1035 §3.3); longer
// texts are several, which who reads them joins.
const maxString = 255

// Line is one record; value is as it stands in a zone file.
func Line(name, kind, value string) string {
	return fmt.Sprintf("%s. IN %s %s", strings.TrimSuffix(name, "."), kind, value)
}

// TXT is the line of a text record of any length.
func TXT(name, text string) string { return Line(name, "TXT", Quote(text)) }

// Quote is text as one or more quoted strings.
func Quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	n := 0
	for i := 0; i < len(text); i++ {
		if n == maxString {
			b.WriteString(`" "`)
			n = 0
		}
		n++
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Unescape undoes the backslashes of one string, as RFC 1035 §5.1 writes them.
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if n, ok := octet(s[i:]); ok {
			b.WriteByte(n)
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octet(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return byte(n), n < 256
}
