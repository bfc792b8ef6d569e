package mailbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

func TestAMailIsReadBackWithItsPrefix(t *testing.T) {
	each(t, func(h *house) {
		prefix := "Return-Path: <ann@home.test>\r\nReceived: from here\r\n"
		at := time.Date(2020, 2, 29, 1, 2, 3, 4000, time.UTC)
		p := h.deliver("INBOX", letter, func(in *mailbox.Incoming) { in.Prefix, in.Date = []byte(prefix), at })
		whole := prefix + letter
		for _, offset := range []int{0, 5, len(prefix), len(prefix) + 7, len(whole), len(whole) + 10} {
			if got, want := h.read(p.Email, int64(offset)), whole[min(offset, len(whole)):]; got != want {
				h.Errorf("from %d on: %q, want %q", offset, got, want)
			}
		}
		e := h.entries("INBOX")[0]
		if e.Size != int64(len(whole)) || !e.Date.Equal(at) || e.UID != p.UID || e.Email != p.Email || e.Thread != p.Thread || e.ModSeq != p.ModSeq || e.Message == 0 {
			h.Errorf("%+v", e)
		}
		list, err := h.Contents(h.Context(), h.account, []mailbox.EmailID{1, p.Email, p.Email})
		h.must(err)
		if list[0] != nil || list[1] == nil || list[2] == nil || list[1].Summary.Subject != "Hello" || list[1].Size != e.Size {
			h.Errorf("%+v", list)
		}
		list, err = h.Contents(h.Context(), h.account+1, []mailbox.EmailID{p.Email})
		h.must(err)
		if list[0] != nil {
			h.Error("another account reads it")
		}
		if m := h.box("INBOX"); p.Validity != m.UIDValidity {
			h.Errorf("validity %d, want %d", p.Validity, m.UIDValidity)
		}
	})
}

func TestAMailGoesIntoTheAccountsOwnMailboxOnly(t *testing.T) {
	each(t, func(h *house) {
		h.open(8, "fr")
		_, err := h.tryDeliver(h.Context(), 8, h.box("INBOX").ID, letter)
		h.wantKind(err, mail.NotFound, "somebody else's mailbox")
		_, err = h.tryDeliver(h.Context(), 99, h.box("INBOX").ID, letter)
		h.wantKind(err, mail.NotFound, "no account")
		p := h.deliver("INBOX", letter)
		theirs, err := h.Get(h.Context(), 8, "INBOX")
		h.must(err)
		for name, f := range map[string]copyFunc{"copy": h.Copy, "move": h.Move} {
			_, _, _, err = f(h.Context(), h.box("INBOX").ID, []mailbox.UID{p.UID}, theirs.ID)
			h.wantKind(err, mail.Forbidden, name+" to somebody else")
		}
		if h.box("INBOX").Total != 1 || h.usage() != int64(len(letter)) {
			h.Errorf("%+v, %d used", h.box("INBOX"), h.usage())
		}
	})
}

