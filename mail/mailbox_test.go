package mail

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestAddressListsAreReadLeniently(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`a@x`:                                    `[{"a":"a@x"}]`,
		`A B <a@x>, "C, \"D\"" <c@x>`:            `[{"n":"A B","a":"a@x"},{"n":"C, \"D\"","a":"c@x"}]`,
		`a@x (Ann)`:                              `[{"n":"Ann","a":"a@x"}]`,
		`(Ann) a@x`:                              `[{"n":"Ann","a":"a@x"}]`,
		`Ann (work (new)) <a@x>`:                 `[{"n":"Ann","a":"a@x"}]`,
		`<a@x> (Ann)`:                            `[{"n":"Ann","a":"a@x"}]`,
		`a @ x . org`:                            `[{"a":"a@x.org"}]`,
		`friends: a@x, B <b@x>;, c@x`:            `[{"a":"a@x"},{"n":"B","a":"b@x"},{"a":"c@x"}]`,
		`undisclosed-recipients:;`:               `null`,
		`a: b: c@x`:                              `[{"a":"c@x"}]`,
		`<@a,@b:c@x>`:                            `[{"a":"c@x"}]`,
		`"a b"@x`:                                `[{"a":"\"a b\"@x"}]`,
		`Ann <"a, b"@x>`:                         `[{"n":"Ann","a":"\"a, b\"@x"}]`,
		`"<boss@bank>" <e@x>`:                    `[{"n":"<boss@bank>","a":"e@x"}]`,
		`=?utf-8?b?w4k=?= <e@x>`:                 `[{"n":"É","a":"e@x"}]`,
		`"=?utf-8?b?w4k=?=" <e@x>`:               `[{"n":"É","a":"e@x"}]`,
		`=?utf-8?q?a,_b?= <e@x>`:                 `[{"n":"a, b","a":"e@x"}]`,
		`=?utf-8?q?x_=3Cboss@bank=3E=2C?= <e@x>`: `[{"n":"x <boss@bank>,","a":"e@x"}]`,
		`broken <a@x`:                            `[{"n":"broken","a":"a@x"}]`,
		`"no end <a@x>`:                          `[{"a":"\"no end <a@x>"}]`,
		`Ann <ann@x> <second@x>`:                 `[{"n":"Ann","a":"ann@x"},{"a":"second@x"}]`,
		`Ann <ann@x> Bob <bob@x>`:                `[{"n":"Ann","a":"ann@x"},{"n":"Bob","a":"bob@x"}]`,
		`<<ann@x>>`:                              `[{"a":"ann@x"}]`,
		`a@x; b@x`:                               `[{"a":"a@x"},{"a":"b@x"}]`,
		`rené@x`:                                 `[{"a":"rené@x"}]`,
		`just words`:                             `[{"a":"just words"}]`,
		`Ann <>`:                                 `[{"n":"Ann"}]`,
		`,, ,`:                                   `null`,
		``:                                       `null`,
	} {
		got := asJSON(t, ParseAddressList(in))
		if got = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(got); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAddressListsAreBounded(t *testing.T) {
	t.Parallel()
	if n := len(ParseAddressList(strings.Repeat("a@x,", 50_000))); n != maxAddresses {
		t.Errorf("%d addresses", n)
	}
	for _, s := range []string{strings.Repeat("(", 200_000), strings.Repeat(`"`, 200_001), strings.Repeat("<", 200_000), strings.Repeat("=?", 100_000), strings.Repeat("a:", 100_000), strings.Repeat(`\`, 200_000)} {
		for _, m := range ParseAddressList(s) {
			if len(m.Addr) > 320 || len(m.Name) > maxWords {
				t.Errorf("%.10q…: a name of %d and an address of %d octets", s, len(m.Name), len(m.Addr))
			}
		}
	}
}

func FuzzParseAddressList(f *testing.F) {
	f.Add(`A <a@x>, "b, c" <d@x>, g: e@x (E);, =?utf-8?q?=C3=A9?= <f@x>`)
	f.Add(`<@a,@b:c@d>,"x`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range ParseAddressList(s) {
			for _, v := range []string{m.Name, m.Addr} {
				if !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) || len(v) > maxWords {
					t.Fatalf("%q", v)
				}
			}
		}
	})
}
