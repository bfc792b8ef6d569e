package imap

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// put files a mail of ann's without a session.
func (h *host) put(box, raw string, flags ...string) mailbox.Placed {
	h.t.Helper()
	raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")
	return h.putOctets(box, []byte(raw), flags...)
}

func (h *host) putOctets(box string, raw []byte, flags ...string) mailbox.Placed {
	h.t.Helper()
	m, err := h.Mailboxes.Get(h.t.Context(), 11, box)
	if err != nil {
		h.t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	p, err := h.files.Append(h.t.Context(), mail.User{ID: 1, Account: 11}, m.ID, flags, at, bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// asked is what the server says to a command, in its parts, and the tagged line.
func (c *raw) asked(cmd string) (all []answer, tagged string) {
	c.t.Helper()
	c.n++
	tag := fmt.Sprintf("t%d", c.n)
	c.send(tag + " " + cmd + "\r\n")
	for {
		if b, err := c.br.Peek(len(tag) + 1); err != nil {
			c.t.Fatalf("%s: %v", cmd, err)
		} else if string(b) == tag+" " {
			return all, c.line()[len(tag)+1:]
		}
		a, err := readAnswer(c.br)
		if err != nil {
			c.t.Fatalf("%s: %v", cmd, err)
		}
		all = append(all, a)
	}
}

// one is the value of an item of the only message that a FETCH answers for.
func (c *raw) one(cmd, item string) any {
	c.t.Helper()
	all, tagged := c.asked(cmd)
	if len(all) != 1 || !strings.HasPrefix(tagged, "OK") {
		c.t.Fatalf("%s: %v %s", cmd, all, tagged)
	}
	v, ok := pairs(all[0][3])[strings.ToUpper(item)]
	if !ok {
		c.t.Fatalf("%s: no %s in %v", cmd, item, all[0])
	}
	return v
}

const nested = `From: =?utf-8?q?Zo=C3=A9?= <zoe@far.test>
To: ann@home.test
Subject: Les =?utf-8?q?proc=C3=A8s-verbaux?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

preamble
--outer
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Voil=C3=A0
--outer
Content-Type: message/rfc822
Content-Disposition: attachment

From: max@far.test
Subject: inner
X-Odd: yes
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain

plain
--inner
Content-Type: text/html

<p>html</p>
--inner--

--outer
Content-Type: application/octet-stream; name*=utf-8''proc%C3%A8s.bin
Content-Disposition: attachment; filename*=utf-8''proc%C3%A8s.bin
Content-Transfer-Encoding: base64

AAECAwQFBgcICQ==
--outer
Content-Type: text/plain
Content-Transfer-Encoding: x-uuencode

#8V%T
--outer--
epilogue
`

func TestSectionsAreTheOctetsThatWereSent(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.files.prefix = "Return-Path: <zoe@far.test>\r\nReceived: here\r\n"
	h.put("INBOX", nested)
	sent := strings.ReplaceAll(nested, "\n", "\r\n")
	cut := func(from, to string) string { // of sent, from the start of one text to the start of another
		t.Helper()
		i := strings.Index(sent, from)
		j := strings.Index(sent[max(i, 0):], to)
		if i < 0 || j < 0 {
			t.Fatalf("%q or %q not found", from, to)
		}
		return sent[i : i+j]
	}
	served := h.files.prefix + sent
	head := served[:strings.Index(served, "\r\n\r\n")+4]
	c := h.login("ann")
	c.ok("EXAMINE INBOX")
	for _, x := range []struct {
		item string
		want any
	}{
		{"BODY[]", served},
		{"BODY[HEADER]", head},
		{"BODY[TEXT]", served[len(head):]},
		{"RFC822", served},
		{"RFC822.HEADER", head},
		{"RFC822.TEXT", served[len(head):]},
		{"BODY[]<30.40>", served[30:70]},
		{"BODY[]<0.5>", served[:5]},
		{"BODY[TEXT]<3.4>", served[len(head)+3 : len(head)+7]},
		{fmt.Sprintf("BODY[]<%d.4000>", len(served)-5), served[len(served)-5:]},
		{"BODY[]<99999.5>", ""},
		{"BODY[]<0.9223372036854775807>", served},
		{"BODY[1]", "Voil=C3=A0"},
		{"BODY[1.MIME]", cut("Content-Type: text/plain; charset", "Voil")},
		{"BODY[2]", cut("From: max", "\r\n--outer\r\nContent-Type: application")},
		{"BODY[2.HEADER]", cut("From: max", "--inner")},
		{"BODY[2.TEXT]", cut("--inner\r\nContent-Type: text/plain", "\r\n--outer\r\nContent-Type: application")},
		{"BODY[2.2]", "<p>html</p>"},
		{"BODY[2.2.MIME]", "Content-Type: text/html\r\n\r\n"},
		{"BODY[2.HEADER.FIELDS (SUBJECT)]", "Subject: inner\r\n\r\n"},
		{"BODY[2.HEADER.FIELDS.NOT (subject from)]", "X-Odd: yes\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"},
		{"BODY[3]", "AAECAwQFBgcICQ=="},
		{"BODY[5]", nil},
		{"BODY[1.1]", nil},
		{"BODY[1.HEADER]", nil},
		{"BODY[HEADER.FIELDS (Received to)]", "Received: here\r\nTo: ann@home.test\r\n\r\n"},
		{"BODY[HEADER.FIELDS (To From)]", "From: =?utf-8?q?Zo=C3=A9?= <zoe@far.test>\r\nTo: ann@home.test\r\n\r\n"},
		{"BODY[HEADER.FIELDS (To From)]<6.5>", "=?utf"},
		{"BODY[HEADER.FIELDS (X-None)]", "\r\n"},
		{"BODY[HEADER.FIELDS.NOT (From To Subject MIME-Version Content-Type)]", h.files.prefix + "\r\n"},
		{`BODY[HEADER.FIELDS ("a b")]`, "\r\n"},
		{"BINARY[3]", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"},
		{"BINARY[3]<2.3>", "\x02\x03\x04"},
		{"BINARY[1]", "Voilà"},
		{"BINARY[2]", cut("From: max", "\r\n--outer\r\nContent-Type: application")},
		{"BINARY[]", served},
		{"BINARY[9]", nil},
		{"BINARY.SIZE[3]", "10"},
		{"BINARY.SIZE[1]", "6"},
		{"BINARY.SIZE[9]", "0"},
		{"RFC822.SIZE", fmt.Sprint(len(served))},
		{"INTERNALDATE", "22-Nov-2026 10:00:00 +0000"},
		{"PREVIEW", "Voilà"},
		{"PREVIEW (LAZY)", "Voilà"},
	} {
		name := strings.TrimSuffix(x.item, " (LAZY)")
		if i := strings.LastIndexByte(name, '<'); i >= 0 { // an answer repeats where a part begins, not how long it is
			offset, _, _ := strings.Cut(name[i:], ".")
			name = name[:i] + offset + ">"
		}
		got := c.one("FETCH 1 ("+x.item+")", name)
		if s, ok := got.(text); ok {
			got = string(s)
		}
		if got != x.want {
			t.Errorf("%s:\n got %q\nwant %q", x.item, got, x.want)
		}
	}
	if all, tagged := c.asked("FETCH 1 (FLAGS BINARY[4])"); len(all) != 0 || !strings.HasPrefix(tagged, "NO [UNKNOWN-CTE]") {
		t.Errorf("an encoding nobody knows: %v %s", all, tagged)
	}
	if all, tagged := c.asked("FETCH 1 BODY[4]"); len(all) != 1 || !strings.HasPrefix(tagged, "OK") {
		t.Errorf("its octets: %v %s", all, tagged)
	}
}

func TestAFetchSaysWhatItIsAskedInOneLine(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	p := h.put("INBOX", "From: Ann <ann@home.test>\nSubject: one\n\nBonjour\n", `\Flagged`)
	h.put("INBOX", "Subject: two\n\nBonjour\n")
	c := h.login("ann")
	c.ok("SELECT INBOX")
	envelope := `(NIL "one" (("Ann" NIL "ann" "home.test")) (("Ann" NIL "ann" "home.test")) (("Ann" NIL "ann" "home.test")) NIL NIL NIL NIL NIL)`
	const date, body = `"22-Nov-2026 10:00:00 +0000"`, `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 9 1)`
	for _, x := range []struct{ cmd, want string }{
		{"FETCH 1 UID", "* 1 FETCH (UID 1)"},
		{"FETCH 2 FLAGS", "* 2 FETCH (FLAGS ())"},
		{"UID FETCH 1 FLAGS", `* 1 FETCH (UID 1 FLAGS (\Flagged))`},
		{"FETCH 1 FAST", `* 1 FETCH (FLAGS (\Flagged) INTERNALDATE ` + date + ` RFC822.SIZE 52)`},
		{"FETCH 1 ALL", `* 1 FETCH (FLAGS (\Flagged) INTERNALDATE ` + date + ` RFC822.SIZE 52 ENVELOPE ` + envelope + `)`},
		{"FETCH 1 full", `* 1 FETCH (FLAGS (\Flagged) INTERNALDATE ` + date + ` RFC822.SIZE 52 ENVELOPE ` + envelope + ` BODY ` + body + `)`},
		{"FETCH 1 (BODYSTRUCTURE)", `* 1 FETCH (BODYSTRUCTURE ` + strings.TrimSuffix(body, ")") + ` NIL NIL NIL NIL))`},
		{"FETCH 1 (RFC822.SIZE RFC822.SIZE UID)", `* 1 FETCH (UID 1 RFC822.SIZE 52)`},
		{"FETCH 1 (EMAILID THREADID)", "* 1 FETCH (EMAILID (" + mailbox.ObjectID('e', int64(p.Email)) + ") THREADID (" + mailbox.ObjectID('t', int64(p.Thread)) + "))"},
		{"FETCH 1 MODSEQ", fmt.Sprintf("* 1 FETCH (MODSEQ (%d))", p.ModSeq)},
		{"FETCH 1 FLAGS", fmt.Sprintf(`* 1 FETCH (FLAGS (\Flagged) MODSEQ (%d))`, p.ModSeq)}, // CONDSTORE is on by now
	} {
		if got := c.ok(x.cmd); !slices.Equal(got, []string{x.want}) {
			t.Errorf("%s\n got %q\nwant %q", x.cmd, got, x.want)
		}
	}
}

func TestWhatIsNoFetchIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.put("INBOX", "Subject: x\n\nBonjour\n")
	c := h.login("ann")
	c.ok("SELECT INBOX")
	for _, cmd := range []string{
		"FETCH", "FETCH 1", "FETCH 1 ", "FETCH 1 ()", "FETCH 1 NOTHING", "FETCH 1 (FLAGS", "FETCH 1 (FLAGS) x", "FETCH 1 (FAST)", "FETCH 1 BODY[", "FETCH 1 BODY[]x",
		"FETCH 1 BODY[0]", "FETCH 1 BODY[1.]", "FETCH 1 BODY[.1]", "FETCH 1 BODY[MIME]", "FETCH 1 BODY[1.FOO]", "FETCH 1 BODY[99999999999]", "FETCH 1 BODY[-1]",
		"FETCH 1 BODY[HEADER.FIELDS]", "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BODY[HEADER.FIELDS (a]", "FETCH 1 BODY[HEADER.1]",
		"FETCH 1 BODY[]<0>", "FETCH 1 BODY[]<0.0>", "FETCH 1 BODY[]<-1.5>", "FETCH 1 BODY[]<0.99999999999999999999>", "FETCH 1 BODY[]<1.1",
		"FETCH 1 BINARY[HEADER]", "FETCH 1 BINARY", "FETCH 1 BINARY.SIZE[1]<0.1>", "FETCH 1 BODY[" + strings.Repeat("1.", 60) + "1]", "FETCH 1 BODY[" + strings.Repeat("1.", 10000) + "1]",
		"FETCH 1 (PREVIEW (EAGER))", "FETCH 1 FLAGS (CHANGEDSINCE)", "FETCH 1 FLAGS (CHANGEDSINCE x)", "FETCH 1 FLAGS (FOO)", "FETCH 1 FLAGS (PARTIAL 1:5)",
		"UID FETCH 1 FLAGS (VANISHED)", "UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "UID FETCH 1 FLAGS (PARTIAL 1:-5)", "UID FETCH 1 FLAGS (PARTIAL 0:5)", "UID FETCH 1 FLAGS (PARTIAL *)",
		"FETCH 1 (" + strings.TrimSpace(strings.Repeat("BODY.PEEK[1] ", 201)) + ")",
		"FETCH 1 BODY.PEEK[HEADER.FIELDS (" + strings.Repeat("a", 5) + strings.Join(fieldNames(300), " ") + ")]",
		"FETCH 1 " + strings.Repeat("(", 100_000),
	} {
		if u, tagged := c.do(cmd); len(u) != 0 || !strings.HasPrefix(tagged, "BAD") && !strings.HasPrefix(tagged, "NO [LIMIT]") {
			t.Errorf("%.100s: %v %s", cmd, u, tagged)
		}
	}
	c.ok("NOOP")
}

func fieldNames(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(" x%d", i)[1:])
	}
	return all
}

func TestReadingWithoutPeekMarksAsSeen(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for range 6 {
		h.put("INBOX", "Subject: x\n\nBonjour\n")
	}
	c, other := h.login("ann"), h.login("ann")
	c.ok("SELECT INBOX")
	other.ok("SELECT INBOX")
	for _, x := range []struct {
		cmd  string
		seen bool
	}{
		{"FETCH 1 BODY.PEEK[]", false},
		{"FETCH 1 RFC822.HEADER", false},
		{"FETCH 1 BINARY.PEEK[1]", false},
		{"FETCH 1 BINARY.SIZE[1]", false},
		{"FETCH 1 BODY[]", true},
		{"FETCH 2 BODY[HEADER.FIELDS (SUBJECT)]", true},
		{"FETCH 3 RFC822", true},
		{"FETCH 4 RFC822.TEXT", true},
		{"FETCH 5 BINARY[1]", true},
	} {
		all, _ := c.asked(x.cmd)
		_, told := pairs(all[0][3])["FLAGS"]
		if told != x.seen || len(all) != 1 {
			t.Errorf("%s: %v", x.cmd, all)
		}
		flags := fmt.Sprint(c.one("FETCH "+x.cmd[6:7]+" FLAGS", "FLAGS"))
		if seen := flags == `[\Seen]`; seen != x.seen {
			t.Errorf("%s: then flags are %s", x.cmd, flags)
		}
	}
	if all, _ := c.asked("FETCH 1 BODY[]"); len(pairs(all[0][3])) != 1 {
		t.Errorf("of a mail that was seen: %v", all)
	}
	if got := c.ok("NOOP"); len(got) != 0 {
		t.Errorf("told again: %q", got)
	}
	if got := other.ok("NOOP"); len(got) != 5 {
		t.Errorf("another session hears %q", got)
	}
	c.ok("EXAMINE INBOX")
	c.ok("FETCH 6 BODY[]")
	if flags := fmt.Sprint(c.one("FETCH 6 FLAGS", "FLAGS")); flags != "[]" {
		t.Errorf("after EXAMINE: %s", flags)
	}
}

func TestOnlyWhatChangedIsFetched(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var placed []mailbox.Placed
	for range 5 {
		placed = append(placed, h.put("INBOX", "Subject: x\n\nBonjour\n"))
	}
	c := h.login("ann")
	c.ok("SELECT INBOX")
	since := placed[2].ModSeq
	want := []string{fmt.Sprintf("* 4 FETCH (FLAGS () MODSEQ (%d))", placed[3].ModSeq), fmt.Sprintf("* 5 FETCH (FLAGS () MODSEQ (%d))", placed[4].ModSeq)}
	if got := c.ok(fmt.Sprintf("FETCH 1:* FLAGS (CHANGEDSINCE %d)", since)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := c.ok(fmt.Sprintf("FETCH 1:4 UID (CHANGEDSINCE %d)", since)); !slices.Equal(got, []string{fmt.Sprintf("* 4 FETCH (UID 4 MODSEQ (%d))", placed[3].ModSeq)}) {
		t.Errorf("got %q", got)
	}
	if got := c.ok(fmt.Sprintf("UID FETCH 1:* FLAGS (CHANGEDSINCE %d)", placed[4].ModSeq)); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	if got := c.ok(fmt.Sprintf("UID FETCH 1:* UID (PARTIAL -1:-2 CHANGEDSINCE %d)", placed[0].ModSeq)); len(got) != 2 || !strings.Contains(got[0], "UID 4") {
		t.Errorf("the last two that changed: %q", got)
	}
}

func TestAPageOfAFetchIsCounted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for range 6 {
		h.put("INBOX", "Subject: x\n\nBonjour\n")
	}
	c := h.login("ann")
	c.ok("SELECT INBOX")
	for _, x := range []struct {
		set, page string
		want      []int
	}{
		{"1:*", "1:2", []int{1, 2}},
		{"1:*", "2:1", []int{1, 2}},
		{"2:*", "2:3", []int{3, 4}},
		{"1:*", "-1:-2", []int{5, 6}},
		{"1:5", "-2:-3", []int{3, 4}},
		{"1:*", "5:100", []int{5, 6}},
		{"1:*", "-5:-100", []int{1, 2}},
		{"1:*", "7:9", nil},
		{"1:*", "-7:-9", nil},
		{"1:*", "4294967295:4294967295", nil},
	} {
		var want []string
		for _, n := range x.want {
			want = append(want, fmt.Sprintf("* %d FETCH (UID %d)", n, n))
		}
		if got := c.ok("UID FETCH " + x.set + " UID (PARTIAL " + x.page + ")"); !slices.Equal(got, want) {
			t.Errorf("%s of %s: %q", x.page, x.set, got)
		}
	}
}

func TestWhoWantsNoNumbersGetsUIDs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.put("INBOX", "Subject: x\n\nBonjour\n")
	h.put("INBOX", "Subject: x\n\nBonjour\n", `\Seen`)
	c := h.login("ann")
	if got := c.ok("ENABLE UIDONLY"); !slices.Equal(got, []string{"* ENABLED UIDONLY"}) {
		t.Fatal(got)
	}
	c.ok("SELECT INBOX")
	if got := c.ok("UID FETCH 1:* (UID FLAGS)"); !slices.Equal(got, []string{"* 1 UIDFETCH (FLAGS ())", `* 2 UIDFETCH (FLAGS (\Seen))`}) {
		t.Errorf("got %q", got)
	}
	if _, got := c.do("FETCH 1 FLAGS"); !strings.HasPrefix(got, "BAD [UIDREQUIRED]") {
		t.Error(got)
	}
}

