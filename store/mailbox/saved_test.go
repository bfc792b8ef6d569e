package mailbox_test

import (
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

func TestAMailIsSavedWhenItComesIntoItsMailbox(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		h := newHouse(t, db)
		ctx := t.Context()
		came := h.now.Truncate(time.Second)
		h.now = came.Add(300 * time.Millisecond)
		p := h.deliver("INBOX", letter, func(in *mailbox.Incoming) { in.Date = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) })
		inbox, archive, trash := p.Mailbox, h.box("Archive").ID, h.box("Trash").ID
		saved := func(name string, want time.Time) {
			t.Helper()
			for _, e := range h.entries(name) {
				shared, ok := h.snapshot(h.box(name).ID).Find(e.UID)
				if !ok || !e.Saved.Equal(want) || !shared.Saved.Equal(want) || e.Date.Year() != 1999 {
					t.Errorf("%s: saved at %v, shared %v, want %v; INTERNALDATE %v", name, e.Saved, shared.Saved, want, e.Date)
				}
			}
		}
		saved("INBOX", came)
		h.now = h.now.Add(24 * time.Hour)
		_, dst, _, err := h.Copy(ctx, inbox, []mailbox.UID{p.UID}, archive)
		h.must(err)
		saved("INBOX", came)
		saved("Archive", came.Add(24*time.Hour))
		h.now = h.now.Add(24 * time.Hour)
		_, _, _, err = h.Move(ctx, archive, dst, trash)
		h.must(err)
		saved("Trash", came.Add(48*time.Hour))
		_, _, err = h.SetFlags(ctx, inbox, []mailbox.UID{p.UID}, mailbox.AddFlags, []string{`\Seen`}, 0)
		h.must(err)
		saved("INBOX", came)

		found := func(q mailbox.Query) (n int) {
			t.Helper()
			h.must(h.Search(ctx, h.snapshot(inbox), &q, func(mailbox.Entry) bool { n++; return true }))
			return n
		}
		day := came.Truncate(24 * time.Hour)
		if found(mailbox.Query{SavedSince: day}) != 1 || found(mailbox.Query{SavedBefore: day}) != 0 || found(mailbox.Query{Since: day}) != 0 {
			t.Error("SAVEDSINCE is about the save date, SINCE about INTERNALDATE")
		}

		// Of mails from before save dates were kept nothing is known.
		h.must(db.Write(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, `UPDATE placement SET saved = 0`); return err }))
		h.Forget()
		saved("INBOX", time.Time{})
		if found(mailbox.Query{SavedSince: day}) != 0 {
			t.Error("INTERNALDATE does not stand for a save date that is not known")
		}
	})
}