func TestFlagsHaveOneSpellingAndBounds(t *testing.T) {
	each(t, func(h *house) {
		ctx := h.Context()
		h.deliver("INBOX", letter, flagged(`\sEEN`, "$forwarded", `\Recent`, `\seen`, "$FORWARDED"))
		box, one := h.box("INBOX").ID, []mailbox.UID{1}
		set := func(op mailbox.FlagOp, want string, flags ...string) {
			h.Helper()
			now, _, err := h.SetFlags(ctx, box, one, op, flags, 0)
			h.must(err)
			if got := brief(now); got != want {
				h.Errorf("now %s, want %s", got, want)
			}
			if got := brief(h.entries("INBOX")); got != want {
				h.Errorf("stored %s, want %s", got, want)
			}
		}
		set(mailbox.AddFlags, `1[$forwarded \Seen a]`, "$Forwarded", "a")
		set(mailbox.ReplaceFlags, `1[\Flagged a]`, "A", `\flagged`)
		set(mailbox.RemoveFlags, `1[\Flagged]`, "A", `\Seen`)
		if h.box("INBOX").Unseen != 1 {
			h.Error("unseen is wrong")
		}
		set(mailbox.ReplaceFlags, `1[]`)
		for _, bad := range []string{"", "a b", "é", `\Custom`, "a]", `a"`, "a\r\nb", strings.Repeat("x", 101)} {
			_, _, err := h.SetFlags(ctx, box, one, mailbox.AddFlags, []string{bad}, 0)
			h.wantKind(err, mail.BadSyntax, fmt.Sprintf("flag %.20q", bad))
			_, err = h.tryDeliver(ctx, h.account, box, letter, flagged(bad))
			h.wantKind(err, mail.BadSyntax, fmt.Sprintf("delivery with %.20q", bad))
		}
		var many []string
		for i := range 64 {
			many = append(many, fmt.Sprintf("k%02d", i))
		}
		_, _, err := h.SetFlags(ctx, box, one, mailbox.AddFlags, many, 0)
		h.must(err)
		_, _, err = h.SetFlags(ctx, box, one, mailbox.AddFlags, []string{"more"}, 0)
		h.wantKind(err, mail.TooMany, "the 65th flag")
	})
}

func TestWhatDoesNotChangeKeepsItsModSeq(t *testing.T) {
	each(t, func(h *house) {
		p := h.deliver("INBOX", letter, flagged(`\Seen`))
		now, _, err := h.SetFlags(h.Context(), h.box("INBOX").ID, []mailbox.UID{p.UID, 77}, mailbox.AddFlags, []string{`\Seen`}, 0)
		h.must(err)
		if len(now) != 1 || now[0].ModSeq != p.ModSeq || h.box("INBOX").HighestMod != p.ModSeq {
			h.Errorf("%+v, was %d", now, p.ModSeq)
		}
	})
}

func TestSetFlagsLeavesAloneWhatChangedMeanwhile(t *testing.T) {
	each(t, func(h *house) {
		ctx, box := h.Context(), h.box("INBOX").ID
		a, b := h.deliver("INBOX", letter), h.deliver("INBOX", letter)
		now, modified, err := h.SetFlags(ctx, box, []mailbox.UID{a.UID, b.UID}, mailbox.AddFlags, []string{`\Flagged`}, a.ModSeq)
		h.must(err)
		if brief(now) != `1[\Flagged]` || !slices.Equal(modified, []mailbox.UID{b.UID}) {
			h.Errorf("now %s, modified %v", brief(now), modified)
		}
		if got := brief(h.entries("INBOX")); got != `1[\Flagged] 2[]` {
			h.Error(got)
		}
	})
}

func TestThreadsFollowReferencesAndNeverMerge(t *testing.T) {
	each(t, func(h *house) {
		n := 0
		send := func(id, head string) mailbox.ThreadID {
			n++
			return h.deliver("INBOX", mime("Subject: "+fmt.Sprint(n)+"\nMessage-ID: <"+id+">\n"+head, "x")).Thread
		}
		a := send("a@x", "")
		b := send("b@x", "References: <a@x>")
		c := send("c@x", "In-Reply-To: <b@x>")
		other := send("o@x", "")
		if a != b || b != c || other == a {
			h.Errorf("a %d, b %d, c %d, another %d", a, b, c, other)
		}
		if both := send("d@x", "References: <a@x> <o@x>"); both != other {
			h.Error("the newest reference does not win")
		}
		if again := send("a@x", ""); again != a {
			h.Error("a copy of the same mail is elsewhere")
		}
		// An answer comes before what it answers, and a second one to it.
		early := send("r1@x", "References: <old@x> <late@x>")
		if second := send("r2@x", "In-Reply-To: <late@x>"); second != early {
			h.Error("two answers to what we do not have are apart")
		}
		if late := send("late@x", "References: <old@x>"); late != early {
			h.Error("the late parent is apart")
		}
		// It knits two threads together too late: both stay what they are.
		if send("k@x", "References: <a@x> <r1@x>") != early || send("l@x", "In-Reply-To: <a@x>") != a {
			h.Error("threads merged")
		}
		if send("", "") == send("", "") {
			h.Error("mails without any id are together")
		}
	})
}