func TestACommandIsBoundedInMessages(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.MessageLimit = 2 })
	for range 4 {
		h.put("INBOX", "Subject: x\n\nBonjour\n")
	}
	c := h.login("ann")
	c.ok("SELECT INBOX")
	got, tagged := c.do("UID FETCH 1:* UID")
	if !slices.Equal(got, []string{"* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)"}) || !strings.HasPrefix(tagged, "OK [MESSAGELIMIT 2 3]") {
		t.Errorf("%q %s", got, tagged)
	}
	if got, tagged = c.do("FETCH 1:2 UID"); len(got) != 2 || !strings.HasPrefix(tagged, "OK FETCH") {
		t.Errorf("%q %s", got, tagged)
	}
}

// RFC 9051 §9: no string but a literal8 may hold NUL.
func TestNoLiteralHoldsNUL(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	long := strings.Repeat("a\x00b ", 200_000)
	h.putOctets("INBOX", []byte("Subject: x\x00y\r\n\r\none\x00two\r\n"))
	h.putOctets("INBOX", []byte("Subject: long\r\n\r\n"+long))
	c := h.login("ann")
	c.ok("EXAMINE INBOX")
	if got := c.one("FETCH 1 BODY[]", "BODY[]"); got != text("Subject: x\x80y\r\n\r\none\x80two\r\n") {
		t.Errorf("%q", got)
	}
	if got := c.one("FETCH 1 BINARY[]", "BINARY[]"); got != text("Subject: x\x00y\r\n\r\none\x00two\r\n") {
		t.Errorf("%q", got)
	}
	if got := c.one("FETCH 1 (BODY[] BINARY[])", "BINARY[]"); got != text("Subject: x\x00y\r\n\r\none\x00two\r\n") {
		t.Errorf("beside BODY[]: %q", got)
	}
	if got := c.one("FETCH 2 BODY[TEXT]", "BODY[TEXT]"); got != text(strings.ReplaceAll(long, "\x00", "\x80")) {
		t.Errorf("%.100q", got)
	}
	if got := c.one("FETCH 2 BINARY[1]", "BINARY[1]"); got != text(long) {
		t.Errorf("%.100q", got)
	}
}

