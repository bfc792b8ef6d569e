package mailbox_test

import (
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

func (h *house) state(a mail.AccountID) mailbox.ModSeq {
	h.Helper()
	n, err := h.State(h.Context(), a)
	h.must(err)
	return n
}

func (h *house) changes(u mail.User, a mail.AccountID, since mailbox.ModSeq) (mailbox.Changes[mailbox.EmailID], error) {
	return h.EmailChanges(h.Context(), u, a, since, 0)
}

// After a restore mails are back that clients know to be gone: they begin anew.
func TestARestoreEndsAllStatesBeforeIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.deliver("INBOX", letter)
		before := h.state(7)
		h.must(h.Restored(t.Context()))
		after := h.state(7)
		for _, since := range []mailbox.ModSeq{0, before, before + 10, after - 1, after + 1} {
			_, err := h.changes(me, 7, since)
			h.wantKind(err, mail.Gone, "since before")
		}
		p := h.deliver("INBOX", letter)
		c, err := h.changes(me, 7, after)
		h.must(err)
		if len(c.Created) != 1 || c.Created[0] != p.Email || len(c.Updated)+len(c.Destroyed) > 0 {
			t.Errorf("after it: %+v", c)
		}
	})
}

// A mailbox that is gone is remembered for a month. Then its mails are, too.
func TestAMailboxThatWentLongAgoCannotBeTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.create("Old")
		p := h.deliver("Old", letter)
		before := h.state(7)
		h.must(h.Remove(t.Context(), 7, "Old"))
		after := h.state(7)
		h.now = h.now.Add(29 * 24 * time.Hour)
		_, err := h.Purge(t.Context(), 30*24*time.Hour)
		h.must(err)
		c, err := h.changes(me, 7, before)
		h.must(err)
		if len(c.Destroyed) != 1 || c.Destroyed[0] != p.Email {
			t.Errorf("after 29 days: %+v", c)
		}
		h.now = h.now.Add(2 * 24 * time.Hour)
		_, err = h.Purge(t.Context(), 30*24*time.Hour)
		h.must(err)
		_, err = h.changes(me, 7, before)
		h.wantKind(err, mail.Gone, "after 31 days")
		if _, err := h.changes(me, 7, after); err != nil {
			t.Errorf("since it went: %v", err)
		}
		h.must(db.Read(t.Context(), func(tx *store.Tx) error {
			var n int
			err := tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM tombstone) + (SELECT count(*) FROM mailbox_gone)`).Scan(&n)
			if n > 0 {
				t.Errorf("%d rows are left", n)
			}
			return err
		}))
	})
}

// Who joins a group sees what was there before: no list of changes has that.
func TestWhoComesIntoAGroupBeginsAnew(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		box := v.create("Box")
		v.must(v.Grant(ctx, box, 20, "lr"))
		since := v.state(7)
		regroup := func() {
			v.must(v.DB.Write(ctx, func(tx *store.Tx) error { return v.Regrouped(ctx, tx, 20) }))
		}
		if _, err := v.changes(v.zoe, 7, since); err != nil {
			v.Error(err)
		}
		regroup()
		_, err := v.changes(v.zoe, 7, since)
		v.wantKind(err, mail.Gone, "since before")
		if _, err := v.changes(v.ann, 7, since); err != nil {
			v.Errorf("the owner: %v", err)
		}
		if _, err := v.changes(v.zoe, 7, v.state(7)); err != nil {
			v.Error(err)
		}
	})
}

// What others than the owner see must change for them when the owner's mailbox
// goes, although the rights they had go with it.
func TestWhoSawAMailboxHearsThatItWent(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		box, other, hidden := v.create("Box"), v.create("Other"), v.create("Hidden")
		v.must(v.Grant(ctx, box, 20, "lr"))
		v.must(v.Grant(ctx, other, 20, "lr"))
		p := v.deliver("Box", letter)
		v.deliver("Hidden", letter)
		since := v.state(7)
		v.must(v.Remove(ctx, 7, "Box"))
		v.must(v.Remove(ctx, 7, "Hidden"))
		c, err := v.changes(v.zoe, 7, since)
		v.must(err)
		m, err := v.MailboxChanges(ctx, v.zoe, 7, since, 0)
		v.must(err)
		if len(c.Destroyed) != 1 || c.Destroyed[0] != p.Email || len(m.Destroyed) != 1 || m.Destroyed[0] != box.ID {
			v.Errorf("zoe hears %+v and %+v, not of %d", c, m, hidden.ID)
		}
	})
}

func TestCountsAloneAreToldApartFromNames(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		box := h.create("Box")
		for _, c := range []struct {
			what string
			do   func() error
			only bool
		}{
			{"a mail", func() error { h.deliver("Box", letter); return nil }, true},
			{"a flag", func() error {
				_, _, err := h.SetFlags(t.Context(), box.ID, []mailbox.UID{1}, mailbox.AddFlags, []string{`\Seen`}, 0)
				return err
			}, true},
			{"a subscription", func() error { return h.Subscribe(t.Context(), 7, "Box", false) }, false},
			{"a right", func() error { return h.Grant(t.Context(), box, 8, "lr") }, false},
			{"a name", func() error { return h.Rename(t.Context(), 7, "Box", "Crate") }, false},
		} {
			since := h.state(7)
			h.must(c.do())
			got, err := h.MailboxChanges(t.Context(), me, 7, since, 0)
			h.must(err)
			if len(got.Updated) != 1 || got.Updated[0] != box.ID || got.CountsOnly != c.only || len(got.Created)+len(got.Destroyed) > 0 {
				t.Errorf("%s: %+v", c.what, got)
			}
		}
		since := h.state(7)
		h.must(h.Subscribe(t.Context(), 7, "Crate", false))
		if now := h.state(7); now != since {
			t.Errorf("what changes nothing leads from %d to %d", since, now)
		}
	})
}

// A client that asks for a little at a time gets no more, and all in the end; a
// single change of many mails cannot be cut.
func TestALargeChangeIsToldInPortionsOrNotAtAll(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		since := h.state(7)
		for range 10 {
			h.deliver("INBOX", letter)
		}
		at, calls, got := since, 0, 0
		for more := true; more; calls++ {
			c, err := h.EmailChanges(t.Context(), me, 7, at, 4)
			h.must(err)
			got += len(c.Created)
			at, more = c.To, c.More
		}
		if calls != 3 || got != 10 || at != h.state(7) {
			t.Errorf("%d created in %d portions up to %d", got, calls, at)
		}
		since = h.state(7)
		_, _, err := h.SetFlags(t.Context(), h.box("INBOX").ID, []mailbox.UID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, mailbox.AddFlags, []string{`\Seen`}, 0)
		h.must(err)
		_, err = h.EmailChanges(t.Context(), me, 7, since, 4)
		h.wantKind(err, mail.Gone, "ten at once, four at a time")
		c, err := h.changes(me, 7, since)
		h.must(err)
		if len(c.Updated) != 10 {
			t.Errorf("%+v", c)
		}
	})
}

// Mails from before attachments were noted are looked at when somebody asks.
func TestAttachmentsOfOldMailsAreFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		s := fillShelves(h, 20)
		ask := func() []mailbox.EmailID {
			yes := true
			ids, err := h.QueryAll(t.Context(), me, 7, &mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: &mailbox.Condition{Attachment: &yes}}})
			h.must(err)
			return ids
		}
		want := 0
		for _, m := range s.mails {
			want += number(m.attached)
		}
		if n := len(ask()); n != want {
			t.Errorf("%d of %d", n, want)
		}
		h.must(db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE email SET attached = 2`)
			return err
		}))
		h.deliver("INBOX", letter) // so that the account is looked at anew
		if n := len(ask()); n != want || n == 0 {
			t.Errorf("of old mails, %d of %d", n, want)
		}
	})
}