func TestAHostileListOfReferencesIsBounded(t *testing.T) {
	each(t, func(h *house) {
		var refs []string
		for i := range 2000 {
			refs = append(refs, fmt.Sprintf("<%d@far.test>", i))
		}
		h.deliver("INBOX", mime("Message-ID: <me@x>\nIn-Reply-To: "+strings.Join(refs, " ")+"\nReferences: "+strings.Join(refs, " "), "x"))
		var n int
		h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(h.Context(), `SELECT count(*) FROM thread_ref`).Scan(&n)
		}))
		if n < 2 || n > 30 {
			h.Errorf("%d references kept", n)
		}
	})
}

func TestExpungedMailLeavesTheQuotaAndIsPurgedAMonthLater(t *testing.T) {
	each(t, func(h *house) {
		ctx, in := h.Context(), h.box("INBOX").ID
		p, kept := h.deliver("INBOX", letter), h.deliver("INBOX", letter)
		_, _, _, err := h.Copy(ctx, in, []mailbox.UID{p.UID, p.UID, 55}, in) // the same mailbox: the same mail twice
		h.must(err)
		_, _, _, err = h.Copy(ctx, in, []mailbox.UID{p.UID}, h.box("Archive").ID)
		h.must(err)
		size := int64(len(letter))
		for i, step := range []struct {
			box  string
			uids []mailbox.UID
			used int64
		}{{"INBOX", []mailbox.UID{1}, 2 * size}, {"INBOX", []mailbox.UID{3, 3}, 2 * size}, {"Archive", []mailbox.UID{1, 2}, size}} {
			gone, err := h.Expunge(ctx, h.box(step.box).ID, step.uids, false)
			h.must(err)
			if used := h.usage(); used != step.used || len(gone) != 1 {
				h.Errorf("step %d: %v gone, %d used, want %d", i, gone, used, step.used)
			}
		}
		_, err = h.Content(ctx, h.account, p.Email)
		h.wantKind(err, mail.NotFound, "expunged")
		day := 24 * time.Hour
		for _, step := range []struct {
			pass time.Duration
			want int
		}{{29 * day, 0}, {2 * day, 1}, {0, 0}} {
			h.now = h.now.Add(step.pass)
			if n, err := h.Purge(ctx, 30*day); n != step.want || err != nil {
				h.Errorf("purged %d %v, want %d", n, err, step.want)
			}
		}
		if h.read(kept.Email, 0) != letter {
			h.Error("the other mail is hurt")
		}
	})
}

func TestExpungeTakesWhatIsMarked(t *testing.T) {
	each(t, func(h *house) {
		ctx, box := h.Context(), h.box("INBOX").ID
		for _, f := range [][]string{{`\Deleted`}, {"NotDeleted"}, {`\Deleted`, `\Seen`}, nil, {`\Deleted`}} {
			h.deliver("INBOX", letter, flagged(f...))
		}
		for _, step := range []struct {
			uids []mailbox.UID
			only bool
			want string
		}{{[]mailbox.UID{}, false, "[]"}, {[]mailbox.UID{1, 2}, true, "[1]"}, {nil, true, "[3 5]"}, {nil, true, "[]"}, {nil, false, "[]"}, {[]mailbox.UID{4, 9}, false, "[4]"}} {
			gone, err := h.Expunge(ctx, box, step.uids, step.only)
			h.must(err)
			if got := fmt.Sprint(gone); got != step.want {
				h.Errorf("expunge %v %v: %s, want %s", step.uids, step.only, got, step.want)
			}
		}
		if got := brief(h.entries("INBOX")); got != "2[NotDeleted]" {
			h.Error(got)
		}
	})
}

