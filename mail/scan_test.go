package mail

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func scan(t testing.TB, raw string, chunk int) (*Summary, string) {
	t.Helper()
	var tapped strings.Builder
	s := &Scanner{Tap: func(_ *Part, p []byte) error { tapped.Write(p); return nil }}
	for rest := raw; len(rest) > 0; {
		n := min(chunk, len(rest))
		if _, err := s.Write([]byte(rest[:n])); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	sum, text, err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	if tapped.String() != raw {
		t.Fatalf("the tap saw %q, sent %q", tapped.String(), raw)
	}
	return sum, string(text)
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
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

func TestAMailReadsTheSameHoweverItIsCut(t *testing.T) {
	t.Parallel()
	pieces := []string{"--out", "--in", "--out--", "\r\n", "\n", "\r", "-", "--", " ", "x", "Content-Type: multipart/mixed; boundary=out\r\n",
		"Content-Type: message/rfc822\r\n", "Subject: a\r\n", "\r\n\r\n", "Content-Transfer-Encoding: base64\r\n", "AAAA", "no colon\r\n", "\x00", "é"}
	rapid.Check(t, func(t *rapid.T) {
		raw := nested
		if rapid.Bool().Draw(t, "random") {
			raw = "Content-Type: multipart/mixed; boundary=out\r\n" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 60).Draw(t, "pieces"), "")
		}
		chunk := rapid.IntRange(1, 40).Draw(t, "chunk")
		once := func(n int) string {
			s := &Scanner{}
			var out strings.Builder
			s.Tap = func(p *Part, b []byte) error {
				for _, c := range b {
					fmt.Fprintf(&out, "%v%c", p != nil, c)
				}
				return nil
			}
			for rest := raw; len(rest) > 0; {
				k := min(n, len(rest))
				s.Write([]byte(rest[:k]))
				rest = rest[k:]
			}
			sum, text, err := s.Close()
			b, _ := json.Marshal(sum)
			return fmt.Sprintf("%s\n%s\n%v\n%s", b, text, err, out.String())
		}
		if whole, cut := once(len(raw)+1), once(chunk); whole != cut {
			t.Fatalf("in pieces of %d: %q\nwhole:\n%.3000s\ncut:\n%.3000s", chunk, raw, whole, cut)
		}
	})
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
		{"many", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 100_000) + "--b--", ""},
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
		a, _ := scan(t, string(b), 1<<20)
		c, _ := scan(t, string(b), 61)
		if asJSON(t, a) != asJSON(t, c) {
			t.Errorf("%s reads otherwise in pieces", path)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files: %v", n, err)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(nested), 7)
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--"), 1)
	f.Fuzz(func(t *testing.T, raw []byte, chunk int) {
		if chunk < 1 {
			chunk = 1
		}
		scan(t, string(raw), chunk)
	})
}

func BenchmarkScannerText10KB(b *testing.B) {
	raw := []byte("From: a@x\r\nTo: b@x\r\nSubject: bench\r\nMessage-ID: <1@x>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("kelo minu rase tivo zude ngor halj inka rlem monp raqu ister trawin\r\n", 145))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		s := &Scanner{}
		s.Write(raw)
		s.Close()
	}
}

func BenchmarkScannerAttachment(b *testing.B) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	chunk := []byte(strings.Repeat(line, 128<<10/len(line)))
	b.SetBytes(int64(len(chunk)))
	s := &Scanner{Tap: func(*Part, []byte) error { return nil }}
	s.Write([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf\r\n\r\n"))
	for b.Loop() {
		s.Write(chunk)
	}
}
