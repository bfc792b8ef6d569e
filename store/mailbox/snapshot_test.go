package mailbox_test

import (
	"context"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

func (h *house) snapshot(box mailbox.ID) *mailbox.Snapshot {
	h.Helper()
	n, err := h.Snapshot(h.Context(), box)
	h.must(err)
	return n
}

// same compares a snapshot with what the database says.
func (h *house) same(n *mailbox.Snapshot, box mailbox.ID) {
	h.Helper()
	want, err := h.Entries(h.Context(), box, 0, 0)
	h.must(err)
	row, err := h.ByID(h.Context(), box)
	h.must(err)
	if n.Mailbox() != row {
		h.Fatalf("the snapshot is of %+v, the mailbox is %+v", n.Mailbox(), row)
	}
	if n.Len() != len(want) {
		h.Fatalf("%d mails, want %d", n.Len(), len(want))
	}
	for i, e := range want {
		got := n.At(i)
		if len(got.Flags) == 0 {
			got.Flags = nil
		}
		if !reflect.DeepEqual(got, e) {
			h.Fatalf("mail %d: got %+v, want %+v", i, got, e)
		}
		if f, ok := n.Find(e.UID); !ok || f.Email != e.Email || n.UIDs().Rank(e.UID) != i+1 {
			h.Fatalf("UID %d is not found", e.UID)
		}
	}
}

func TestASnapshotIsTheMailboxWhateverHappens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		box, other := h.box("INBOX").ID, h.box("Archive").ID
		r := rand.New(rand.NewSource(3))
		h.same(h.snapshot(box), box)
		some := func(n *mailbox.Snapshot) (uids []mailbox.UID) {
			for u := range n.UIDs().All {
				if r.Intn(4) == 0 {
					uids = append(uids, u)
				}
			}
			return uids
		}
		since, known := mailbox.ModSeq(0), (*mailbox.UIDSet)(nil)
		for round := range 60 {
			n := h.snapshot(box)
			switch r.Intn(6) {
			case 0, 1:
				for range 1 + r.Intn(40) {
					h.deliver("INBOX", letter)
				}
			case 2:
				_, _, err := h.SetFlags(t.Context(), box, some(n), mailbox.FlagOp(r.Intn(3)), []string{`\Seen`, fmt.Sprintf("$k%d", r.Intn(3))}, 0)
				h.must(err)
			case 3:
				_, err := h.Expunge(t.Context(), box, some(n), false)
				h.must(err)
			case 4:
				_, _, _, err := h.Copy(t.Context(), box, some(n), box)
				h.must(err)
			case 5:
				_, _, _, err := h.Move(t.Context(), box, some(n), other)
				h.must(err)
			}
			// What somebody hears who looked some rounds ago is the difference.
			if r.Intn(3) == 0 {
				cached := r.Intn(2) == 0
				if !cached {
					h.Store.Forget()
				}
				news, err := h.News(t.Context(), box, known, since)
				h.must(err)
				if news.UIDs.Minus(h.snapshot(box).UIDs()).Len()+h.snapshot(box).UIDs().Minus(news.UIDs).Len() > 0 {
					t.Fatalf("round %d, cached %v: news of %v, there is %v", round, cached, news.UIDs.Ranges(), h.snapshot(box).UIDs().Ranges())
				}
				for _, e := range news.Changed {
					if e.ModSeq <= since {
						t.Fatalf("no news: %+v", e)
					}
				}
				since, known = news.Box.HighestMod, news.UIDs
			}
			h.same(h.snapshot(box), box)
		}
	})
}

