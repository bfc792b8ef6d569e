package mailbox_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

const filed = "From: Ann <ann@home.test>\nTo: Team: bob@far.test;\nSubject: =?utf-8?q?n=C2=B0?= %d\nMessage-ID: <%d@home.test>\nContent-Type: multipart/mixed; boundary=b"

func (h *house) cards(entries []mailbox.Entry) []*mail.Card {
	h.Helper()
	cards, err := h.Cards(h.Context(), entries)
	h.must(err)
	return cards
}

func TestCardsComeInTheOrderTheyAreAskedFor(t *testing.T) {
	each(t, func(h *house) {
		for i := range 700 { // more than one statement asks for
			h.deliver("INBOX", mime(fmt.Sprintf(filed, i, i), "--b\n\nfirst\n--b--"))
			if i%3 == 0 { // others come between
				h.deliver("Sent", letter)
			}
		}
		all := h.entries("INBOX")
		check := func(what string, some []mailbox.Entry) {
			h.Helper()
			for i, c := range h.cards(some) {
				n := int(some[i].UID) - 1
				want := fmt.Sprintf(`(NIL "=?utf-8?q?n=C2=B0?= %d" (("Ann" NIL "ann" "home.test")) (("Ann" NIL "ann" "home.test")) (("Ann" NIL "ann" "home.test")) ((NIL NIL "Team" NIL)(NIL NIL "bob" "far.test")(NIL NIL NIL NIL)) NIL NIL NIL "<%d@home.test>")`, n, n)
				if c == nil || string(c.Envelope) != want || c.Preview != "first" {
					h.Fatalf("%s: card %d is %+v, want %s", what, i, c, want)
				}
			}
		}
		mixed := append([]mailbox.Entry{}, all...)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		mixed = append(mixed, all[3], all[3])
		for range 2 {
			check("all", all)
			check("mixed", mixed)
			check("few", []mailbox.Entry{all[600], all[1], all[300]})
			h.ForgetCards()
		}
		check("mixed first", mixed)
	})
}

// Where the mails of one mailbox lie far apart, they are looked up one by one
// rather than reading all that is between.
func TestCardsThatLieFarApartAreFound(t *testing.T) {
	each(t, func(h *house) {
		for i := range 300 {
			box := "Sent"
			if i%30 == 0 {
				box = "INBOX"
			}
			h.deliver(box, mime(fmt.Sprintf(filed, i, i), "--b\n\nfirst\n--b--"))
		}
		for i, c := range h.cards(h.entries("INBOX")) {
			if c == nil || !strings.Contains(string(c.Envelope), fmt.Sprintf("<%d@home.test>", i*30)) {
				h.Errorf("card %d: %+v", i, c)
			}
		}
	})
}

func TestAMessageFromBeforeThereWereCardsHasOne(t *testing.T) {
	each(t, func(h *house) {
		h.deliver("INBOX", mime(fmt.Sprintf(filed, 1, 1), "--b\n\nfirst\n--b--"))
		h.deliver("INBOX", letter)
		h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(h.Context(), `DELETE FROM card`)
			return err
		}))
		cards := h.cards(h.entries("INBOX"))
		if got := string(cards[0].Envelope); !strings.Contains(got, `"=?utf-8?q?n=C2=B0?= 1"`) && !strings.Contains(got, "=?utf-8?q?n") {
			h.Error(got)
		}
		if got := string(cards[1].AppendStructure(nil, false, true)); got != `("text" "plain" NIL NIL NIL "7bit" 12 1)` {
			h.Error(got)
		}
		if cards[1].Header == 0 || cards[1].Fields != nil {
			h.Errorf("%+v", cards[1])
		}
	})
}

func TestACardThatIsDamagedIsMadeAnew(t *testing.T) {
	each(t, func(h *house) {
		h.deliver("INBOX", letter)
		h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(h.Context(), `UPDATE card SET card = $1`, []byte{99, 1, 2})
			return err
		}))
		if c := h.cards(h.entries("INBOX"))[0]; c == nil || !strings.Contains(string(c.Envelope), "Hello") {
			h.Errorf("%+v", c)
		}
	})
}

func TestTheCardOfAMessageThatIsGoneIsGone(t *testing.T) {
	each(t, func(h *house) {
		h.deliver("INBOX", letter)
		h.deliver("INBOX", letter)
		all := h.entries("INBOX")
		h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.Messages.Delete(h.Context(), tx, all[0].Message) }))
		cards := h.cards(all)
		if cards[0] != nil || cards[1] == nil {
			h.Errorf("%v", cards)
		}
		var n int
		h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(h.Context(), `SELECT count(*) FROM card`).Scan(&n)
		}))
		if n != 1 {
			h.Errorf("%d cards are kept", n)
		}
	})
}

func TestBodiesAreReadManyAtOnce(t *testing.T) {
	each(t, func(h *house) {
		var want []string
		for i := range 70 {
			raw := mime(fmt.Sprintf("Subject: %d", i), strings.Repeat("x", i*500)) // some are files
			prefix := fmt.Sprintf("Received: %d\r\n", i)
			h.deliver("INBOX", raw, func(in *mailbox.Incoming) { in.Prefix = []byte(prefix) })
			want = append(want, prefix+raw)
		}
		var ids []mailbox.EmailID
		for _, e := range h.entries("INBOX") {
			ids = append(ids, e.Email)
		}
		_, err := h.Expunge(h.Context(), h.box("INBOX").ID, []mailbox.UID{3}, false)
		h.must(err)
		for _, structures := range []bool{false, true} {
			list, err := h.Bodies(h.Context(), h.account, append(ids, 1), structures)
			h.must(err)
			if list[70] != nil {
				h.Error("a mail that never was")
			}
			for i, b := range list[:70] {
				got, err := h.AppendBody(h.Context(), []byte("before"), b)
				if err != nil || string(got) != "before"+want[i] || b.Size != int64(len(want[i])) || (b.Summary != nil) != structures {
					h.Fatalf("body %d: %d octets instead of %d, %v", i, len(got), len(want[i]), err)
				}
				if structures && b.Summary.Subject != fmt.Sprint(i) {
					h.Errorf("summary %d is of %q", i, b.Summary.Subject)
				}
			}
		}
		list, err := h.Bodies(h.Context(), h.account+1, ids, false)
		h.must(err)
		if list[0] != nil {
			h.Error("another account reads it")
		}
	})
}

func BenchmarkCards10000(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			var db *store.DB
			if engine == "sqlite" {
				db = storetest.SQLite(b)
			} else {
				db = storetest.Open(b, storetest.Postgres(b))
			}
			h := newHouse(b, db)
			fill(h, h.box("INBOX").ID, 10_000)
			all := h.entries("INBOX")
			b.Run("cold", func(b *testing.B) {
				for b.Loop() {
					h.ForgetCards()
					h.cards(all)
				}
			})
			b.Run("warm", func(b *testing.B) {
				for b.Loop() {
					h.cards(all)
				}
			})
		})
	}
}
