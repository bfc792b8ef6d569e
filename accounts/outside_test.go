package accounts

import (
	"fmt"
	"testing"

	"colporteur/mail"
	"colporteur/store"
)

func (h *house) addOutside(m Member, a string) error {
	h.Helper()
	outside, err := mail.ParseAddress(a)
	h.must(err)
	return h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.AddOutside(h.Context(), tx, m.ID, outside) })
}

func (h *house) writes(a string) string {
	h.Helper()
	m, err := h.ByOutside(h.Context(), mail.MustAddress(a))
	if mail.Is(err, mail.NotFound) {
		return ""
	}
	h.must(err)
	return m.Address.String()
}

func TestAnAddressElsewhereIsOneMembers(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		if got := h.writes("ann@far.test"); got != "" {
			t.Fatalf("a stranger's address is %s's", got)
		}
		h.must(h.addOutside(ann, "Ann@Far.test"))
		h.must(h.addOutside(ann, "ann@far.test")) // said twice
		h.fails(h.addOutside(bob, "ann@far.test"), mail.Conflict)
		h.fails(h.addOutside(ann, "bob@home.test"), mail.BadAddress)
		h.fails(h.addOutside(Member{ID: 4711}, "x@far.test"), mail.NotFound)
		if got := h.writes("ANN@far.test"); got != "ann@home.test" {
			t.Errorf("written by %q", got)
		}
		all, err := h.Outsides(h.Context(), ann.ID)
		h.must(err)
		if len(all) != 1 || !all[0].Confirmed.Equal(h.clock.now()) {
			t.Errorf("addresses: %v", all)
		}

		// A suspended member acts from nowhere, and from where they did afterwards.
		h.must(h.Suspend(h.Context(), ann.ID))
		if got := h.writes("ann@far.test"); got != "" {
			t.Errorf("a suspended member writes from elsewhere")
		}
		h.must(h.Resume(h.Context(), ann.ID))
		if got := h.writes("ann@far.test"); got == "" {
			t.Errorf("the address was lost by a suspension")
		}

		remove := func(m Member) error {
			return h.DB.Write(h.Context(), func(tx *store.Tx) error {
				return h.RemoveOutside(h.Context(), tx, m.ID, mail.MustAddress("ann@far.test"))
			})
		}
		h.fails(remove(bob), mail.NotFound)
		h.must(remove(ann))
		if got := h.writes("ann@far.test"); got != "" {
			t.Errorf("a removed address is still %s's", got)
		}
	})
}

func TestAMemberHasSoManyAddressesElsewhere(t *testing.T) {
	each(t, func(h *house) {
		ann := h.member("ann@home.test")
		for i := range MaxOutside {
			h.must(h.addOutside(ann, fmt.Sprintf("a%d@far.test", i)))
		}
		h.fails(h.addOutside(ann, "more@far.test"), mail.TooMany)
		h.must(h.addOutside(ann, "a0@far.test")) // theirs already

		// Whoever leaves takes none along: the address is free for its next owner.
		h.must(h.Remove(h.Context(), ann.ID))
		h.must(h.addOutside(h.member("bob@home.test"), "a0@far.test"))
		if got := h.writes("a0@far.test"); got != "bob@home.test" {
			t.Errorf("written by %q", got)
		}
	})
}
