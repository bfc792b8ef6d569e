package imap

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/store/mailbox"
)

// letters files the mails that the tests of SEARCH, SORT and THREAD ask for in
// ann's INBOX, sent a day apart from the first of November 2026 on.
func (h *host) letters(mails ...string) {
	h.t.Helper()
	ctx := context.Background()
	ann := h.Accounts.(people)["ann@home.test"]
	box, err := h.Mailboxes.Get(ctx, ann.Account, "INBOX")
	if err != nil {
		h.t.Fatal(err)
	}
	for i, m := range mails {
		flags, text, _ := strings.Cut(m, "|")
		m = strings.ReplaceAll(text, "\n", "\r\n")
		date := time.Date(2026, 11, 1+i, 12, 0, 0, 0, time.UTC)
		if _, err := h.files.Append(ctx, ann, box.ID, strings.Fields(flags), date, strings.NewReader(m), int64(len(m))); err != nil {
			h.t.Fatal(err)
		}
	}
}

var post = []string{
	`\Seen|` + "From: Ann <ann@home.test>\nTo: bob@far.test\nSubject: Photos\nMessage-ID: <1@home.test>\nDate: Sun, 1 Nov 2026 09:00:00 +0000\n\nThe lake in summer.\n",
	`\Flagged $Work|` + "From: \"Zoë, of far\" <zoe@far.test>\nTo: ann@home.test\nSubject: =?utf-8?q?R=C3=A9union_d=27=C3=A9t=C3=A9?=\nMessage-ID: <2@far.test>\nDate: Mon, 2 Nov 2026 09:00:00 +0000\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nLe go=C3=BBter.\n",
	`|` + "From: bob@far.test\nTo: ann@home.test\nCc: carl@far.test\nSubject: Re: Photos\nMessage-ID: <3@far.test>\nIn-Reply-To: <1@home.test>\nDate: Tue, 3 Nov 2026 09:00:00 +0000\nX-Project: alpha7\n\nLovely lake!\n",
	`\Deleted|` + "From: carl@far.test\nTo: ann@home.test\nSubject: [list] Re: Photos (fwd)\nMessage-ID: <4@far.test>\nReferences: <1@home.test> <3@far.test>\nDate: Wed, 4 Nov 2026 09:00:00 +0000\n\n" + strings.Repeat("A longer mail. ", 100) + "\n",
	`|` + "From: Ann <ann@home.test>\nTo: dan@far.test\nSubject: Photos\nMessage-ID: <5@home.test>\nDate: Sun, 1 Nov 2026 08:00:00 +0000\n\nWithout any reference.\n",
}

