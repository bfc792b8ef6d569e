package accounts

import (
	"fmt"
	"testing"

	"colporteur/mail"
	"colporteur/store"
)

func TestWhosePicturesAreShownIsEachMembersOwnChoice(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		shows := func(m Member, a string) bool {
			h.Helper()
			yes, err := h.ShowsPictures(h.Context(), m.ID, mail.MustAddress(a))
			h.must(err)
			return yes
		}
		choose := func(m Member, a string, show bool) error {
			return h.ShowPictures(h.Context(), m.ID, mail.MustAddress(a), show)
		}
		if shows(ann, "news@far.test") {
			t.Fatal("somebody's pictures are shown before anybody chose so")
		}
		h.must(choose(ann, "News@Far.test", true))
		h.must(choose(ann, "news@far.test", true)) // said twice
		if !shows(ann, "news@far.test") || shows(bob, "news@far.test") || shows(ann, "other@far.test") {
			t.Error("the choice is not Ann's, about that sender")
		}
		h.must(choose(ann, "other@far.test", true))
		list, err := h.PictureSenders(h.Context(), ann.ID)
		h.must(err)
		if fmt.Sprint(list) != "[other@far.test news@far.test]" && fmt.Sprint(list) != "[news@far.test other@far.test]" {
			t.Errorf("Ann's list is %v", list)
		}
		h.must(choose(ann, "other@far.test", false))
		h.must(choose(ann, "news@far.test", false))
		h.must(choose(ann, "news@far.test", false))
		if shows(ann, "news@far.test") {
			t.Error("the choice cannot be taken back")
		}
		h.fails(choose(Member{ID: 4711}, "news@far.test", true), mail.NotFound)

		// Who goes leaves nothing to whoever comes with the same name.
		h.must(choose(bob, "news@far.test", true))
		h.must(h.Remove(h.Context(), bob.ID))
		n := -1
		h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(h.Context(), `SELECT COUNT(*) FROM picture_sender`).Scan(&n)
		}))
		if n != 0 {
			t.Errorf("%d choices are left", n)
		}
	})
}

func TestOfTooManyChoicesTheOldestGo(t *testing.T) {
	each(t, func(h *house) {
		ann := h.member("ann@home.test")
		h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error {
			for i := range maxPictured {
				if _, err := tx.Exec(h.Context(), `INSERT INTO picture_sender (member, sender, created) VALUES ($1, $2, $3)`, int64(ann.ID), fmt.Sprintf("s%d@far.test", i), i); err != nil {
					return err
				}
			}
			return nil
		}))
		h.must(h.ShowPictures(h.Context(), ann.ID, mail.MustAddress("new@far.test"), true))
		for a, want := range map[string]bool{"new@far.test": true, "s0@far.test": false, "s1@far.test": true} {
			if got, err := h.ShowsPictures(h.Context(), ann.ID, mail.MustAddress(a)); err != nil || got != want {
				t.Errorf("%s: %v %v", a, got, err)
			}
		}
	})
}
