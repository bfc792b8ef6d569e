package dmarc

import (
	"strings"
	"testing"

	"colporteur/mail"
)

func TestTheAuthorIsRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"From: ann@home.test":                                             "home.test",
		"from : Ann <ann@HOME.test>":                                      "home.test",
		"FROM:\r\n Ann\r\n\t<ann@\r\n home.test>":                         "home.test",
		"From: ann@bücher.example":                                        "xn--bcher-kva.example",
		"From: Ann <ann@xn--bcher-kva.example>":                           "xn--bcher-kva.example",
		`From: "ceo@bank.test" <ann@home.test>`:                           "home.test",
		`From: "Doe, \"A\" <x@y.test>" <ann@home.test>`:                   "home.test",
		"From: Doe, Ann <ann@home.test>":                                  "home.test",
		"From: ann@home.test <ann@home.test>":                             "home.test",
		"From: Ann @ Home <ann@home.test>":                                "home.test",
		"From: ann@home.test, bob@HOME.test":                              "home.test",
		"From: =?utf-8?q?Doe,_Ann?= <ann@home.test>":                      "home.test",
		"From: =?utf-8?b?Y2VvQGJhbmsudGVzdA==?= <ann@home.test>":          "home.test",
		"From: ann(the (first) one, ceo@bank.test)@home.test (x)":         "home.test",
		"From: Team: ann@home.test, bob@home.test;":                       "home.test",
		`From: "a@b"@home.test`:                                           "home.test",
		"From: <a..b.@docomo.test>":                                       "docomo.test",
		"From: <<ann@home.test>>":                                         "home.test",
		"From: ann@home.test.":                                            "home.test",
		"From: Ann\xe9 <ann@home.test>":                                   "home.test",
		`From: HOME\ann <ann@home.test>`:                                  "home.test",
		"Subject: From: x@y.test\r\nFrom: ann@home.test":                  "home.test",
		"From ann@y.test Mon Nov 23 00:00:00 2026\r\nFrom: ann@home.test": "home.test",
	} {
		for _, end := range []string{"\r\n\r\n", "\r\nTo: x@y.test\r\n\r\n", ""} {
			if got := ReadAuthor([]byte(in + end)); got.Domain != want {
				t.Errorf("%q: got %+v, want %s", in+end, got, want)
			}
		}
	}
}

func TestWhatHasNotOneAuthorHasNone(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"no field":           "To: ann@home.test",
		"empty":              "From:",
		"two fields":         "From: ann@home.test\r\nFrom: bob@evil.test",
		"the same twice":     "From: ann@home.test\r\nfrom\t: ann@home.test",
		"after a bare LF":    "Subject: x\nFrom: ceo@bank.test\r\nFrom: ann@home.test",
		"two domains":        "From: ann@home.test, ceo@bank.test",
		"in two groups":      "From: A: ann@home.test; B: ceo@bank.test;",
		"no comma":           "From: <ann@home.test> <ceo@bank.test>",
		"free before":        "From: ceo@bank.test <mallory@evil.test>",
		"free after":         "From: <mallory@evil.test> ceo@bank.test",
		"two in a row":       "From: ceo@bank.test mallory@evil.test",
		"no domain":          "From: root (Cron Daemon)",
		"empty group":        "From: undisclosed:;",
		"null":               "From: <>",
		"a literal":          "From: ann@[192.0.2.1]",
		"two ats":            "From: <ann@home.test@evil.test>",
		"no local part":      "From: <@home.test>",
		"a route":            "From: <@evil.test:ann@home.test>",
		"NUL":                "From: ann@home.test\x00.evil.test",
		"NUL in brackets":    "From: <ann@home.test\x00@evil.test>",
		"encoded domain":     "From: ann@=?utf-8?q?home.test?=",
		"quoted domain":      `From: <ann@"home.test">`,
		"open quote":         `From: "Ann <ann@home.test>`,
		"open comment":       "From: ann@home.test (x",
		"open bracket":       "From: Ann <ann@home.test",
		"bracket in bracket": "From: <ann@home.test<ceo@bank.test>>",
		"lonely bracket":     "From: ann@home.test>",
		"direction":          "From: ann@home.\u202etest",
		"too many":           "From: " + strings.Repeat("ann@home.test,", 2000),
		"cut off":            "From: ann@home.test\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n",
	} {
		if got := ReadAuthor([]byte(in)); got.Domain != "" || got.Reason == "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func FuzzAuthor(f *testing.F) {
	for _, s := range []string{"From: ann@home.test\r\n\r\n", "From: A <a@b.test>, \"c\" <d@e.test>\r\n", "From: G: a@b.test;\r\n",
		"From: =?utf-8?q?a?= <a@bücher.test>\r\n", "From: a(b(c)\\))@d.test\r\n", "From : <<a@b.test>>\r\nFrom: x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		a := ReadAuthor(header)
		if (a.Domain == "") == (a.Reason == "") {
			t.Fatalf("%q: %+v", header, a)
		}
		if a.Domain == "" {
			return
		}
		if d, err := mail.Domain(a.Domain); err != nil || d != a.Domain {
			t.Fatalf("%q: the domain is %q", header, a.Domain)
		}
	})
}
