package mail

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFoldMakesWordsComparable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Été  à\r\n\tPARIS": "ete a paris", "E\u0301te\u0301": "ete", "Straße": "strasse", "ＡＢＣ": "abc", "œuf ÎLE": "oeuf ile", "ŒUVRE": "oeuvre",
		"a\x00b": "a b", " x ": " x ", "": "", "l’association": "l'association", "soft\u00adware": "software", "ﬁn": "fin", "İstanbul": "istanbul",
		"ΣΊΣΥΦΟΣ": "σισυφοσ", "Й": "и", "x²": "x2", "a\xffb": "a\ufffdb", "한": "\u1112\u1161\u11ab", "ガ": "カ", "ø Łódź đ": "o lodz d", "a\u00a0\u2003b": "a b", "東京": "東京",
	} {
		if got := Fold(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if got := string(appendFold([]byte("A "), 2, []byte(in))); got != "A "+want {
			t.Errorf("%q appended: %q", in, got)
		}
	}
}

func TestFoldingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		once := Fold(string(r))
		if twice := Fold(once); twice != once {
			t.Errorf("%U: %+q, then %+q", r, once, twice)
		}
	}
}

func TestCaseDoesNotMatterToFold(t *testing.T) {
	t.Parallel()
	for r := rune('A'); r <= 0xffff; r++ {
		if l := unicode.ToLower(r); Fold(string(r)) != Fold(string(l)) {
			t.Errorf("%U: %+q, lower case %+q", r, Fold(string(r)), Fold(string(l)))
		}
	}
}

func TestFoldedTextIsWhatSearchExpects(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		f := Fold(s)
		if !utf8.ValidString(f) || strings.Contains(f, "  ") || strings.ContainsAny(f, "\x00\n\t") {
			t.Fatalf("%q folds to %q", s, f)
		}
		if string(appendFold(nil, 0, []byte(s))) != f {
			t.Fatalf("%q: a string and its octets differ", s)
		}
	})
}
