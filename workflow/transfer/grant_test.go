package transfer_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
	"colporteur/workflow/workflowtest"
)

// sent is a transfer of two files, of 1000 and 500 bytes, that Ann shares with Mamie.
func sent(t *testing.T, h *workflowtest.House) (guest, owner link.Visit) {
	t.Helper()
	m := film1(film(1000))
	m.To = append(m.To, mamie.String())
	m.Files = append(m.Files, workflowtest.File{Name: "note.bin", Bytes: film(500)})
	h.Send(m)
	receipt := h.One(workflowtest.Ann.Address)
	tokens := receipt.Tokens()
	return link.Visit{Token: h.One(mamie).Tokens()[0]}, link.Visit{Token: tokens[len(tokens)-1]}
}

func pressed(t *testing.T, h *workflowtest.House, by link.Visit, file int) *transfer.Grant {
	t.Helper()
	token, err := h.Transfers.Grant(t.Context(), by, file)
	if err != nil {
		t.Fatal(err)
	}
	g, err := h.Transfers.Granted(t.Context(), by, token)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func has(t *testing.T, h *workflowtest.House, owner link.Visit) (files int, all bool) {
	t.Helper()
	v, err := h.Transfers.Open(t.Context(), owner)
	if err != nil || len(v.Guests) != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	return v.Guests[0].Has, !v.Guests[0].All.IsZero()
}

func TestADownloadCountsWhenEveryByteWasTakenInWhateverOrder(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		guest, owner := sent(t, h)
		g := pressed(t, h, guest, 0)
		take := func(from, to int64) {
			t.Helper()
			if err := h.Transfers.Taken(t.Context(), g, from, to, 1000); err != nil {
				t.Fatal(err)
			}
		}
		var parts []int64
		for i := int64(0); i < 1000; i += 10 {
			parts = append(parts, i)
		}
		rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for i, at := range parts {
			if n, _ := has(t, h, owner); n != 0 {
				t.Fatalf("after %d of %d parts it counts", i, len(parts))
			}
			take(at, at+10)
		}
		take(0, 0)     // nothing
		take(990, 980) // and nonsense
		if n, all := has(t, h, owner); n != 1 || all {
			t.Errorf("%d files, all: %v", n, all)
		}
		take(0, 1000) // again: it counted
		h.Settle()
		if got := h.Mails(workflowtest.Ann.Address); len(got) != 0 {
			t.Errorf("the owner is told of half of it: %q", got[0].Subject)
		}
		g = pressed(t, h, guest, transfer.All)
		if err := h.Transfers.Taken(t.Context(), g, 0, 700, 1800); err != nil {
			t.Fatal(err)
		}
		if err := h.Transfers.Taken(t.Context(), g, 600, 1800, 1800); err != nil {
			t.Fatal(err)
		}
		if n, all := has(t, h, owner); n != 2 || !all {
			t.Errorf("%d files, all: %v", n, all)
		}
		h.Settle()
		if m := h.One(workflowtest.Ann.Address); !strings.Contains(m.Text, "mamie@far.test") {
			t.Errorf("the receipt says\n%s", m.Text)
		}
		// Who takes it all once more is no news.
		if err := h.Transfers.Taken(t.Context(), pressed(t, h, guest, transfer.All), 0, 1800, 1800); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		if got := h.Mails(workflowtest.Ann.Address); len(got) != 0 {
			t.Errorf("told twice: %q", got[0].Subject)
		}
	})
}

// A thousand holes are a download that never counts, and no row that grows.
func TestPiecesOfADownloadAreBounded(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		guest, owner := sent(t, h)
		g := pressed(t, h, guest, 0)
		for i := int64(0); i < 1000; i += 2 {
			if err := h.Transfers.Taken(t.Context(), g, i, i+1, 1000); err != nil {
				t.Fatal(err)
			}
		}
		if n := h.Count(`SELECT max(length(taken)) FROM transfer_grant`); n > 3000 {
			t.Errorf("%d characters are kept", n)
		}
		if n, _ := has(t, h, owner); n != 0 {
			t.Error("every other byte counts as all")
		}
	})
}