func TestThousandsAreMovedAndMarkedAtOnce(t *testing.T) {
	each(t, func(h *house) {
		ctx, in, to := h.Context(), h.box("INBOX").ID, h.box("Archive").ID
		const n = 1100 // over every bound of one statement
		_, one, err := h.prepare(ctx, letter)
		h.must(err)
		one.Message = 1
		var uids []mailbox.UID
		h.must(h.DB.Write(ctx, func(tx *store.Tx) error {
			for range n {
				p, err := h.Append(ctx, tx, h.account, in, one)
				if err != nil {
					return err
				}
				uids = append(uids, p.UID)
			}
			return nil
		}))
		uids = uids[len(uids)-n:] // of the last run
		slices.Reverse(uids)
		uids = append(append(uids, uids[:300]...), uids[:300]...) // some of them said three times
		now, _, err := h.SetFlags(ctx, in, uids, mailbox.AddFlags, []string{`\Seen`}, 0)
		h.must(err)
		src, dst, _, err := h.Move(ctx, in, uids, to)
		h.must(err)
		if len(now) != n || len(src) != n || len(dst) != n || !slices.IsSorted(src) || src[n-1] != n || dst[n-1] != n {
			h.Fatalf("%d marked, %d moved to %d", len(now), len(src), len(dst))
		}
		a, b := h.box("INBOX"), h.box("Archive")
		if a.Total != 0 || a.Unseen != 0 || b.Total != n || b.Unseen != 0 {
			h.Errorf("%+v %+v", a, b)
		}
		_, vanished, _, err := h.Changed(ctx, in, 0)
		h.must(err)
		gone, err := h.Expunge(ctx, to, append(dst, dst[:300]...), false)
		h.must(err)
		if len(vanished) != n || len(gone) != n || h.usage() != 0 {
			h.Errorf("%d vanished, %d gone, %d used", len(vanished), len(gone), h.usage())
		}
	})
}

func TestWatchersAreWokenAfterTheCommitAndNeverWaitedFor(t *testing.T) {
	each(t, func(h *house) {
		mine, end := h.Watch(h.account)
		defer end()
		theirs, endTheirs := h.Watch(8)
		defer endTheirs()
		h.deliver("INBOX", letter)
		h.deliver("INBOX", letter) // nobody has read the first wake-up
		select {
		case <-mine:
		default:
			h.Error("not woken")
		}
		select {
		case <-mine:
			h.Error("woken twice for what one look shows")
		case <-theirs:
			h.Error("woken for somebody else's mail")
		default:
		}
		failed := fmt.Errorf("no")
		_, in, err := h.prepare(h.Context(), letter)
		h.must(err)
		if err := h.DB.Write(h.Context(), func(tx *store.Tx) error {
			if _, err := h.Append(h.Context(), tx, h.account, h.inboxIn(tx), in); err != nil {
				return err
			}
			return failed
		}); err == nil {
			h.Error("the transaction did not fail")
		}
		select {
		case <-mine:
			h.Error("woken for what did not happen")
		default:
		}
		end()
		h.deliver("INBOX", letter)
		select {
		case <-mine:
			h.Error("woken after the end")
		default:
		}
	})
}

// inboxIn finds INBOX inside a transaction.
func (h *house) inboxIn(tx *store.Tx) mailbox.ID {
	id, err := h.ByRole(h.Context(), tx, h.account, mailbox.Inbox)
	h.must(err)
	return id
}

