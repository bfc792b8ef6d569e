package mailbox_test

import (
	"context"
	"fmt"
	"testing"

	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// What a webmail does with an account of 100,000 mails.
func BenchmarkAccount(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, n := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", engine, n), func(b *testing.B) { benchAccount(b, engine, n) })
		}
	}
}

func benchAccount(b *testing.B, engine string, n int) {
	if n > 10_000 && testing.Short() {
		b.Skip("a mailbox of that size takes a minute to fill")
	}
	var db *store.DB
	if engine == "sqlite" {
		db = storetest.SQLite(b)
	} else {
		db = storetest.Open(b, storetest.Postgres(b))
	}
	h := newHouse(b, db)
	h.Messages.Blobs.Inline = 64 << 10
	fillOffice(h, n)
	if engine == "postgres" { // as autovacuum does within a minute
		h.must(db.Write(b.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(b.Context(), "ANALYZE")
			return err
		}))
	}
	h.must(h.IndexAccount(b.Context(), h.account))
	ctx, inbox := b.Context(), h.box("INBOX").ID
	if engine == "postgres" { // as in production, where nodes hear of each other
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		changed, end := h.Watch(h.account)
		go func() { ended <- h.Run(ctx) }()
		<-changed
		defer func() { end(); stop(); <-ended }()
	}
	query := func(c mailbox.Condition, collapse bool, by ...mailbox.EmailOrder) []mailbox.EmailID {
		ids, err := h.QueryAll(ctx, me, 7, &mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: &c}, Collapse: collapse, Sort: by})
		h.must(err)
		return ids
	}
	uid, on := mailbox.UID(n/2), false
	touch := func() {
		op := mailbox.AddFlags
		if on = !on; !on {
			op = mailbox.RemoveFlags
		}
		_, _, err := h.SetFlags(ctx, inbox, []mailbox.UID{uid}, op, []string{`\Seen`}, 0)
		h.must(err)
	}
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
	has := true
	run("list", func() { query(mailbox.Condition{In: inbox}, false) })
	run("list-collapsed", func() { query(mailbox.Condition{In: inbox}, true) })
	run("touch", touch)
	run("touch+list", func() { touch(); query(mailbox.Condition{In: inbox}, true) })
	run("arrive", func() { h.deliver("INBOX", letter) })
	run("arrive+list", func() { h.deliver("INBOX", letter); query(mailbox.Condition{In: inbox}, true) })
	run("tallies", func() { _, err := h.Tallies(ctx, me, 7); h.must(err) })
	run("touch+tallies", func() { touch(); _, err := h.Tallies(ctx, me, 7); h.must(err) })
	run("unread", func() { query(mailbox.Condition{In: inbox, Lacks: `\Seen`}, true) })
	run("some-in-thread", func() { query(mailbox.Condition{SomeInThread: `\Seen`}, true) })
	run("attachment", func() { query(mailbox.Condition{Attachment: &has}, false) })
	run("touch+attachment", func() { touch(); query(mailbox.Condition{Attachment: &has}, false) })
	run("text", func() { query(mailbox.Condition{Text: "zyzzyva"}, true) })
	run("by-from", func() { query(mailbox.Condition{}, false, mailbox.EmailOrder{By: mailbox.ByDisplayFrom}) })
	run("emails-50", func() {
		_, err := h.Emails(ctx, me, 7, query(mailbox.Condition{In: inbox}, true)[:50])
		h.must(err)
	})
	run("changes-1", func() {
		state, err := h.State(ctx, 7)
		h.must(err)
		_, err = h.EmailChanges(ctx, me, 7, state-1, 0)
		h.must(err)
	})
	run("mailbox-changes-1", func() {
		state, err := h.State(ctx, 7)
		h.must(err)
		_, err = h.MailboxChanges(ctx, me, 7, state-1, 0)
		h.must(err)
	})
	run("patch-500", func() {
		var patches []mailbox.EmailPatch
		on = !on
		for _, id := range query(mailbox.Condition{In: inbox}, false)[:500] {
			p := mailbox.EmailPatch{ID: id}
			if on {
				p.Set = []string{"$work"}
			} else {
				p.Clear = []string{"$work"}
			}
			patches = append(patches, p)
		}
		_, _, _, err := h.Patch(ctx, me, 7, nil, patches)
		h.must(err)
	})
}
