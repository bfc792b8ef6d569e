package mail

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxQuoted: longer strings are literals; some programs read lines into a
	// small buffer.
	maxQuoted = 1000
	// maxCardText bounds one string of a card, far above a line.
	maxCardText = 8 << 10
	// maxCard bounds what a message may add to its card: beyond it attached
	// messages have no envelope and parts no parameters. A thousand parts, each
	// with a thousand names, would come to hundreds of megabytes.
	maxCard = 1 << 20
)

// appendText writes s as an IMAP string. What is not ASCII goes into a literal:
// that every program can read, whichever revision it speaks. The literal is in
// UTF-8 whatever the mail was in.
func appendText(b []byte, s string) []byte {
	plain := len(s) <= maxQuoted
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\'
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	if s = tidy(s); len(s) > maxQuoted || !isASCII(s) {
		b = append(b, '{')
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, "}\r\n"...)
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// tidy bounds s and makes it valid UTF-8 without line ends and NUL, which no
// string of an answer may hold.
func tidy(s string) string {
	s = limit(s, maxCardText)
	if strings.Contains(s, "=?") && !isASCII(s) {
		s = pureWords(s)
	}
	if !utf8.ValidString(s) {
		s = string(guess([]byte(s), false))
	}
	return strings.Map(func(r rune) rune {
		if r == 0 || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}

// pureWords writes raw octets inside encoded words as RFC 2047 has them: they are in
// the word's charset, which the text around it need not be.
func pureWords(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		w, n := encodedWord(s[i:])
		if n == 0 {
			n = len("=?")
		}
		for _, c := range []byte(s[i : i+n]) {
			if c >= utf8.RuneSelf && !w.base64 {
				const hex = "0123456789ABCDEF"
				b.Write([]byte{'=', hex[c>>4], hex[c&15]})
			} else {
				b.WriteByte(c)
			}
		}
		s = s[i+n:]
	}
	b.WriteString(s)
	return b.String()
}

// appendNText writes s, or NIL when it is not there.
func appendNText(b []byte, s string, there bool) []byte {
	if !there {
		return append(b, "NIL"...)
	}
	return appendText(b, s)
}
