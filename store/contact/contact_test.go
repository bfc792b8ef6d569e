package contact_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/contact"
	"colporteur/store/storetest"
)

const (
	ann = mail.AccountID(42)
	bob = mail.AccountID(52)
)

type house struct {
	*testing.T
	*contact.Store
	now   time.Time
	woken int
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{T: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
		now := func() time.Time { return h.now }
		h.Store = &contact.Store{DB: db, Now: now, Blobs: &blob.Store{DB: db, Dir: t.TempDir(), Master: bytes.Repeat([]byte{7}, 32), Inline: 1 << 10, Named: []string{contact.Named}, Now: now}}
		h.Changed = func(tx *store.Tx, a mail.AccountID) { tx.AfterCommit(func() { h.woken++ }) }
		f(t, h)
	})
}

// card makes a card of JSON without what every card has.
func (h *house) card(text string) map[string]any {
	h.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		h.Fatal(err)
	}
	contact.Complete(o, h.now)
	return o
}

func (h *house) home(a mail.AccountID) contact.BookID {
	h.Helper()
	list, _, err := h.Books(h.Context(), a)
	if err != nil || len(list) == 0 {
		h.Fatal(list, err)
	}
	return list[0].ID
}

func (h *house) try(a mail.AccountID, d *contact.Draft) (id contact.CardID, err error) {
	if d.Books == nil {
		d.Books = []contact.BookID{h.home(a)}
	}
	failed := h.Change(h.Context(), a, func(c *contact.Change) error {
		id, err = c.Create(h.Context(), d)
		return nil
	})
	if failed != nil {
		h.Fatal(failed)
	}
	return id, err
}

func (h *house) add(a mail.AccountID, text string) contact.CardID {
	h.Helper()
	id, err := h.try(a, &contact.Draft{Card: h.card(text)})
	if err != nil {
		h.Fatalf("%s: %v", text, err)
	}
	return id
}

func (h *house) state(a mail.AccountID) int64 {
	h.Helper()
	n, err := h.State(h.Context(), a)
	if err != nil {
		h.Fatal(err)
	}
	return n
}

func (h *house) change(f func(c *contact.Change) error) {
	h.Helper()
	if err := h.Change(h.Context(), ann, f); err != nil {
		h.Fatal(err)
	}
}

func TestAnAccountHasOneAddressBookFromTheBeginningAndItsDefaultStays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		list, state, err := h.Books(t.Context(), ann)
		if err != nil || len(list) != 1 || !list[0].Default || list[0].Name != "Contacts" || state != 1 {
			t.Fatalf("%+v %d %v", list, state, err)
		}
		again, state, _ := h.Books(t.Context(), ann)
		if len(again) != 1 || state != 1 || again[0].ID != list[0].ID {
			t.Errorf("asked again: %+v %d", again, state)
		}
		var club contact.Book
		h.change(func(c *contact.Change) (err error) {
			club, err = c.CreateBook(t.Context(), contact.Book{Name: "Club"})
			return err
		})
		h.change(func(c *contact.Change) error {
			if err := c.DestroyBook(t.Context(), list[0].ID, true); !mail.Is(err, mail.Forbidden) {
				t.Errorf("the default goes: %v", err)
			}
			was, err := c.MakeDefault(t.Context(), club.ID)
			if was != list[0].ID {
				t.Errorf("%d was the default", was)
			}
			return errors.Join(err, c.DestroyBook(t.Context(), list[0].ID, true))
		})
		if now, _, _ := h.Books(t.Context(), ann); len(now) != 1 || now[0].ID != club.ID || !now[0].Default {
			t.Errorf("%+v", now)
		}
		if h.woken == 0 {
			t.Error("nobody heard of it")
		}
	})
}

