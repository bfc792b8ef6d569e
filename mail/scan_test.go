package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func scan(t testing.TB, raw string, cut int) (*Summary, string) {
	t.Helper()
	r := scanPieces(t, raw, cut)
	r.check(t)
	return r.Summary, r.text
}

func asJSON(t interface{ Fatal(...any) }, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const nested = "From: =?utf-8?q?Ann_L=C3=A9a?= <ann@home.test>\r\n" +
	"To: bob@far.test, \"C, D\" <cd@far.test>\r\n" +
	"Subject: =?iso-8859-1?q?=C9t=E9?=\r\n" +
	"Message-ID: <1@home.test>\r\nReferences: <a@x> <b@x>\r\n" +
	"Content-Type: multipart/mixed; boundary=out\r\n\r\npreamble\r\n" +
	"--out\r\nContent-Type: multipart/alternative; boundary=\"in\"\r\n\r\n" +
	"--in\r\n\r\n> quoted\r\nHello there.\r\nBye.\r\n" +
	"--in\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Caf=C3=A9<script>x</script></p>\r\n--in--\r\nepilogue\r\n" +
	"--out\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename*=utf-8''%C3%A9t%C3%A9.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\nBBBB\r\n" +
	"--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner body\r\n--not a boundary\r\n" +
	"--out--\r\n"

func TestTheStructureOfANestedMailIsExact(t *testing.T) {
	t.Parallel()
	s, text := scan(t, nested, 1<<20)
	body := func(p *Part) string { return nested[p.BodyOffset : p.BodyOffset+p.Size] }
	if s.Subject != "Été" || s.From[0].Name != "Ann Léa" || s.From[0].Addr != "ann@home.test" {
		t.Errorf("subject %q from %+v", s.Subject, s.From)
	}
	if len(s.To) != 2 || s.To[1] != (Mailbox{"C, D", "cd@far.test"}) {
		t.Errorf("to %+v", s.To)
	}
	if s.MessageID != "1@home.test" || len(s.References) != 2 || s.Preview != "Hello there. Bye." || !s.Attachment {
		t.Errorf("%+v", s)
	}
	r := s.Root
	if len(r.Children) != 3 || len(r.Children[0].Children) != 2 {
		t.Fatalf("structure %s", asJSON(t, r))
	}
	plain, html, pdf, inner := r.Children[0].Children[0], r.Children[0].Children[1], r.Children[1], r.Children[2]
	for _, c := range []struct {
		p     *Part
		typ   string
		body  string
		lines int64
	}{
		{plain, "text/plain", "> quoted\r\nHello there.\r\nBye.", 2},
		{html, "text/html", "<p>Caf=C3=A9<script>x</script></p>", 0},
		{pdf, "application/pdf", "AAAA\r\nBBBB", 1},
		{inner, "message/rfc822", "Subject: inner\r\n\r\ninner body\r\n--not a boundary", 3},
		{inner.Message.Root, "text/plain", "inner body\r\n--not a boundary", 1},
	} {
		if c.p.Type != c.typ || body(c.p) != c.body || c.p.Lines != c.lines {
			t.Errorf("%s with %d lines %q, want %s %d %q", c.p.Type, c.p.Lines, body(c.p), c.typ, c.lines, c.body)
		}
	}
	if pdf.Filename != "été.pdf" {
		t.Errorf("file name %q", pdf.Filename)
	}
	if inner.Message.Subject != "inner" {
		t.Errorf("inner subject %q", inner.Message.Subject)
	}
	for _, want := range []string{"ete", "ann lea", "hello there", "cafe", "inner body", "ete.pdf"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text for search lacks %q: %q", want, text)
		}
	}
	if strings.Contains(text, "script") {
		t.Errorf("the text holds markup: %q", text)
	}
}

