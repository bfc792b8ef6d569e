package mail

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func cardOf(t testing.TB, raw string) *Card {
	t.Helper()
	s, _ := scan(t, raw, len(raw)+1)
	return s.Card
}

func TestTheEnvelopeSaysWhatTheHeaderSays(t *testing.T) {
	t.Parallel()
	const from = "From: Ann <ann@home.test>\r\n"
	const ann = `(("Ann" NIL "ann" "home.test"))`
	for _, c := range []struct{ name, header, want string }{
		{"nothing", "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"the sender and the answers default to the author", from, "(NIL NIL " + ann + " " + ann + " " + ann + " NIL NIL NIL NIL NIL)"},
		{"an empty Sender is none", from + "Sender:\r\n", "(NIL NIL " + ann + " " + ann + " " + ann + " NIL NIL NIL NIL NIL)"},
		{"encoded words stay", "Subject: =?utf-8?q?=C3=89t=C3=A9?=\r\n", `(NIL "=?utf-8?q?=C3=89t=C3=A9?=" NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"an empty subject is a subject", "Subject:\r\n", `(NIL "" NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"folded lines are one", "Subject: one\r\n two\r\n\tthree\r\n", "(NIL \"one two\tthree\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"quotes and backslashes", "Subject: \"a\\b\"\r\n", `(NIL "\"a\\b\"" NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"the date as written", "Date: Sun,  22 Nov 26 10:00 EST\r\n", `("Sun,  22 Nov 26 10:00 EST" NIL NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"ids as written", "Message-ID: <a@b> (x)\r\nIn-Reply-To: <c@d>\r\n\t<e@f>\r\n", "(NIL NIL NIL NIL NIL NIL NIL NIL \"<c@d>\t<e@f>\" \"<a@b> (x)\")"},
		{"a group", "To: Team: a@x, \"B\" <b@y>;, c@z\r\n",
			`(NIL NIL NIL NIL NIL ((NIL NIL "Team" NIL)(NIL NIL "a" "x")("B" NIL "b" "y")(NIL NIL NIL NIL)(NIL NIL "c" "z")) NIL NIL NIL NIL)`},
		{"an empty group", "To: undisclosed-recipients:;\r\n", `(NIL NIL NIL NIL NIL ((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)`},
		{"a group without its end", "To: Team: a@x\r\n", `(NIL NIL NIL NIL NIL ((NIL NIL "Team" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL)) NIL NIL NIL NIL)`},
		{"a group in a group", "To: A: B: a@x;\r\n", `(NIL NIL NIL NIL NIL ((NIL NIL "A" NIL)(NIL NIL NIL NIL)(NIL NIL "B" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL)) NIL NIL NIL NIL)`},
		{"several To are one", "To: a@x\r\nTo: b@y\r\n", `(NIL NIL NIL NIL NIL ((NIL NIL "a" "x")(NIL NIL "b" "y")) NIL NIL NIL NIL)`},
		{"a comment is a name", "To: a@x (Ann)\r\n", `(NIL NIL NIL NIL NIL (("Ann" NIL "a" "x")) NIL NIL NIL NIL)`},
		{"a source route", "To: <@one,@two:a@x>\r\n", `(NIL NIL NIL NIL NIL ((NIL "@one,@two" "a" "x")) NIL NIL NIL NIL)`},
		{"a quoted local part", "To: \"a \\\"b\"@x\r\n", `(NIL NIL NIL NIL NIL ((NIL NIL "a \"b" "x")) NIL NIL NIL NIL)`},
		{"no domain is no group", "To: root, <>\r\n", `(NIL NIL NIL NIL NIL ((NIL NIL "root" "MISSING_DOMAIN")) NIL NIL NIL NIL)`},
		{"encoded names stay, quoted or not", "To: =?utf-8?b?w4k=?= <a@x>, \"=?utf-8?b?w4k=?=\" <b@x>\r\n",
			`(NIL NIL NIL NIL NIL (("=?utf-8?b?w4k=?=" NIL "a" "x")("=?utf-8?b?w4k=?=" NIL "b" "x")) NIL NIL NIL NIL)`},
		{"a comma in an encoded word", "To: =?utf-8?q?A,_B?= <a@x>\r\n", `(NIL NIL NIL NIL NIL (("=?utf-8?q?A,_B?=" NIL "a" "x")) NIL NIL NIL NIL)`},
		{"octets are a literal", "Subject: \xc3\x89t\xc3\xa9\r\n", "(NIL {5}\r\n\u00c9t\u00e9 NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"octets of Latin-1 are a literal in UTF-8", "Subject: \xc9t\xe9\r\n", "(NIL {5}\r\n\u00c9t\u00e9 NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"octets in an encoded word are of its charset", "Subject: =?iso-8859-1?Q?\xc9t\xe9?= \xe9\r\n", "(NIL {27}\r\n=?iso-8859-1?Q?=C9t=E9?= \u00e9 NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{"NUL and CR go", "Subject: a\x00b\rc\r\n", `(NIL "abc" NIL NIL NIL NIL NIL NIL NIL NIL)`},
		{"a long one is a literal", "Subject: " + strings.Repeat("x", 1001) + "\r\n", "(NIL {1001}\r\n" + strings.Repeat("x", 1001) + " NIL NIL NIL NIL NIL NIL NIL NIL)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(cardOf(t, c.header+"\r\nbody").Envelope); got != c.want {
				t.Errorf("%q\n got %s\nwant %s", c.header, got, c.want)
			}
		})
	}
}

func TestTheStructureSaysWhatTheHeadersSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, raw, body, structure string }{
		{"no header", "\r\nbody", `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 0)`,
			`("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 0 NIL NIL NIL NIL)`},
		{"all there is", "Content-Type: TEXT/Plain; Charset=\"utf-8\"; format=flowed\r\nContent-ID: <1@x>\r\nContent-Description: =?utf-8?q?x?=\r\n" +
			"Content-Transfer-Encoding: Quoted-Printable\r\nContent-MD5: abc\r\nContent-Disposition: Inline; filename=\"a b\"\r\nContent-Language: fr, en\r\nContent-Location: http://x/\r\n\r\nbody\r\n",
			`("text" "plain" ("charset" "utf-8" "format" "flowed") "<1@x>" "=?utf-8?q?x?=" "quoted-printable" 6 1)`,
			`("text" "plain" ("charset" "utf-8" "format" "flowed") "<1@x>" "=?utf-8?q?x?=" "quoted-printable" 6 1 "abc" ("inline" ("filename" "a b")) ("fr" "en") "http://x/")`},
		{"parameters in pieces stay in pieces", "Content-Type: application/pdf; name*0*=utf-8''%C3%A9; name*1=\"t.pdf\"\r\n\r\n",
			`("application" "pdf" ("name*0*" "utf-8''%C3%A9" "name*1" "t.pdf") NIL NIL "7bit" 0)`,
			`("application" "pdf" ("name*0*" "utf-8''%C3%A9" "name*1" "t.pdf") NIL NIL "7bit" 0 NIL NIL NIL NIL)`},
		{"a multipart", "Content-Type: multipart/mixed; boundary=b\r\nContent-Disposition: inline\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: image/png\r\n\r\n--b--\r\n",
			`(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0)("image" "png" NIL NIL NIL "7bit" 0) "mixed")`,
			`(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL)("image" "png" NIL NIL NIL "7bit" 0 NIL NIL NIL NIL) "mixed" ("boundary" "b") ("inline" NIL) NIL NIL)`},
		{"a multipart without parts is a text", "Content-Type: multipart/mixed\r\n\r\nbody", `("text" "plain" NIL NIL NIL "7bit" 4 0)`, `("text" "plain" NIL NIL NIL "7bit" 4 0 NIL NIL NIL NIL)`},
		{"an attached message", "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\none\r\n",
			`("message" "rfc822" NIL NIL NIL "7bit" 20 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 1) 3)`,
			`("message" "rfc822" NIL NIL NIL "7bit" 20 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)`},
		{"an attached message in base64 has an envelope all the same", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==",
			`("message" "rfc822" NIL NIL NIL "base64" 4 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" NIL NIL NIL "7bit" 0 0) 0)`,
			`("message" "rfc822" NIL NIL NIL "base64" 4 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" NIL NIL NIL "7bit" 0 0 NIL NIL NIL NIL) 0 NIL NIL NIL NIL)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			card := cardOf(t, c.raw)
			if got := string(card.AppendStructure(nil, true, true)); got != c.structure {
				t.Errorf("BODYSTRUCTURE\n got %s\nwant %s", got, c.structure)
			}
			if got := string(card.AppendStructure(nil, false, true)); got != c.body {
				t.Errorf("BODY\n got %s\nwant %s", got, c.body)
			}
		})
	}
}

// IMAP4rev1 has an envelope after message/rfc822 only; a program that reads one
// after message/global loses its place.
func TestAMessageInUTF8HasAnEnvelopeForWhoKnowsIt(t *testing.T) {
	t.Parallel()
	card := cardOf(t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/global\r\n\r\nSubject: in\r\n\r\none\r\n--b--")
	for _, c := range []struct {
		extended, rev2 bool
		want           string
	}{
		{false, false, `(("message" "global" NIL NIL NIL "7bit" 18) "mixed")`},
		{true, false, `(("message" "global" NIL NIL NIL "7bit" 18 NIL NIL NIL NIL) "mixed" ("boundary" "b") NIL NIL NIL)`},
		{false, true, `(("message" "global" NIL NIL NIL "7bit" 18 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 0) 2) "mixed")`},
	} {
		if got := string(card.AppendStructure(nil, c.extended, c.rev2)); got != c.want {
			t.Errorf("%+v\n got %s\nwant %s", c, got, c.want)
		}
	}
}

func TestACardIsReadBackAsItWasKept(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{nested, "\r\n", "X-Priority: " + strings.Repeat("1", maxCommon) + "\r\n\r\n"} {
		card := cardOf(t, raw)
		kept := card.Append(nil)
		again, err := ParseCard(kept)
		if err != nil || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", *card) {
			t.Errorf("%v\n got %#v\nwant %#v", err, again, *card)
		}
		for n := range kept {
			ParseCard(kept[:n])
		}
	}
	if _, err := ParseCard([]byte{cardVersion + 1}); !errors.Is(err, errCard) {
		t.Errorf("another version: %v", err)
	}
	if c := cardOf(t, "X-Priority: "+strings.Repeat("1", maxCommon)+"\r\n\r\n"); c.Fields != nil {
		t.Error("fields that are too long are kept")
	}
}

func TestADamagedCardDoesNoHarm(t *testing.T) {
	t.Parallel()
	kept := cardOf(t, nested).Append(nil)
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(kept)
		for range rapid.IntRange(1, 4).Draw(t, "n") {
			b[rapid.IntRange(1, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "octet")
		}
		if c, err := ParseCard(b); err == nil {
			c.AppendStructure(nil, false, false)
		}
	})
}

func TestACardMadeFromASummarySaysTheSame(t *testing.T) {
	t.Parallel()
	const raw = "Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nFrom: Ann <ann@home.test>\r\nTo: b@y\r\nSubject: one\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <2@x>\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=x\r\n\r\nSubject: in\r\n\r\none\r\n--b--"
	s, _ := scan(t, raw, 1000)
	made := s.Card
	stripped := *s
	s.Root.Walk(func(p *Part) {
		p.form = nil
		if p.Message != nil {
			p.Message.envelope = nil
		}
	})
	again := stripped.MakeCard()
	if string(again.Envelope) != string(made.Envelope) || again.Header != made.Header || again.Preview != made.Preview {
		t.Errorf("%s\n%s", again.Envelope, made.Envelope)
	}
	a, b := string(again.Structure), strings.ReplaceAll(string(made.Structure), `("text" "plain" ("charset" "us-ascii")`, `("text" "plain" NIL`)
	if a != b {
		t.Errorf("\n%s\n%s", a, b)
	}
}

func TestACardIsBoundedWhateverTheMailIs(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("a,", 2000)
	long := "--b\r\nContent-Type: message/rfc822\r\n\r\nTo: " + strings.Repeat(strings.Repeat("a", 200)+",", 1000) + "\r\n\r\n\r\n"
	part := "--b\r\nContent-Type: message/rfc822; x=" + strings.Repeat("y", 3000) + "\r\n\r\nTo: " + many + "\r\nCc: " + many + "\r\nContent-Type: text/plain; x=" + strings.Repeat("y", 3000) + "\r\n\r\n\r\n"
	for _, raw := range []string{
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat(long, 60),
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat(part, 490),
		strings.Repeat("To: "+strings.Repeat("a,", 600)+"\r\n", 200) + "\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: a/b; "+strings.Repeat("x=\"\\\"\\\"\\\"\";", 500)+"\r\n\r\n\r\n", 990),
	} {
		s, _ := scan(t, raw, 100_000)
		if n := s.Card.Len(); n > 2*maxCard {
			t.Errorf("a card of %d octets", n)
		}
		if n := len(asJSON(t, s)); n > 9<<20 {
			t.Errorf("a summary of %d octets", n)
		}
		checkCard(t, s.Card)
	}
}

func TestWhatIsServedBeforeAMessageIsInItsCard(t *testing.T) {
	t.Parallel()
	s, _ := scan(t, "Subject: x\r\n\r\nbody", 100)
	s.Precede([]byte("Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n"))
	if got := string(s.Card.Envelope); got != `("Sun, 22 Nov 2026 10:00:00 +0000" "x" NIL NIL NIL NIL NIL NIL NIL "<1@x>")` {
		t.Error(got)
	}
	if got := string(s.Card.Fields); got != "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\nSubject: x\r\n" {
		t.Errorf("%q", got)
	}
	if s.MessageID != "1@x" {
		t.Error(s.MessageID)
	}
	s, _ = scan(t, "Date: x\r\nMessage-ID: <0@x>\r\n\r\nbody", 100)
	before := string(s.Card.Envelope)
	s.Precede(nil)
	if got := string(s.Card.Envelope); got != before || s.MessageID != "0@x" {
		t.Error(got)
	}
}

// A preview grew without end when a word ended right at its limit.
func TestAPreviewIsBoundedWhereverItsWordsEnd(t *testing.T) {
	t.Parallel()
	for n := 1; n < maxPreview; n++ {
		s, _ := scan(t, "\r\n"+strings.Repeat("x", n)+strings.Repeat(" yy", 5000), 1<<20)
		if got := len(s.Preview); got > maxPreview || got < maxPreview-2 {
			t.Errorf("after a word of %d: a preview of %d", n, got)
		}
	}
}