// Longer messages are streamed, shorter ones are read ahead; what comes must not
// differ. Sizes stand around the limits of both.
func TestMessagesOfAllSizesComeWhole(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.files.prefix = "Return-Path: <a@b>\r\n"
	var sent []string
	for _, n := range []int{0, 1, 16 << 10, quantum - 60, quantum, quantum + 1, 3 * quantum, maxHeld - 100, maxHeld, maxHeld + 1, 700_000} {
		b := strings.Repeat("0123456789abcdef0123456789abcdef\r\n", n/34+1)[:n]
		raw := fmt.Sprintf("Subject: %d\r\nX-N: %d\r\nContent-Type: application/x; name=x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s", n, n, b)
		h.putOctets("INBOX", []byte(raw))
		sent = append(sent, h.files.prefix+raw)
	}
	c := h.login("ann")
	c.ok("EXAMINE INBOX")
	c.SetDeadline(time.Now().Add(time.Minute))
	for _, x := range []struct {
		item string
		want func(string) string
	}{
		{"BODY[]", func(s string) string { return s }},
		{"BODY[HEADER]", func(s string) string { return s[:strings.Index(s, "\r\n\r\n")+4] }},
		{"BODY[HEADER.FIELDS (X-N)]", func(s string) string { return s[strings.Index(s, "X-N"):strings.Index(s, "Content-Type")] + "\r\n" }},
		{"BODY[TEXT]", func(s string) string { return s[strings.Index(s, "\r\n\r\n")+4:] }},
		{"BODY[1]", func(s string) string { return s[strings.Index(s, "\r\n\r\n")+4:] }},
		{"BINARY[1]", func(s string) string { return s[strings.Index(s, "\r\n\r\n")+4:] }},
		{"BINARY[1]<40>", func(s string) string { return cutText(s[strings.Index(s, "\r\n\r\n")+4:], 40, 70000) }},
		{"BODY[]<100>", func(s string) string { return cutText(s, 100, 70000) }},
	} {
		ask := strings.Replace(strings.Replace(x.item, "<40>", "<40.70000>", 1), "<100>", "<100.70000>", 1)
		all, tagged := c.asked("FETCH 1:* (" + ask + ")")
		if len(all) != len(sent) || !strings.HasPrefix(tagged, "OK") {
			t.Fatalf("%s: %d answers, %s", x.item, len(all), tagged)
		}
		for i, a := range all {
			if got, want := pairs(a[3])[x.item], text(x.want(sent[i])); got != want {
				t.Errorf("%s of %d octets: got %.200q, want %.200q", x.item, len(sent[i]), got, want)
			}
		}
	}
}

