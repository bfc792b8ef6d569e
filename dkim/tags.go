package dkim

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Tag is one of a list such as "v=1; a=rsa-sha256" (RFC 6376 §3.2).
type Tag struct {
	Name, Value string
	from, to    int // the value with the blanks around it, in what was parsed
}

// Tags is such a list. Names are case-sensitive.
type Tags []Tag

// maxTags is far more than anybody has a use for.
const maxTags = 64

// ParseTags reads a tag list. Empty elements are forgiven, for people write
// ";;"; a tag twice is not, for nobody knows which one counts (RFC 6376 §3.2).
func ParseTags(s string) (Tags, error) {
	var list Tags
	for start := 0; start <= len(s); {
		end := strings.IndexByte(s[start:], ';')
		if end < 0 {
			end = len(s)
		} else {
			end += start
		}
		element := s[start:end]
		name, value, ok := strings.Cut(element, "=")
		if !ok {
			if trim(element) != "" {
				return list, fmt.Errorf("%q is not a tag", brief(trim(element), 40))
			}
			start = end + 1
			continue
		}
		from := start + len(name) + 1
		name = trim(name)
		if !isTagName(name) {
			return list, fmt.Errorf("%q is not a tag's name", brief(name, 40))
		}
		if _, twice := list.Value(name); twice {
			return list, fmt.Errorf("%s= stands there twice", name)
		}
		if len(list) == maxTags {
			return list, errors.New("too many tags")
		}
		list = append(list, Tag{Name: name, Value: trim(value), from: from, to: end})
		start = end + 1
	}
	return list, nil
}

// Value is what stands after name=, folds and all; ok says whether it is there.
func (l Tags) Value(name string) (v string, ok bool) {
	for _, t := range l {
		if t.Name == name {
			return t.Value, true
		}
	}
	return "", false
}

// squeezed is a value without any blanks: base64, names, numbers.
func (l Tags) squeezed(name string) (string, bool) {
	v, ok := l.Value(name)
	return squeeze(v), ok
}

// words are the elements of a value with colons between them.
func (l Tags) words(name string) []string {
	v, ok := l.Value(name)
	if !ok {
		return nil
	}
	words := strings.Split(v, ":")
	for i, w := range words {
		words[i] = trim(w)
	}
	return words
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

func squeeze(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, s)
}

func isTagName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if !(c >= 'a' && c <= 'z') && (i == 0 || !(s[i] >= '0' && s[i] <= '9') && s[i] != '_') {
			return false
		}
	}
	return s != ""
}

// brief is enough of a stranger's text for a reason, without what could end a
// line of a log or of a header.
func brief(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// AppendTags appends a field of that name, folded, without its last line end.
// Long values are folded where a fold changes nothing: h at its colons, base64
// anywhere.
func AppendTags(dst []byte, name string, list Tags) []byte {
	dst = append(append(dst, name...), ':')
	column := len(name) + 1
	put := func(word string, glue bool) {
		switch {
		case column+1+len(word) > 76:
			dst = append(dst, "\r\n\t"...)
			column = 8 // as most programs show a tab
		case !glue:
			dst = append(dst, ' ')
			column++
		}
		dst = append(dst, word...)
		column += len(word)
	}
	for i, t := range list {
		end := ";"
		if i == len(list)-1 {
			end = ""
		}
		value, word := t.Value, t.Name+"="
		glue := false
		for value != "" {
			n := len(value)
			switch t.Name {
			case "h":
				if j := strings.IndexByte(value[1:], ':'); j >= 0 {
					n = j + 1
				}
			case "b":
				n = min(n, 64)
			}
			word += value[:n]
			if value = value[n:]; value != "" {
				put(word, glue)
				word, glue = "", true
			}
		}
		put(word+end, glue)
	}
	return dst
}