func TestChangesAreExactWhereverAClientStops(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		old := h.add(ann, `{"name":{"full":"Old"}}`)
		gone := h.add(ann, `{"name":{"full":"Gone"}}`)
		since := h.state(ann)
		fresh := h.add(ann, `{"name":{"full":"New"}}`)
		brief := h.add(ann, `{"name":{"full":"Brief"}}`)
		h.change(func(c *contact.Change) error {
			for _, id := range []contact.CardID{old, fresh} {
				card, err := c.Card(t.Context(), id)
				if err != nil {
					return err
				}
				o, _ := card.Object()
				o["keywords"] = map[string]any{"choir": true}
				if err := c.Update(t.Context(), id, &contact.Draft{Books: card.Books, Card: o}); err != nil {
					return err
				}
			}
			return errors.Join(c.Destroy(t.Context(), brief), c.Destroy(t.Context(), gone))
		})
		want := contact.Changes[contact.CardID]{To: h.state(ann), Created: []contact.CardID{fresh}, Updated: []contact.CardID{old}, Destroyed: []contact.CardID{gone}}
		got, err := h.CardChanges(t.Context(), ann, since, 0)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
		// One by one: nothing twice as new, nothing changed that was never new.
		known := map[contact.CardID]bool{old: true, gone: true}
		at := since
		for range 10 {
			step, err := h.CardChanges(t.Context(), ann, at, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range step.Created {
				if known[id] {
					t.Errorf("%d is new twice", id)
				}
				known[id] = true
			}
			for _, id := range step.Updated {
				if !known[id] {
					t.Errorf("%d changed before it was new", id)
				}
			}
			for _, id := range step.Destroyed {
				delete(known, id)
			}
			if at = step.To; !step.More {
				break
			}
		}
		if len(known) != 2 || !known[old] || !known[fresh] || at != want.To {
			t.Errorf("a client ends with %v at %d, want %d and %d at %d", known, at, old, fresh, want.To)
		}
		if b, err := h.BookChanges(t.Context(), ann, since, 0); err != nil || len(b.Created)+len(b.Updated)+len(b.Destroyed) != 0 || b.To != want.To {
			t.Errorf("books: %+v %v", b, err)
		}
		if _, err := h.CardChanges(t.Context(), ann, want.To+1, 0); !mail.Is(err, mail.Gone) {
			t.Errorf("the future: %v", err)
		}
		h.now = h.now.Add(contact.Keep + time.Hour)
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.CardChanges(t.Context(), ann, since, 0); !mail.Is(err, mail.Gone) {
			t.Errorf("after the tombstones went: %v", err)
		}
		if _, err := h.CardChanges(t.Context(), ann, want.To, 0); err != nil {
			t.Errorf("of today: %v", err)
		}
	})
}

func TestACardIsTakenOnlyInItsShapeAndOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for text, property := range map[string]string{
			`{"emails":{"e1":{"address":7}}}`:                              "emails/e1/address",
			`{"emails":{"e1":{}}}`:                                         "emails/e1/address",
			`{"emails":[]}`:                                                "emails",
			`{"emails":{"à":{"address":"a@b.test"}}}`:                      "emails/à",
			`{"emails":{"e":{"address":"a@b.test","pref":101}}}`:           "emails/e/pref",
			`{"version":"3.0"}`:                                            "version",
			`{"uid":""}`:                                                   "uid",
			`{"@type":"Group"}`:                                            "@type",
			`{"created":"yesterday"}`:                                      "created",
			`{"members":{"u":false}}`:                                      "members/u",
			`{"name":{"components":[{"kind":"given"}]}}`:                   "name/components/0/value",
			`{"anniversaries":{"a":{"kind":"birth","date":{"month":13}}}}`: "anniversaries/a/date/month",
			`{"media":{"m":{"kind":"photo"}}}`:                             "media/m/blobId",
			`{"phones":null}`:                                              "phones",
		} {
			_, err := h.try(ann, &contact.Draft{Card: h.card(text)})
			var bad *contact.ShapeError
			if !errors.As(err, &bad) || bad.Property != property {
				t.Errorf("%s: %v, want it to be about %s", text, err, property)
			}
		}
		// What we do not know stays.
		id := h.add(ann, `{"uid":"u1","example.com:colour":{"a":[1,null]},"emails":{"e":{"address":"x@y.test","example.com:n":1}}}`)
		list, _, err := h.Cards(t.Context(), ann, []contact.CardID{id})
		if err != nil || len(list) != 1 || !strings.Contains(string(list[0].JSON), `"example.com:colour":{"a":[1,null]}`) || !strings.Contains(string(list[0].JSON), `"example.com:n":1`) {
			t.Errorf("%s %v", list[0].JSON, err)
		}
		_, err = h.try(ann, &contact.Draft{Card: h.card(`{"uid":"u1"}`)})
		var exists *contact.ExistsError
		if !errors.As(err, &exists) || exists.ID != id || !mail.Is(err, mail.Conflict) {
			t.Errorf("the same uid: %v", err)
		}
		if _, err := h.try(bob, &contact.Draft{Card: h.card(`{"uid":"u1"}`)}); err != nil {
			t.Errorf("of another account: %v", err)
		}
		if _, err := h.try(ann, &contact.Draft{Books: []contact.BookID{h.home(bob)}, Card: h.card(`{}`)}); !mail.Is(err, mail.NotFound) {
			t.Errorf("into another's address book: %v", err)
		}
		if _, err := h.try(ann, &contact.Draft{Card: h.card(`{"notes":{"n":{"note":"` + strings.Repeat("x", contact.MaxCard) + `"}}}`)}); !mail.Is(err, mail.TooBig) {
			t.Errorf("too large: %v", err)
		}
		if list, _, _ := h.Cards(t.Context(), bob, []contact.CardID{id}); len(list) != 0 {
			t.Error("bob sees a card of ann's")
		}
	})
}