func cutText(s string, from, n int) string {
	from = min(from, len(s))
	return s[from:min(len(s), from+n)]
}

func TestAFetchOfNothingIsAnswered(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	c := h.login("ann")
	c.ok("SELECT INBOX")
	for _, cmd := range []string{"FETCH 1:* FLAGS", "UID FETCH 1:* (FLAGS BODY[])", "UID FETCH 7 ENVELOPE"} {
		if got := c.ok(cmd); len(got) != 0 {
			t.Errorf("%s: %q", cmd, got)
		}
	}
}

// A mail that another session expunged is there until this one is told; until
// then it can be read, whatever is asked of it (RFC 2180 §4.1.3).
func TestAMailThatIsGoneCanBeReadUntilTheClientIsTold(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for i := range 4 {
		h.put("INBOX", fmt.Sprintf("Subject: %d\n\nBonjour %d\n", i+1, i+1), `\Flagged`)
	}
	a, b := h.login("ann"), h.login("ann")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	b.ok(`STORE 1,3 +FLAGS.SILENT (\Deleted)`)
	b.ok("EXPUNGE")
	all, tagged := a.asked("FETCH 1:* (UID FLAGS RFC822.SIZE EMAILID ENVELOPE BODYSTRUCTURE BODY[TEXT])")
	if len(all) < 4 || !strings.HasPrefix(tagged, "OK") {
		t.Fatalf("%d answers: %v %s", len(all), all, tagged)
	}
	for i, m := range all[:4] {
		p := pairs(m[3])
		if p["UID"] != fmt.Sprint(i+1) || p["BODY[TEXT]"] != text(fmt.Sprintf("Bonjour %d\r\n", i+1)) || p["ENVELOPE"].([]any)[1] != text(fmt.Sprint(i+1)) {
			t.Errorf("message %d: %v", i+1, m)
		}
	}
	for _, m := range all[4:] {
		if m.atom(2) == "EXPUNGE" {
			t.Errorf("%v during a FETCH by number", m)
		}
	}
	got := a.ok("NOOP")
	if !slices.Equal(got, []string{"* 3 EXPUNGE", "* 1 EXPUNGE"}) {
		t.Errorf("then it hears %q", got)
	}
	if got := a.ok("UID FETCH 1:* UID"); !slices.Equal(got, []string{"* 1 FETCH (UID 2)", "* 2 FETCH (UID 4)"}) {
		t.Errorf("then it fetches %q", got)
	}
}