// Twenty clients at one account: in the end every count is what the rows say,
// no UID was given twice, and a client that only followed Changed knows all.
func TestTwentyClientsAtOnceLeaveTheAccountWhole(t *testing.T) {
	each(t, func(h *house) {
		ctx := h.Context()
		boxes := []mailbox.ID{h.box("INBOX").ID, h.box("Sent").ID, h.box("Archive").ID}
		stop := make(chan struct{})
		var follower sync.WaitGroup
		known := map[mailbox.UID]bool{}
		var since mailbox.ModSeq
		catchUp := func() {
			changed, vanished, high, err := h.Changed(ctx, boxes[0], since)
			if err != nil {
				h.Error(err)
				return
			}
			for _, e := range changed {
				known[e.UID] = true
			}
			for _, uid := range vanished {
				delete(known, uid)
			}
			since = high
		}
		follower.Go(func() {
			wake, end := h.Watch(h.account)
			defer end()
			for {
				select {
				case <-stop:
					return
				case <-wake:
					catchUp()
				}
			}
		})
		var mu sync.Mutex
		given := map[[2]int64]bool{}
		give := func(box mailbox.ID, uid mailbox.UID) {
			mu.Lock()
			defer mu.Unlock()
			k := [2]int64{int64(box), int64(uid)}
			if given[k] {
				h.Errorf("UID %d twice in one mailbox", uid)
			}
			given[k] = true
		}
		var clients sync.WaitGroup
		for c := range 20 {
			clients.Go(func() {
				for i := range 6 {
					from, to := boxes[(c+i)%3], boxes[(c+i*i+1)%3]
					p, err := h.tryDeliver(ctx, h.account, from, letter)
					if err != nil {
						h.Error(err)
						return
					}
					give(from, p.UID)
					uids := []mailbox.UID{p.UID, mailbox.UID(i + 1), mailbox.UID(c + 1)}
					switch (c + i) % 4 {
					case 0:
						_, dst, _, err2 := h.Copy(ctx, from, uids, to)
						for _, uid := range dst {
							give(to, uid)
						}
						err = err2
					case 1:
						_, dst, _, err2 := h.Move(ctx, from, uids, to)
						for _, uid := range dst {
							give(to, uid)
						}
						err = err2
					case 2:
						_, _, err = h.SetFlags(ctx, from, uids, mailbox.FlagOp(i%3), []string{`\Seen`, `\Deleted`}, 0)
					case 3:
						_, err = h.Expunge(ctx, from, uids, i%2 == 0)
					}
					if err != nil {
						h.Error(err)
						return
					}
				}
			})
		}
		clients.Wait()
		close(stop)
		follower.Wait()
		catchUp()

		emails := map[mailbox.EmailID]int64{}
		for i, name := range []string{"INBOX", "Sent", "Archive"} {
			m, list := h.box(name), h.entries(name)
			unseen, size := 0, int64(0)
			for _, e := range list {
				if !slices.Contains(e.Flags, `\Seen`) {
					unseen++
				}
				size += e.Size
				emails[e.Email] = e.Size
				if e.UID >= m.UIDNext || e.ModSeq > m.HighestMod {
					h.Errorf("%+v in %+v", e, m)
				}
			}
			if m.Total != len(list) || m.Unseen != unseen || m.Size != size {
				h.Errorf("%+v, want %d, %d unseen, %d octets", m, len(list), unseen, size)
			}
			if i == 0 {
				uids := map[mailbox.UID]bool{}
				for _, e := range list {
					uids[e.UID] = true
				}
				if fmt.Sprint(uids) != fmt.Sprint(known) {
					h.Errorf("the follower knows %v, there is %v", known, uids)
				}
			}
		}
		var used int64
		for _, size := range emails {
			used += size
		}
		if n := h.usage(); n != used {
			h.Errorf("%d used, want %d", n, used)
		}
	})
}

func TestACallerWhoLeavesGetsAKind(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	_, err := h.List(ctx, h.account)
	h.wantKind(err, mail.Unavailable, "list")
	_, err = h.Create(ctx, h.account, "a")
	h.wantKind(err, mail.Unavailable, "create")
}