func TestBrokenMailIsSurvivedAndNoted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, raw, defect string }{
		{"nothing", "", ""},
		{"no header", "\r\nbody\r\n", ""},
		{"no body", "Subject: x\r\n", ""},
		{"a line without a colon", "Subject: x\r\nwhat is this\r\n\r\nbody", "bad header line"},
		{"a megabyte of header", "X: " + strings.Repeat("y", 1<<20) + "\r\n\r\nbody", "header too long"},
		{"no boundary", "Content-Type: multipart/mixed\r\n\r\nbody", "missing boundary"},
		{"no last boundary", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbody", "missing last boundary"},
		{"deep", strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 500), "too many parts"},
		{"many", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 100_000) + "--b--", "too many parts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := scan(t, c.raw, 1000)
			if c.defect != "" && (len(s.Defects) == 0 || s.Defects[0] != c.defect) {
				t.Errorf("defects %q, want %q", s.Defects, c.defect)
			}
			n := 0
			s.Root.Walk(func(*Part) { n++ })
			if n > maxParts+1 {
				t.Errorf("%d parts are kept", n)
			}
		})
	}
}

// outline writes a structure with what IMAP says of it: offset, body offset,
// size and lines.
func outline(p *Part) string {
	s := fmt.Sprintf("%s %d+%d:%d/%d", p.Type, p.Offset, p.BodyOffset-p.Offset, p.Size, p.Lines)
	var in []string
	for _, c := range p.Children {
		in = append(in, outline(c))
	}
	if p.Message != nil {
		in = append(in, outline(p.Message.Root))
	}
	if in != nil {
		s += " (" + strings.Join(in, ", ") + ")"
	}
	return s
}

func TestStructuresAreExact(t *testing.T) {
	t.Parallel()
	const mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n" // 45 octets
	for _, c := range []struct{ name, raw, want string }{
		{"text alone", "A: b\r\n\r\none\r\ntwo\r\n", "text/plain 0+8:10/2"},
		{"text without its last line end", "A: b\r\n\r\none\r\ntwo", "text/plain 0+8:8/1"},
		{"bare newlines", "A: b\n\none\n", "text/plain 0+6:4/1"},
		{"one part", mixed + "--b\r\n\r\none\r\n--b--\r\n", "multipart/mixed 0+45:19/4 (text/plain 50+2:3/0)"},
		{"an empty part", mixed + "--b\r\n\r\n\r\n--b--", "multipart/mixed 0+45:14/3 (text/plain 50+2:0/0)"},
		{"a part with an empty line", mixed + "--b\r\n\r\n\r\n\r\n--b--", "multipart/mixed 0+45:16/4 (text/plain 50+2:2/1)"},
		{"a boundary right behind the header", mixed + "--b\r\n\r\n--b--", "multipart/mixed 0+45:12/2 (text/plain 50+2:0/0)"},
		{"a boundary where a header was", mixed + "--b\r\n--b\r\nX: y\r\n--b--", "multipart/mixed 0+45:21/3 (text/plain 50+0:0/0, text/plain 55+6:0/0)"},
		{"preamble and epilogue", mixed + "pre\r\n--b\r\n\r\none\r\n--b--\r\nepi\r\n", "multipart/mixed 0+45:29/6 (text/plain 55+2:3/0)"},
		{"boundaries with bare newlines", mixed + "--b\n\none\n--b--\n", "multipart/mixed 0+45:15/4 (text/plain 49+1:3/0)"},
		{"blanks behind boundaries", mixed + "--b \t\r\n\r\none\r\n--b-- \r\n", "multipart/mixed 0+45:22/4 (text/plain 52+2:3/0)"},
		{"lines like boundaries", mixed + "--b\r\n\r\n--bb\r\n--b-\r\n --b\r\n--b--x\r\n--b--", "multipart/mixed 0+45:38/6 (text/plain 50+2:24/3)"},
		{"no last boundary", mixed + "--b\r\n\r\none\r\n", "multipart/mixed 0+45:12/3 (text/plain 50+2:5/1)"},
		{"a second life after the last boundary", mixed + "--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\ntwo", "multipart/mixed 0+45:29/6 (text/plain 50+2:3/0)"},
		{"the end of one boundary begins the next", mixed + "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\none\r\n--c--\r\n--b--",
			"multipart/mixed 0+45:80/7 (multipart/alternative 50+51:17/3 (text/plain 106+2:3/0))"},
		{"an outer boundary ends all within", mixed + "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\none\r\n--b--",
			"multipart/mixed 0+45:73/6 (multipart/alternative 50+51:10/2 (text/plain 106+2:3/0))"},
		{"boundaries of which one begins the other", mixed + "--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\none\r\n--bb--\r\n--b--",
			"multipart/mixed 0+45:83/7 (multipart/alternative 50+52:19/3 (text/plain 108+2:3/0))"},
		{"an attached mail", mixed + "--b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\none\r\n--b--", "multipart/mixed 0+45:55/6 (message/rfc822 50+32:11/2 (text/plain 82+8:3/0))"},
		{"a digest", "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\none\r\n--b--", "multipart/digest 0+46:25/5 (message/rfc822 51+2:11/2 (text/plain 53+8:3/0))"},
		{"an attached mail in base64 is nobody's but its reader's", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg0K", "message/rfc822 0+67:8/0"},
		{"a part without a header", mixed + "--b\r\none two\r\nthree\r\n--b--", "multipart/mixed 0+45:26/3 (text/plain 50+0:14/1)"},
		{"an endless multipart type", "Content-Type: multipart/mixed\r\n\r\nbody", "multipart/mixed 0+33:4/0"},
		{"a quoted boundary with blanks", "Content-Type: multipart/mixed; boundary=\"b c\"\r\n\r\n--b c\r\n\r\none\r\n--b c--", "multipart/mixed 0+49:21/3 (text/plain 56+2:3/0)"},
		{"an encoded multipart", "Content-Transfer-Encoding: base64\r\n" + mixed + "--b\r\n\r\none\r\n--b--", "multipart/mixed 0+80:17/3 (text/plain 85+2:3/0)"},
		{"a type that is none", "Content-Type: text\r\n\r\none", "text/plain 0+22:3/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := scanPieces(t, c.raw, len(c.raw))
			r.check(t)
			if got := outline(r.Root); got != c.want {
				t.Errorf("%q\n got %s\nwant %s", c.raw, got, c.want)
			}
		})
	}
}

