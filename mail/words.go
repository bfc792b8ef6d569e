package mail

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords bounds one decoded field, in octets. A line has 998 (RFC 5322 §2.1.1).
const maxWords = 2000

// Words decodes the encoded words of a field (RFC 2047) as leniently as it can
// and makes the result fit to show: UTF-8, one line, no controls, bounded.
func Words(v string) string {
	if len(v) > 8*maxWords {
		v = v[:8*maxWords]
	}
	if strings.Contains(v, "=?") {
		v = decodeWords(v)
	} else if !utf8.ValidString(v) {
		v = string(guess([]byte(v), false))
	}
	return limit(clean(v), maxWords)
}

// maxWord bounds one encoded word. RFC 2047 §2 says 75; programs write whole
// subjects. It also bounds how far a "?=" that may not exist is looked for.
const maxWord = 4000

// decodeWords joins the octets of neighbouring words before it converts them:
// many programs cut a character in two, which RFC 2047 §5 forbids.
func decodeWords(v string) string {
	var out strings.Builder
	var charset string
	var octets []byte
	flush := func() {
		if len(octets) > 0 {
			text, _ := toUTF8(charset, octets)
			out.Write(text)
			octets = octets[:0]
		}
	}
	literal := func(s string) {
		flush()
		if utf8.ValidString(s) {
			out.WriteString(s)
		} else {
			out.Write(guess([]byte(s), false))
		}
	}
	for after := false; v != ""; {
		i := strings.Index(v, "=?")
		if i < 0 {
			literal(v)
			break
		}
		word, n := encodedWord(v[i:])
		if n == 0 {
			literal(v[:i+2])
			v, after = v[i+2:], false
			continue
		}
		if between := v[:i]; !after || strings.Trim(between, " \t\r\n") != "" {
			literal(between)
		}
		if !strings.EqualFold(word.charset, charset) {
			flush()
			charset = word.charset
		}
		octets = word.decode(octets)
		v, after = v[i+n:], true
	}
	flush()
	return out.String()
}

type word struct {
	charset string
	base64  bool
	text    string
}

// encodedWord reads the word v begins with, and says how long it is; 0 when
// it is none.
func encodedWord(v string) (w word, n int) {
	v = v[:min(len(v), maxWord)]
	rest := v[2:]
	name, rest, ok := strings.Cut(rest, "?")
	if !ok || name == "" || len(name) > 60 || strings.ContainsAny(name, " \t=") || len(rest) < 2 || rest[1] != '?' {
		return w, 0
	}
	w.charset, _, _ = strings.Cut(name, "*") // RFC 2231 §5: a language may follow
	switch rest[0] {
	case 'B', 'b':
		w.base64 = true
	case 'Q', 'q':
	default:
		return w, 0
	}
	rest = rest[2:]
	end := strings.Index(rest, "?=")
	if end < 0 {
		return w, 0
	}
	w.text = rest[:end]
	return w, len(v) - len(rest) + end + 2
}

func (w word) decode(dst []byte) []byte {
	if w.base64 {
		if n := len(w.text); n%4 == 0 {
			if b, err := base64.StdEncoding.AppendDecode(dst, []byte(w.text)); err == nil {
				return b
			}
		}
		var d unbase64
		return d.end(d.decode(dst, []byte(w.text)))
	}
	for i := 0; i < len(w.text); i++ {
		c := w.text[i]
		if c == '_' {
			c = ' '
		} else if c == '=' && i+2 < len(w.text) {
			if hi, lo := hexDigit(w.text[i+1]), hexDigit(w.text[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// clean makes s one line of valid UTF-8 without what a person cannot see:
// controls, and the marks that turn the direction of writing, with which
// "exe.gpj" is made to look like a picture. A space that must not break is a
// space like others.
func clean(s string) string {
	return strings.ReplaceAll(oneLine(s), "\u00a0", " ")
}

// oneLine is clean for what we write: French keeps its spaces that must not
// break, or a line begins with a lonely "»".
func oneLine(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f
	}
	if plain {
		return strings.Trim(s, " ")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == 0x2028 || r == 0x2029 || r == 0x85:
			return ' '
		case unicode.IsControl(r), r >= 0x200e && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069,
			r == 0x061c, r == 0xfeff:
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
