package mail

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// scanned is what a scan of raw, cut in pieces, came to.
type scanned struct {
	*Summary
	text string
	taps map[*Part]string
	raw  string
}

func scanPieces(t interface{ Fatalf(string, ...any) }, raw string, cut int) scanned {
	r := scanned{raw: raw, taps: map[*Part]string{}}
	var all strings.Builder
	s := &Scanner{Tap: func(p *Part, b []byte) error {
		all.Write(b)
		if p != nil {
			if p.Type == "" || p.BodyOffset == 0 && p.Offset != p.BodyOffset {
				t.Fatalf("a part is tapped before its header is complete: %+v", p)
			}
			r.taps[p] += string(b)
		}
		return nil
	}}
	for rest := raw; rest != ""; {
		n := min(cut, len(rest))
		if k, err := s.Write([]byte(rest[:n])); k != n || err != nil {
			t.Fatalf("write of %d: %d, %v", n, k, err)
		}
		rest = rest[n:]
	}
	sum, text, err := s.Close()
	if err != nil {
		t.Fatalf("%v", err)
	}
	if all.String() != raw {
		t.Fatalf("the tap saw %q of %q", all.String(), raw)
	}
	r.Summary, r.text = sum, string(text)
	return r
}

// check holds what is true of every scan, whatever was scanned.
func (r scanned) check(t interface{ Fatalf(string, ...any) }) {
	n := 0
	var walk func(p *Part, from, to int64)
	walk = func(p *Part, from, to int64) {
		n++
		end := p.BodyOffset + p.Size
		if p.Offset < from || p.BodyOffset < p.Offset || p.Size < 0 || end > to {
			t.Fatalf("part %s at %d, body %d to %d, is not within %d to %d of %q", p.Type, p.Offset, p.BodyOffset, end, from, to, r.raw)
		}
		body := r.raw[p.BodyOffset:end]
		if lines := int64(strings.Count(body, "\n")); p.Lines != lines {
			t.Fatalf("part %s has %d lines, said %d: %q", p.Type, lines, p.Lines, body)
		}
		if !isType(p.Type) || p.Encoding == "7bit" {
			t.Fatalf("type %q, encoding %q", p.Type, p.Encoding)
		}
		if len(p.Children) == 0 && p.Message == nil {
			if octets := r.taps[p]; octets != body && !strings.HasPrefix(p.Type, "multipart/") {
				t.Fatalf("the tap of %s saw %q, its body is %q of %q", p.Type, octets, body, r.raw)
			}
		} else if r.taps[p] != "" {
			t.Fatalf("%s is no leaf, and was tapped", p.Type)
		}
		at := p.BodyOffset
		for _, c := range p.Children {
			walk(c, at, end)
			at = c.BodyOffset + c.Size
		}
		if p.Message != nil {
			if p.Message.Root.Offset != p.BodyOffset || p.Message.Root.BodyOffset+p.Message.Root.Size != end {
				t.Fatalf("an attached message does not fill its part: %q", r.raw)
			}
			walk(p.Message.Root, p.BodyOffset, end)
		}
	}
	if r.Root.Offset != 0 || r.Root.BodyOffset+r.Root.Size != int64(len(r.raw)) {
		t.Fatalf("the root does not fill the message: %+v of %d", r.Root, len(r.raw))
	}
	walk(r.Root, 0, int64(len(r.raw)))
	if n > maxParts+maxDepth {
		t.Fatalf("%d parts", n)
	}
	checkCard(t, r.Card)
	if !utf8.ValidString(r.text) || strings.Contains(r.text, "\x00") {
		t.Fatalf("text %q", r.text)
	}
	if !strings.HasPrefix(r.text, string(HeaderWords(r.Summary))) {
		t.Fatalf("%q does not begin with %q", r.text, HeaderWords(r.Summary))
	}
	for _, s := range []string{r.Subject, r.Preview, r.MessageID, r.Lang, r.Auto} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || len(s) > maxWords {
			t.Fatalf("%q", s)
		}
	}
}

var shapes = []string{"--out", "--in", "--out--", "--in--", "\r\n", "\r\n", "\n", "\r", "-", "--", " ", "x", ">q\r\n", "\r\n--out\r\n", "\r\n--in\r\n", "\r\n--in--\r\n", "\r\n--out--\r\n",
	"Content-Type: multipart/mixed; boundary=out\r\n", "Content-Type: multipart/alternative; boundary=in\r\n", "Content-Type: multipart/digest; boundary=in\r\n\r\n",
	"Content-Type: message/rfc822\r\n\r\n", "Content-Type: text/html\r\n", "Content-Type: text/plain; charset=utf-8; name=a\r\n", "Subject: a\r\n", "\r\n\r\n",
	"Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: quoted-printable\r\n", "AAAA", "=C3=", "no colon\r\n", "\x00", "é", "\xe9", "<p>", "<!--",
	strings.Repeat(" ", maxLine-6), strings.Repeat("y", maxLine-1), "--out" + strings.Repeat(" ", maxLine-5), "--out" + strings.Repeat("\t", maxLine-7)}

func TestAMailReadsTheSameHoweverItIsCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := nested
		least := rapid.SampledFrom([]int{0, 20, 50}).Draw(t, "least") // left alone, mails come out short
		if rapid.IntRange(0, 9).Draw(t, "random") > 0 {
			raw = "Content-Type: multipart/mixed; boundary=out\r\n" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(shapes), least, 60).Draw(t, "pieces"), "")
		}
		describe := func(cut int) string {
			r := scanPieces(t, raw, cut)
			r.check(t)
			b := fmt.Sprintf("%s\n%s\n%q\n", asJSON(t, r.Summary), r.text, r.Card.Append(nil))
			r.Root.Walk(func(p *Part) { b += fmt.Sprintf("%q\n", r.taps[p]) })
			return b
		}
		whole := describe(len(raw))
		for _, cut := range []int{1, rapid.IntRange(2, 40).Draw(t, "cut"), rapid.IntRange(900, 1100).Draw(t, "long cut")} {
			if got := describe(cut); got != whole {
				t.Fatalf("in pieces of %d: %q\nwhole:\n%.3000s\ncut:\n%.3000s", cut, raw, whole, got)
			}
		}
	})
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(nested), 7)
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--"), 1)
	f.Add([]byte("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\ny\r\n--b\r\nno header\r\n--b--\r\n"), 3)
	f.Add([]byte("Content-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n"), 5)
	f.Fuzz(func(t *testing.T, raw []byte, cut int) {
		a := scanPieces(t, string(raw), max(1, len(raw)))
		a.check(t)
		b := scanPieces(t, string(raw), max(1, cut))
		if x, y := asJSON(t, a.Summary), asJSON(t, b.Summary); x != y || a.text != b.text {
			t.Fatalf("%s\n%s\n%q\n%q", x, y, a.text, b.text)
		}
	})
}