// How long a boundary line may be is decided by its octets, not by its pieces.
func TestLongBoundaryLinesAreTheSameInAllPieces(t *testing.T) {
	t.Parallel()
	for n := maxLine - 2; n <= maxLine+2; n++ {
		raw := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\n--b" + strings.Repeat(" ", n-3) + "\n\ntwo"
		whole := scanPieces(t, raw, len(raw))
		if got, want := len(whole.Root.Children), 1; n <= maxLine {
			if got != want+1 {
				t.Errorf("a line of %d: %d parts", n, got)
			}
		} else if got != want {
			t.Errorf("a line of %d: %d parts", n, got)
		}
		for cut := len(raw) - 12; cut < len(raw); cut++ {
			r := scanPieces(t, raw, cut)
			r.check(t)
			if outline(r.Root) != outline(whole.Root) {
				t.Errorf("a line of %d, cut at %d: %s, whole %s", n, cut, outline(r.Root), outline(whole.Root))
			}
		}
	}
}

func TestWhatAPersonWouldCallAnAttachment(t *testing.T) {
	t.Parallel()
	multi := func(kind string, parts ...string) string {
		return "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n"
	}
	const text, pdf = "Content-Type: text/plain\r\n\r\nx", "Content-Type: application/pdf\r\n\r\nx"
	const shown = "Content-Type: image/png; name=logo.png\r\nContent-ID: <1@x>\r\n\r\nx"
	for _, c := range []struct {
		name, raw string
		want      bool
	}{
		{"text", text, false},
		{"only a PDF", pdf, true},
		{"text and a PDF", multi("mixed", text, pdf), true},
		{"text in two forms", multi("alternative", text, "Content-Type: text/html\r\n\r\nx"), false},
		{"a text file", multi("mixed", text, "Content-Disposition: attachment; filename=a.txt\r\n\r\nx"), true},
		{"a footer", multi("mixed", text, text), false},
		{"a picture that the text shows", multi("related", "Content-Type: text/html\r\n\r\nx", shown), false},
		{"the same picture by itself", multi("mixed", text, shown), true},
		{"a signed text", multi("signed", text, "Content-Type: application/pgp-signature; name=signature.asc\r\n\r\nx"), false},
		{"a bounce", multi("report", text, "Content-Type: message/delivery-status\r\n\r\nx", "Content-Type: message/rfc822\r\n\r\n\r\nx"), false},
		{"a forwarded mail", multi("mixed", text, "Content-Type: message/rfc822\r\n\r\n\r\nx"), true},
		{"an invitation", multi("alternative", text, "Content-Type: text/calendar\r\n\r\nx"), false},
		{"an encrypted mail", multi("encrypted", "Content-Type: application/pgp-encrypted\r\n\r\nx", "Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\nx"), false},
		{"a photo from a telephone", multi("mixed", text, "Content-Type: image/jpeg; name=a.jpg\r\nContent-Disposition: inline; filename=a.jpg\r\n\r\nx"), true},
	} {
		if s, _ := scan(t, c.raw, 1000); s.Attachment != c.want {
			t.Errorf("%s: %v", c.name, s.Attachment)
		}
	}
}

