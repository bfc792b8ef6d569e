package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"colporteur/mail"
)

// smuggled are mails in which somebody hopes that we, or the next server, see
// an end where there is none (postfix.org/smtp-smuggling.html). Each is followed
// by a second transaction that must stay part of the first.
var smuggled = []string{
	"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n", "\r\n\x00.\r\n", "\n.\r", "\r.\n",
}

func TestNoFalseEndOfDataStartsASecondMail(t *testing.T) {
	t.Parallel()
	for _, end := range smuggled {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			t.Parallel()
			h := start(t, MX)
			p := h.session(t)
			p.say("MAIL FROM:<a@far.test>", "250")
			p.say("RCPT TO:<ann@home.test>", "250")
			p.say("DATA", "354")
			p.send("Subject: x\r\n\r\nfirst" + end + "MAIL FROM:<b@far.test>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\nSubject: y\r\n\r\nsecond\r\n.\r\n")
			got, err := p.reply()
			if err != nil {
				t.Fatal(err)
			}
			p.say("NOOP", "250 2.0.0 I have") // and no reply between
			mails := h.door.all()
			if strings.Contains(end, "\x00") { // no line end at all: an odd octet in a body
				if len(mails) != 1 || !strings.Contains(mails[0].body, "second") {
					t.Fatalf("got %q and %+v", got, mails)
				}
				return
			}
			if !strings.HasPrefix(got, "550-5.5.2 ") || len(mails) != 0 {
				t.Fatalf("got %q and %d mails", got, len(mails))
			}
		})
	}
}

func TestBareLineEndsInDataRefuseTheMailAndOnlyIt(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"Subject: x\nTo: y\r\n\r\nx\r\n", "Subject: x\rTo: y\r\n\r\nx\r\n", "Subject: x\r\n\r\na\nb\r\n", "Subject: x\r\n\r\na\rb\r\n",
		"\n", "\r", "a\r\r\n", "\n\r\n", "\r\n\r", ".\n", "..\n", ".\r.\r\n",
	} {
		h := start(t, MX)
		p := h.session(t)
		for range 2 {
			p.say("MAIL FROM:<a@far.test>", "250")
			p.say("RCPT TO:<ann@home.test>", "250")
			p.say("DATA", "354")
			p.send(body + "\r\n.\r\n")
			p.expect("550 5.5.2")
		}
		p.say("MAIL FROM:<a@far.test>", "250")
		p.say("RCPT TO:<ann@home.test>", "250")
		p.say("DATA", "354")
		p.send("fine\r\n.\r\n")
		p.expect("250 2.0.0")
		if mails := h.door.all(); len(mails) != 1 {
			t.Errorf("%q: %d mails kept, want the last one only", body, len(mails))
		}
	}
}

// TestDotReaderReadsWhatTheSenderMeant compares with the plainest possible
// reading, over every way in which the octets may arrive and be asked for.
func TestDotReaderReadsWhatTheSenderMeant(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	const letters = "a.\r\n"
	for i := range 60_000 {
		wire := make([]byte, rnd.IntN(14))
		for j := range wire {
			wire[j] = letters[rnd.IntN(len(letters))]
		}
		stream := string(wire) + "\r\n.\r\nREST"
		body, rest, ok := plainly(stream)
		var src io.Reader = strings.NewReader(stream)
		if i%3 == 0 {
			src = iotest.OneByteReader(src)
		}
		d := &dotReader{w: testWire(src)}
		got, err := readBy(d, 1+rnd.IntN(5))
		switch {
		case !ok && !mail.Is(err, mail.BareNewline):
			t.Fatalf("%q: got %q, %v; want BareNewline", stream, got, err)
		case ok && (err != nil || string(got) != body):
			t.Fatalf("%q: got %q, %v; want %q", stream, got, err, body)
		}
		if !d.drain(1 << 20) {
			t.Fatalf("%q: the end was not found: %v", stream, d.err)
		}
		left, _ := io.ReadAll(src)
		if have := string(d.w.buf[d.w.r:d.w.w]) + string(left); have != rest {
			t.Fatalf("%q: %q is left for commands, want %q", stream, have, rest)
		}
	}
}

