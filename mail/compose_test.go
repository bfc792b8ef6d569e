package mail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func written(t interface{ Fatal(...any) }, w io.WriterTo) string {
	var b bytes.Buffer
	n, err := w.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal(n, b.Len(), err)
	}
	return b.String()
}

func reported(t interface{ Fatal(...any) }, r *Report) string {
	in, err := r.Reader()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func source(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

func letter() *Compose {
	return &Compose{
		From: Mailbox{"Envoi de l'association", "envoi@home.test"}, To: []Mailbox{{"Léa, trésorière", "lea@home.test"}, {"", "bob@far.test"}},
		Subject: "Votre lien pour « été.zip »", MessageID: "1@home.test", InReplyTo: "<0@home.test>", References: []string{"a@x", "0@home.test"},
		Date: time.Date(2026, 11, 22, 21, 0, 0, 0, time.FixedZone("", 3600)), Lang: "fr", Auto: "auto-replied",
		Extra: []Field{{"X-Auto-Response-Suppress", "All"}},
		Text:  "Bonjour Léa,\n\nvoici votre lien : https://home.test/t/" + strings.Repeat("a", 80) + " \n", HTML: "<p>Bonjour Léa</p>",
	}
}

func TestALetterIsWrittenAsTheRFCsHaveIt(t *testing.T) {
	t.Parallel()
	raw := written(t, letter())
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || len(to) != 2 || to[0].Name != "Léa, trésorière" || to[1].Address != "bob@far.test" {
		t.Errorf("to %v, %v", to, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != letter().Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	for name, want := range map[string]string{"Date": "Sun, 22 Nov 2026 21:00:00 +0100", "Message-Id": "<1@home.test>", "In-Reply-To": "<0@home.test>",
		"References": "<a@x> <0@home.test>", "Auto-Submitted": "auto-replied", "Content-Language": "fr", "Mime-Version": "1.0", "X-Auto-Response-Suppress": "All"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	mr := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct{ kind, body string }{{"text/plain; charset=utf-8", strings.ReplaceAll(letter().Text, "\n", "\r\n")}, {"text/html; charset=utf-8", "<p>Bonjour Léa</p>\r\n"}} {
		p, err := mr.NextPart() // undoes quoted-printable
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil || p.Header.Get("Content-Type") != want.kind || string(b) != want.body {
			t.Errorf("%s %q, %v; want %s %q", p.Header.Get("Content-Type"), b, err, want.kind, want.body)
		}
	}
	if _, err := mr.NextPart(); err != io.EOF {
		t.Error("there is more")
	}
	s, text := scan(t, raw, 1000)
	if len(s.Defects) > 0 || s.Auto != "auto-replied" || s.Lang != "fr" || !strings.HasPrefix(s.Preview, "Bonjour Léa, voici votre lien : https://home.test/…") || !strings.Contains(text, "lea, tresoriere") {
		t.Errorf("our own scanner: %+v", s)
	}
}

func wellFormed(t interface{ Fatalf(string, ...any) }, raw string) {
	for line := range strings.SplitAfterSeq(raw, "\n") {
		if line != "" && !strings.HasSuffix(line, "\r\n") && line != raw[len(raw)-len(line):] || strings.Count(line, "\r") > 1 || len(line) > 78 {
			t.Fatalf("line of %d: %q of %q", len(line), line, raw)
		}
	}
	if !isASCII(raw) {
		t.Fatalf("not ASCII: %q", raw)
	}
}

func TestTheSameLetterIsWrittenTheSameWay(t *testing.T) {
	t.Parallel()
	raw := written(t, letter())
	wellFormed(t, strings.ReplaceAll(raw, strings.Repeat("a", 80), ""))
	if written(t, letter()) != raw {
		t.Error("written twice, it differs")
	}
	other := letter()
	other.MessageID = "2@home.test"
	mark := func(raw string) string { i := strings.Index(raw, "=_"); return raw[i : i+20] }
	if mark(written(t, other)) == mark(raw) {
		t.Error("two letters have one boundary")
	}
	other.Rand = strings.NewReader(strings.Repeat("r", 18))
	if !strings.Contains(written(t, other), "=_"+strings.Repeat("72", 18)) {
		t.Error("Rand does not make the boundary")
	}
	other.Rand = strings.NewReader("r")
	if _, err := other.WriteTo(io.Discard); err == nil {
		t.Error("an empty Rand is no error")
	}
}

func TestNothingThatIsWrittenBreaksOutOfItsField(t *testing.T) {
	t.Parallel()
	evil := "x\r\nBcc: all@home.test\r\n\r\nbody\n"
	c := &Compose{From: Mailbox{evil, "a@x\r\nBcc: b@x"}, To: []Mailbox{{`"` + evil, "c@x>, <d@x"}}, Subject: evil, MessageID: "1@x>\r\nBcc: <2@x", InReplyTo: evil,
		References: []string{evil}, Lang: evil, Auto: evil, Extra: []Field{{"X-A", evil}, {"Bcc: x\r\nX-B", "y"}, {"", "y"}}, Text: evil}
	raw := written(t, c)
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for name := range m.Header {
		if name == "Bcc" || name == "X-B" {
			t.Errorf("%s got in: %q", name, raw)
		}
	}
	if h, _, _ := strings.Cut(raw, "\r\n\r\n"); !strings.Contains(h, "quoted-printable") {
		t.Errorf("the header ends too early: %q", raw)
	}
}

func TestLongWordsAreFolded(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"=?" + strings.Repeat("(", 300), strings.Repeat("é", 300), strings.Repeat("a é ", 100), strings.Repeat("a ", 300), strings.Repeat("😀", 100)} {
		c := &Compose{Subject: subject, From: Mailbox{subject, "a@x"}}
		raw := written(t, c)
		wellFormed(t, raw)
		if s, _ := scan(t, raw, 1000); s.Subject != strings.TrimSpace(subject) {
			t.Errorf("%q came back as %q", subject, s.Subject)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	words := func(max int) *rapid.Generator[string] {
		return rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune(`abcdefg hij (),;:<>@"\=?_.'éà中😀`)), 0, max, -1), func(s string) string { return strings.Join(strings.Fields(s), " ") })
	}
	rapid.Check(t, func(t *rapid.T) {
		c := &Compose{From: Mailbox{words(60).Draw(t, "from"), "a@home.test"}, Subject: words(200).Draw(t, "subject"), Date: time.Unix(1e9, 0).UTC(),
			Text: rapid.StringOf(rapid.RuneFrom([]rune("abc é\n\r\t.=-_"))).Draw(t, "text")}
		for i := range rapid.IntRange(0, 8).Draw(t, "people") {
			c.To = append(c.To, Mailbox{words(80).Draw(t, "name"), strings.Repeat("b", i*5+1) + "@home.test"})
		}
		file := rapid.SliceOf(rapid.Byte()).Draw(t, "file")
		name := FileName(words(150).Draw(t, "file name"))
		if rapid.Bool().Draw(t, "with a file") {
			c.Attachments = []Attachment{{Name: name, Type: "image/png", Open: source(string(file))}}
		}
		raw := written(t, c)
		wellFormed(t, raw)
		r := scanPieces(t, raw, 1000)
		r.check(t)
		if len(r.Defects) > 0 || r.Subject != c.Subject || len(r.From) != 1 || r.From[0] != c.From || !r.Date.Equal(c.Date) || len(r.To) != len(c.To) {
			t.Fatalf("%+v from %q", r.Summary, raw)
		}
		for i := range c.To {
			if r.To[i] != c.To[i] {
				t.Fatalf("to %q, want %q, from %q", r.To[i], c.To[i], raw)
			}
		}
		leaf := r.Root
		if c.Attachments != nil {
			leaf = r.Root.Children[0]
			p := r.Root.Children[1]
			if got, bad := decodeAll(t, p.Encoding, r.taps[p], 1000); bad || got != string(file) || p.Filename != name || p.Type != "image/png" {
				t.Fatalf("%q as %q, %+v", got, p.Filename, p)
			}
		}
		got, bad := decodeAll(t, leaf.Encoding, r.taps[leaf], 1000)
		plain := strings.NewReplacer("\r\n", "\r\n", "\n", "\r\n", "\r", "\r\n").Replace(c.Text)
		if bad || strings.TrimSuffix(got, "\r\n") != strings.TrimSuffix(plain, "\r\n") {
			t.Fatalf("%q, want %q", got, plain)
		}
	})
}

func TestAnAttachmentKeepsWhatItsTypeSays(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"text/plain; charset=utf-8": "text/plain map[charset:utf-8 name:a.txt]", "Image/PNG": "image/png map[name:a.txt]",
		"text/csv; name=b.csv": "text/csv map[name:a.txt]", "message/rfc822; x=y": "application/octet-stream map[name:a.txt]", "": "application/octet-stream map[name:a.txt]"} {
		s, _ := scan(t, written(t, &Compose{Attachments: []Attachment{{Name: "a.txt", Type: in, Open: source("x")}}}), 100)
		if p := s.Root.Children[1]; fmt.Sprint(p.Type, " ", p.Params) != want {
			t.Errorf("%q: %s %v, want %s", in, p.Type, p.Params, want)
		}
	}
}

func TestSpacesThatMustNotBreakAreWrittenAsTheyAre(t *testing.T) {
	t.Parallel()
	m, err := netmail.ReadMessage(strings.NewReader(written(t, &Compose{From: Mailbox{"L\u00a0!", "a@x"}, Subject: "«\u00a0été\u00a0»"})))
	if err != nil {
		t.Fatal(err)
	}
	from, err := m.Header.AddressList("From")
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || from[0].Name != "L\u00a0!" || subject != "«\u00a0été\u00a0»" {
		t.Errorf("%q, %q, %v", from, subject, err)
	}
}

func TestAnAttachmentThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for _, a := range []Attachment{{Name: "a"}, {Open: func() (io.ReadCloser, error) { return nil, gone }},
		{Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("x"), failing{gone})), nil
		}}} {
		if _, err := (&Compose{Attachments: []Attachment{a}}).WriteTo(io.Discard); err == nil {
			t.Errorf("%+v", a)
		}
	}
	if _, err := letter().WriteTo(failing{gone}); !errors.Is(err, gone) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestAReportHasItsThreeParts(t *testing.T) {
	t.Parallel()
	original := "Subject: Été\r\n\r\nbody \xe9\r\n"
	for _, c := range []struct {
		name   string
		report Report
		want   string
	}{
		{"with the header", Report{Status: []byte("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@x\n"), Headers: []byte("Subject: x\n")}, "text/plain message/delivery-status text/rfc822-headers"},
		{"with a header in UTF-8", Report{Status: []byte("A: b"), Headers: []byte("Subject: é\n"), UTF8: true}, "text/plain message/delivery-status message/global-headers"},
		{"with a header of before MIME", Report{Status: []byte("A: b"), Headers: []byte("Subject: \xe9\n")}, "text/plain message/delivery-status text/rfc822-headers"},
		{"with a mail in UTF-8", Report{Status: []byte("A: b"), Original: strings.NewReader(original), EightBit: true, UTF8: true}, "text/plain message/delivery-status message/global"},
		{"with the mail", Report{Status: []byte("A: é"), Original: strings.NewReader(original), EightBit: true}, "text/plain message/global-delivery-status message/rfc822"},
		{"of reading", Report{Kind: "disposition-notification", Status: []byte("A: b")}, "text/plain message/disposition-notification"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.report.Compose = *letter()
			r := scanPieces(t, reported(t, &c.report), 1000)
			r.check(t)
			var kinds []string
			for _, p := range r.Root.Children {
				kinds = append(kinds, p.Type)
			}
			if got := strings.Join(kinds, " "); got != c.want || r.Root.Type != "multipart/report" || len(r.Defects) > 0 || r.Attachment {
				t.Errorf("%s %s, %+v", r.Root.Type, got, r.Summary)
			}
			kind := c.report.Kind
			if kind == "" {
				kind = "delivery-status"
			}
			if got := r.Root.Params["report-type"]; got != kind {
				t.Errorf("report-type %q", got)
			}
			if last := r.Root.Children[len(r.Root.Children)-1]; last.Message != nil {
				if got := r.raw[last.BodyOffset : last.BodyOffset+last.Size]; got != original {
					t.Errorf("the mail came out as %q", got)
				}
			}
			// RFC 2045 §6.4
			head, body, _ := strings.Cut(r.raw, "\r\n\r\n")
			if said := strings.Contains(head, "\r\nContent-Transfer-Encoding: 8bit"); said == isASCII(body) {
				t.Errorf("8bit is said: %v, of %q", said, r.raw)
			}
			if status := r.taps[r.Root.Children[1]]; strings.Count(status, "\n") != strings.Count(status, "\r\n") {
				t.Errorf("status %q", status)
			}
		})
	}
	if _, err := (&Report{Headers: []byte("x"), Original: strings.NewReader("x")}).Reader(); err == nil {
		t.Error("a header and a mail at once")
	}
}

func TestAddressOfAPageStaysWholeInAField(t *testing.T) {
	t.Parallel()
	page := "https://" + strings.Repeat("long.", 12) + "example/n/abcdefghijklmnopqrstuvwxyz/stop/album"
	c := Compose{From: Mailbox{Addr: "a@home.test"}, Bare: []Field{{"List-Unsubscribe", "<" + page + ">, <mailto:r.token@home.test?subject=STOP>"}, {"X\r\nY: z", "no"}}}
	var b strings.Builder
	if _, err := c.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "List-Unsubscribe: <"+page+">,\r\n <mailto:r.token@home.test?subject=STOP>\r\n") &&
		!strings.Contains(b.String(), "List-Unsubscribe:\r\n <"+page+">,\r\n <mailto:r.token@home.test?subject=STOP>\r\n") || strings.Contains(b.String(), "Y: z") {
		t.Errorf("the field:\n%s", b.String())
	}
}
