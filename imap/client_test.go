package imap

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/mail"

	proto "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const letter = "From: ann@home.test\nSubject: %s\n\nBonjour\n"

func TestTwoSessionsSeeEachOther(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := h.login("ann"), h.login("ann")
	for i := range 3 {
		a.append("INBOX", "", fmt.Sprintf(letter, fmt.Sprint(i)))
	}
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")

	// b changes flags and expunges; a hears of it at its next command.
	b.ok(`STORE 1:2 +FLAGS (\Deleted)`)
	if got := a.ok("NOOP"); !slices.Equal(got, []string{`* 1 FETCH (FLAGS (\Deleted))`, `* 2 FETCH (FLAGS (\Deleted))`}) {
		t.Errorf("a hears of flags: %q", got)
	}
	if got := b.ok("EXPUNGE"); !slices.Equal(got, []string{"* 2 EXPUNGE", "* 1 EXPUNGE"}) {
		t.Errorf("b expunges: %q", got)
	}
	b.append("INBOX", `\Flagged`, fmt.Sprintf(letter, "new"))

	// RFC 3501 §7.4.1: while FETCH runs, message 3 is still message 3; and what a
	// was not told of can still be read.
	got := a.ok("FETCH 1:* (UID)")
	if !slices.Equal(got, []string{"* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "* 4 EXISTS", "* 0 RECENT"}) {
		t.Errorf("a fetches: %q", got)
	}
	if got := a.ok("STORE 3 +FLAGS.SILENT (\\Seen)"); len(got) != 0 {
		t.Errorf("a stores: %q", got)
	}
	if got := a.ok("SEARCH ALL"); !slices.Equal(got, []string{"* SEARCH 3 4"}) {
		t.Errorf("a searches: %q", got)
	}
	if got := a.ok("NOOP"); !slices.Equal(got, []string{"* 2 EXPUNGE", "* 1 EXPUNGE"}) {
		t.Errorf("a hears of the expunge: %q", got)
	}
	if got := a.ok("FETCH 1:* (UID FLAGS)"); !slices.Equal(got, []string{`* 1 FETCH (UID 3 FLAGS (\Seen))`, `* 2 FETCH (UID 4 FLAGS (\Flagged))`}) {
		t.Errorf("then a fetches: %q", got)
	}
	// b was told of its own EXISTS after APPEND, and hears of \Seen.
	if got := b.ok("NOOP"); !slices.Equal(got, []string{`* 1 FETCH (FLAGS (\Seen))`}) {
		t.Errorf("b hears %q", got)
	}
}

func TestIdleHearsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := h.login("ann"), h.login("ann")
	a.ok("SELECT INBOX")
	a.send("i IDLE\r\n")
	if got := a.line(); got != "+ idling" {
		t.Fatal(got)
	}
	hears := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if got := a.line(); got != w {
				t.Errorf("hears %q, want %q", got, w)
			}
		}
	}
	b.append("INBOX", "$New", fmt.Sprintf(letter, "x"))
	hears("* 1 EXISTS", "* 0 RECENT", `* FLAGS (\Answered \Flagged \Deleted \Seen \Draft $New)`)
	b.ok("SELECT INBOX")
	b.ok(`STORE 1 FLAGS (\Deleted)`)
	hears(`* 1 FETCH (FLAGS (\Deleted))`)
	b.ok("CLOSE")
	hears("* 1 EXPUNGE")
	a.send("DONE\r\n")
	hears("i OK IDLE completed")
	if got := a.ok("NOOP"); len(got) > 0 {
		t.Errorf("told twice: %q", got)
	}
}

func TestDeletedFolderIsEmpty(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := h.login("ann"), h.login("ann")
	a.ok("CREATE Old")
	a.append("Old", "", fmt.Sprintf(letter, "x"))
	a.ok("SELECT Old")
	b.ok("DELETE Old")
	if got := a.ok("NOOP"); !slices.Equal(got, []string{"* 1 EXPUNGE"}) {
		t.Errorf("a hears %q", got)
	}
	if got := a.ok("FETCH 1:* FLAGS"); len(got) > 0 {
		t.Errorf("a fetches %q", got)
	}
	b.ok("CREATE Old")
	b.ok("SELECT Old")
}

func TestMembersSeeOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := h.login("ann"), h.login("bob")
	a.ok("CREATE Secret")
	a.append("Secret", "", fmt.Sprintf(letter, "x"))
	for _, cmd := range []string{"SELECT Secret", "STATUS Secret (MESSAGES)", "DELETE Secret", "RENAME Secret Mine", "SUBSCRIBE Secret"} {
		if _, got := b.do(cmd); !strings.HasPrefix(got, "NO [NONEXISTENT]") {
			t.Errorf("%s: %s", cmd, got)
		}
	}
	for _, l := range b.ok(`LIST "" *`) {
		if strings.Contains(l, "Secret") {
			t.Error(l)
		}
	}
	a.ok("SELECT Secret")
}

const nestedMail = `From: =?utf-8?q?Zo=C3=A9?= <zoe@far.test>
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
--outer--
epilogue
`

func TestSectionsAreTheBytesThatWereSent(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.files.prefix = "Return-Path: <zoe@far.test>\r\nReceived: here\r\n"
	a := h.login("ann")
	a.append("INBOX", "", nestedMail)
	sent := strings.ReplaceAll(nestedMail, "\n", "\r\n")
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
	c := h.client("ann", nil)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	head := served[:strings.Index(served, "\r\n\r\n")+4]
	for _, x := range []struct {
		name string
		item *proto.FetchItemBodySection
		want string
	}{
		{"all", &proto.FetchItemBodySection{}, served},
		{"header", &proto.FetchItemBodySection{Specifier: "HEADER"}, head},
		{"text", &proto.FetchItemBodySection{Specifier: "TEXT"}, served[len(head):]},
		{"part of all", &proto.FetchItemBodySection{Partial: &proto.SectionPartial{Offset: 30, Size: 40}}, served[30:70]},
		{"end of all", &proto.FetchItemBodySection{Partial: &proto.SectionPartial{Offset: int64(len(served)) - 5, Size: 4000}}, served[len(served)-5:]},
		{"1", &proto.FetchItemBodySection{Part: []int{1}}, "Voil=C3=A0"},
		{"1.MIME", &proto.FetchItemBodySection{Part: []int{1}, Specifier: "MIME"}, cut("Content-Type: text/plain; charset", "Voil")},
		{"2", &proto.FetchItemBodySection{Part: []int{2}}, cut("From: max", "\r\n--outer\r\nContent-Type: application")},
		{"2.HEADER", &proto.FetchItemBodySection{Part: []int{2}, Specifier: "HEADER"}, cut("From: max", "--inner")},
		{"2.TEXT", &proto.FetchItemBodySection{Part: []int{2}, Specifier: "TEXT"}, cut("--inner\r\nContent-Type: text/plain", "\r\n--outer\r\nContent-Type: application")},
		{"2.2", &proto.FetchItemBodySection{Part: []int{2, 2}}, "<p>html</p>"},
		{"2.2.MIME", &proto.FetchItemBodySection{Part: []int{2, 2}, Specifier: "MIME"}, "Content-Type: text/html\r\n\r\n"},
		{"2.HEADER.FIELDS", &proto.FetchItemBodySection{Part: []int{2}, Specifier: "HEADER", HeaderFields: []string{"subject"}}, "Subject: inner\r\n\r\n"},
		{"3", &proto.FetchItemBodySection{Part: []int{3}}, "AAECAwQFBgcICQ=="},
		{"4", &proto.FetchItemBodySection{Part: []int{4}}, ""},
		{"1.1", &proto.FetchItemBodySection{Part: []int{1, 1}}, ""},
		{"1.HEADER", &proto.FetchItemBodySection{Part: []int{1}, Specifier: "HEADER"}, ""},
		{"fields", &proto.FetchItemBodySection{Specifier: "HEADER", HeaderFields: []string{"Received", "to"}}, "Received: here\r\nTo: ann@home.test\r\n\r\n"},
		{"no fields", &proto.FetchItemBodySection{Specifier: "HEADER", HeaderFields: []string{"X-None"}}, "\r\n"},
	} {
		x.item.Peek = true
		got, err := c.Fetch(proto.SeqSetNum(1), &proto.FetchOptions{BodySection: []*proto.FetchItemBodySection{x.item}}).Collect()
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %d messages, %v", x.name, len(got), err)
		}
		if b := string(got[0].BodySection[0].Bytes); b != x.want {
			t.Errorf("%s:\n got %q\nwant %q", x.name, b, x.want)
		}
	}

	got, err := c.Fetch(proto.SeqSetNum(1), &proto.FetchOptions{
		Envelope: true, BodyStructure: &proto.FetchItemBodyStructure{Extended: true}, RFC822Size: true, Flags: true,
		BinarySection:     []*proto.FetchItemBinarySection{{Part: []int{3}, Peek: true}, {Part: []int{1}, Peek: true}},
		BinarySectionSize: []*proto.FetchItemBinarySectionSize{{Part: []int{3}}},
	}).Collect()
	if err != nil || len(got) != 1 {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	m := got[0]
	if m.RFC822Size != int64(len(served)) || len(m.Flags) != 0 {
		t.Errorf("size %d, want %d; flags %v", m.RFC822Size, len(served), m.Flags)
	}
	if e := m.Envelope; e.Subject != "Les procès-verbaux" || e.From[0].Name != "Zoé" || e.From[0].Addr() != "zoe@far.test" {
		t.Errorf("envelope %+v", e)
	}
	if b := m.BinarySection[0].Bytes; !bytes.Equal(b, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("decoded part 3: %v", b)
	}
	if b := string(m.BinarySection[1].Bytes); b != "Voilà" {
		t.Errorf("decoded part 1: %q", b)
	}
	if n := m.BinarySectionSize[0].Size; n != 10 {
		t.Errorf("decoded size of part 3: %d", n)
	}
	var types []string
	m.BodyStructure.Walk(func(path []int, p proto.BodyStructure) bool {
		types = append(types, fmt.Sprint(path, " ", p.MediaType()))
		return true
	})
	if want := "[[] multipart/mixed [1] text/plain [2] message/rfc822 [3] application/octet-stream]"; fmt.Sprint(types) != want {
		t.Errorf("structure %v, want %s", types, want)
	}
	inner := m.BodyStructure.(*proto.BodyStructureMultiPart).Children[1].(*proto.BodyStructureSinglePart).MessageRFC822
	if inner == nil || inner.Envelope.Subject != "inner" || len(inner.BodyStructure.(*proto.BodyStructureMultiPart).Children) != 2 {
		t.Errorf("inner message %+v", inner)
	}
	file := m.BodyStructure.(*proto.BodyStructureMultiPart).Children[2].(*proto.BodyStructureSinglePart)
	if got := file.Extended.Disposition.Params["filename*"]; got != "utf-8''proc%C3%A8s.bin" {
		t.Errorf("file name %q", got)
	}
}

