package accounts

import (
	"context"
	"errors"
	"sync"
	"testing"

	"colporteur/mail"
	"colporteur/store"
)

func TestNamesThatReadAlikeAreOnePersonOrRefused(t *testing.T) {
	each(t, func(h *house) {
		h.member("ann@home.test")
		h.member("jean.dupont@home.test")
		h.member("rené@home.test")
		for address, kind := range map[string]mail.Kind{
			"ANN@home.test":          mail.Conflict,
			"ａｎｎ@home.test":          mail.Conflict,   // full width folds to the same
			"аnn@home.test":          mail.BadAddress, // Cyrillic а
			"ann\u0307@home.test":    mail.BadAddress, // a loose dot above
			"İann@home.test":         mail.BadAddress,
			"ıvan@home.test":         mail.BadAddress,
			"ſam@home.test":          mail.BadAddress,
			"\"ann \"@home.test":     mail.BadAddress,
			"\"ann.\"@home.test":     mail.BadAddress,
			"\"a..b\"@home.test":     mail.BadAddress,
			"ann+x@home.test":        mail.BadAddress,
			"a\u200bnn@home.test":    mail.BadAddress,
			"-ann@home.test":         mail.BadAddress,
			"ｊｅａｎｄｕｐｏｎｔ@home.test":   mail.Conflict, // dots are overlooked
			"jeandupont@home.test":   mail.Conflict,
			"jean.du.pont@home.test": mail.Conflict,
			"rene@home.test":         mail.Conflict, // and accents
			"rene\u0301@home.test":   mail.Conflict,
			"zoe@else.test":          mail.NotFound,
		} {
			a, err := mail.ParseAddress(address)
			if err != nil {
				continue // refused earlier still
			}
			_, err = h.AddMember(h.Context(), NewMember{Address: a})
			if !mail.Is(err, kind) {
				h.Errorf("%q: got %v, want kind %d", address, err, kind)
			}
		}
		for _, address := range []string{"zoé@home.test", "maël_2@home.test", "a-b@home.test", "łódź@home.test"} {
			m := h.member(address)
			h.want(address, m.Address.String())
		}
	})
}

func TestAMemberAndAnAliasNeverShareAnAddress(t *testing.T) {
	each(t, func(h *house) {
		h.member("ann@home.test")
		h.must(h.alias("bob@home.test", "ann@home.test"))
		_, err := h.AddMember(h.Context(), NewMember{Address: mail.MustAddress("Bob@home.test")})
		h.fails(err, mail.Conflict)
		// Ten at once: one of them gets it.
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 10 {
			wg.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = h.AddMember(context.Background(), NewMember{Address: mail.MustAddress("eve@home.test")})
				} else {
					err = h.AddAlias(context.Background(), mail.MustAddress("eve@home.test"), mail.MustAddress("x@else.test"))
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil && i%2 == 0 {
					won += 100
				} else if err == nil {
					won++
				} else if !mail.Is(err, mail.Conflict) {
					h.Errorf("got %v, want Conflict", err)
				}
			})
		}
		wg.Wait()
		if won != 100 && won != 5 { // adding the same alias again is no conflict
			h.Errorf("won: %d, want one member or the aliases", won)
		}
	})
}

func TestRemovingAMemberLeavesNothingBehind(t *testing.T) {
	each(t, func(h *house) {
		var created, removed []mail.AccountID
		h.Created = func(_ context.Context, _ *store.Tx, a mail.AccountID, lang string) error {
			created = append(created, a)
			return nil
		}
		h.Removed = func(_ context.Context, _ *store.Tx, a mail.AccountID) error {
			removed = append(removed, a)
			return nil
		}
		var cut []mail.UserID
		h.Changed = func(u mail.UserID) { cut = append(cut, u) }
		bob := h.member("bob@home.test")
		ann := h.member("ann@home.test")
		h.must(h.alias("bureau@home.test", "ann+b@home.test", "bob@home.test"))
		_, err := h.AddAppPassword(h.Context(), ann.ID, "phone")
		h.must(err)
		h.must(h.Remove(h.Context(), ann.ID))
		h.fails(h.Remove(h.Context(), ann.ID), mail.NotFound)
		h.want("ann@home.test", "nobody")
		if again := h.member("ann@home.test"); again.ID == ann.ID || again.Account == ann.Account {
			h.Error("the next ann is the same person")
		}
		h.want("bureau@home.test", "bob@home.test")
		if len(created) != 3 || len(removed) != 1 || removed[0] != ann.Account {
			h.Errorf("created %v, removed %v, want ann's account %d", created, removed, ann.Account)
		}
		if len(cut) != 1 || cut[0] != ann.ID {
			h.Errorf("cut %v, want %d once", cut, ann.ID)
		}
		h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
			var n int
			err := tx.QueryRow(h.Context(), `SELECT count(*) FROM app_password`).Scan(&n)
			if n != 0 {
				h.Errorf("%d app passwords are left", n)
			}
			return err
		}))
		if m, err := h.ByID(h.Context(), bob.ID); err != nil || m.Address.String() != "bob@home.test" {
			h.Errorf("got %+v, %v", m, err)
		}
	})
}

func TestAFailedHookLeavesNoMember(t *testing.T) {
	each(t, func(h *house) {
		h.Created = func(context.Context, *store.Tx, mail.AccountID, string) error { return errors.New("no mailboxes") }
		_, err := h.AddMember(h.Context(), NewMember{Address: mail.MustAddress("ann@home.test")})
		h.fails(err, mail.Internal)
		_, err = h.ByAddress(h.Context(), mail.MustAddress("ann@home.test"))
		h.fails(err, mail.NotFound)
	})
}

func TestMembersAreListedAndChanged(t *testing.T) {
	each(t, func(h *house) {
		_, err := h.AddMember(h.Context(), NewMember{Address: mail.MustAddress("Zoe@home.test"), Name: " Zoé\r\nX ", Lang: "en", Plan: "paid", Quota: 9})
		h.must(err)
		ann := h.member("ann@home.test")
		if ann.Lang != "fr" || ann.Plan != "free" {
			h.Errorf("got %+v, want French and free by default", ann)
		}
		all, err := h.Members(h.Context())
		h.must(err)
		if len(all) != 2 || all[0].Address.Local != "ann" || all[1].Name != "Zoé  X" || all[1].Plan != "paid" || all[1].Quota != 9 || all[1].Lang != "en" {
			h.Errorf("got %+v", all)
		}
		bad := int64(-1)
		_, err = h.Update(h.Context(), ann.ID, Update{Quota: &bad})
		h.fails(err, mail.BadContent)
		h.fails(h.AddDomain(h.Context(), "HOME.test"), mail.Conflict)
		h.fails(h.AddDomain(h.Context(), "home test"), mail.BadAddress)
		h.fails(h.SetPassword(h.Context(), 99, "long enough"), mail.NotFound)
	})
}