func TestPreviewsShowWhatAPersonWouldReadFirst(t *testing.T) {
	t.Parallel()
	html := func(s string) string { return "Content-Type: text/html\r\n\r\n" + s }
	for _, c := range []struct{ name, raw, want string }{
		{"text", "\r\n  Hello\tthere. \r\n\r\nBye.\r\n", "Hello there. Bye."},
		{"an answer below", "\r\nOn Monday Ann wrote:\r\n> Hi.\r\n>> Oh.\r\n\r\nYes.\r\n", "Yes."},
		{"an answer above", "\r\nYes.\r\n\r\nOn Monday Ann wrote:\r\n> Hi.\r\n", "Yes."},
		{"nothing but a quotation", "\r\n> Hi.\r\n", "> Hi."},
		{"a signature", "\r\nHi.\r\n-- \r\nAnn\r\n", "Hi."},
		{"nothing", "\r\n\r\n", ""},
		{"links", "\r\nSee https://home.test/t/secret?x and <http://x.test/>, ftp://y.test\r\n", "See https://home.test/… and <http://x.test/… ftp://y.test"},
		{"links without a path", "\r\nhttps://home.test?token=secret https://home.test#secret\r\n", "https://home.test/… https://home.test/…"},
		{"HTML", html("<html><head><title>T</title><style>a{}</style></head><body><p>Caf&eacute; &lt;b&gt;<br>a<!-- no --><script>no()</script>b</body>"), "Café <b> a b"},
		{"HTML with odd attributes", html(`<a title="x>y" href='z>'>link</a> 1 < 2 <b<i>c`), "link 1 < 2 c"},
		{"padding", html("Hi&nbsp;&zwnj;&#8203;&shy;&#847; you\u034f"), "Hi you"},
		{"text before HTML", "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nfrom HTML\r\n--b\r\n\r\nfrom text\r\n--b--", "from text"},
		{"HTML when the text is empty", "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n \r\n--b\r\nContent-Type: text/html\r\n\r\nfrom HTML\r\n--b--", "from HTML"},
		{"not from an attachment", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\nfile\r\n--b\r\n\r\ntext\r\n--b--", "text"},
		{"a forwarded mail alone", "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner", "inner"},
		{"one long word", "\r\n" + strings.Repeat("é", 300), strings.Repeat("é", 250)},
		{"quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\nCaf=C3=A9 =\r\nnoir", "Café noir"},
		{"base64 in Latin-1", "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nQ2Fm6Q==", "Café"},
		{"eight bits without a label", "\r\nCaf\xe9", "Café"},
		{"a NUL", "\r\na\x00b", "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s, _ := scan(t, c.raw, 1000); s.Preview != c.want {
				t.Errorf("%q, want %q", s.Preview, c.want)
			}
		})
	}
}

