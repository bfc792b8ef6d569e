package mailbox_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// rows counts what a table has.
func (h *house) rows(table string) (n int) {
	h.Helper()
	h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(h.Context(), `SELECT count(*) FROM `+table).Scan(&n)
	}))
	return n
}

// motley delivers n mails that differ in all that a search can ask for.
func motley(h *house, n int) {
	h.Helper()
	r := rand.New(rand.NewPCG(9, 10))
	inbox := h.box("INBOX").ID
	for from := 0; from < n; from += 200 {
		var todo []func(tx *store.Tx) error
		for i := from; i < min(n, from+200); i++ {
			head := fmt.Sprintf("From: \"Writer, %d\" <w%d@far.test>\nTo: Léa <lea@home.test>\nSubject: =?utf-8?q?=C3=89t=C3=A9_%d?=\nMessage-ID: <m%d@far.test>\n", i%7, i%7, i%5, i)
			switch i % 4 {
			case 0:
				head += "X-Kind: rare bird\nReceived: from a.test\n\tby b.test\n"
			case 1:
				head += "List-Unsubscribe: <https://far.test/" + fmt.Sprint(i) + ">\nX-Kind:\n"
			case 2:
				head += "Cc: w1@far.test\nDate: Sun, 22 Nov 2026 23:30:00 -0500\n"
			}
			text := prose(r, 50+r.IntN(3000))
			if i%11 == 3 {
				text += " xylophone"
			}
			d, in, err := h.prepare(h.Context(), mime(strings.TrimSuffix(head, "\n"), text))
			h.must(err)
			in.Date = h.now.Add(time.Duration(i) * time.Minute)
			if i%3 == 0 {
				in.Prefix = []byte("Return-Path: <w@far.test>\r\nX-Ours: yes\r\n")
			}
			if i%50 == 1 {
				in.Words = nil
			}
			if i%5 == 2 {
				in.Flags = []string{`\Seen`}
			}
			todo = append(todo, func(tx *store.Tx) error {
				if err := h.Messages.Insert(h.Context(), tx, d); err != nil {
					return err
				}
				in.Message = d.ID
				_, err = h.Append(h.Context(), tx, h.account, inbox, in)
				return err
			})
		}
		h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error {
			for _, f := range todo {
				if err := f(tx); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

var asked = []struct {
	name string
	q    *mailbox.Query
	want func(i int) bool
}{
	{"word", text("xylophone"), func(i int) bool { return i%11 == 3 }},
	{"body", body("xylo"), func(i int) bool { return i%11 == 3 }},
	{"two letters", body("xy"), func(i int) bool { return i%11 == 3 }},
	{"not word", &mailbox.Query{Not: []mailbox.Query{*text("xylophone")}}, func(i int) bool { return i%11 != 3 }},
	{"from", field("from", "w3@"), func(i int) bool { return i%7 == 3 }},
	{"from as written", field("from", `"writer, 3" <w3`), func(i int) bool { return i%7 == 3 }},
	{"from as read", field("from", `writer, 3 <w3`), func(i int) bool { return i%7 == 3 }},
	{"subject", field("subject", "ete 4"), func(i int) bool { return i%5 == 4 }},
	{"text of the header", text("ÉTÉ 4"), func(i int) bool { return i%5 == 4 }},
	{"cc", field("cc", "w1"), func(i int) bool { return i%4 == 2 }},
	{"cc, any", field("cc", ""), func(i int) bool { return i%4 == 2 }},
	{"rare field", field("X-Kind", "BIRD"), func(i int) bool { return i%4 == 0 }},
	{"rare field, any", field("x-kind", ""), func(i int) bool { return i%4 < 2 }},
	{"value of another field", field("x-kind", "home"), func(i int) bool { return false }},
	{"name of a field is no value", field("x-kind", "x-kind"), func(i int) bool { return false }},
	{"field with a link", field("list-unsubscribe", "https://far.test/"), func(i int) bool { return i%4 == 1 }},
	{"field with a link, any", field("list-unsubscribe", ""), func(i int) bool { return i%4 == 1 }},
	{"trace", field("received", "a.test by b"), func(i int) bool { return i%4 == 0 }},
	{"field of ours", field("x-ours", "yes"), func(i int) bool { return i%3 == 0 }},
	{"trace and word", &mailbox.Query{Text: []string{"xylophone"}, Header: []mailbox.HeaderQuery{{Field: "received", Value: "b.test"}}}, func(i int) bool { return i%11 == 3 && i%4 == 0 }},
	{"sent that day", &mailbox.Query{SentSince: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), SentBefore: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)},
		func(i int) bool { return i%4 == 2 || i < 720 }},
	{"or", &mailbox.Query{Or: [][2]mailbox.Query{{*text("xylophone"), *field("cc", "w1")}}}, func(i int) bool { return i%11 == 3 || i%4 == 2 }},
	{"and, not", &mailbox.Query{And: []mailbox.Query{*field("cc", "w1"), {NotFlags: []string{`\Seen`}}}, Not: []mailbox.Query{*field("from", "w3@")}},
		func(i int) bool { return i%4 == 2 && i%5 != 2 && i%7 != 3 }},
}

// check asks everything of mails 0 to n-1, without those that are gone.
func (h *house) check(when string, n int, gone func(i int) bool) {
	h.Helper()
	for _, c := range asked {
		var want []string
		for i := range n {
			if c.want(i) && !gone(i) {
				want = append(want, fmt.Sprint(i+1))
			}
		}
		if got := h.search(c.q); got != strings.Join(want, " ") {
			h.Errorf("%s, %s: found\n%s, want\n%s", when, c.name, got, strings.Join(want, " "))
		}
	}
}

func TestBlocksAnswerAsTheMailsDo(t *testing.T) {
	each(t, func(h *house) {
		motley(h, 150)
		h.check("without blocks", 150, nobody)
		h.must(h.IndexAccount(h.Context(), h.account))
		if n := h.rows("search_block"); n != 1 {
			h.Fatalf("%d blocks", n)
		}
		h.check("in one block", 150, nobody)
	})
}

func TestSmallBlocksBecomeLargeOnes(t *testing.T) {
	each(t, func(h *house) {
		total := 0
		for _, step := range []struct{ mails, blocks, left int }{{140, 1, 0}, {130, 2, 0}, {50, 2, 50}, {800, 1, 96}, {100, 2, 0}} {
			motley(h, step.mails)
			total += step.mails
			h.must(h.IndexAccount(h.Context(), h.account))
			var mails int
			h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(h.Context(), `SELECT sum(mails) FROM search_block`).Scan(&mails)
			}))
			if n := h.rows("search_block"); n != step.blocks || mails != total-step.left {
				h.Errorf("of %d mails %d blocks have %d, want %d to have %d", total, n, mails, step.blocks, total-step.left)
			}
		}
	})
}