func TestNobodyAsksTheDatabaseWhenNothingChanged(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	box := h.box("INBOX").ID
	h.deliver("INBOX", letter)
	n := h.snapshot(box)
	gone, cancel := context.WithCancel(t.Context())
	cancel() // every query fails
	if again, err := h.Snapshot(gone, box); err != nil || again != n {
		t.Errorf("got another snapshot, or %v", err)
	}
	h.deliver("Archive", letter)
	if again := h.snapshot(box); again.UIDs() != n.UIDs() {
		t.Error("a mail elsewhere made another set of UIDs")
	}
	_, _, err := h.SetFlags(t.Context(), box, []mailbox.UID{1}, mailbox.AddFlags, []string{`\Seen`}, 0)
	h.must(err)
	if again := h.snapshot(box); again == n || again.UIDs() != n.UIDs() {
		t.Error("a flag made another set of UIDs, or nothing new")
	}
}

func TestAnExpungedMailCanStillBeReadByWhoSawIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		box := h.box("INBOX").ID
		p := h.deliver("INBOX", letter, flagged(`\Flagged`))
		h.deliver("INBOX", letter)
		before, _ := h.snapshot(box).Find(p.UID)
		_, err := h.Expunge(t.Context(), box, []mailbox.UID{p.UID}, false)
		h.must(err)
		got, err := h.Expunged(t.Context(), box, []mailbox.UID{p.UID, 2, 99})
		h.must(err)
		if len(got) != 1 || got[0].UID != p.UID || got[0].Email != before.Email || got[0].Size != before.Size ||
			!got[0].Date.Equal(before.Date) || !slices.Equal(got[0].Flags, before.Flags) || got[0].ModSeq <= before.ModSeq {
			t.Fatalf("got %+v, it was %+v", got, before)
		}
		gone, err := h.Vanished(t.Context(), box, before.ModSeq)
		h.must(err)
		if !slices.Equal(slices.Collect(gone.All), []mailbox.UID{p.UID}) {
			t.Errorf("vanished: %v", gone.Ranges())
		}
	})
}

// Two nodes of one PostgreSQL database.
func TestANodeHearsOfWhatAnotherDid(t *testing.T) {
	url := storetest.Postgres(t)
	nodes := make([]*house, 2)
	for i := range nodes {
		db, err := store.Open(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if i == 0 {
			nodes[i] = newHouse(t, db)
		} else {
			nodes[i] = &house{TB: t, account: 7, now: nodes[0].now, Store: &mailbox.Store{DB: db}}
		}
	}
	here, there := nodes[0], nodes[1]
	box := here.box("INBOX").ID
	// Without a connection between them there asks each time.
	there.snapshot(box)
	here.deliver("INBOX", letter)
	if n := there.snapshot(box).Len(); n != 1 {
		t.Fatalf("before the nodes are connected: %d mails", n)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for _, n := range nodes {
		go func() { ended <- n.Run(ctx) }()
	}
	defer func() {
		stop()
		for range nodes {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}()
	changed, end := there.Watch(mail.AccountID(4711), there.account)
	defer end()
	<-changed // it is connected now
	here.deliver("INBOX", letter)
	<-changed
	if n := there.snapshot(box).Len(); n != 2 {
		t.Errorf("after the wake-up: %d mails", n)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	h := newHouse(b, storetest.SQLite(b))
	p := h.deliver("INBOX", letter)
	box := p.Mailbox
	uids := []mailbox.UID{p.UID}
	for len(uids) < 10_000 {
		_, dst, _, err := h.Copy(b.Context(), box, uids[:min(len(uids), 10_000-len(uids))], box)
		h.must(err)
		uids = append(uids, dst...)
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			h.Forget()
			h.snapshot(box)
		}
	})
	b.Run("one flag changed", func(b *testing.B) {
		op := mailbox.AddFlags
		for b.Loop() {
			b.StopTimer()
			_, _, err := h.SetFlags(b.Context(), box, uids[5000:5001], op, []string{`\Seen`}, 0)
			h.must(err)
			op = mailbox.AddFlags + mailbox.RemoveFlags - op
			b.StartTimer()
			h.snapshot(box)
		}
	})
	b.Run("nothing changed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.snapshot(box)
		}
	})
}