func TestSearchKeysFindWhatTheySay(t *testing.T) {
	h := newHost(t)
	h.Server.Now = func() time.Time { return time.Date(2026, 11, 5, 12, 0, 30, 0, time.UTC) }
	h.letters(post...)
	c := h.login("ann")
	c.ok("SELECT INBOX")
	snap, err := h.Mailboxes.Snapshot(t.Context(), h.box(t).ID)
	if err != nil {
		t.Fatal(err)
	}
	second := snap.At(1)
	for _, x := range []struct{ keys, want string }{
		{`ALL`, "1 2 3 4 5"},
		{`SEEN`, "1"}, {`UNSEEN`, "2 3 4 5"}, {`FLAGGED`, "2"}, {`UNFLAGGED`, "1 3 4 5"}, {`DELETED`, "4"}, {`UNDELETED`, "1 2 3 5"},
		{`ANSWERED`, ""}, {`UNANSWERED`, "1 2 3 4 5"}, {`DRAFT`, ""}, {`UNDRAFT`, "1 2 3 4 5"}, {`RECENT`, ""}, {`NEW`, ""}, {`OLD`, "1 2 3 4 5"},
		{`KEYWORD $Work`, "2"}, {`KEYWORD $WORK`, "2"}, {`UNKEYWORD $Work`, "1 3 4 5"}, {`KEYWORD \Recent`, ""}, {`UNKEYWORD \Recent`, "1 2 3 4 5"},
		{`FROM ann`, "1 5"}, {`FROM "zoe, of"`, "2"}, {`TO ann`, "2 3 4"}, {`CC carl`, "3"}, {`BCC x`, ""}, {`SUBJECT photos`, "1 3 4 5"},
		{`SUBJECT reunion`, "2"}, {`HEADER X-Project ALPHA`, "3"}, {`HEADER x-project ""`, "3"}, {`HEADER Message-ID <3@far.test>`, "3"},
		{`TEXT gouter`, "2"}, {`BODY lake`, "1 3"}, {`BODY photos`, ""}, {`TEXT "lake in"`, "1"}, {`TEXT ""`, "1 2 3 4 5"},
		{`BEFORE 3-Nov-2026`, "1 2"}, {`ON 3-Nov-2026`, "3"}, {`SINCE 3-Nov-2026`, "3 4 5"}, {`ON "3-Nov-2026"`, "3"},
		{`SENTBEFORE 2-Nov-2026`, "1 5"}, {`SENTON 2-Nov-2026`, "2"}, {`SENTSINCE 3-nov-2026`, "3 4"},
		{`LARGER 1000`, "4"}, {`SMALLER 1000`, "1 2 3 5"}, {`LARGER 0`, "1 2 3 4 5"}, {`SMALLER 0`, ""}, {`SMALLER 9223372036854775807`, "1 2 3 4 5"},
		{`1`, "1"}, {`2:3,5`, "2 3 5"}, {`*`, "5"}, {`4:*`, "4 5"}, {`9:*`, "5"}, {`7`, ""}, {`UID 2:3`, "2 3"}, {`UID 1:*`, "1 2 3 4 5"}, {`UID 77`, ""},
		{`NOT SEEN`, "2 3 4 5"}, {`NOT NOT SEEN`, "1"}, {`OR SEEN FLAGGED`, "1 2"}, {`OR OR 1 2 3`, "1 2 3"}, {`NOT (SEEN FLAGGED)`, "1 2 3 4 5"},
		{`(FROM bob) (SUBJECT photos)`, "3"}, {`NOT TEXT lake SUBJECT photos`, "4 5"}, {`1:4 (OR FROM ann (TO ann CC carl))`, "1 3"},
		{`YOUNGER 86500`, "4 5"}, {`OLDER 86500`, "1 2 3"}, {`YOUNGER 30`, "5"}, {`OLDER 30`, "1 2 3 4 5"},
		{`EMAILID ` + mailbox.ObjectID('e', int64(second.Email)), "2"}, {`EMAILID Mnothing`, ""}, {`THREADID ` + mailbox.ObjectID('t', int64(second.Thread)), "2"},
		{`CHARSET UTF-8 SUBJECT {8+}` + "\r\nréunion", "2"}, {`CHARSET ISO-8859-1 SUBJECT {7+}` + "\r\nr\xe9union", "2"}, {`CHARSET US-ASCII SUBJECT reunion`, "2"},
		{`SUBJECT {8+}` + "\r\nréunion", "2"}, {`charset`, "BAD"}, {`CHARSET KOI-7-no SUBJECT x`, "NO [BADCHARSET (US-ASCII UTF-8)]"}, {`CHARSET US-ASCII SUBJECT {2+}` + "\r\né", "BAD"},
		{`MODSEQ 1`, fmt.Sprintf("1 2 3 4 5 (MODSEQ %d)", snap.Mailbox().HighestMod)}, {`MODSEQ "/flags/\\draft" all ` + fmt.Sprint(snap.At(4).ModSeq), fmt.Sprintf("5 (MODSEQ %d)", snap.At(4).ModSeq)},
		{`FUZZY SUBJECT x`, "BAD"}, {`SUBJECT`, "BAD"}, {`(SEEN`, "BAD"}, {`()`, "BAD"}, {`OR SEEN`, "BAD"}, {`ON 31-Feb-2026`, "BAD"}, {`0`, "BAD"}, {`1,`, "BAD"}, {`YOUNGER 0`, "BAD"}, {`LARGER -1`, "BAD"}, {``, "BAD"},
	} {
		for _, command := range []string{"SEARCH ", "UID SEARCH "} {
			said, tagged := c.do(command + x.keys)
			got := tagged
			if strings.HasPrefix(tagged, "OK") && len(said) > 0 {
				got = strings.TrimPrefix(strings.TrimPrefix(said[0], "* SEARCH"), " ")
			}
			if got != x.want && !(len(x.want) > 0 && x.want[0] >= 'A' && strings.HasPrefix(got, x.want)) {
				t.Errorf("%s%s: got %q, want %q", command, x.keys, got, x.want)
			}
		}
	}
}

