package mailbox_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

func TestSiblingsAreMadeAtOnce(t *testing.T) {
	each(t, func(h *house) {
		bad := 0
		var mu sync.Mutex
		for i := range 20 {
			var wg sync.WaitGroup
			for k := range 4 {
				wg.Go(func() {
					if _, err := h.Create(context.Background(), h.account, fmt.Sprintf("p%d/%d", i, k)); err != nil {
						mu.Lock()
						bad++
						if bad == 1 {
							h.Logf("first: %v", err)
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
		}
		if bad > 0 {
			h.Errorf("%d of 80 mailboxes that nobody had were refused", bad)
		}
	})
}

// PostgreSQL would end the circle after a second, by running one of them again.
func TestMailsThatReferToEachOtherDoNotWaitInACircle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := context.Background()
		inbox := h.box("INBOX").ID
		_, in, err := h.prepare(ctx, letter)
		h.must(err)
		file := func(tx *store.Tx, id, ref string) error {
			one := *in
			one.Summary = &mail.Summary{MessageID: id, References: []string{ref}}
			one.Message = 1
			_, err := h.Append(ctx, tx, h.account, inbox, &one)
			return err
		}
		var worst time.Duration
		bad, runs := 0, 0
		var mu sync.Mutex
		for i := range 60 {
			var wg sync.WaitGroup
			for k := range 4 {
				wg.Go(func() {
					a, b := fmt.Sprint("a", i), fmt.Sprint("b", i)
					if k%2 == 1 {
						a, b = b, a
					}
					start, tries := time.Now(), 0
					err := db.Write(ctx, func(tx *store.Tx) error {
						tries++
						if err := file(tx, a, b); err != nil {
							return err
						}
						return nil
					})
					mu.Lock()
					defer mu.Unlock()
					worst = max(worst, time.Since(start))
					runs += tries - 1
					if err != nil {
						bad++
					}
				})
			}
			wg.Wait()
		}
		if bad > 0 || runs > 0 {
			t.Errorf("%d failed, %d ran again, the slowest took %v", bad, runs, worst)
		}
		m := h.box("INBOX")
		if want := 60 * 4; m.Total != want {
			t.Errorf("total %d want %d", m.Total, want)
		}
	})
}

// The three sweepers of a host, one after the other, with its queries.
func TestPurgedMailLeavesTheDisk(t *testing.T) {
	each(t, func(h *house) {
		ctx, day := h.Context(), 24*time.Hour
		h.Messages.Named = []string{`SELECT 1 FROM email WHERE message = $1`, `SELECT 1 FROM job WHERE message = $1`}
		h.Messages.Blobs.Named = []string{`SELECT 1 FROM message WHERE blob = $1`, `SELECT 1 FROM segment WHERE blob = $1`}
		large := mime("Subject: large\nMessage-ID: <2@home.test>", strings.Repeat("0123456789abcdef\n", 4000))
		gone, kept := h.deliver("INBOX", large), h.deliver("INBOX", large)
		_, err := h.Expunge(ctx, gone.Mailbox, []mailbox.UID{gone.UID}, false)
		h.must(err)
		for _, step := range []struct {
			pass  time.Duration
			total int
		}{{29 * day, 2}, {2 * day, 1}} {
			h.now = h.now.Add(step.pass)
			_, err := h.Purge(ctx, 30*day)
			h.must(err)
			_, err = h.Messages.Sweep(ctx, day)
			h.must(err)
			_, err = h.Messages.Blobs.Sweep(ctx, day)
			h.must(err)
			files := 0
			h.must(filepath.WalkDir(h.Messages.Blobs.Dir, func(_ string, d fs.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					files++
				}
				return err
			}))
			got := [4]int{0, 0, 0, files}
			for i, table := range []string{"email", "message", "blob"} {
				h.must(h.DB.Read(ctx, func(tx *store.Tx) error { return tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&got[i]) }))
			}
			if n := step.total; got != [4]int{n, n, n, n} {
				h.Errorf("%v emails, messages, blobs and files, want %d of each", got, n)
			}
		}
		if h.read(kept.Email, 0) != large {
			h.Error("what was kept is hurt")
		}
	})
}