func TestTheEnvelopeIsReadFromOddHeaders(t *testing.T) {
	t.Parallel()
	s, _ := scan(t, "From ann@x Sun Nov 22\r\nSUBJECT : =?utf-8?q?a?=\r\n b\r\nFrom: a@x\r\nFrom: b@x\r\nTo: c@x\r\nTo: d@x\r\nMessage-ID: no@brackets\r\n"+
		"In-Reply-To: your mail of <1 @x> and <<2@x>\r\nReferences: "+strings.Repeat("<r@x>\r\n ", 50)+"<last@x> <broken\r\nDate: Sun, 22 Nov 2026 21:00:00 +0100\r\nContent-Language: FR-ca, en\r\n\r\nx", 1000)
	if s.Subject != "a b" || len(s.From) != 1 || s.From[0].Addr != "a@x" || len(s.To) != 2 || s.MessageID != "no@brackets" || s.Lang != "fr" {
		t.Errorf("%+v", s)
	}
	if strings.Join(s.InReplyTo, " ") != "1@x 2@x" || len(s.References) != maxReferences || s.References[maxReferences-1] != "last@x" {
		t.Errorf("in reply to %q, references %q", s.InReplyTo, s.References)
	}
	if got := s.Date.Format(time.RFC3339); got != "2026-11-22T21:00:00+01:00" {
		t.Errorf("date %s", got)
	}
	if strings.Join(s.Defects, ", ") != "repeated field" {
		t.Errorf("defects %q", s.Defects)
	}
}

func TestPartsKeepTheirFields(t *testing.T) {
	t.Parallel()
	s, text := scan(t, "Content-Type: Image/PNG; name=\"x.png\"\r\nContent-ID: <id@x>\r\nContent-Description: =?utf-8?q?=C3=89t=C3=A9?=\r\nContent-Transfer-Encoding: BASE64 \r\n"+
		"Content-Disposition: INLINE; filename*=utf-8''%C3%A9.png\r\nContent-Language: fr, en\r\nContent-Location: http://x/\r\nContent-MD5: abc=\r\n\r\nAAAA", 1000)
	want := `{"t":"image/png","p":{"name":"x.png"},"i":"\u003cid@x\u003e","ds":"Été","e":"base64","d":"inline","dp":{"filename":"é.png"},"f":"é.png","l":["fr","en"],"lo":"http://x/","m5":"abc=","b":277,"z":4}`
	if got := asJSON(t, s.Root); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if text != "e.png" {
		t.Errorf("text %q", text)
	}
}

func TestTheTextForSearchIsBounded(t *testing.T) {
	t.Parallel()
	raw := "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n"+strings.Repeat("\ufdfa", 3000)+"\r\n", 10)
	s := &Scanner{Text: 5000}
	s.Write([]byte(raw))
	_, text, err := s.Close()
	if err != nil || len(text) > 5000 || len(text) < 4900 || !utf8.Valid(text) {
		t.Errorf("%d octets, %v", len(text), err)
	}
	if _, again, err := s.Close(); err != nil || string(again) != string(text) {
		t.Errorf("closed twice: %d octets, %v", len(again), err)
	}
}

func TestAnErrorOfTheTapEndsTheScan(t *testing.T) {
	t.Parallel()
	full := errors.New("no room")
	s := &Scanner{Tap: func(p *Part, _ []byte) error {
		if p != nil {
			return full
		}
		return nil
	}}
	if _, err := s.Write([]byte("A: b\r\n\r\nbody\r\n")); !errors.Is(err, full) {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, full) {
		t.Errorf("write after it: %v", err)
	}
	if _, _, err := s.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
}

