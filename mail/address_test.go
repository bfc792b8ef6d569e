package mail

import (
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAddressesAreReadAsSMTPWritesThem(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for in, want := range map[string]Address{
		"ann@home.test":           {"ann", "home.test"},
		"Ann.B+x@HOME.test":       {"Ann.B+x", "home.test"},
		`"ann"@home.test`:         {"ann", "home.test"},
		`"a b"@home.test`:         {"a b", "home.test"},
		`"a\"\\@b"@home.test`:     {`a"\@b`, "home.test"},
		`""@home.test`:            {"", "home.test"},
		"rené@home.test":          {"rené", "home.test"},
		"ann@Bücher.example":      {"ann", "xn--bcher-kva.example"},
		"ann@bücher。example":      {"ann", "xn--bcher-kva.example"},
		"a@a--b.test":             {"a", "a--b.test"},
		"a@xn--i-7iq.ws":          {"a", "xn--i-7iq.ws"},
		"a@_dmarc.home.test":      {"a", "_dmarc.home.test"},
		"Postmaster":              {"Postmaster", ""},
		long + "@home.test":       {long, "home.test"},
		"a@" + long[:63] + ".com": {"a", long[:63] + ".com"},
	} {
		got, err := ParseAddress(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", in, got, err, want)
			continue
		}
		if again, err := ParseAddress(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s, which reads as %+v, %v", in, got, again, err)
		}
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 65)
	for _, in := range []string{
		"", "ann", "@", "@home.test", "ann@", "ann@@home.test", "a@b@home.test", ".a@home.test", "a.@home.test", "a..b@home.test",
		"a b@home.test", "a@home test", "a@[127.0.0.1]", "a@home.test.", "a@.home.test", "a@-x.test", "a@x-.test",
		"@relay.test:a@home.test", "@a,@b:c@home.test", "<a@home.test>", "a@home.test>", "a@home.test\r\nRCPT TO:<b@x>",
		"a\x00@home.test", "a@home\x00.test", `"a`, `"a"`, `"a"b@home.test`, "\"a\r\n\"@home.test", `"postmaster"`, "postmaster@",
		"a(c)@home.test", long + "@home.test", "a@" + long + ".com", "a\xff@home.test", "\"\xff\"@home.test",
		"a\u202eb@home.test", "a\u0085@home.test", "a\u00a0b@home.test", "a@home\u202e.test", "a@ho＠me.test", "a@" + strings.Repeat("é.", 120) + "fr",
		"a@" + strings.Repeat("a.", 130) + "com", "ann@home.test ", " ann@home.test",
	} {
		if got, err := ParseAddress(in); err == nil || !Is(err, BadAddress) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

// The null reverse-path is an Address, but nobody writes it as one.
func TestTheNullPathIsZero(t *testing.T) {
	t.Parallel()
	if a := (Address{}); !a.IsZero() || a.String() != "" {
		t.Errorf("%q", a.String())
	}
	if a := MustAddress(`""@home.test`); a.IsZero() || a.String() != `""@home.test` {
		t.Errorf("%q", a.String())
	}
}

func TestOnePersonHasOneKey(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"ann@home.test", "ANN@HOME.TEST", `"ann"@home.test`, "ａｎｎ@home.test"},
		{"rené@bücher.example", "RENÉ@xn--bcher-kva.example", "rene\u0301@BÜCHER.example"},
	} {
		want := MustAddress(same[0]).Key()
		for _, s := range same[1:] {
			if got := MustAddress(s).Key(); got != want {
				t.Errorf("%s has the key %q, %s has %q", s, got, same[0], want)
			}
		}
	}
	if a, b := MustAddress("ann@home.test").Key(), MustAddress("аnn@home.test").Key(); a == b {
		t.Error("a Cyrillic letter passes for a Latin one")
	}
	if MustAddress("rené@x.test").IsASCII() || !MustAddress("ann@bücher.example").IsASCII() {
		t.Error("SMTPUTF8 is needed for the local part, and not for the domain")
	}
}

func TestReadingAnAddressTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringOfN(rapid.RuneFrom([]rune(`abZ09.+-_"\ @é中ａİßı`)), 0, 20, -1).Draw(t, "local")
		a := Address{local, "home.test"}
		got, err := ParseAddress(a.String())
		if err != nil {
			t.Skip("no address")
		}
		if got != a {
			t.Fatalf("%q came back as %q", a, got)
		}
		if k := a.Key(); FoldLocal(FoldLocal(local)) != FoldLocal(local) {
			t.Fatalf("folding %q again changes it", k)
		}
	})
}

func TestRefusalsRepeatStrangersTextHarmlessly(t *testing.T) {
	t.Parallel()
	_, err := ParseAddress("a\r\n250 ok\x1b[31mé" + strings.Repeat("x", 200))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	got := e.Text.Args["Address"].(string)
	if len(got) > 80 || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("%q", got)
	}
}

// The addresses of isemail.info: those that are none are refused, those that
// SMTP knows are taken. Address literals are refused on purpose.
func TestIsEmailAddresses(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "shared", "corpora", "addr", "isemail", "test", "tests.xml"))
	if err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	type one struct {
		ID        string `xml:"id,attr"`
		Address   string `xml:"address"`
		Category  string `xml:"category"`
		Diagnosis string `xml:"diagnosis"`
	}
	var list struct {
		Test []one `xml:"test"`
	}
	if err := xml.Unmarshal(b, &list); err != nil || len(list.Test) < 100 {
		t.Fatalf("%d tests, %v", len(list.Test), err)
	}
	for _, c := range list.Test {
		in := strings.Map(func(r rune) rune {
			if r >= 0x2400 && r < 0x2420 { // how the file writes controls
				return r - 0x2400
			}
			return r
		}, c.Address)
		_, err := ParseAddress(in)
		switch c.Category {
		case "ISEMAIL_ERR", "ISEMAIL_CFWS":
			if err == nil {
				t.Errorf("%s: %q (%s) is taken", c.ID, in, c.Diagnosis)
			}
		case "ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321":
			if (err != nil) != (c.Diagnosis == "ISEMAIL_RFC5321_ADDRESSLITERAL") {
				t.Errorf("%s: %q (%s): %v", c.ID, in, c.Diagnosis, err)
			}
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"ann@home.test", `"a b"@x.test`, "rené@bücher.example", "@a:b@c", "a@[1.2.3.4]", "postmaster", "a\x00@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			if !Is(err, BadAddress) {
				t.Fatal(err)
			}
			return
		}
		if len(a.String()) > MaxAddress || strings.ContainsAny(a.String(), "\r\n\x00<>") && !strings.Contains(a.String(), `"`) {
			t.Fatalf("%q is taken as %q", s, a)
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a {
			t.Fatalf("%q reads as %q, and that as %q, %v", s, a, again, err)
		}
	})
}