func TestLargeMessageIsNeverInMemory(t *testing.T) {
	const size = 48 << 20
	h := newHost(t)
	head := "From: ann@home.test\r\nSubject: large\r\nContent-Type: text/plain\r\n\r\n"
	line := []byte(strings.Repeat("abcdefghi ", 7) + "..\r\n")
	body := func() io.Reader {
		return io.LimitReader(io.MultiReader(strings.NewReader(head), repeat(string(line))), size)
	}
	want := sha256.New()
	io.Copy(want, body())
	c := h.login("ann")
	c.SetDeadline(time.Now().Add(time.Minute))
	grew := heapGrowth(func() {
		c.send(fmt.Sprintf("a1 APPEND INBOX {%d+}\r\n", size))
		if _, err := io.Copy(c, body()); err != nil {
			t.Fatal(err)
		}
		c.send("\r\n")
		if got := c.line(); !strings.HasPrefix(got, "a1 OK [APPENDUID ") {
			t.Fatal(got)
		}
		c.ok("SELECT INBOX")
		c.send("a2 FETCH 1 BODY.PEEK[]\r\n")
		if got := c.line(); got != fmt.Sprintf("* 1 FETCH (BODY[] {%d}", size) {
			t.Fatal(got)
		}
		got := sha256.New()
		if _, err := io.CopyN(got, c.br, size); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Error("other bytes")
		}
		if l := c.line(); l != ")" {
			t.Fatal(l)
		}
		c.line()
	})
	if grew > 24<<20 {
		t.Errorf("the heap grew by %d MiB", grew>>20)
	}
}

