package mail

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEncodedWordsAreReadLeniently(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"plain", "Hello", "Hello"},
		{"q", "=?utf-8?q?Caf=C3=A9_noir?=", "Café noir"},
		{"b", "=?UTF-8?B?w4k=?=", "É"},
		{"b without padding", "=?utf-8?b?w4k?=", "É"},
		{"with a language", "=?utf-8*fr?q?=C3=A9?=", "é"},
		{"white space between words goes", "=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"},
		{"white space around others stays", "=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
		{"a character cut in two", "=?utf-8?q?x=C3?= =?utf-8?b?qQ==?=", "xé"},
		{"without white space between", "x=?utf-8?q?=C3=A9?=y", "xéy"},
		{"blanks within", "=?utf-8?q?two words?=", "two words"},
		{"latin", "=?iso-8859-1?q?=C9t=E9_=80?=", "Été €"},
		{"japanese", "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
		{"cp932", "=?cp932?B?k/qWew==?=", "日本"},
		{"korean", "=?ks_c_5601-1987?B?x9HAuw==?=", "한을"},
		{"unknown charset", "=?x-nobody?q?=E9?=", "é"},
		{"unlabelled 8-bit", "caf\xe9", "café"},
		{"8-bit beside a word", "caf\xe9 =?utf-8?q?x?=", "café x"},
		{"bad escapes", "=?utf-8?q?a=ZZ=4?=", "a=ZZ=4"},
		{"no end", "=?utf-8?q?abc", "=?utf-8?q?abc"},
		{"no encoding", "=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
		{"only a beginning", "=?", "=?"},
		{"empty text", "a =?utf-8?q??= b", "a  b"},
		{"controls", "a\x00b\tc\x7f", "ab c"},
		{"controls in words", "=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"},
		{"direction marks", "invoice\u202efdp.exe", "invoicefdp.exe"},
		{"trimmed", "  a  ", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Words(c.in); got != c.want {
				t.Errorf("%q: %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestDecodedWordsAreBoundedAndClean(t *testing.T) {
	t.Parallel()
	pieces := []string{"=?utf-8?q?", "=?iso-2022-kr?b?", "?=", "=C3", "=A9", "w4k=", " ", "é", "\xe9", "\x00", "\r\n", "x", "=?", "?"}
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 60).Draw(t, "pieces"), "")
		got := Words(s)
		if !utf8.ValidString(got) || len(got) > maxWords || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("%q: %q", s, got)
		}
	})
	for _, s := range []string{strings.Repeat("=?utf-8?q?", 30_000), strings.Repeat("=?utf-8?b?w4k=?= ", 20_000), strings.Repeat("é", 100_000)} {
		if got := Words(s); len(got) > maxWords || !utf8.ValidString(got) {
			t.Errorf("%.30q…: %d octets", s, len(got))
		}
	}
}

func TestCharsetsOfTheWorldAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ charset, in, want string }{
		{"", "caf\xc3\xa9", "café"}, {"us-ascii", "caf\xe9", "café"}, {"UTF-8", "a\xffb", "a\ufffdb"}, {" utf8 ", "é", "é"},
		{"iso-8859-1", "\x93a\x94", "“a”"}, {"iso-8859-15", "\xa4", "€"}, {"windows-1251", "\xcf", "П"}, {"koi8-r", "\xf0", "П"},
		{"shift_jis", "\x93\xfa", "日"}, {"cp932", "\x87\x40", "①"}, {"windows-31j", "\x87\x40", "①"}, {"euc-kr", "\xc7\xd1", "한"},
		{"cp949", "\xc7\xd1", "한"}, {"gb2312", "\xc4\xe3", "你"}, {"gb18030", "\xc4\xe3", "你"}, {"big5", "\xa7\x41", "你"},
		{"hz-gb-2312", "~{Dc~}", "你"}, {"iso-2022-kr", "\x1b$)C\x0eGQ\x0fa\n\x0eGQ", "한a\n한"}, {"iso-2022-cn", "\x1b$)A\x0eDc\x0f", "你"},
		{"iso-2022-jp", "\x1b$BF|\x1b(B", "日"}, {"utf-7", "+AOk-t+AOk a+-b +ZeU", "été a+b 日"}, {"utf-16le", "a\x00b\x00", "ab"},
		{"cp850", "\x82", "é"}, {"x-unheard-of", "\xe9", "é"}, {"utf-7", "+", "+"}, {"iso-2022-kr", "\x1b", ""},
	} {
		got, ok := toUTF8(c.charset, []byte(c.in))
		if string(got) != c.want || ok == (c.charset == "x-unheard-of") {
			t.Errorf("%s %q: %q, known %v; want %q", c.charset, c.in, got, ok, c.want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("=?utf-8?q?=C3=A9?= =?iso-2022-jp?b?GyRC?=")
	f.Add("=?utf-7?q?+AOk-?= \xff")
	f.Add("=?iso-2022-kr?q?=1B=24=29C=0EGQ?=")
	f.Fuzz(func(t *testing.T, s string) {
		if got := Words(s); !utf8.ValidString(got) || len(got) > maxWords || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("%q", got)
		}
		if n := FileName(s); len(n) > maxFileName || strings.ContainsAny(n, "/\\\x00\r\n") || strings.HasPrefix(n, ".") {
			t.Fatalf("file name %q", n)
		}
	})
}