// What is kept of a mail of 64 MB must not be a fraction of it.
func TestMemoryDoesNotGrowWithTheMail(t *testing.T) {
	for _, c := range []struct{ name, head, chunk string }{
		{"an attachment", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\n", strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 800)},
		{"one line", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--", strings.Repeat("-", 64<<10)},
		{"a header line", "X: ", strings.Repeat("y", 64<<10)},
		{"fields", "", strings.Repeat("Received: x\r\nTo: a@x, b@x\r\n", 3000)},
		{"parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", strings.Repeat("--b\r\nX: y\r\n\r\nz\r\n", 4000)},
		{"levels", "", strings.Repeat("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 1300)},
		{"mails in mails", "", strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 2000)},
		{"HTML", "Content-Type: text/html\r\n\r\n", strings.Repeat("<p>&amp;", 8000)},
		{"soft breaks", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", strings.Repeat("= ", 32<<10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			s := &Scanner{}
			s.Write([]byte(c.head))
			for chunk := []byte(c.chunk); s.off < 64<<20; {
				s.Write(chunk)
				if s.off == 0 {
					break
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
				t.Errorf("%d octets are kept", grown)
			}
			sum, _, err := s.Close()
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := json.Marshal(sum); len(b) > 2<<20 {
				t.Errorf("a summary of %d octets", len(b))
			}
		})
	}
}

// What is too many to tell apart is one part, and the multipart still ends.
func TestTheRestOfTooManyPartsIsOne(t *testing.T) {
	t.Parallel()
	const one = "--b\r\nContent-Type: text/html\r\n\r\nx\r\n"
	raw := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat(one, 2000) + "--b--\r\nepilogue"
	r := scanPieces(t, raw, 1000)
	r.check(t)
	parts := r.Root.Children
	last := parts[len(parts)-1]
	if len(parts) != maxParts-1 || last.Type != "application/octet-stream" || parts[len(parts)-2].Type != "text/html" {
		t.Fatalf("%d parts, the last %s", len(parts), last.Type)
	}
	if got, want := r.taps[last], strings.TrimPrefix(strings.Repeat(one, 2000-maxParts+2), "--b\r\n"); got+"\r\n" != want {
		t.Errorf("it holds %d octets, want %d", len(got)+2, len(want))
	}
}

func TestAutomaticMailIsKnown(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"Auto-Submitted: auto-replied": "auto-replied", "Auto-Submitted: no": "", "Precedence: bulk": "bulk",
		"List-Id: <x.y>": "list", "X-Other: x": "", "Auto-Submitted: Auto-Generated; x=y": "auto-generated",
	} {
		if s, _ := scan(t, field+"\r\n\r\nx", 100); s.Auto != want {
			t.Errorf("%s: %q, want %q", field, s.Auto, want)
		}
	}
}

func TestFileNamesAreOneSafePathElement(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"../../etc/passwd": "passwd", `C:\dos\a.txt`: "a.txt", ".htaccess": "htaccess", "a\r\nb: c": "a  b_ c",
		"\u202egnp.exe": "gnp.exe", "=?utf-8?q?=C3=A9t=C3=A9?=.pdf": "été.pdf", "": "", "...": "", "a/": "a",
		strings.Repeat("é", 300) + ".jpeg": strings.Repeat("é", 97) + ".jpeg",
	} {
		if got := FileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMailsFromTheWildAreRead(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "shared", "corpora", "mime")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	n := 0
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Size() > 4<<20 {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		a, c := scanPieces(t, string(b), 1<<20), scanPieces(t, string(b), 61)
		a.check(t)
		if asJSON(t, a.Summary) != asJSON(t, c.Summary) || a.text != c.text {
			t.Errorf("%s reads otherwise in pieces", path)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files: %v", n, err)
	}
}