// plainly cuts at the first CR LF . CR LF, or at . CR LF in the very beginning.
func plainly(stream string) (body, rest string, ok bool) {
	if r, empty := strings.CutPrefix(stream, ".\r\n"); empty {
		return "", r, true
	}
	body, rest, _ = strings.Cut(stream, "\r\n.\r\n")
	body += "\r\n"
	clean := strings.ReplaceAll(body, "\r\n", "")
	if strings.ContainsAny(clean, "\r\n") {
		return "", rest, false
	}
	lines := strings.SplitAfter(body, "\r\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, ".")
	}
	return strings.Join(lines, ""), rest, true
}

func readBy(r io.Reader, n int) ([]byte, error) {
	var all []byte
	p := make([]byte, n)
	for {
		k, err := r.Read(p)
		all = append(all, p[:k]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// testWire reads from r.
func testWire(r io.Reader) *wire {
	s := &Server{}
	s.init()
	return &wire{srv: s, conn: readConn{nil, r}, buf: make([]byte, 8)}
}

func TestStrictReaderWantsEveryLineEndWhole(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"": true, "a": true, "\r\n": true, "a\r\nb": true, "\r\n\r\n": true, "a\r\n\r\nb\r\n": true,
		"\n": false, "\r": false, "a\nb": false, "a\rb": false, "\r\r\n": false, "\n\r": false, "a\r\n\n": false, "a\r\n\r": false,
	} {
		for name, r := range map[string]io.Reader{
			"whole":     strings.NewReader(in),
			"by octets": iotest.OneByteReader(strings.NewReader(in)),
			"halves":    iotest.HalfReader(strings.NewReader(in)),
		} {
			got, err := io.ReadAll(&strictReader{r: r})
			if ok && (err != nil || string(got) != in) || !ok && !mail.Is(err, mail.BareNewline) {
				t.Errorf("%q %s: got %q, %v; want ok %v", in, name, got, err, ok)
			}
		}
	}
}

func TestHeaderIsSeenWholeHoweverItArrives(t *testing.T) {
	t.Parallel()
	const head = "From: a@b.test\r\nTo: x\r\n"
	for in, want := range map[string]string{
		head + "\r\nbody\r\n\r\nmore": head,
		head + "\r\n":                 head,
		head:                          head,
		"\r\nbody":                    "",
		"":                            "",
	} {
		for name, r := range map[string]io.Reader{
			"whole":     strings.NewReader(in),
			"by octets": iotest.OneByteReader(strings.NewReader(in)),
			"with EOF":  iotest.DataErrReader(strings.NewReader(in)),
		} {
			seen := "not asked"
			c := &content{r: r, left: 1 << 20, check: func(h []byte) error { seen = string(h); return nil }}
			got, err := io.ReadAll(c)
			if err != nil || string(got) != in || seen != want {
				t.Errorf("%q %s: body %q, header %q, %v; want header %q", in, name, got, seen, err, want)
			}
		}
	}
}

func TestRefusedHeaderReachesTheDoorAsAnError(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	c := &content{r: strings.NewReader("A: b\r\n\r\nx"), left: 100, check: func([]byte) error { return no }}
	if got, err := io.ReadAll(c); err != no || len(got) > 0 {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestFromIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, head, want string }{
		{"plain", "From: ann@home.test\r\n", "ann@home.test"},
		{"upper case", "FROM: ann@home.test\r\n", "ann@home.test"},
		{"space before the colon", "From : ann@home.test\r\n", "ann@home.test"},
		{"folded", "From:\r\n Ann\r\n <ann@home.test>\r\nTo: x@y.test\r\n", "ann@home.test"},
		{"after a line that is no field", "junk\r\nFrom: eve@far.test\r\n", "eve@far.test"},
		{"name that looks like an address", `From: "ann@home.test" <eve@far.test>` + "\r\n", "eve@far.test"},
		{"comment", "From: eve@far.test (ann@home.test)\r\n", "eve@far.test"},
		{"unknown charset", "From: =?x-foo?q?a?= <eve@far.test>\r\n", "eve@far.test"},
		{"Latin-1 name", "From: Jos\xe9 <ann@home.test>\r\n", "ann@home.test"},
		{"quoted local part", `From: "a b"@home.test` + "\r\n", `"a b"@home.test`},
		{"two", "From: ann@home.test, eve@far.test\r\n", "ann@home.test eve@far.test"},
		{"group", "From: us: ann@home.test, eve@far.test;\r\n", "ann@home.test eve@far.test"},
		{"empty group", "From: nobody:;\r\n", ""},
		{"only a name", "From: Ann\r\n", ""},
		{"in a continuation", "Subject: x\r\n From: ann@home.test\r\n", "none"},
	} {
		from, err := readFrom([]byte(tt.head))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := "none"
		if len(from) > 0 {
			addrs, _ := addresses(from[0])
			got = strings.Join(addrs, " ")
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestFromBehindALongHeaderIsStillChecked(t *testing.T) {
	t.Parallel()
	h := start(t, Submission)
	p := h.member(t)
	for _, tt := range []struct {
		fill int
		want string
	}{{100 << 10, "550 5.7.1 fr: smtp-from-not-yours"}, {300 << 10, "550 5.6.0 fr: header-too-long"}} {
		p.say("MAIL FROM:<ann@home.test>", "250")
		p.say("RCPT TO:<x@far.test>", "250")
		p.say("DATA", "354")
		p.send("X: y\r\n" + strings.Repeat("X-Fill: "+strings.Repeat("x", 70)+"\r\n", tt.fill/80) + "From: eve@far.test\r\n\r\nx\r\n.\r\n")
		p.expect(tt.want)
	}
	if n := len(h.door.all()); n != 0 {
		t.Errorf("%d mails kept", n)
	}
}

func TestLongLinesOfDataArriveWhole(t *testing.T) {
	t.Parallel()
	h := start(t, MX)
	p := h.session(t)
	for _, n := range []int{512, 998, 1000, 1001, 65_000, 5 << 20} {
		body := "Subject: x\r\n\r\n" + strings.Repeat("x", n) + "\r\n"
		p.say("MAIL FROM:<a@far.test>", "250")
		p.say("RCPT TO:<ann@home.test>", "250")
		p.say("DATA", "354")
		p.send(body + ".\r\n")
		p.expect("250")
		mails := h.door.all()
		if mails[len(mails)-1].body != body {
			t.Errorf("a line of %d octets was changed", n)
		}
	}
}

func TestLongCommandsAreRefusedAndReadPast(t *testing.T) {
	t.Parallel()
	h := start(t, MX)
	p := h.session(t)
	for _, n := range []int{2049, 5000, 65_000, 5 << 20} {
		go p.send("NOOP " + strings.Repeat("x", n) + "\r\nVRFY x\r\n")
		p.expect("500 5.5.2")
		p.expect("252")
	}
	for _, n := range []int{100, 512, 998, 1001} {
		p.say("NOOP "+strings.Repeat("x", n), "250")
	}
}

// TestLargeMailArrivesByteForByte has every octet, and dots and line ends at the
// edges of our buffers.
func TestLargeMailArrivesByteForByte(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	rnd := rand.New(rand.NewPCG(3, 4))
	b.WriteString("Subject: x\r\n\r\n")
	for b.Len() < 3<<20 {
		line := make([]byte, rnd.IntN(200))
		for i := range line {
			for line[i] = byte(rnd.IntN(256)); line[i] == '\r' || line[i] == '\n'; {
				line[i] = '.'
			}
		}
		if rnd.IntN(3) == 0 {
			b.WriteByte('.')
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
	body := b.String()
	stuffed := strings.ReplaceAll(body, "\r\n.", "\r\n..")
	h := start(t, Submissions)
	p := h.dial(t)
	p.tls()
	p.expect("220")
	p.say("EHLO client.test", "250")
	p.say("AUTH PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0", "235")
	for _, chunked := range []bool{false, true} {
		p.say("MAIL FROM:<ann@home.test> BODY=8BITMIME", "250")
		p.say("RCPT TO:<x@far.test>", "250")
		if chunked {
			rest := "From: ann@home.test\r\n" + body
			for len(rest) > 0 {
				n := min(len(rest), 1+rnd.IntN(300_000))
				last := ""
				if n == len(rest) {
					last = " LAST"
				}
				p.send(fmt.Sprintf("BDAT %d%s\r\n%s", n, last, rest[:n]))
				p.expect("250")
				rest = rest[n:]
			}
		} else {
			p.say("DATA", "354")
			p.send("From: ann@home.test\r\n" + stuffed + ".\r\n")
			p.expect("250")
		}
	}
	for i, m := range h.door.all() {
		if m.body != "From: ann@home.test\r\n"+body {
			t.Errorf("mail %d was changed", i)
		}
	}
	if n := len(h.door.all()); n != 2 {
		t.Errorf("%d mails", n)
	}
}