func TestACardIsFoundByWhatItSays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.add(ann, `{"uid":"u1","kind":"group","members":{"m1":true},"name":{"components":[{"kind":"given","value":"Zoé"},{"kind":"surname","value":"Lefèvre"}]},
			"organizations":{"o":{"name":"Chorale Été","units":[{"name":"Ténors"}]}},"phones":{"p":{"number":"06 12.34"}},"notes":{"n":{"note":"Aime le thé"}},
			"addresses":{"a":{"components":[{"kind":"locality","value":"Orléans"}]}},"onlineServices":{"s":{"service":"Mastodon","user":"zoe"}},"nicknames":{"k":{"name":"Zozo"}},
			"emails":{"e":{"address":"Zoe@Example.TEST"}}}`)
		h.add(ann, `{"name":{"full":"Somebody else"}}`)
		n, home := 0, h.home(ann)
		state, err := h.Query(t.Context(), ann, []contact.BookID{home}, func(r *contact.Row) {
			n++
			if r.ID != id {
				if r.HasMember("m1") || r.Kind != "individual" {
					t.Errorf("%+v", r)
				}
				return
			}
			if !r.In(home) || r.In(home+1) {
				t.Error("not in its address book")
			}
			if r.Given != "zoe" || r.Surname != "lefevre" || r.Kind != "group" || !r.HasMember("m1") || r.HasMember("m") || r.UID != "u1" {
				t.Errorf("%+v", r)
			}
			for _, word := range []string{"zoe lefevre", "zozo", "chorale ete", "tenors", "0612", "06 12", "orleans", "mastodon", "aime le the", "zoe@example.test"} {
				if !strings.Contains(r.Text(), word) {
					t.Errorf("%q is not in %q", word, r.Text())
				}
			}
		})
		if err != nil || n != 2 || state != h.state(ann) {
			t.Errorf("%d rows at %d, %v", n, state, err)
		}
	})
}

func TestAPictureLivesAsLongAsACardNamesIt(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ref, err := h.Blobs.Put(t.Context(), bytes.Repeat([]byte("jpeg"), 1000))
		if err != nil {
			t.Fatal(err)
		}
		p := contact.Picture{ID: store.NewID(), Type: "image/jpeg", Size: 4000, Blob: ref.ID, Ref: &ref}
		id, err := h.try(ann, &contact.Draft{Card: h.card(`{"media":{"m":{"kind":"photo","blobId":"` + contact.PictureID(p.ID) + `"}}}`), Pictures: []contact.Picture{p}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Picture(t.Context(), ann, contact.PictureID(p.ID))
		if err != nil || got.Type != "image/jpeg" || got.Blob != ref.ID {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := h.Picture(t.Context(), bob, contact.PictureID(p.ID)); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("bob finds it: %v", err)
		}
		if _, err := h.try(bob, &contact.Draft{Card: h.card(`{"media":{"m":{"kind":"photo","blobId":"` + contact.PictureID(p.ID) + `"}}}`)}); !mail.Is(err, mail.NotFound) {
			t.Errorf("bob names it: %v", err)
		}
		// Three that are as large as may be are too much for one card.
		var heavy []contact.Picture
		names := ""
		for i := range 3 {
			heavy = append(heavy, contact.Picture{ID: store.NewID(), Type: "image/jpeg", Size: contact.MaxPicture, Blob: ref.ID})
			names += fmt.Sprintf(`,"m%d":{"kind":"photo","blobId":"%s"}`, i, contact.PictureID(heavy[i].ID))
		}
		if _, err := h.try(ann, &contact.Draft{Card: h.card(`{"media":{` + names[1:] + `}}`), Pictures: heavy}); !mail.Is(err, mail.TooBig) {
			t.Errorf("thirty megabytes on one card: %v", err)
		}
		// The same file on a second card.
		q := contact.Picture{ID: store.NewID(), Type: "image/jpeg", Size: 4000, Blob: ref.ID}
		other, err := h.try(ann, &contact.Draft{Card: h.card(`{"media":{"m":{"kind":"photo","blobId":"` + contact.PictureID(q.ID) + `"}}}`), Pictures: []contact.Picture{q}})
		if err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(48 * time.Hour)
		if _, err := h.Blobs.Sweep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		h.change(func(c *contact.Change) error { return c.Destroy(t.Context(), id) })
		r, err := h.Blobs.Open(t.Context(), ref.ID, 3996)
		if err != nil {
			t.Fatalf("with one card left: %v", err)
		}
		if b, _ := io.ReadAll(r); string(b) != "jpeg" {
			t.Errorf("%q", b)
		}
		r.Close()
		home := h.home(ann)
		h.change(func(c *contact.Change) error {
			return c.Update(t.Context(), other, &contact.Draft{Books: []contact.BookID{home}, Card: h.card(`{}`)})
		})
		if _, err := h.Blobs.Open(t.Context(), ref.ID, 0); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("with none left: %v", err)
		}
	})
}

