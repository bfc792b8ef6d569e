package secure_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/smtp/relay/secure"
)

func TestAPolicyIsRead(t *testing.T) {
	t.Parallel()
	const plain = "version: STSv1\nmode: enforce\nmx: mail.far.test\nmx: *.far.test\nmax_age: 86400\n"
	for _, c := range []struct{ name, text, mode, mx, age string }{
		{"plain", plain, "enforce", "mail.far.test *.far.test", "24h"},
		{"CRLF", strings.ReplaceAll(plain, "\n", "\r\n"), "enforce", "mail.far.test *.far.test", "24h"},
		{"no end of the last line", strings.TrimSpace(plain), "enforce", "mail.far.test *.far.test", "24h"},
		{"no space, trailing space, empty line", "version:STSv1 \nmode:testing\t\n\nmx:MAIL.Far.Test.\nmax_age:60\n", "testing", "mail.far.test", "1m"},
		{"the first of two counts", plain + "mode: none\nmax_age: 1\nversion: STSv2\n", "enforce", "mail.far.test *.far.test", "24h"},
		{"extensions", strings.Repeat("x_new: thing: other\n", 30) + plain, "enforce", "mail.far.test *.far.test", "24h"},
		{"none needs no hosts", "version: STSv1\nmode: none\nmax_age: 1\n", "none", "", "1s"},
		{"longer than may be", strings.Replace(plain, "86400", "9999999999", 1), "enforce", "mail.far.test *.far.test", "8766h"},

		{"another version", strings.Replace(plain, "STSv1", "STSv2", 1), "", "", ""},
		{"no version", strings.Replace(plain, "version", "x", 1), "", "", ""},
		{"no mode", strings.Replace(plain, "mode", "x", 1), "", "", ""},
		{"no age", strings.Replace(plain, "max_age", "x", 1), "", "", ""},
		{"no host", "version: STSv1\nmode: enforce\nmax_age: 1\n", "", "", ""},
		{"a mode of its own", strings.Replace(plain, "enforce", "Enforce", 1), "", "", ""},
		{"a negative age", strings.Replace(plain, "86400", "-1", 1), "", "", ""},
		{"an age in words", strings.Replace(plain, "86400", "1 day", 1), "", "", ""},
		{"a star within", strings.Replace(plain, "*.far", "mail.*.far", 1), "", "", ""},
		{"half a star", strings.Replace(plain, "*.far", "m*.far", 1), "", "", ""},
		{"only a star", strings.Replace(plain, "*.far.test", "*", 1), "", "", ""},
		{"a page", "<!doctype html><title>Not found</title>", "", "", ""},
		{"nothing", "", "", "", ""},
	} {
		p, err := secure.ParsePolicy(c.text)
		if c.mode == "" {
			if err == nil {
				t.Errorf("%s: taken as %+v", c.name, p)
			}
			continue
		}
		age, _ := time.ParseDuration(c.age)
		if err != nil || p.Mode != c.mode || strings.Join(p.MX, " ") != c.mx || p.MaxAge != age {
			t.Errorf("%s: got %+v, %v", c.name, p, err)
		}
	}
}

func TestAStarStandsForOneLabel(t *testing.T) {
	t.Parallel()
	p := &secure.Policy{MX: []string{"mail.far.test", "*.mx.far.test"}}
	for host, want := range map[string]bool{"mail.far.test": true, "MAIL.far.test.": true, "a.mx.far.test": true, "mx.far.test": false,
		"a.b.mx.far.test": false, "far.test": false, "xmail.far.test": false, "test": false, "": false} {
		if p.Names(host) != want {
			t.Errorf("%q: got %v", host, !want)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add("version: STSv1\r\nmode: enforce\r\nmx: *.far.test\r\nmax_age: 86400\r\n")
	f.Add("version:STSv1\nmode:none\nmax_age:0")
	f.Add("mx: .\nmx: *.\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := secure.ParsePolicy(text)
		if err != nil {
			return
		}
		again, err := secure.ParsePolicy(p.String())
		if err != nil {
			t.Fatalf("%q cannot be read again: %v", p, err)
		}
		if again.Mode != p.Mode || again.MaxAge != p.MaxAge || !slices.Equal(again.MX, p.MX) {
			t.Fatalf("got %+v, want %+v", again, p)
		}
		if p.Mode != secure.Enforce && p.Mode != secure.Testing && p.Mode != secure.None || p.MaxAge < 0 {
			t.Fatalf("got %+v", p)
		}
	})
}
