package mailbox_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// as copies mails by u, from one name that u sees to another.
func (v *village) as(u mail.User, from string, uids []mailbox.UID, to string, move bool) ([]mailbox.UID, error) {
	v.Helper()
	a, _, err := v.Resolve(v.Context(), u, from)
	v.must(err)
	b, rights, err := v.Resolve(v.Context(), u, to)
	v.must(err)
	src, dst, validity, err := v.CopyAs(v.Context(), u, a, uids, b, rights, move)
	if err == nil && (!slices.Equal(src, uids) || len(dst) != len(src) || validity != b.UIDValidity) {
		v.Errorf("copied %v to %v under %d, want %v under %d", src, dst, validity, uids, b.UIDValidity)
	}
	return dst, err
}

// shows is a mailbox as u sees it: "1[\Seen] 2[]".
func (v *village) shows(u mail.User, name string) string {
	v.Helper()
	m, _, err := v.Resolve(v.Context(), u, name)
	v.must(err)
	n := v.snapshot(m.ID)
	read, err := v.Seen(v.Context(), n, u.Account)
	v.must(err)
	list := make([]mailbox.Entry, n.Len())
	for i := range list {
		list[i] = n.At(i)
		list[i].Flags = mailbox.ShownFlags(list[i].Flags, list[i].UID, read)
	}
	return brief(list)
}

func (v *village) uses(account mail.AccountID) int64 {
	v.Helper()
	n, err := v.Usage(v.Context(), account)
	v.must(err)
	return n
}

func TestAMailIsCopiedIntoAnotherAccount(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		p := v.deliver("INBOX", letter, flagged(`\Seen`, `\Flagged`, "$Work"))
		v.must(v.Grant(ctx, v.box("INBOX"), 8, "lrswite"))
		one := []mailbox.UID{p.UID}

		// What ann has read, bob has not.
		_, err := v.as(v.bob, "Shared/ann@home.test/INBOX", one, "INBOX", false)
		v.must(err)
		if got := v.shows(v.bob, "INBOX"); got != `1[$Work \Flagged]` {
			v.Errorf("bob has %s", got)
		}
		_, _, err = v.SetSeen(ctx, p.Mailbox, 8, one, true, 0)
		v.must(err)
		_, err = v.as(v.bob, "Shared/ann@home.test/INBOX", one, "INBOX", false)
		v.must(err)
		if got := v.shows(v.bob, "INBOX"); got != `1[$Work \Flagged] 2[$Work \Flagged \Seen]` {
			v.Errorf("then bob has %s", got)
		}
		// It takes space once, in each account.
		if v.uses(8) != v.uses(7) || v.uses(8) != int64(len(letter)) {
			v.Errorf("bob uses %d, ann %d", v.uses(8), v.uses(7))
		}
		inbox, err := v.Get(ctx, 8, "INBOX")
		v.must(err)
		his := v.snapshot(inbox.ID).At(0)
		if his.Email == p.Email || his.Message == 0 {
			v.Errorf("bob's mail is %+v, ann's %+v", his, p)
		}

		// It is bob's own: he finds it, answers are in its thread, and it stays when
		// ann's goes.
		found := 0
		v.must(v.Search(ctx, v.snapshot(inbox.ID), &mailbox.Query{Text: []string{"hello bob"}}, func(mailbox.Entry) bool { found++; return true }))
		if found != 2 {
			v.Errorf("bob finds it %d times", found)
		}
		answer, err := v.tryDeliver(ctx, 8, inbox.ID, mime("Subject: Re: Hello\nMessage-ID: <2@far.test>\nIn-Reply-To: <1@home.test>", "Yes"))
		if v.must(err); answer.Thread != his.Thread {
			v.Errorf("the answer is in thread %d, the mail in %d", answer.Thread, his.Thread)
		}
		_, err = v.Expunge(ctx, p.Mailbox, one, false)
		v.must(err)
		v.now = v.now.Add(100 * 24 * time.Hour)
		_, err = v.Purge(ctx, 30*24*time.Hour)
		v.must(err)
		c, err := v.Content(ctx, 8, his.Email)
		v.must(err)
		r, err := v.Open(ctx, c, 0)
		v.must(err)
		defer r.Close()
		if b, err := io.ReadAll(r); err != nil || string(b) != letter {
			v.Errorf("bob reads %q, %v", b, err)
		}
	})
}

