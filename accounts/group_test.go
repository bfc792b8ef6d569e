package accounts

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"colporteur/mail"
	"colporteur/store"
)

func (h *house) group(address string, members ...string) Group {
	h.Helper()
	g, err := h.AddGroup(h.Context(), Group{Address: mail.MustAddress(address), Name: "Club", Lang: "en", Quota: 1000})
	h.must(err)
	for _, m := range members {
		h.must(h.Join(h.Context(), g.Address, mail.MustAddress(m)))
	}
	return g
}

func TestAGroupTakesMailAndHasMembers(t *testing.T) {
	each(t, func(h *house) {
		ctx := h.Context()
		var made []string
		h.Created = func(context.Context, *store.Tx, mail.AccountID, string) error {
			made = append(made, "member")
			return nil
		}
		h.CreatedGroup = func(_ context.Context, _ *store.Tx, _ mail.AccountID, lang string) error {
			made = append(made, "group "+lang)
			return nil
		}
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		g := h.group("club@home.test", "ann@home.test", "ann@home.test", "bob@home.test")
		if !slices.Equal(made, []string{"member", "member", "group en"}) {
			t.Errorf("made %q", made)
		}
		h.want("Club@home.test", "club@home.test")
		h.want("club+x@home.test", "club@home.test (x)")
		dest, err := h.Resolve(ctx, g.Address)
		if h.must(err); dest[0].Account != g.Account || dest[0].Quota != 1000 || dest[0].Lang != "en" {
			t.Errorf("leads to %+v", dest)
		}
		if quota, err := h.Quota(ctx, g.Account); err != nil || quota != 1000 {
			t.Errorf("quota %d, %v", quota, err)
		}
		groups, err := h.Groups(ctx, bob.ID)
		if h.must(err); !slices.Equal(groups, []mail.AccountID{g.Account}) {
			t.Errorf("bob is in %v", groups)
		}
		names, err := h.AddressesOf(ctx, []mail.AccountID{g.Account, ann.Account, ann.Account, 99})
		if h.must(err); fmt.Sprint(len(names), names[g.Account], names[ann.Account]) != "2 club@home.test ann@home.test" {
			t.Errorf("names %v", names)
		}
		for address, want := range map[string]mail.AccountID{"CLUB@home.test": g.Account, "ann@home.test": ann.Account} {
			if got, err := h.AccountOf(ctx, mail.MustAddress(address)); err != nil || got != want {
				t.Errorf("%s is %d, %v", address, got, err)
			}
		}
		_, err = h.AccountOf(ctx, mail.MustAddress("zoe@home.test"))
		h.fails(err, mail.NotFound)
		all, err := h.AllGroups(ctx)
		if h.must(err); fmt.Sprint(all[0].Address, all[0].Members) != "club@home.test [ann@home.test bob@home.test]" || len(all) != 1 {
			t.Errorf("all: %+v", all)
		}
	})
}

func TestNobodySignsInAsAGroupAndItsAddressIsTaken(t *testing.T) {
	h := openSQLite(t)
	ctx := h.Context()
	h.member("ann@home.test")
	h.group("club@home.test", "ann@home.test")
	for _, password := range []string{"", "secret99"} {
		_, err := h.Login(ctx, "club@home.test", password, from("192.0.2.1"))
		h.fails(err, mail.AuthFailed)
	}
	_, err := h.AddMember(ctx, NewMember{Address: mail.MustAddress("club@home.test")})
	h.fails(err, mail.Conflict)
	h.fails(h.alias("club@home.test", "ann@home.test"), mail.Conflict)
	_, err = h.AddGroup(ctx, Group{Address: mail.MustAddress("ann@home.test")})
	h.fails(err, mail.Conflict)
	h.fails(h.Join(ctx, mail.MustAddress("ann@home.test"), mail.MustAddress("ann@home.test")), mail.NotFound)
	h.fails(h.Join(ctx, mail.MustAddress("club@home.test"), mail.MustAddress("club@home.test")), mail.NotFound)
}

func TestWhoLeavesAGroupLosesItAtOnce(t *testing.T) {
	each(t, func(h *house) {
		ctx := h.Context()
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		g := h.group("club@home.test", "ann@home.test", "bob@home.test")
		h.must(h.alias("all@home.test", "club@home.test", "ann@home.test"))
		var cut []mail.UserID
		h.Changed = func(u mail.UserID) { cut = append(cut, u) }
		h.must(h.Leave(ctx, g.Address, ann.Address))
		h.must(h.Leave(ctx, g.Address, ann.Address))
		if groups, _ := h.Groups(ctx, ann.ID); len(groups) > 0 || !slices.Equal(cut, []mail.UserID{ann.ID}) {
			t.Errorf("ann is in %v, cut %v", groups, cut)
		}
		h.must(h.RemoveGroup(ctx, g.Address))
		if !slices.Equal(cut, []mail.UserID{ann.ID, bob.ID}) {
			t.Errorf("cut %v", cut)
		}
		h.want("club@home.test", "nobody")
		h.want("all@home.test", "ann@home.test")
		h.fails(h.RemoveGroup(ctx, g.Address), mail.NotFound)
		again := h.group("club@home.test", "bob@home.test")
		h.must(h.Remove(ctx, bob.ID))
		if all, err := h.AllGroups(ctx); err != nil || len(all) != 1 || len(all[0].Members) != 0 || all[0].Account != again.Account {
			t.Errorf("groups %+v, %v", all, err)
		}
	})
}
