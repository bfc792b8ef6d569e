package verify

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzLinks(f *testing.F) {
	for _, s := range []string{`<a href="https://evil.test"><b>www.paypal.com</b></a>`, `<a href=//x><a href=javascript:x>http://`, `<area href="http://[::1]:x/"><form action=data:,><input type=password>`,
		"<a href=\"http://xn--a.b@\\e.test\">www..</a>", "www.", "https://@:/?#", "\xff\xfe."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p := anchors(body)
		if len(p.links) > maxLinks {
			t.Fatalf("%d links", len(p.links))
		}
		for _, a := range p.links {
			if len(a.text) > maxText {
				t.Fatalf("%d octets of text", len(a.text))
			}
			a.leaves("bank.test")
			if s, ok := a.sign("bank.test", true); ok && s.level == Fine {
				t.Fatalf("%q is worth telling, and harmless", a.target)
			}
		}
		named(body)
		danger(body)
		if said := inert(body); utf8.ValidString(body) && strings.ReplaceAll(said, "\u2060", "") != strings.ReplaceAll(body, "\u2060", "") {
			t.Fatalf("inert changed %q to %q", body, said)
		}
	})
}