func nobody(int) bool { return false }

func TestPurgedMailsLeaveTheirBlocks(t *testing.T) {
	each(t, func(h *house) {
		motley(h, 300)
		h.must(h.IndexAccount(h.Context(), h.account))
		var half []mailbox.UID
		for u := mailbox.UID(1); u <= 300; u += 2 {
			half = append(half, u)
		}
		_, err := h.Expunge(h.Context(), h.box("INBOX").ID, half, false)
		h.must(err)
		odd := func(i int) bool { return i%2 == 0 }
		h.check("expunged", 300, odd)
		h.now = h.now.Add(40 * 24 * time.Hour)
		_, err = h.Purge(h.Context(), 30*24*time.Hour)
		h.must(err)
		h.check("purged", 300, odd)
		h.must(h.Tidy(h.Context()))
		var mails int
		h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(h.Context(), `SELECT sum(mails) FROM search_block`).Scan(&mails)
		}))
		if mails != 150 {
			h.Errorf("blocks have %d mails, want 150", mails)
		}
		h.check("tidied", 300, odd)
		h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.DeleteAccount(h.Context(), tx, h.account) }))
		if n := h.rows("search_block") + h.rows("search_page") + h.rows("search_column"); n != 0 {
			h.Errorf("%d rows are left of a deleted account", n)
		}
	})
}

func TestAMailThatCommittedLateIsFoundBetweenBlocks(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	motley(h, 150)
	early := mailbox.EmailID(store.NewID())
	motley(h, 1)
	last := h.entries("INBOX")[150]
	h.must(h.DB.Write(t.Context(), func(tx *store.Tx) error {
		for _, q := range []string{`UPDATE email SET id = $1 WHERE id = $2`, `UPDATE placement SET email = $1 WHERE email = $2`} {
			if _, err := tx.Exec(t.Context(), q, int64(early), int64(last.Email)); err != nil {
				return err
			}
		}
		return nil
	}))
	motley(h, 140)
	h.must(h.DB.Write(t.Context(), func(tx *store.Tx) error { // as if its commit came after the blocks
		_, err := tx.Exec(t.Context(), `UPDATE email SET account = 99 WHERE id = $1`, int64(early))
		return err
	}))
	h.must(h.IndexAccount(t.Context(), h.account))
	h.must(h.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE email SET account = $2 WHERE id = $1`, int64(early), int64(h.account))
		return err
	}))
	if got := h.search(field("message-id", "<m0@far.test>")); got != "1 151 152" {
		t.Errorf("found %q", got)
	}
}

func TestTheIndexFollowsTheMails(t *testing.T) {
	t.Parallel()
	h := newHouse(t, storetest.SQLite(t))
	motley(h, 200)
	done := make(chan error, 1)
	go func() { done <- h.Index(t.Context(), func(err error) { t.Error(err) }) }()
	for h.rows("search_block") == 0 {
		if t.Context().Err() != nil {
			return
		}
	}
	h.check("indexed", 200, nobody)
}