func TestTheLastDownloadGoesToOneOfTwo(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		guest, owner := sent(t, h)
		v, err := h.Transfers.Open(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Transfers.SetRules(t.Context(), v.ID, link.Holder(v.Link), link.Rules{Downloads: 1}); err != nil {
			t.Fatal(err)
		}
		var errs [2]error
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = h.Transfers.Grant(t.Context(), guest, transfer.All) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !mail.Is(errs[0], mail.Policy) && !mail.Is(errs[1], mail.Policy) {
			t.Errorf("two presses: %v, %v", errs[0], errs[1])
		}
		// The owner's own do not count, and one that was begun and given up is free again.
		if _, err := h.Transfers.Grant(t.Context(), owner, 0); err != nil {
			t.Errorf("the owner: %v", err)
		}
		h.Move(25 * time.Hour)
		if _, err := h.Transfers.Grant(t.Context(), guest, 0); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

func TestAGrantIsItsLinksAlone(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		guest, owner := sent(t, h)
		token, err := h.Transfers.Grant(t.Context(), guest, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Transfers.Granted(t.Context(), owner, token); !mail.Is(err, mail.NotFound) {
			t.Errorf("another link uses it: %v", err)
		}
		for _, bad := range []string{"", "x", strings.ToUpper(token), token + "a"} {
			if _, err := h.Transfers.Granted(t.Context(), guest, bad); !mail.Is(err, mail.NotFound) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		for _, file := range []int{-2, 2, 99} {
			if _, err := h.Transfers.Grant(t.Context(), guest, file); !mail.Is(err, mail.NotFound) {
				t.Errorf("file %d: %v", file, err)
			}
		}
		if n := h.Count(`SELECT COUNT(*) FROM transfer_grant WHERE token = $1`, []byte(token)); n != 0 {
			t.Error("the grant is at rest")
		}
		h.Move(4 * 24 * time.Hour)
		if _, err := h.Transfers.Granted(t.Context(), guest, token); !mail.Is(err, mail.NotFound) {
			t.Errorf("four days later: %v", err)
		}
		again, err := h.Transfers.Grant(t.Context(), guest, 0)
		if err != nil {
			t.Fatal(err)
		}
		v, err := h.Transfers.Open(t.Context(), owner)
		if err == nil {
			err = h.Transfers.Recall(t.Context(), v.ID, link.Holder(v.Link))
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Transfers.Granted(t.Context(), guest, again); !mail.Is(err, mail.NotFound) {
			t.Errorf("after the recall: %v", err)
		}
	})
}

func TestOnlyWhoHasNotFetchedIsReminded(t *testing.T) {
	each(t, func(t *testing.T, h *workflowtest.House) {
		m := film1(film(100))
		paul := mail.MustAddress("paul@far.test")
		m.To = append(m.To, mamie.String(), paul.String())
		h.Send(m)
		h.One(workflowtest.Ann.Address)
		guest := link.Visit{Token: h.One(mamie).Tokens()[0]}
		h.One(paul)
		if err := h.Transfers.Taken(t.Context(), pressed(t, h, guest, transfer.All), 0, 300, 300); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		h.One(workflowtest.Ann.Address) // mamie has it
		remind := func() {
			t.Helper()
			for range 3 {
				if _, err := h.Transfers.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.Settle()
			}
		}
		h.Move(11 * 24 * time.Hour)
		remind()
		if got := append(h.Mails(workflowtest.Ann.Address), append(h.Mails(paul), h.Mails(mamie)...)...); len(got) != 0 {
			t.Fatalf("three days before the end: %q", got[0].Subject)
		}
		h.Move(25 * time.Hour)
		remind()
		h.Move(9 * time.Hour) // guests hear in the evening
		h.Settle()
		if got := h.Mails(mamie); len(got) != 0 {
			t.Errorf("mamie, who has it, is reminded: %q", got[0].Subject)
		}
		if got := h.One(paul); !strings.Contains(got.Text, "été.mp4") {
			t.Errorf("paul reads\n%s", got.Text)
		}
		if got := h.One(workflowtest.Ann.Address); !strings.Contains(got.Text, "paul@far.test") || strings.Contains(got.Text, "mamie@far.test") {
			t.Errorf("ann reads\n%s", got.Text)
		}
	})
}
