package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// cutReader returns n octets at a time.
type cutReader struct {
	r io.Reader
	n int
}

func (c cutReader) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.n)]) }

func decodeAll(t interface{ Fatal(...any) }, encoding, s string, cut int) (string, bool) {
	d := DecodeBody(encoding, cutReader{strings.NewReader(s), cut})
	b, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), d.Bad()
}

func TestBrokenEncodingsAreReadAsWellAsTheyCanBe(t *testing.T) {
	t.Parallel()
	const b, q = "base64", "quoted-printable"
	for _, c := range []struct {
		name, encoding, in, want string
		bad                      bool
	}{
		{"regular", b, "aGVsbG8gd29ybGQ=\r\n", "hello world", false},
		{"empty", b, "", "", false},
		{"only white space", b, "\r\n \t\r\n", "", false},
		{"in capitals", "BASE64 ", "aGk=", "hi", false},
		{"bare newlines", b, "aGVs\nbG8=\n", "hello", false},
		{"odd line lengths", b, "aGVsb\r\nG8gd29\r\nybG\r\nQ=", "hello world", false},
		{"blanks within", b, "aGVs bG8\t=", "hello", false},
		{"padding is missing", b, "aGVsbG8", "hello", true},
		{"a single character is left", b, "aGVsa", "hel", true},
		{"pieces encoded one by one", b, "aGk=aGk=\r\naGk=", "hihihi", false},
		{"junk between", b, "aG!V-sbG8=", "hello", true},
		{"eight-bit junk", b, "aGVs\xe9bG8=", "hello", true},
		{"too much padding", b, "aGVsbG8=====", "hello", false},
		{"padding after nothing", b, "=aGk=", "hi", false},
		{"padding too early", b, "a===aGk=", "hi", true},
		{"a text after it", b, "aGk=\r\n-- \r\nsent by X\r\n", "hi", true},

		{"regular", q, "caf=C3=A9 =\r\nau lait=3D\r\n", "café au lait=\r\n", false},
		{"lower case", q, "caf=c3=a9", "café", false},
		{"white space at the end of a line", q, "a \t\r\nb  \nc ", "a\r\nb\nc", false},
		{"encoded white space stays", q, "a=20\r\n", "a \r\n", false},
		{"blanks before a soft break's end", q, "a= \t\r\nb=\nc", "abc", false},
		{"no escape", q, "a=b, 1=2 =X9 =é", "a=b, 1=2 =X9 =é", true},
		{"half an escape", q, "a=C", "a=C", true},
		{"half an escape, then one", q, "a=C=C3=A9", "a=Cé", true},
		{"a soft break at the end", q, "a=", "a", false},
		{"an escape, cut by a line end", q, "a=4\r\n1", "a=4\r\n1", true},
		{"a bare CR after =", q, "a=\rb", "a=\rb", true},
		{"equals signs", q, "===", "==", true},
		{"eight bit", q, "é", "é", false},

		{"7bit", "7bit", "a=C3", "a=C3", false},
		{"none", "", "a=C3", "a=C3", false},
		{"8bit", "8bit", "\xe9\x00", "\xe9\x00", false},
		{"unknown", "x-uuencode", "begin 644 x", "begin 644 x", true},
	} {
		t.Run(c.encoding+" "+c.name, func(t *testing.T) {
			for _, cut := range []int{1, 2, 3, 1000} {
				switch got, bad := decodeAll(t, c.encoding, c.in, cut); {
				case c.name == "a text after it":
					if !strings.HasPrefix(got, c.want) || !bad {
						t.Errorf("%q: %q, bad %v", c.in, got, bad)
					}
				case got != c.want || bad != c.bad:
					t.Errorf("%q in pieces of %d: %q, bad %v; want %q, %v", c.in, cut, got, bad, c.want, c.bad)
				}
			}
		})
	}
}

func TestWhatWasEncodedIsDecoded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "raw")
		columns := rapid.SampledFrom([]int{1, 3, 4, 60, 64, 75, 76, 998, 100000}).Draw(t, "columns")
		eol := rapid.SampledFrom([]string{"\r\n", "\n", " \r\n"}).Draw(t, "eol")
		cut := rapid.SampledFrom([]int{1, 7, 77, 100000}).Draw(t, "cut")
		var b strings.Builder
		for i, c := range []byte(base64.StdEncoding.EncodeToString(raw)) {
			if i > 0 && i%columns == 0 {
				b.WriteString(eol)
			}
			b.WriteByte(c)
		}
		if got, bad := decodeAll(t, "base64", b.String(), cut); got != string(raw) || bad {
			t.Fatalf("base64 of %q came back as %q, bad %v", raw, got, bad)
		}
		var q bytes.Buffer
		w := quotedprintable.NewWriter(&q)
		w.Binary = true
		w.Write(raw)
		w.Close()
		if got, bad := decodeAll(t, "quoted-printable", q.String(), cut); got != string(raw) || bad {
			t.Fatalf("quoted-printable of %q came back as %q, bad %v", raw, got, bad)
		}
	})
}

func TestDecodingDoesNotDependOnThePieces(t *testing.T) {
	t.Parallel()
	pieces := []string{"=", "aGVs", "\r", "\n", " ", "\t", "3D", "C", "é", "!", "bG8=", strings.Repeat(" ", 700)}
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 40).Draw(t, "pieces"), "")
		for _, e := range []string{"base64", "quoted-printable"} {
			whole, bad := decodeAll(t, e, s, 1<<20)
			for _, cut := range []int{1, 3, 64} {
				if got, b := decodeAll(t, e, s, cut); got != whole || b != bad {
					t.Fatalf("%s of %q: %q %v in pieces of %d, %q %v whole", e, s, got, b, cut, whole, bad)
				}
			}
		}
	})
}

func TestAReadErrorIsPassedOnBehindWhatWasRead(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk broke")
	d := DecodeBody("base64", io.MultiReader(strings.NewReader("aGVsbG8="), iotest.ErrReader(broken)))
	b, err := io.ReadAll(d)
	if string(b) != "hello" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", b, err)
	}
}

// A line of blanks without an end must not be kept waiting.
func TestDecodersHoldLittle(t *testing.T) {
	t.Parallel()
	var d unquote
	var n int
	for range 1000 {
		n += len(d.decode(nil, bytes.Repeat([]byte(" "), 1000)))
		n += len(d.decode(nil, []byte("=")))
	}
	if cap(d.held) > 4*maxHeld || cap(d.esc) > 4*maxHeld || n == 0 {
		t.Errorf("%d and %d octets are held, %d came out", cap(d.held), cap(d.esc), n)
	}
}

func FuzzDecodeBody(f *testing.F) {
	f.Add("base64", []byte("aGVsbG8=\r\n"), 1)
	f.Add("quoted-printable", []byte("a=C3=A9 =\r\nb"), 3)
	f.Fuzz(func(t *testing.T, encoding string, raw []byte, cut int) {
		whole, bad := decodeAll(t, encoding, string(raw), 1<<20)
		if got, b := decodeAll(t, encoding, string(raw), max(1, cut)); got != whole || b != bad {
			t.Fatalf("%q and %q", got, whole)
		}
		if len(whole) > len(raw) {
			t.Fatalf("%d octets became %d", len(raw), len(whole))
		}
	})
}
