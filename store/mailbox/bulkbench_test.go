package mailbox_test

import (
	"slices"
	"testing"

	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// BenchmarkBulk is what one command does to ten thousand mails, all of them
// different emails.
func BenchmarkBulk(b *testing.B) {
	h := newHouse(b, storetest.SQLite(b))
	ctx := b.Context()
	box, other := h.box("INBOX").ID, h.box("Archive").ID
	fill(h, box, 10_000)
	uids := slices.Collect(h.snapshot(box).UIDs().All)
	b.Run("store", func(b *testing.B) {
		ops := []mailbox.FlagOp{mailbox.AddFlags, mailbox.RemoveFlags}
		for i := 0; b.Loop(); i++ {
			for some := range slices.Chunk(uids, 2000) {
				_, _, err := h.SetFlags(ctx, box, some, ops[i%2], []string{`\Answered`}, 0)
				h.must(err)
			}
		}
	})
	b.Run("move", func(b *testing.B) {
		from, to, at := box, other, uids
		for b.Loop() {
			_, dst, _, err := h.Move(ctx, from, at, to)
			h.must(err)
			from, to, at = to, from, dst
		}
		if from != box {
			_, _, _, err := h.Move(ctx, from, at, to)
			h.must(err)
		}
	})
	uids = slices.Collect(h.snapshot(box).UIDs().All)
	b.Run("copy and expunge", func(b *testing.B) {
		for b.Loop() {
			_, dst, _, err := h.Copy(ctx, box, uids, other)
			h.must(err)
			b.StopTimer()
			_, err = h.Expunge(ctx, other, dst, false)
			h.must(err)
			b.StartTimer()
		}
	})
	b.Run("expunge", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			_, dst, _, err := h.Copy(ctx, box, uids, other)
			h.must(err)
			b.StartTimer()
			_, err = h.Expunge(ctx, other, dst, false)
			h.must(err)
		}
	})
}