func TestESearchReturnsWhatWasAskedFor(t *testing.T) {
	h := newHost(t)
	h.letters(post...)
	c := h.login("ann")
	c.ok("SELECT INBOX")
	mod := h.box(t).HighestMod
	for _, x := range []struct{ command, want string }{
		{`SEARCH RETURN () UNSEEN`, `* ESEARCH (TAG "<tag>") ALL 2:5`},
		{`SEARCH RETURN (ALL) OR 1 3`, `* ESEARCH (TAG "<tag>") ALL 1,3`},
		{`UID SEARCH RETURN (MIN MAX COUNT) UNSEEN`, `* ESEARCH (TAG "<tag>") UID MIN 2 MAX 5 COUNT 4`},
		{`SEARCH RETURN (COUNT MIN ALL) DRAFT`, `* ESEARCH (TAG "<tag>") COUNT 0`},
		{`SEARCH RETURN (PARTIAL 2:3) ALL`, `* ESEARCH (TAG "<tag>") PARTIAL (2:3 2:3)`},
		{`SEARCH RETURN (PARTIAL -1:-2) ALL`, `* ESEARCH (TAG "<tag>") PARTIAL (-1:-2 4:5)`},
		{`SEARCH RETURN (PARTIAL 9:20 COUNT) ALL`, `* ESEARCH (TAG "<tag>") COUNT 5 PARTIAL (9:20 NIL)`},
		{`SEARCH RETURN (PARTIAL 4294967295:1) 1`, `* ESEARCH (TAG "<tag>") PARTIAL (1:4294967295 1)`},
		{`SEARCH RETURN (COUNT) MODSEQ 1`, fmt.Sprintf(`* ESEARCH (TAG "<tag>") COUNT 5 MODSEQ %d`, mod)},
		{`SEARCH RETURN (MIN) MODSEQ 1 2:5`, fmt.Sprintf(`* ESEARCH (TAG "<tag>") MIN 2 MODSEQ %d`, mod-3)},
		{`SEARCH RETURN (ALL PARTIAL 1:2) ALL`, `BAD`},
		{`SEARCH RETURN (PARTIAL 1:-2) ALL`, `BAD`},
		{`SEARCH RETURN (PARTIAL 0:2) ALL`, `BAD`},
		{`SEARCH RETURN (NICE) ALL`, `BAD`},
		{`SEARCH RETURN ALL`, `BAD`},
		{`SEARCH RETURN (SAVE) FROM ann`, ``},
		{`SEARCH $`, `* SEARCH 1 5`},
		{`UID SEARCH NOT $`, `* SEARCH 2 3 4`},
		{`SEARCH RETURN (SAVE MIN) UNSEEN`, `* ESEARCH (TAG "<tag>") MIN 2`},
		{`SEARCH $`, `* SEARCH 2`},
		{`SEARCH RETURN (SAVE MIN MAX) UNSEEN`, `* ESEARCH (TAG "<tag>") MIN 2 MAX 5`},
		{`SEARCH RETURN () $`, `* ESEARCH (TAG "<tag>") ALL 2,5`},
		{`SEARCH RETURN (SAVE MIN COUNT) UNSEEN`, `* ESEARCH (TAG "<tag>") MIN 2 COUNT 4`},
		{`SEARCH RETURN (COUNT) $`, `* ESEARCH (TAG "<tag>") COUNT 4`},
		{`SEARCH RETURN (SAVE) NONSENSE`, `BAD`},
		{`SEARCH RETURN (COUNT) $`, `* ESEARCH (TAG "<tag>") COUNT 4`},
		{`SEARCH RETURN (SAVE) CHARSET nonsense SUBJECT x`, `NO`},
	} {
		said, tagged := c.do(x.command)
		got := strings.Join(said, "\n")
		if strings.HasPrefix(x.want, "BAD") || x.want == "NO" {
			got = tagged[:len(x.want)]
		}
		if want := strings.ReplaceAll(x.want, "<tag>", fmt.Sprintf("t%d", c.n)); got != want {
			t.Errorf("%s: got %q (%s), want %q", x.command, got, tagged, want)
		}
	}
	c.ok("ENABLE IMAP4rev2")
	said := c.ok("SEARCH UNSEEN")
	if want := fmt.Sprintf(`* ESEARCH (TAG "t%d") ALL 2:5`, c.n); len(said) != 1 || said[0] != want {
		t.Errorf("SEARCH of IMAP4rev2 says %q, want %q", said, want)
	}
}