func TestAppendLimits(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.MaxAppend = 1000 })
	c := h.login("ann")
	if _, got := c.do("APPEND INBOX {1001}"); !strings.HasPrefix(got, "NO [TOOBIG]") {
		t.Error(got)
	}
	if _, got := c.do("APPEND INBOX {0+}\r\n"); got != "NO [CANNOT] imap-empty-message" {
		t.Error(got)
	}
	c.ok("NOOP")
	if _, got := c.do("APPEND INBOX {1001+}\r\n" + strings.Repeat("x", 1001)); !strings.HasPrefix(got, "NO [TOOBIG]") {
		t.Errorf("without waiting: %q", got)
	}
	c.ok("NOOP")
	c.send("x APPEND INBOX {1000000000+}\r\n") // nobody reads past a gigabyte
	if got := c.rest(); got != "x NO [TOOBIG] kind-too-big\r\n* BYE kind-bad-syntax\r\n" {
		t.Errorf("a gigabyte without waiting: %q", got)
	}
}

func TestAppendSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) {
		s.Render = func(lang string, m mail.Text) string { return lang + ": boîte pleine (" + m.ID + ")" }
	})
	h.files.fail = mail.Refuse(mail.OverQuota, "mailbox-full").Because(errors.New("5 of 5 bytes"))
	c := h.login("bob")
	msg := "Subject: x\r\n\r\na1 CREATE Evil\r\n"
	if _, got := c.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(msg), msg)); got != "NO [OVERQUOTA] fr: boite pleine (mailbox-full)" {
		t.Error(got)
	}
	if got := c.ok(`LIST "" Evil`); len(got) > 0 {
		t.Errorf("the message was executed: %q", got)
	}
}

func TestHugeSetsAreCheap(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	c := h.login("ann")
	c.append("INBOX", "", fmt.Sprintf(letter, "x"))
	c.ok("SELECT INBOX")
	for _, cmd := range []string{
		"UID FETCH 1:4294967295 (UID)",
		"UID FETCH 4294967295:1 (UID)",
		"UID FETCH 7:* (UID)", // 7 is above every UID, and * is the last one
		"FETCH * (UID)",
		"FETCH 9:* (UID)",
		"UID FETCH 1,1,1:5,* (UID)",
	} {
		if got := c.ok(cmd); !slices.Equal(got, []string{"* 1 FETCH (UID 1)"}) {
			t.Errorf("%s: %q", cmd, got)
		}
	}
	var many strings.Builder
	for i := 1; many.Len() < 40000; i += 2 {
		fmt.Fprintf(&many, "%d,", i)
	}
	if got := c.ok("UID SEARCH UID " + many.String() + "1"); !slices.Equal(got, []string{"* SEARCH 1"}) {
		t.Errorf("search: %q", got)
	}
	for _, cmd := range []string{
		"UID FETCH 0 FLAGS", "FETCH 1:x FLAGS", "FETCH 1 BODY[", "FETCH (1) FLAGS",
		"SEARCH " + strings.Repeat("(", 45) + "ALL" + strings.Repeat(")", 44),
		"SEARCH " + strings.Repeat("(", 100000),
		"UID FETCH " + strings.Repeat("1,3,5,7,", 20000) + "9 FLAGS",
		"FETCH 1 (" + strings.Repeat("(", 60) + "FLAGS",
		"FETCH 1 (" + strings.Repeat("BODY.PEEK[] ", 300) + "FLAGS)",
	} {
		if _, got := c.do(cmd); !strings.HasPrefix(got, "BAD") && !strings.HasPrefix(got, "NO [LIMIT]") {
			t.Errorf("%.60s: %s", cmd, got)
		}
	}
	c.ok("NOOP")
}

