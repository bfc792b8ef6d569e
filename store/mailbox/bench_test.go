package mailbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

var syllables = strings.Fields("ba be bi bo bu ca ce ci co cu da de di do du fa fe fi fo fu ga ge gi la le li lo lu ma me mi mo mu na ne ni no nu pa pe pi po pu ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo vu")

// prose is n octets of words.
func prose(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		for range 1 + r.IntN(4) {
			b.WriteString(syllables[r.IntN(len(syllables))])
		}
		b.WriteByte(" \n"[min(r.IntN(10)/9, 1)])
	}
	return b.String()[:n]
}

// BenchmarkAppend is what the mailboxes add to a delivery: ten at once into the
// mailboxes of as many accounts, durable. The message is there already.
func BenchmarkAppend(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, accounts := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/accounts=%d", engine, accounts), func(b *testing.B) {
				var db *store.DB
				if engine == "sqlite" {
					db = storetest.SQLite(b)
				} else {
					db = storetest.Open(b, storetest.Postgres(b))
				}
				h := newHouse(b, db)
				inbox := map[mail.AccountID]mailbox.ID{h.account: h.box("INBOX").ID}
				for a := range accounts - 1 {
					h.open(mail.AccountID(100+a), "fr")
					m, err := h.Get(b.Context(), mail.AccountID(100+a), "INBOX")
					h.must(err)
					inbox[m.Account] = m.ID
				}
				var all []mail.AccountID
				for a := range inbox {
					all = append(all, a)
				}
				r := rand.New(rand.NewPCG(1, 2))
				_, in, err := h.prepare(b.Context(), mime("Subject: x", prose(r, 10<<10)))
				h.must(err)
				in.Prefix = []byte(prose(r, 300))
				var n atomic.Int64
				b.ResetTimer()
				var wg sync.WaitGroup
				for w := range 10 {
					wg.Go(func() {
						ctx := context.Background()
						for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
							one := *in
							sum := *in.Summary
							sum.MessageID = fmt.Sprintf("%d@far.test", i)
							one.Summary, one.Message = &sum, 1
							a := all[w%len(all)]
							if err := db.Write(ctx, func(tx *store.Tx) error {
								_, err := h.Append(ctx, tx, a, inbox[a], &one)
								return err
							}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
			})
		}
	}
}

func BenchmarkSign10KB(b *testing.B) {
	text := []byte(mail.Fold(prose(rand.New(rand.NewPCG(1, 2)), 10<<10)))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		mailbox.Sign(nil, text)
	}
}

// BenchmarkMailbox10000 is what people do in a mailbox of ten thousand mails of 10 KB.
func BenchmarkMailbox10000(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			var db *store.DB
			if engine == "sqlite" {
				db = storetest.SQLite(b)
			} else {
				db = storetest.Open(b, storetest.Postgres(b))
			}
			h := newHouse(b, db)
			ctx := b.Context()
			inbox := h.box("INBOX").ID
			fill(h, inbox, 10_000)
			if engine == "postgres" { // as autovacuum does within a minute
				h.must(db.Write(ctx, func(tx *store.Tx) error {
					_, err := tx.Exec(ctx, "ANALYZE")
					return err
				}))
			}
			search := func(name string, q *mailbox.Query, min, max int) {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						found, err := h.Find(ctx, inbox, q)
						h.must(err)
						if len(found) < min || len(found) > max {
							b.Fatalf("%d found", len(found))
						}
					}
				})
			}
			search("search-text-rare", &mailbox.Query{Text: []string{"xylophone"}}, 10, 10)
			search("search-text-common", &mailbox.Query{Text: []string{"baba"}}, 4000, 10_000)
			search("search-not-text", &mailbox.Query{Not: []mailbox.Query{{Text: []string{"xylophone"}}}}, 9990, 9990)
			search("search-subject", &mailbox.Query{Header: []mailbox.HeaderQuery{{Field: "subject", Value: "number 77"}}}, 10, 1000)
			search("search-message-id", &mailbox.Query{Header: []mailbox.HeaderQuery{{Field: "message-id", Value: "<77@far.test>"}}}, 1, 1)
			search("search-flag", &mailbox.Query{Flags: []string{`\Flagged`}}, 0, 0)
			search("search-sent", &mailbox.Query{SentSince: h.now.AddDate(0, 0, 1)}, 0, 0)
			b.Run("entries", func(b *testing.B) {
				for b.Loop() {
					list, err := h.Entries(ctx, inbox, 0, 0)
					h.must(err)
					if len(list) != 10_000 {
						b.Fatal(len(list))
					}
				}
			})
			uids := make([]mailbox.UID, 500)
			for i := range uids {
				uids[i] = mailbox.UID(i*7 + 1)
			}
			b.Run("flags-500", func(b *testing.B) {
				ops := []mailbox.FlagOp{mailbox.AddFlags, mailbox.RemoveFlags}
				for i := 0; b.Loop(); i++ {
					_, _, err := h.SetFlags(ctx, inbox, uids, ops[i%2], []string{`\Answered`}, 0)
					h.must(err)
				}
			})
			b.Run("move-1", func(b *testing.B) {
				trash := h.box("Trash").ID
				uid := mailbox.UID(5000)
				from, to := inbox, trash
				for b.Loop() {
					_, dst, _, err := h.Move(ctx, from, []mailbox.UID{uid}, to)
					h.must(err)
					uid, from, to = dst[0], to, from
				}
			})
			b.Run("expunge-nothing", func(b *testing.B) {
				for b.Loop() {
					_, err := h.Expunge(ctx, inbox, nil, true)
					h.must(err)
				}
			})
			b.Run("changed-1", func(b *testing.B) {
				high := h.box("INBOX").HighestMod
				for b.Loop() {
					_, _, _, err := h.Changed(ctx, inbox, high-1)
					h.must(err)
				}
			})
		})
	}
}

// fill delivers n mails in large transactions; every thousandth has a rare word.
func fill(h *house, box mailbox.ID, n int) {
	h.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	ctx := h.Context()
	for i := 0; i < n; i += 500 {
		var todo []func(tx *store.Tx) error
		for k := i; k < min(n, i+500); k++ {
			text := prose(r, 10<<10)
			if k%1000 == 77 {
				text = text[:5000] + " Xylophone " + text[5000:]
			}
			d, in, err := h.prepare(ctx, mime(fmt.Sprintf("From: Ann <ann@home.test>\nSubject: number %d\nMessage-ID: <%d@far.test>\nDate: Sun, 22 Nov 2026 10:00:00 +0100", k, k), text))
			h.must(err)
			todo = append(todo, func(tx *store.Tx) error {
				if err := h.Messages.Insert(ctx, tx, d); err != nil {
					return err
				}
				in.Message = d.ID
				_, err = h.Append(ctx, tx, h.account, box, in)
				return err
			})
		}
		h.must(h.DB.Write(ctx, func(tx *store.Tx) error {
			for _, f := range todo {
				if err := f(tx); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}
