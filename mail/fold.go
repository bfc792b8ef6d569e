package mail

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold makes text comparable for people who search: lower case, accents off,
// any run of white space one space. "Été  à\nParis" becomes "ete a paris".
func Fold(s string) string { return string(AppendFold(nil, []byte(s))) }

// AppendFold appends the folded src to dst.
func AppendFold(dst, src []byte) []byte {
	space := len(dst) == 0 || dst[len(dst)-1] == ' ' || dst[len(dst)-1] == '\n'
	for i := 0; i < len(src); {
		c := src[i]
		if c < utf8.RuneSelf {
			i++
			switch f := folds[c]; f {
			case ' ':
				if !space {
					dst = append(dst, ' ')
					space = true
				}
			case 0:
			default:
				dst = append(dst, f)
				space = false
			}
			continue
		}
		// Not ASCII: decompose up to the next ASCII octet.
		j := i
		for j < len(src) && src[j] >= utf8.RuneSelf {
			j++
		}
		for _, r := range string(norm.NFKD.Bytes(src[i:j])) {
			switch {
			case unicode.Is(unicode.Mn, r):
			case unicode.IsSpace(r):
				if !space {
					dst = append(dst, ' ')
					space = true
				}
			case r == 'ß':
				dst = append(dst, "ss"...)
				space = false
			default:
				dst = utf8.AppendRune(dst, unicode.ToLower(r))
				space = false
			}
		}
		i = j
	}
	return dst
}

// folds is what each ASCII octet folds to; 0 is nothing.
var folds = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		switch {
		case c >= 'A' && c <= 'Z':
			t[c] = byte(c) + 'a' - 'A'
		case c == ' ', c >= '\t' && c <= '\r':
			t[c] = ' '
		case c < ' ', c == 0x7f:
			t[c] = 0
		default:
			t[c] = byte(c)
		}
	}
	return t
}()