func TestLongAndBinaryNamesAreRefused(t *testing.T) {
	t.Parallel()
	c := newHost(t).login("ann")
	for _, name := range []string{strings.Repeat("x", 4000), "a\x00b", "a\r\nb", "\xff\xfe", "a\x7fb"} {
		if _, got := c.do(fmt.Sprintf("CREATE {%d+}\r\n%s", len(name), name)); !strings.HasPrefix(got, "NO [CANNOT]") && !strings.HasPrefix(got, "BAD") {
			t.Errorf("%.20q: %s", name, got)
		}
	}
	if got := c.ok(`LIST "" *`); len(got) != 6 {
		t.Errorf("folders: %q", got)
	}
}

func TestFlagsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	c := h.login("ann")
	c.append("INBOX", "", fmt.Sprintf(letter, "x"))
	c.ok("SELECT INBOX")
	for _, f := range []string{`\Nothing`, "caf\xc3\xa9", strings.Repeat("x", 200)} {
		if _, got := c.do("STORE 1 +FLAGS (" + f + ")"); !strings.HasPrefix(got, "BAD") {
			t.Errorf("%.20q: %s", f, got)
		}
	}
	if got := c.ok(`STORE 1 FLAGS (\Recent \seen $a)`); !slices.Contains(got, `* 1 FETCH (FLAGS ($a \Seen))`) {
		t.Errorf("%q", got)
	}
}

// TestSequenceNumbersNeverDrift compares what a client computed from the
// server's words with what the server says, over random changes by others.
func TestSequenceNumbersNeverDrift(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	actor := h.login("ann")
	var seqs []uint32 // expunged, as heard
	watcher := h.client("ann", &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Expunge: func(n uint32) { seqs = append(seqs, n) },
	}})
	if _, err := watcher.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	actor.ok("SELECT INBOX")
	var uids []proto.UID // as the watcher believes
	rnd := rand.New(rand.NewSource(1))
	total := 0
	for round := range 40 {
		switch n := rnd.Intn(3); {
		case n == 0 || total < 3:
			actor.append("INBOX", "", fmt.Sprintf(letter, fmt.Sprint(round)))
			total++
		case n == 1:
			actor.ok(fmt.Sprintf(`STORE %d +FLAGS.SILENT (\Deleted)`, 1+rnd.Intn(total)))
			total -= len(actor.ok("EXPUNGE"))
		default:
			moved := 0
			for _, l := range actor.ok(fmt.Sprintf("MOVE %d Archive", 1+rnd.Intn(total))) {
				if strings.HasSuffix(l, " EXPUNGE") {
					moved++
				}
			}
			total -= moved
		}
		seqs = nil
		if err := watcher.Noop().Wait(); err != nil {
			t.Fatal(err)
		}
		for _, n := range seqs {
			if int(n) > len(uids) {
				t.Fatalf("round %d: EXPUNGE %d of %d", round, n, len(uids))
			}
			uids = slices.Delete(uids, int(n)-1, int(n))
		}
		got, err := watcher.Fetch(proto.SeqSet{{Start: 1, Stop: 0}}, &proto.FetchOptions{UID: true}).Collect()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != total {
			t.Fatalf("round %d: the watcher sees %d, the actor %d", round, len(got), total)
		}
		for i, m := range got {
			if int(m.SeqNum) != i+1 || i < len(uids) && uids[i] != m.UID {
				t.Fatalf("round %d: message %d has UID %d; the watcher believes %v", round, m.SeqNum, m.UID, uids)
			}
		}
		uids = uids[:0]
		for _, m := range got {
			uids = append(uids, m.UID)
		}
	}
}
