package mail

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// headerWriter writes header fields: folded, encoded where needed, and never
// with a line end that came in a value.
type headerWriter struct{ b strings.Builder }

const (
	foldColumn = 76  // RFC 2047 §2 for lines with encoded words; polite for others
	maxBare    = 900 // octets of one word that may stay as it is (RFC 5322 §2.1.1: 998)
)

// tokens writes a field whose tokens may stand on lines of their own.
func (h *headerWriter) tokens(name string, tokens ...string) {
	if len(tokens) == 0 {
		return
	}
	h.b.WriteString(name)
	h.b.WriteByte(':')
	column := len(name) + 1
	for i, t := range tokens {
		if i > 0 && column+1+len(t) > foldColumn {
			h.b.WriteString("\r\n")
			column = 0
		}
		h.b.WriteByte(' ')
		h.b.WriteString(t)
		column += 1 + len(t)
	}
	h.b.WriteString("\r\n")
}

// text writes an unstructured field; nothing when v is empty.
func (h *headerWriter) text(name, v string) {
	if v = oneLine(v); v != "" {
		h.tokens(name, encodeText(v)...)
	}
}

// token writes a value of programs, such as an id, as it is but for controls.
func (h *headerWriter) token(name, v string) {
	if v = clean(v); v != "" {
		h.tokens(name, strings.Fields(v)...)
	}
}

// ids writes message ids in their brackets.
func (h *headerWriter) ids(name string, ids ...string) {
	var all []string
	for _, id := range ids {
		if id = strings.Trim(strings.Join(strings.Fields(clean(id)), ""), "<>"); id != "" {
			all = append(all, "<"+id+">")
		}
	}
	h.tokens(name, all...)
}

// addresses writes an address list; nothing when it is empty.
func (h *headerWriter) addresses(name string, list ...Mailbox) {
	var tokens []string
	for _, m := range list {
		if m.Addr == "" {
			continue
		}
		if n := len(tokens); n > 0 {
			tokens[n-1] += ","
		}
		addr := strings.Trim(clean(m.Addr), "<> ")
		if !strings.Contains(addr, `"`) {
			addr = strings.Join(strings.Fields(addr), "")
		}
		if m.Name == "" {
			tokens = append(tokens, addr)
			continue
		}
		tokens = append(append(tokens, encodePhrase(oneLine(m.Name))...), "<"+addr+">")
	}
	h.tokens(name, tokens...)
}

// AddressField is an address field, folded and encoded, with its line end.
func AddressField(name string, list ...Mailbox) string {
	var h headerWriter
	h.addresses(name, list...)
	return h.b.String()
}

// TextField is a field whose value people read, folded and encoded, with its line end.
func TextField(name, value string) string {
	var h headerWriter
	h.text(name, value)
	return h.b.String()
}

// encodeText makes words of an unstructured value (RFC 2047 §5 (1)).
func encodeText(v string) []string {
	if plainASCII(v) && !strings.Contains(v, "=?") {
		words := strings.Split(v, " ")
		fits := true
		for _, w := range words {
			fits = fits && len(w) <= maxBare && w != "" // blanks in a row do not survive folding
		}
		if fits {
			return words
		}
	}
	return encodedWords(v)
}

// encodePhrase makes words of a display name (RFC 5322 §3.2.5).
func encodePhrase(v string) []string {
	if !plainASCII(v) || strings.Contains(v, "=?") || len(v) > foldColumn-2 {
		return encodedWords(v)
	}
	for i := 0; i < len(v); i++ {
		c := v[i]
		if !isLetter(c) && !(c >= '0' && c <= '9') && c != ' ' && strings.IndexByte(atext, c) < 0 {
			return []string{`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`}
		}
	}
	return strings.Fields(v)
}

// maxEncoded is how long the encoded words we write are: short enough to stand
// behind the name of their field on a line of 76.
const maxEncoded = 62

// encodedWords: Q is readable where most is ASCII. Only the signs that mean
// nothing in a phrase stay as they are (RFC 2047 §5 (3)), everywhere. No
// character is cut in two.
func encodedWords(v string) []string {
	const q, b, end = "=?utf-8?q?", "=?utf-8?b?", "?="
	v = strings.ToValidUTF8(v, "\uFFFD")
	high := 0
	for i := 0; i < len(v); i++ {
		if v[i] >= utf8.RuneSelf {
			high++
		}
	}
	var all []string
	if 3*high > len(v) {
		for v != "" {
			part := limit(v, (maxEncoded-len(b)-len(end))/4*3)
			v = v[len(part):]
			all = append(all, b+base64.StdEncoding.EncodeToString([]byte(part))+end)
		}
		return all
	}
	word := []byte(q)
	for _, r := range v {
		char := utf8.AppendRune(nil, r)
		if len(word)+3*len(char)+len(end) > maxEncoded {
			all = append(all, string(word)+end)
			word = append(word[:0], q...)
		}
		for _, c := range char {
			switch {
			case c == ' ':
				word = append(word, '_')
			case isLetter(c), c >= '0' && c <= '9', strings.IndexByte("!*+-/", c) >= 0:
				word = append(word, c)
			default:
				word = append(word, '=', upperHex[c>>4], upperHex[c&15])
			}
		}
	}
	return append(all, string(word)+end)
}

const upperHex = "0123456789ABCDEF"

func plainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// param writes one parameter of Content-Type or Content-Disposition. What is
// not ASCII is RFC 2231's form, in pieces if it is long.
func param(name, v string) []string {
	if v = clean(v); plainASCII(v) && len(v) < 60 {
		return []string{name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`}
	}
	var coded []string
	for i := 0; i < len(v); i++ {
		c := v[i]
		if isLetter(c) || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`{|}~", c) >= 0 {
			coded = append(coded, string(c))
		} else {
			coded = append(coded, string([]byte{'%', upperHex[c>>4], upperHex[c&15]}))
		}
	}
	whole := strings.Join(coded, "")
	if len(name)+len(whole) < 60 {
		return []string{name + "*=utf-8''" + whole}
	}
	var all []string
	line := "utf-8''"
	for _, c := range coded {
		if len(line)+len(c) > 54 {
			all = append(all, line)
			line = ""
		}
		line += c
	}
	all = append(all, line)
	for i := range all {
		all[i] = name + "*" + strconv.Itoa(i) + "*=" + all[i]
	}
	return all
}

// params writes a field with parameters.
func (h *headerWriter) params(name, value string, params ...[]string) {
	tokens := []string{value}
	for _, list := range params {
		for _, p := range list {
			tokens[len(tokens)-1] += ";"
			tokens = append(tokens, p)
		}
	}
	h.tokens(name, tokens...)
}
