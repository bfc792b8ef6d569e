package accounts

import (
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

func TestWhoeverPostmasterLeadsToAdministersAndNobodyElse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		add := func(name string) Member {
			m, err := h.AddMember(t.Context(), NewMember{Address: mail.MustAddress(name + "@home.test")})
			h.must(err)
			return m
		}
		ann, bob, cleo := add("ann"), add("bob"), add("cleo")
		says := func(when string, want map[*Member]bool) {
			t.Helper()
			for m, yes := range want {
				got, err := h.Administers(t.Context(), m.ID)
				if err != nil || got != yes {
					t.Errorf("%s: %s administers: %v, %v", when, m.Address, got, err)
				}
			}
		}
		says("mail to postmaster reaches the first member, who was never named", map[*Member]bool{&ann: false, &bob: false})
		postmaster := mail.MustAddress("postmaster@home.test")
		h.must(h.AddAlias(t.Context(), postmaster, bob.Address))
		says("an alias", map[*Member]bool{&ann: false, &bob: true, &cleo: false})
		group, err := h.AddGroup(t.Context(), Group{Address: mail.MustAddress("office@home.test")})
		h.must(err)
		h.must(h.Join(t.Context(), group.Address, cleo.Address))
		says("a group that has nothing to do with it", map[*Member]bool{&cleo: false})
		h.must(h.AddAlias(t.Context(), postmaster, group.Address))
		says("a group", map[*Member]bool{&ann: false, &bob: true, &cleo: true})
		h.must(h.Leave(t.Context(), group.Address, cleo.Address))
		says("left the group", map[*Member]bool{&bob: true, &cleo: false})
		h.must(h.Suspend(t.Context(), bob.ID))
		says("suspended", map[*Member]bool{&bob: false, &ann: false})
		h.must(h.Resume(t.Context(), bob.ID))
		h.must(h.RemoveAlias(t.Context(), postmaster, bob.Address))
		says("off the alias", map[*Member]bool{&bob: false})
	})
}
