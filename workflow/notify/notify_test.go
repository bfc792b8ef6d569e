package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/store/storetest"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/workflowtest"
)

var grandma = mail.MustAddress("mamie@elsewhere.test")

// house has an album of Ann's, with her link and one of her grandmother's.
type house struct {
	*workflowtest.House
	t          *testing.T
	ann, guest link.Link
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{House: workflowtest.New(t, db), t: t}
		h.write(func(tx *store.Tx) (err error) {
			thing := store.NewID()
			if h.ann, _, err = h.Links.Add(t.Context(), tx, link.Link{Kind: link.Album, Thing: thing, Owner: workflowtest.Ann.ID,
				Person: workflowtest.Ann.Address, Manage: true, Lang: "fr"}); err != nil {
				return err
			}
			h.guest, _, err = h.Links.Add(t.Context(), tx, link.Link{Kind: link.Album, Thing: thing, Owner: workflowtest.Ann.ID,
				Person: grandma, Name: "Mamie", Lang: "fr"})
			return err
		})
		f(t, h)
	})
}

func (h *house) write(f func(tx *store.Tx) error) {
	h.t.Helper()
	if err := h.DB.Write(h.t.Context(), f); err != nil {
		h.t.Fatal(err)
	}
}

// toAnn and toGuest are news about the album.
func (h *house) toAnn(key string) notify.Note {
	n := notify.Note{Kind: notify.Album, Key: key, Member: workflowtest.Ann.ID, To: workflowtest.Ann.Address, ToName: "Ann", Lang: "fr",
		From: mail.MustAddress("album+ete@home.test"), FromName: "Album été", Line: "Bob a écrit : " + key, Link: h.ann.ID}
	n.Letter = letter.Letter{Subject: "Un mot de Bob : " + key}
	n.Letter.Para("Bob a écrit : "+key).LinkTo("L'album :", int64(n.Link))
	return n
}

func (h *house) toGuest(key string) notify.Note {
	n := h.toAnn(key)
	n.Member, n.To, n.ToName, n.Link = 0, grandma, "Mamie", h.guest.ID
	n.Letter = letter.Letter{Subject: "Un mot de Bob : " + key}
	n.Letter.Para("Bob a écrit : "+key).LinkTo("L'album :", int64(n.Link))
	return n
}

func (h *house) tell(ns ...notify.Note) {
	h.t.Helper()
	for _, n := range ns {
		h.write(func(tx *store.Tx) error { return h.Notify.Tell(h.t.Context(), tx, n) })
	}
	h.Settle()
}

// evening moves the clock to the next time that digests go; the house begins at ten.
func (h *house) evening() {
	h.t.Helper()
	now := h.Now()
	at := time.Date(now.Year(), now.Month(), now.Day(), 18, 0, 1, 0, time.UTC)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	h.Move(at.Sub(now))
	h.Settle()
}

func (h *house) choose(k notify.Kind, w notify.When) {
	h.t.Helper()
	h.write(func(tx *store.Tx) error { return h.Notify.Choose(h.t.Context(), tx, workflowtest.Ann.ID, k, w) })
}

func TestFirstNewsOfAnAlbumComesAtOnceAndTheRestInTheEvening(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toAnn("one"), h.toAnn("two"), h.toAnn("three"))
		first := h.One(workflowtest.Ann.Address)
		if first.Subject != "Un mot de Bob : one" || first.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("the first:\n%s", first.Raw)
		}
		h.evening()
		digest := h.One(workflowtest.Ann.Address)
		for _, want := range []string{"two", "three"} {
			if !strings.Contains(digest.Text, "Bob a écrit : "+want) {
				t.Errorf("the digest lacks %q:\n%s", want, digest.Text)
			}
		}
		if strings.Contains(digest.Text, "one") || len(digest.Tokens()) != 1 {
			t.Errorf("the digest:\n%s", digest.Text)
		}
		if n := h.Count(`SELECT COUNT(*) FROM notify_note WHERE line <> '' OR letter <> '' OR told = 0`); n != 0 {
			t.Errorf("the words of %d notes are kept after they were told", n)
		}
		h.evening()
		h.None()
	})
}

func TestGuestGetsOneDigestADayAboutOneThing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for i := range 30 {
			h.tell(h.toGuest(fmt.Sprint("mot ", i)))
		}
		h.None() // whatever happens: not before the evening
		h.evening()
		m := h.One(grandma)
		if !strings.Contains(m.Text, "mot 0") || !strings.Contains(m.Text, "mot 19") || strings.Contains(m.Text, "mot 20") || !strings.Contains(m.Text, "Et 10 autres") {
			t.Errorf("the digest:\n%s", m.Text)
		}
		h.tell(h.toGuest("after"))
		h.None()
		h.evening()
		if m := h.One(grandma); m.Subject != "Un mot de Bob : after" {
			t.Errorf("one piece of news alone is not told in its own words:\n%s", m.Text)
		}
	})
}

func TestWhatIsToldTwiceIsHeardOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toAnn("one"), h.toAnn("one"), h.toGuest("one"), h.toGuest("one"))
		h.One(workflowtest.Ann.Address)
		h.evening()
		h.One(grandma)
		h.tell(h.toAnn("one"), h.toGuest("one"))
		h.evening()
		h.None()
	})
}

func TestLinkRevokedMeanwhileIsNotTold(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toGuest("secret"))
		h.write(func(tx *store.Tx) error { return h.Links.RevokeOne(t.Context(), tx, h.guest.ID) })
		h.evening()
		h.None() // nothing was left of the digest
		h.tell(h.toGuest("more"))
		h.evening()
		h.None()
	})
}

func TestFrozenThingIsToldToItsOwnerOnly(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toAnn("one"), h.toGuest("one"))
		h.One(workflowtest.Ann.Address)
		h.write(func(tx *store.Tx) error {
			return h.Links.Freeze(t.Context(), tx, link.Album, h.guest.Thing, true)
		})
		h.tell(h.toAnn("two"))
		h.evening()
		h.One(workflowtest.Ann.Address)
		h.None()
	})
}

func TestChoiceOfAMemberHolds(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.choose(notify.Album, notify.Daily)
		h.tell(h.toAnn("one"))
		h.None()
		h.choose(notify.Album, notify.Never)
		h.evening()
		h.None() // the choice counts when the digest is written
		h.tell(h.toAnn("two"))
		h.evening()
		h.None()
		h.choose(notify.Album, notify.Now)
		h.tell(h.toAnn("three"), h.toAnn("four"))
		if n := len(h.Mails(workflowtest.Ann.Address)); n != 2 {
			t.Errorf("%d mails of 2 came at once", n)
		}
	})
}

func TestStormBecomesADigest(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.choose(notify.Album, notify.Now)
		for i := range 103 {
			h.tell(h.toAnn(fmt.Sprint("mot ", i)))
		}
		if n := len(h.Mails(workflowtest.Ann.Address)); n != 100 {
			t.Errorf("%d mails in one hour", n)
		}
		h.evening()
		if m := h.One(workflowtest.Ann.Address); !strings.Contains(m.Text, "mot 100") || !strings.Contains(m.Text, "mot 102") {
			t.Errorf("the digest:\n%s", m.Text)
		}
	})
}

func TestDigestWaitsForAnHourWithRoom(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.choose(notify.Album, notify.Daily)
		h.tell(h.toAnn("one"), h.toAnn("two"))
		at := time.Date(2026, 11, 14, 18, 0, 1, 0, time.UTC)
		h.write(func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO notice_rate (recipient, hour, count) VALUES ($1, $2, 100)`, workflowtest.Ann.Address.Key(), at.Unix()/3600)
			return err
		})
		h.evening()
		h.None()
		h.Move(time.Hour)
		h.Settle()
		h.One(workflowtest.Ann.Address)
	})
}

func TestDigestThatRanTwiceIsSentOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.choose(notify.Album, notify.Daily)
		h.tell(h.toAnn("one"), h.toAnn("two"))
		var payload []byte
		if err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT payload FROM job WHERE kind = $1`, notify.JobDigest).Scan(&payload)
		}); err != nil {
			t.Fatal(err)
		}
		h.evening()
		h.Notify.Work(t.Context(), &queue.Job{Kind: notify.JobDigest, Payload: payload}) // its end was lost in a crash
		h.tell(h.toAnn("three"))
		h.Notify.Work(t.Context(), &queue.Job{Kind: notify.JobDigest, Payload: payload})
		h.Settle()
		h.One(workflowtest.Ann.Address)
	})
}

func TestDigestGoesAtSixAlsoWhenTheClocksChange(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Skip(err)
	}
	each(t, func(t *testing.T, h *house) {
		h.Notify.Zone = paris
		h.Move(time.Date(2027, 3, 27, 19, 0, 0, 0, paris).Sub(h.Now())) // the night of it
		h.choose(notify.Album, notify.Daily)
		h.tell(h.toAnn("one"))
		h.Move(time.Date(2027, 3, 28, 17, 59, 59, 0, paris).Sub(h.Now()))
		h.Settle()
		h.None()
		h.Move(2 * time.Second)
		h.Settle()
		h.One(workflowtest.Ann.Address)
	})
}
