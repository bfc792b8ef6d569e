package imap

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"colporteur/store/mailbox"
)

func TestACatenatedMessageIsNeverInMemory(t *testing.T) {
	const size, times = 12 << 20, 4
	h := newHost(t)
	c := h.login("ann")
	c.SetDeadline(time.Now().Add(time.Minute))
	head := "Subject: large\r\n\r\n"
	body := io.LimitReader(io.MultiReader(strings.NewReader(head), repeat("what is long and boring enough\r\n")), size)
	c.send(fmt.Sprintf("a1 APPEND INBOX {%d+}\r\n", size))
	if _, err := io.Copy(c, body); err != nil {
		t.Fatal(err)
	}
	c.send("\r\n")
	if got := c.line(); !strings.HasPrefix(got, "a1 OK ") {
		t.Fatal(got)
	}
	grew := heapGrowth(func() {
		c.ok("APPEND Archive CATENATE (" + strings.TrimSuffix(strings.Repeat("URL /INBOX/;UID=1 ", times), " ") + ")")
	})
	if grew > 12<<20 {
		t.Errorf("the heap grew by %d MiB", grew>>20)
	}
	if got := c.ok("STATUS Archive (SIZE)"); got[0] != fmt.Sprintf(`* STATUS "Archive" (SIZE %d)`, size*times) {
		t.Error(got)
	}
	// The limit of one message is that of its parts together.
	if _, got := c.do("APPEND Archive CATENATE (" + strings.TrimSuffix(strings.Repeat("URL /INBOX/;UID=1 ", 6), " ") + ")"); !strings.HasPrefix(got, "NO [TOOBIG]") {
		t.Error(got)
	}
}

func TestSoManyMessagesInOneAppend(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	c := h.login("ann")
	if got := c.ok("APPEND INBOX" + strings.Repeat(" {12+}\r\nSubject: x\r\n", maxUploads)); len(got) > 0 {
		t.Errorf("%q", got)
	}
	if _, got := c.do("APPEND Archive" + strings.Repeat(" {12+}\r\nSubject: x\r\n", maxUploads+1)); !strings.HasPrefix(got, "NO [LIMIT]") {
		t.Error(got)
	}
	if _, got := c.do("APPEND Archive CATENATE (" + strings.TrimSuffix(strings.Repeat("URL /INBOX/;UID=1 ", maxCatenated+1), " ") + ")"); !strings.HasPrefix(got, "NO [LIMIT]") {
		t.Error(got)
	}
	if got := c.ok("STATUS INBOX (MESSAGES)"); got[0] != fmt.Sprintf("* STATUS INBOX (MESSAGES %d)", maxUploads) {
		t.Error(got)
	}
	if got := c.ok("STATUS Archive (MESSAGES)"); got[0] != `* STATUS "Archive" (MESSAGES 0)` {
		t.Error(got)
	}
}

func TestWhoLeavesInTheMiddleOfAnAppendLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, said := range []string{
		"a APPEND INBOX {12+}\r\nSubject: x\r\n {12+}\r\nSubj",
		"a APPEND INBOX {12+}\r\nSubject: x\r\n",
		"a APPEND INBOX {12+}\r\nSubject: x\r\n (\\Seen) ",
		"a APPEND INBOX CATENATE (TEXT {12+}\r\nSubject: x\r\n",
		"a APPEND INBOX CATENATE (TEXT {12+}\r\nSubject: x\r\n TEXT {50+}\r\nabc",
	} {
		c := h.login("ann")
		c.send(said)
		c.Close()
	}
	h.end() // and waits for the sessions
	box, err := h.Mailboxes.Get(t.Context(), 11, "INBOX")
	if err != nil || box.Total != 0 || box.UIDNext != 1 {
		t.Errorf("%+v, %v", box, err)
	}
}

