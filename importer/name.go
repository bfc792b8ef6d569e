package importer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLevel is how long one level of our names may be.
const maxLevel = 255

// path is a name of the other host as we write names: "/" between levels, and
// no character in them that a mailbox of ours cannot have.
func path(name string, delim rune) string {
	if name == "" {
		return ""
	}
	levels := []string{name}
	if delim != 0 {
		levels = strings.Split(strings.Trim(name, string(delim)), string(delim))
	}
	if strings.EqualFold(levels[0], "inbox") {
		levels[0] = "INBOX"
	}
	for i, l := range levels {
		levels[i] = level(l)
	}
	return strings.Join(levels, "/")
}

func level(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '-'
		case r == '%' || r == '*' || r == utf8.RuneError:
			return '_'
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029':
			return -1
		}
		return r
	}, s)
	for len(s) > maxLevel {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	switch s = strings.TrimSpace(s); s {
	case "", ".", "..":
		return "_"
	}
	return s
}