func TestAMailIsMovedBetweenAccountsAndBack(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		v.must(v.Grant(ctx, v.box("Archive"), 8, "lrswite"))
		v.must(v.Grant(ctx, v.box("Trash"), 8, "lri"))
		bobs, err := v.Get(ctx, 8, "INBOX")
		v.must(err)
		for i := range 3 {
			_, err := v.tryDeliver(ctx, 8, bobs.ID, mime(fmt.Sprintf("Subject: %d\nMessage-ID: <%d@far.test>", i, i), "text"), flagged(`\Seen`, `\Flagged`))
			v.must(err)
		}
		used := v.uses(8)
		dst, err := v.as(v.bob, "INBOX", []mailbox.UID{1, 3}, "Shared/ann@home.test/Archive", true)
		v.must(err)
		if v.uses(8) >= used || v.uses(7)+v.uses(8) != used {
			v.Errorf("bob uses %d of %d, ann %d", v.uses(8), used, v.uses(7))
		}
		for _, x := range []struct {
			who  mail.User
			name string
			want string
		}{
			{v.bob, "INBOX", `2[\Flagged \Seen]`},
			{v.ann, "Archive", `1[\Flagged] 2[\Flagged]`}, // she has not read them
			{v.bob, "Shared/ann@home.test/Archive", `1[\Flagged \Seen] 2[\Flagged \Seen]`},
		} {
			if got := v.shows(x.who, x.name); got != x.want {
				v.Errorf("user %d: %s has %s, want %s", x.who.ID, x.name, got, x.want)
			}
		}
		if m := v.box("Archive"); m.Total != 2 || m.Unseen != 2 || m.Size != v.uses(7) {
			v.Errorf("Archive counts %+v", m)
		}
		// Back again, and inside ann's account.
		_, err = v.as(v.bob, "Shared/ann@home.test/Archive", dst[:1], "INBOX", true)
		v.must(err)
		_, err = v.as(v.bob, "Shared/ann@home.test/Archive", dst[1:], "Shared/ann@home.test/Trash", true)
		v.must(err)
		for _, x := range []struct {
			who  mail.User
			name string
			want string
		}{
			{v.bob, "INBOX", `2[\Flagged \Seen] 4[\Flagged \Seen]`},
			{v.ann, "Archive", ``},
			{v.ann, "Trash", `1[]`},                      // bob may not set flags there,
			{v.bob, "Shared/ann@home.test/Trash", `1[]`}, // his own \Seen included
		} {
			if got := v.shows(x.who, x.name); got != x.want {
				v.Errorf("back: user %d: %s has %s, want %s", x.who.ID, x.name, got, x.want)
			}
		}
		gone, err := v.Vanished(ctx, bobs.ID, bobs.HighestMod)
		if v.must(err); !slices.Equal(slices.Collect(gone.All), []mailbox.UID{1, 3}) {
			v.Errorf("vanished from INBOX: %v", gone.Ranges())
		}
		if v.uses(7)+v.uses(8) != used {
			v.Errorf("together they use %d, want %d", v.uses(7)+v.uses(8), used)
		}
	})
}

func TestManyMailsAreCopiedBetweenAccounts(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		v.must(v.Grant(ctx, v.box("Archive"), 8, "lrswi"))
		bobs, err := v.Get(ctx, 8, "INBOX")
		v.must(err)
		var uids []mailbox.UID
		for i := range 100 {
			p, err := v.tryDeliver(ctx, 8, bobs.ID, mime(fmt.Sprintf("Subject: %d\nMessage-ID: <%d@far.test>", i, i/2), "text"))
			v.must(err)
			uids = append(uids, p.UID)
		}
		_, err = v.as(v.bob, "INBOX", uids, "Shared/ann@home.test/Archive", false)
		v.must(err)
		entries := v.entries("Archive")
		if len(entries) != 100 {
			v.Fatalf("%d mails", len(entries))
		}
		for i, e := range entries {
			if got := v.read(e.Email, 0); !strings.HasPrefix(got, fmt.Sprintf("Subject: %d\r\n", i)) {
				v.Fatalf("mail %d is %.20q", i, got)
			}
			if i%2 == 1 && e.Thread != entries[i-1].Thread || i%2 == 0 && i > 0 && e.Thread == entries[i-1].Thread {
				v.Fatalf("mail %d is in thread %d, the one before in %d", i, e.Thread, entries[i-1].Thread)
			}
		}
	})
}