func TestMailFiledWithOthersIsReadByOneselfAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ann, bob := h.login("ann"), h.login("bob")
	ann.ok("SETACL INBOX bob@home.test lrswi")
	bob.ok("APPEND Shared/ann@home.test/INBOX (\\Seen) {12+}\r\nSubject: 1\r\n {12+}\r\nSubject: 2\r\n (\\Seen \\Flagged) {12+}\r\nSubject: 3\r\n")
	for who, want := range map[*raw][]string{
		ann: {`* 1 FETCH (FLAGS ())`, `* 2 FETCH (FLAGS ())`, `* 3 FETCH (FLAGS (\Flagged))`},
		bob: {`* 1 FETCH (FLAGS (\Seen))`, `* 2 FETCH (FLAGS ())`, `* 3 FETCH (FLAGS (\Flagged \Seen))`},
	} {
		name := "INBOX"
		if who == bob {
			name = "Shared/ann@home.test/INBOX"
		}
		who.ok("EXAMINE " + name)
		if got := who.ok("FETCH 1:* (FLAGS)"); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestURLsOfMessagesAreRead(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		raw  string
		ok   bool
		want mailURL
	}{
		{raw: "/INBOX/;UID=7", ok: true, want: mailURL{mailbox: "INBOX", uid: 7}},
		{raw: "/A%20b/%C3%A9t%C3%A9;uidvalidity=5/;uid=7", ok: true, want: mailURL{mailbox: "A b/été", validity: 5, uid: 7}},
		{raw: "IMAP://ann%40home.test;AUTH=*@mail.home.test:143/INBOX/;UID=7", ok: true,
			want: mailURL{user: "ann@home.test", host: "mail.home.test", mailbox: "INBOX", uid: 7}},
		{raw: ";UID=4294967295", ok: true, want: mailURL{uid: 4294967295}},
		{raw: "/;UID=1/;PARTIAL=3", ok: true, want: mailURL{uid: 1, section: section{partial: true, offset: 3, count: 1 << 62}}},
		{raw: "/a;UID=2/x/;UID=1", ok: true, want: mailURL{mailbox: "a;UID=2/x", uid: 1}},
		{raw: ""}, {raw: "/INBOX"}, {raw: "/INBOX/;UID=0"}, {raw: "/INBOX/;UID=4294967296"}, {raw: "/INBOX/;UID="},
		{raw: "INBOX/;UID=1"}, {raw: "/%ff/;UID=1"}, {raw: "/%zz/;UID=1"}, {raw: "/INBOX;UIDVALIDITY=0/;UID=1"},
		{raw: "/INBOX/;UID=1/;SECTION="}, {raw: "/INBOX/;UID=1/;SECTION=NONSENSE"}, {raw: "/INBOX/;UID=1/;SECTION=1%0D%0A"},
		{raw: "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(%7B3%7D"}, {raw: "/INBOX/;UID=1/;PARTIAL=x"}, {raw: "/INBOX/;UID=1/;PARTIAL=1.0"},
		{raw: "/INBOX/;UID=1;URLAUTH=anonymous"}, {raw: "imap://mail.home.test"}, {raw: "imap:///INBOX/;UID=1"}, {raw: "http://x/;UID=1"},
		{raw: "/IN BOX/;UID=1"},
	} {
		got, ok := parseURL(x.raw)
		same := got.user == x.want.user && got.host == x.want.host && got.mailbox == x.want.mailbox && got.validity == x.want.validity &&
			got.uid == x.want.uid && got.section.partial == x.want.section.partial && got.section.offset == x.want.section.offset && got.section.count == x.want.section.count
		if ok != x.ok || ok && !same {
			t.Errorf("%s: %+v %v, want %+v %v", x.raw, got, ok, x.want, x.ok)
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("/INBOX;UIDVALIDITY=5/;UID=7/;SECTION=HEADER.FIELDS%20(From)/;PARTIAL=1.2")
	f.Add("imap://a@b:1/%C3%A9;uid=1;section=1.2.mime")
	f.Fuzz(func(t *testing.T, raw string) {
		if u, ok := parseURL(raw); ok && u.uid == mailbox.UID(0) {
			t.Errorf("%q names no message", raw)
		}
	})
}