func TestAnAddressBookTakesItsCardsAlong(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		home := h.home(ann)
		var club contact.Book
		h.change(func(c *contact.Change) (err error) {
			club, err = c.CreateBook(t.Context(), contact.Book{Name: "Club"})
			return err
		})
		both, err := h.try(ann, &contact.Draft{Books: []contact.BookID{home, club.ID}, Card: h.card(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		only, err := h.try(ann, &contact.Draft{Books: []contact.BookID{club.ID}, Card: h.card(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		since := h.state(ann)
		h.change(func(c *contact.Change) error {
			if err := c.DestroyBook(t.Context(), club.ID, false); !errors.Is(err, contact.ErrNotEmpty) {
				t.Errorf("with its cards: %v", err)
			}
			return c.DestroyBook(t.Context(), club.ID, true)
		})
		got, err := h.CardChanges(t.Context(), ann, since, 0)
		if err != nil || !slices.Equal(got.Updated, []contact.CardID{both}) || !slices.Equal(got.Destroyed, []contact.CardID{only}) {
			t.Errorf("%+v %v", got, err)
		}
		list, _, _ := h.Cards(t.Context(), ann, []contact.CardID{both, only})
		if len(list) != 1 || !slices.Equal(list[0].Books, []contact.BookID{home}) {
			t.Errorf("%+v", list)
		}
		if b, err := h.BookChanges(t.Context(), ann, since, 0); err != nil || !slices.Equal(b.Destroyed, []contact.BookID{club.ID}) {
			t.Errorf("%+v %v", b, err)
		}
	})
}

func TestWhenAnAccountGoesNothingOfItStays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ref, _ := h.Blobs.Put(t.Context(), make([]byte, 5000))
		p := contact.Picture{ID: store.NewID(), Type: "image/png", Size: 5000, Blob: ref.ID, Ref: &ref}
		for _, a := range []mail.AccountID{ann, bob} {
			h.add(a, `{"emails":{"e":{"address":"x@y.test"}}}`)
			h.wrote(a, "x@y.test")
		}
		if _, err := h.try(ann, &contact.Draft{Card: h.card(`{"media":{"m":{"kind":"photo","blobId":"` + contact.PictureID(p.ID) + `"}}}`), Pictures: []contact.Picture{p}}); err != nil {
			t.Fatal(err)
		}
		if err := h.DB.Write(t.Context(), func(tx *store.Tx) error { return h.Removed(t.Context(), tx, ann) }); err != nil {
			t.Fatal(err)
		}
		for table, want := range map[string]int{"contact_account": 1, "address_book": 1, "contact_card": 1, "contact_shelf": 1, "contact_email": 1, "contact_picture": 0, "addressed": 1, "blob": 0} {
			var n int
			if err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n)
			}); err != nil || n != want {
				t.Errorf("%s has %d rows, want %d (%v)", table, n, want, err)
			}
		}
	})
}