// box is ann's INBOX as the store has it.
func (h *host) box(t testing.TB) mailbox.Mailbox {
	t.Helper()
	m, err := h.Mailboxes.Get(t.Context(), h.Accounts.(people)["ann@home.test"].Account, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSortAndThreadOrderAsTheRFCSays(t *testing.T) {
	h := newHost(t)
	h.letters(post...)
	c := h.login("ann")
	c.ok("SELECT INBOX")
	for _, x := range []struct{ command, want string }{
		{`SORT (ARRIVAL) UTF-8 ALL`, "* SORT 1 2 3 4 5"},
		{`UID SORT (REVERSE ARRIVAL) UTF-8 UNSEEN`, "* SORT 5 4 3 2"},
		{`SORT (DATE) UTF-8 ALL`, "* SORT 5 1 2 3 4"},
		{`SORT (REVERSE DATE) US-ASCII ALL`, "* SORT 4 3 2 1 5"},
		{`SORT (FROM) UTF-8 ALL`, "* SORT 1 5 3 4 2"},
		{`SORT (REVERSE FROM DATE) UTF-8 ALL`, "* SORT 2 4 3 5 1"},
		{`SORT (TO DATE) UTF-8 ALL`, "* SORT 2 3 4 1 5"},
		{`SORT (CC) UTF-8 ALL`, "* SORT 1 2 4 5 3"},
		{`SORT (SUBJECT) UTF-8 ALL`, "* SORT 1 3 4 5 2"},
		{`SORT (SUBJECT REVERSE DATE) UTF-8 ALL`, "* SORT 4 3 1 5 2"},
		{`SORT (SIZE) UTF-8 1,4`, "* SORT 1 4"},
		{`SORT (DISPLAYFROM) UTF-8 ALL`, "* SORT 1 5 3 4 2"},
		{`SORT (DISPLAYTO) UTF-8 ALL`, "* SORT 2 3 4 1 5"},
		{`SORT (DATE) UTF-8 DRAFT`, "* SORT"},
		{`SORT RETURN (ALL COUNT MIN MAX) (DATE) UTF-8 ALL`, `* ESEARCH (TAG "<tag>") MIN 5 MAX 4 COUNT 5 ALL 5,1:4`},
		{`UID SORT RETURN (PARTIAL 1:2) (REVERSE DATE) UTF-8 ALL`, `* ESEARCH (TAG "<tag>") UID PARTIAL (1:2 4,3)`},
		{`SORT (NICE) UTF-8 ALL`, "BAD"}, {`SORT () UTF-8 ALL`, "BAD"}, {`SORT (DATE) ALL`, "BAD"}, {`SORT (DATE) nonsense ALL`, "NO"}, {`SORT (REVERSE) UTF-8 ALL`, "BAD"},
		{`THREAD REFERENCES UTF-8 ALL`, "* THREAD ((5)(1 3 4))(2)"},
		{`THREAD REFERENCES UTF-8 3:4`, "* THREAD (3 4)"},
		{`UID THREAD ORDEREDSUBJECT UTF-8 ALL`, "* THREAD (5 (1)(3)(4))(2)"},
		{`THREAD REFERENCES UTF-8 DRAFT`, "* THREAD"},
		{`THREAD NICE UTF-8 ALL`, "BAD"}, {`THREAD REFERENCES nonsense ALL`, "NO"},
	} {
		said, tagged := c.do(x.command)
		got := strings.Join(said, "\n")
		if !strings.HasPrefix(x.want, "*") {
			got = tagged[:len(x.want)]
		}
		if want := strings.ReplaceAll(x.want, "<tag>", fmt.Sprintf("t%d", c.n)); got != want {
			t.Errorf("%s: got %q (%s), want %q", x.command, got, tagged, want)
		}
	}
}

func TestAFollowedSearchHearsOfWhatBeginsAndCeasesToMatch(t *testing.T) {
	h := newHost(t)
	h.letters(post...)
	c := h.login("ann")
	c.ok("SELECT INBOX")
	c.ok("UID SEARCH RETURN (COUNT UPDATE) UNSEEN")
	tag := fmt.Sprintf("t%d", c.n)
	heard := func(what string) {
		t.Helper()
		var got []string
		for _, l := range c.ok("NOOP") {
			if strings.HasPrefix(l, "* ESEARCH") {
				got = append(got, strings.TrimPrefix(l, `* ESEARCH (TAG "`+tag+`") UID `))
			}
		}
		if strings.Join(got, "; ") != what {
			t.Errorf("heard %q, want %q", got, what)
		}
	}
	heard("")
	h.letters(post[2], post[0])
	heard("ADDTO (0 6)")
	box := h.box(t).ID
	set := func(op mailbox.FlagOp, uids ...mailbox.UID) {
		t.Helper()
		if _, _, err := h.Mailboxes.SetFlags(t.Context(), box, uids, op, []string{`\Seen`}, 0); err != nil {
			t.Fatal(err)
		}
	}
	set(mailbox.AddFlags, 2, 3, 6)
	set(mailbox.RemoveFlags, 1, 3)
	heard("REMOVEFROM (0 2,6); ADDTO (0 1)")
	if _, err := h.Mailboxes.Expunge(t.Context(), box, []mailbox.UID{1, 2, 3}, false); err != nil {
		t.Fatal(err)
	}
	heard("REMOVEFROM (0 1,3)")
	c.ok(`CANCELUPDATE "` + tag + `"`)
	set(mailbox.AddFlags, 4)
	heard("")
	if _, tagged := c.do("CANCELUPDATE"); !strings.HasPrefix(tagged, "BAD") {
		t.Errorf("CANCELUPDATE of nothing: %s", tagged)
	}
	if said := c.ok("SORT RETURN (UPDATE COUNT) (DATE) UTF-8 ALL"); len(said) != 2 || !strings.HasPrefix(said[1], `* NO [NOUPDATE "`) {
		t.Errorf("a followed SORT says %q", said)
	}
}

func TestAHugeSearchIsRefusedAtOnce(t *testing.T) {
	h := newHost(t)
	h.letters(post...)
	c := h.login("ann")
	c.ok("SELECT INBOX")
	for name, keys := range map[string]string{
		"parentheses":  strings.Repeat("(", 30_000) + "ALL" + strings.Repeat(")", 30_000),
		"not":          strings.Repeat("NOT ", 15_000) + "ALL",
		"or":           strings.Repeat("OR ", 15_000) + "ALL",
		"keys":         strings.Repeat("ALL ", 15_000) + "ALL",
		"texts":        strings.Repeat("TEXT a ", 1000) + "ALL",
		"a million":    strings.Repeat("SEEN ", 1_000_000) + "ALL",
		"a wide set":   strings.TrimSuffix(strings.Repeat("1,3,", 15_000), ","),
		"a long range": "1:4294967295",
	} {
		began := time.Now()
		_, tagged := c.do("SEARCH " + keys)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if ok := name == "a wide set" || name == "a long range"; ok != strings.HasPrefix(tagged, "OK") {
			t.Errorf("%s: %s", name, tagged)
		}
		c.ok("NOOP")
	}
}

func TestALongSearchSaysThatItGoesOn(t *testing.T) {
	h := newHost(t, func(s *Server) { s.tellEvery = time.Nanosecond })
	c := h.login("ann")
	for range 3 {
		c.append("INBOX", "", "Subject: x\n\nnine lives\n")
	}
	c.ok("SELECT INBOX")
	got := c.ok(`SEARCH BODY "nine lives"`)
	if len(got) < 2 || got[0] != fmt.Sprintf(`* OK [INPROGRESS ("t%d" 0 3)] Searching`, c.n) && got[0] != fmt.Sprintf(`* OK [INPROGRESS ("t%d" 3 3)] Searching`, c.n) {
		t.Errorf("got %q", got)
	}
	if last := got[len(got)-1]; last != "* SEARCH 1 2 3" {
		t.Errorf("found %q", last)
	}
}
