package mail

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold makes text comparable for people who search: lower case, accents off,
// compatibility forms undone, any run of white space one space, what cannot be
// seen left out. "Été  à\nParis, œuvre" becomes "ete a paris, oeuvre". Both the
// text and the question go through it. Folding twice changes nothing more.
func Fold(s string) string {
	if folded(s) {
		return s
	}
	return string(appendFold(make([]byte, 0, len(s)), 0, s))
}

// folded says whether an ASCII s is as Fold would leave it.
func folded(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || foldASCII[c] != c || c == ' ' && i > 0 && s[i-1] == ' ' {
			return false
		}
	}
	return true
}

// appendFold appends the folded src to dst; what was folded before begins at
// start of dst.
func appendFold[T string | []byte](dst []byte, start int, src T) []byte {
	for i := 0; i < len(src); {
		if src[i] >= utf8.RuneSelf {
			r, n := decodeRune(src, i)
			i += n
			dst = appendFolded(dst, start, r)
			continue
		}
		// ASCII never grows: make room once and write without asking again.
		dst = slices.Grow(dst, len(src)-i)
		n := len(dst)
		room := dst[:cap(dst)]
		space := n > start && room[n-1] == ' '
		for ; i < len(src) && src[i] < utf8.RuneSelf; i++ {
			c := foldASCII[src[i]]
			if c == ' ' && space {
				continue
			}
			space = c == ' '
			room[n] = c
			n++
		}
		dst = room[:n]
	}
	return dst
}

func decodeRune[T string | []byte](s T, i int) (rune, int) {
	var b [utf8.UTFMax]byte
	return utf8.DecodeRune(b[:copy(b[:], s[i:min(len(s), i+utf8.UTFMax)])])
}

func appendSpace(dst []byte, start int) []byte {
	if n := len(dst); n > start && dst[n-1] == ' ' {
		return dst
	}
	return append(dst, ' ')
}

// foldASCII: controls are white space, so that no NUL gets into a database
// that refuses it.
var foldASCII = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		switch {
		case c >= 'A' && c <= 'Z':
			t[c] = byte(c) + 'a' - 'A'
		case c <= ' ' || c == 0x7f:
			t[c] = ' '
		default:
			t[c] = byte(c)
		}
	}
	return t
}()

// foldEurope holds the folded forms of the letters of Europe: Latin, Greek and
// Cyrillic. Looking each up in the Unicode tables costs ten times as much.
var foldEurope = func() (t [0x530 - utf8.RuneSelf]string) {
	for i := range t {
		t[i] = string(foldRune(nil, 0, rune(i+utf8.RuneSelf)))
	}
	return t
}()

func appendFolded(dst []byte, start int, r rune) []byte {
	switch {
	case r < 0x530:
		if f := foldEurope[r-utf8.RuneSelf]; f != " " {
			return append(dst, f...)
		}
		return appendSpace(dst, start)
	case r >= 0x4e00 && r <= 0x9fff: // CJK: nothing to fold
		return utf8.AppendRune(dst, r)
	}
	return foldRune(dst, start, r)
}

// foldRune appends one folded character.
func foldRune(dst []byte, start int, r rune) []byte {
	if r >= hangul && r < hangul+hangulSyllables {
		// The tables leave these to arithmetic (Unicode §3.12). A Mac writes file
		// names decomposed, others do not.
		r -= hangul
		dst = utf8.AppendRune(dst, 0x1100+r/588)
		dst = utf8.AppendRune(dst, 0x1161+r%588/28)
		if r%28 != 0 {
			dst = utf8.AppendRune(dst, 0x11a7+r%28)
		}
		return dst
	}
	var b [utf8.UTFMax]byte
	n := utf8.EncodeRune(b[:], r)
	d := norm.NFKD.Properties(b[:n]).Decomposition()
	if d == nil {
		d = b[:n]
	}
	for len(d) > 0 {
		r, n := utf8.DecodeRune(d)
		d = d[n:]
		switch r = unicode.ToLower(r); {
		case r < utf8.RuneSelf:
			if f := foldASCII[r]; f != ' ' {
				dst = append(dst, f)
			} else {
				dst = appendSpace(dst, start)
			}
		case unicode.IsSpace(r) || unicode.IsControl(r):
			dst = appendSpace(dst, start)
		case unicode.In(r, unicode.Mn, unicode.Cf): // accents; soft hyphens and the like
		default:
			if s, ok := alike[r]; ok {
				dst = append(dst, s...)
			} else {
				dst = utf8.AppendRune(dst, r)
			}
		}
	}
	return dst
}

const (
	hangul          = 0xac00
	hangulSyllables = 11172
)

// alike are letters that Unicode does not take apart and keyboards do, and the
// quotes and hyphens that word processors put in.
var alike = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ħ': "h", 'ı': "i", 'ł': "l", 'þ': "th",
	'ς': "σ", '’': "'", '‘': "'", '‛': "'", '“': `"`, '”': `"`, '„': `"`, '‐': "-", '‒': "-", '–': "-", '—': "-", '−': "-", '⁄': "/",
}
