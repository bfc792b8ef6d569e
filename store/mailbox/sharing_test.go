package mailbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// village is a house with neighbours: ann (7), bob (8), zoe (9), and the club
// (20) of bob and zoe.
type village struct {
	*house
	ann, bob, zoe mail.User
}

type people struct{}

var addresses = map[mail.AccountID]mail.Address{
	7: mail.MustAddress("ann@home.test"), 8: mail.MustAddress("bob@home.test"),
	9: mail.MustAddress("zoe@home.test"), 20: mail.MustAddress("club@home.test"),
}

func (people) Groups(_ context.Context, u mail.UserID) ([]mail.AccountID, error) {
	if u == 2 || u == 3 {
		return []mail.AccountID{20}, nil
	}
	return nil, nil
}

func (people) AccountOf(_ context.Context, a mail.Address) (mail.AccountID, error) {
	for id, have := range addresses {
		if have.Key() == a.Key() {
			return id, nil
		}
	}
	return 0, mail.Refuse(mail.NotFound, "accounts-no-such-user")
}

func (people) AddressesOf(context.Context, []mail.AccountID) (map[mail.AccountID]mail.Address, error) {
	return addresses, nil
}

func inVillage(t *testing.T, f func(v *village)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		h := newHouse(t, db)
		h.People = people{}
		h.open(8, "en")
		h.open(9, "en")
		h.must(db.Write(t.Context(), func(tx *store.Tx) error { return h.CreateGroup(t.Context(), tx, 20, "en") }))
		f(&village{h, mail.User{ID: 1, Account: 7}, mail.User{ID: 2, Account: 8}, mail.User{ID: 3, Account: 9}})
	})
}

// sees is what of others u sees, each with its rights.
func (v *village) sees(u mail.User) string {
	v.Helper()
	list, err := v.Folders(v.Context(), u)
	v.must(err)
	var out []string
	for _, f := range list {
		if f.Account != u.Account {
			out = append(out, fmt.Sprintf("%s:%s", strings.TrimPrefix(f.Shown, "Shared/"), f.Rights))
			// What a list says is what opening it says.
			m, r, err := v.Resolve(v.Context(), u, f.Shown)
			if err != nil || m.ID != f.ID || r != f.Rights {
				v.Errorf("%s resolves to %d %s %v, listed as %d %s", f.Shown, m.ID, r, err, f.ID, f.Rights)
			}
		}
	}
	return strings.Join(out, " ")
}

func (v *village) wantSees(u mail.User, want string) {
	v.Helper()
	if got := v.sees(u); got != want {
		v.Errorf("user %d sees %q, want %q", u.ID, got, want)
	}
}

func TestNobodySeesAMailboxThatWasNotShared(t *testing.T) {
	inVillage(t, func(v *village) {
		v.wantSees(v.ann, "")
		for _, name := range []string{"Shared", "Shared/", "Shared/bob@home.test", "Shared/bob@home.test/INBOX", "Shared/nobody@home.test/INBOX",
			"Shared/ann@home.test/INBOX", "Shared/bad address/x", "Shared/club@home.test/INBOX", "Shared/bob@home.test/../INBOX"} {
			_, _, err := v.Resolve(v.Context(), v.ann, name)
			v.wantKind(err, mail.NotFound, name)
		}
	})
}

func TestRightsAreGrantedToMembersAndToGroups(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		projects := v.create("Projects")
		v.create("Projects/2026")
		v.must(v.Grant(ctx, projects, 8, "lrs"))
		v.wantSees(v.zoe, clubSees)
		v.wantSees(v.bob, "ann@home.test/Projects:lrs "+clubSees)
		// A mailbox made inside begins with the same rights; one from before keeps its own.
		v.create("Projects/2027")
		v.wantSees(v.bob, "ann@home.test/Projects:lrs ann@home.test/Projects/2027:lrs "+clubSees)
		// The group's rights add to one's own.
		v.must(v.Grant(ctx, projects, 20, "lri"))
		v.wantSees(v.zoe, "ann@home.test/Projects:lri "+clubSees)
		v.wantSees(v.bob, "ann@home.test/Projects:lrsi ann@home.test/Projects/2027:lrs "+clubSees)
		v.must(v.Grant(ctx, projects, 20, ""))
		v.must(v.Grant(ctx, projects, 8, ""))
		v.wantSees(v.bob, "ann@home.test/Projects/2027:lrs "+clubSees)
		// Without "l" it is not there, whatever else.
		v.must(v.Grant(ctx, v.box("Projects/2027"), 8, "rw"))
		v.wantSees(v.bob, clubSees)
		v.must(v.Remove(ctx, 7, "Projects/2027"))
		v.wantKind(v.Grant(ctx, mailbox.Mailbox{ID: 99, Account: 7}, 8, "l"), mail.NotFound, "a mailbox that is gone")
	})
}

const clubSees = "club@home.test/Archive:lrswipkxte club@home.test/Drafts:lrswipkxte club@home.test/INBOX:lrswipkxte " +
	"club@home.test/Junk:lrswipkxte club@home.test/Sent:lrswipkxte club@home.test/Trash:lrswipkxte"

func TestRightsOnAnAccountHoldForAllItsMailboxesButWhereOthersAreGiven(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		for _, name := range []string{"Archive", "Drafts", "Junk", "Sent"} {
			v.must(v.Remove(ctx, 7, name))
		}
		v.must(v.GrantAll(ctx, 7, 9, "lr"))
		v.must(v.Grant(ctx, v.box("INBOX"), 9, "lrs"))
		v.must(v.Grant(ctx, v.box("Trash"), 9, ""))
		v.create("later")
		v.wantSees(v.zoe, "ann@home.test/INBOX:lrs ann@home.test/later:lr "+clubSees)
		grants, err := v.Grants(ctx, v.box("Trash"))
		if v.must(err); !slices.Equal(grants, []mailbox.Grant{{Account: 7, Rights: mailbox.AllRights}}) {
			v.Errorf("Trash has %v", grants)
		}
		grants, err = v.Grants(ctx, v.box("later"))
		if v.must(err); !slices.Equal(grants, []mailbox.Grant{{Account: 7, Rights: mailbox.AllRights}, {Account: 9, Rights: "lr"}}) {
			v.Errorf("later has %v", grants)
		}
		v.must(v.GrantAll(ctx, 7, 9, ""))
		v.wantSees(v.zoe, "ann@home.test/INBOX:lrs "+clubSees)
	})
}

func TestAGroupCanBeKeptOutOfOneOfItsMailboxes(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		junk, _, err := v.Resolve(ctx, v.bob, "Shared/club@home.test/Junk")
		v.must(err)
		v.must(v.Grant(ctx, junk, 20, ""))
		if got := v.sees(v.bob); strings.Contains(got, "Junk") || !strings.Contains(got, "Trash") {
			v.Errorf("bob sees %q", got)
		}
		v.must(v.GrantAll(ctx, 20, 20, ""))
		v.wantSees(v.bob, "")
		grants, err := v.Grants(ctx, junk)
		if v.must(err); len(grants) != 0 {
			v.Errorf("somebody is left: %v", grants)
		}
	})
}

func TestMailboxesAreMadeOnlyWhereOneMay(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		v.must(v.Grant(ctx, v.create("open"), 8, "lk"))
		v.must(v.Grant(ctx, v.create("closed"), 8, "lr"))
		for name, want := range map[string]mail.Kind{
			"Shared/ann@home.test/closed/x": mail.Forbidden, "Shared/ann@home.test/x": mail.Forbidden, "Shared/ann@home.test/closed": mail.Forbidden,
			"Shared/zoe@home.test/x": mail.Forbidden, "Shared/nobody@home.test/x": mail.Forbidden, "Shared": mail.Forbidden,
			"Shared/mine": mail.Forbidden, "Shared/club@home.test": mail.BadSyntax,
		} {
			_, _, err := v.MayCreate(ctx, v.bob, name)
			v.wantKind(err, want, name)
		}
		for name, want := range map[string]string{
			"Shared/ann@home.test/open/x": "7 open/x", "Shared/ANN@home.test/open/x/y": "7 open/x/y",
			"Shared/club@home.test/x": "20 x", "mine": "8 mine", "inbox/x": "8 INBOX/x", "Sharedish": "8 Sharedish",
		} {
			account, local, err := v.MayCreate(ctx, v.bob, name)
			if got := fmt.Sprint(account, " ", local); err != nil || got != want {
				v.Errorf("%s: %q %v, want %q", name, got, err, want)
			}
		}
	})
}

func TestOnesOwnMailboxIsNotHiddenByWhatOthersShare(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		mine, err := v.Create(ctx, 8, "Shared/ann@home.test/open") // as an import from elsewhere may have made it
		v.must(err)
		v.must(v.Grant(ctx, v.create("open"), 8, "lr"))
		m, r, err := v.Resolve(ctx, v.bob, "Shared/ann@home.test/open")
		if v.must(err); m.ID != mine.ID || r != mailbox.AllRights {
			v.Errorf("got %+v with %q", m, r)
		}
		v.wantSees(v.bob, clubSees)
	})
}

func TestEachReaderOfASharedMailboxHasReadTheirOwnMails(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		for range 5 {
			v.deliver("INBOX", letter)
		}
		box := v.box("INBOX")
		v.must(v.Grant(ctx, box, 8, "lrsw"))
		high := v.box("INBOX").HighestMod
		now, modified, err := v.SetFlagsAs(ctx, v.bob, box, "lrsw", []mailbox.UID{2, 3}, mailbox.AddFlags, []string{`\Seen`, `\Flagged`}, 0)
		if v.must(err); brief(now) != `2[\Flagged \Seen] 3[\Flagged \Seen]` || len(modified) > 0 {
			v.Errorf("bob got %s, %v", brief(now), modified)
		}
		if got := brief(v.entries("INBOX")); got != `1[] 2[\Flagged] 3[\Flagged] 4[] 5[]` {
			v.Errorf("ann has %s", got)
		}
		if after := v.box("INBOX"); after.HighestMod <= high || after.Unseen != 5 {
			v.Errorf("%+v after %d", after, high)
		}
		v.wantUnseen(v.bob, 3)
		v.wantUnseen(v.zoe, 5)
		v.wantUnseen(v.ann, 5)
		// What the owner does with the flag is the owner's.
		_, _, err = v.SetFlags(ctx, box.ID, []mailbox.UID{1, 2}, mailbox.AddFlags, []string{`\Seen`}, 0)
		v.must(err)
		v.wantUnseen(v.bob, 3)
		v.wantUnseen(v.ann, 3)
		// Replacing touches only what one may touch: not \Deleted, not the owner's \Seen.
		_, _, err = v.SetFlags(ctx, box.ID, []mailbox.UID{1}, mailbox.AddFlags, []string{`\Deleted`, "old"}, 0)
		v.must(err)
		now, _, err = v.SetFlagsAs(ctx, v.bob, box, "lrsw", []mailbox.UID{1, 3}, mailbox.ReplaceFlags, []string{`\Answered`}, 0)
		if v.must(err); brief(now) != `1[\Answered \Deleted] 3[\Answered]` {
			v.Errorf("bob got %s", brief(now))
		}
		if got := brief(v.entries("INBOX")); got != `1[\Answered \Deleted \Seen] 2[\Flagged \Seen] 3[\Answered] 4[] 5[]` {
			v.Errorf("ann has %s", got)
		}
		v.wantUnseen(v.bob, 4)
		// One that changed since is left alone, whichever flag it is about.
		since := v.box("INBOX").HighestMod
		_, _, err = v.SetFlagsAs(ctx, v.bob, box, "lrsw", []mailbox.UID{5}, mailbox.AddFlags, []string{`\Seen`}, 0)
		v.must(err)
		now, modified, err = v.SetFlagsAs(ctx, v.bob, box, "lrsw", []mailbox.UID{4, 5}, mailbox.AddFlags, []string{`\Seen`, "x"}, since)
		if v.must(err); brief(now) != `4[\Seen x]` || !slices.Equal(modified, []mailbox.UID{5}) {
			v.Errorf("got %s, modified %v", brief(now), modified)
		}
		for rights, flag := range map[mailbox.Rights]string{"lrw": `\Seen`, "lrs": `\Flagged`, "lrsw": `\Deleted`, "lr": "x"} {
			_, _, err := v.SetFlagsAs(ctx, v.bob, box, rights, []mailbox.UID{4}, mailbox.AddFlags, []string{flag}, 0)
			v.wantKind(err, mail.Forbidden, string(rights)+" "+flag)
		}
	})
}

func (v *village) wantUnseen(u mail.User, want int) {
	v.Helper()
	n, err := v.Snapshot(v.Context(), v.box("INBOX").ID)
	v.must(err)
	got, err := v.Unseen(v.Context(), n, u.Account)
	if v.must(err); got != want {
		v.Errorf("user %d has %d unread, want %d", u.ID, got, want)
	}
}

func TestRightsAreReadAndToldAsBothRFCsWriteThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "rl": "lr", "lrc": "lrkxc", "d": "ted", "aetxkpiwsrl": "lrswipkxteacd", "ll": "l"} {
		r, err := mailbox.ParseRights(in)
		if err != nil || r.Told() != want {
			t.Errorf("%q is %q, %v; want %q", in, r.Told(), err, want)
		}
	}
	for _, in := range []string{"L", "lz", "é", "l r", "0"} {
		if _, err := mailbox.ParseRights(in); !mail.Is(err, mail.BadSyntax) {
			t.Errorf("%q: %v", in, err)
		}
	}
	if mailbox.Rights("lr").Has("lrs") || !mailbox.AllRights.Has("ea") || mailbox.Rights("lr").MayChange() {
		t.Error("rights are confused")
	}
}

func TestNothingOfAMailboxIsLeftWhenItGoes(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		box := v.create("a")
		v.deliver("a", letter)
		v.must(v.Grant(ctx, box, 8, "lrs"))
		_, _, err := v.SetSeen(ctx, box.ID, 8, []mailbox.UID{1}, true, 0)
		v.must(err)
		value := "x"
		v.must(v.SetNotes(ctx, box.ID, 8, 7, []mailbox.SetNote{{"/private/comment", &value}, {"/shared/comment", &value}}))
		v.must(v.Remove(ctx, 7, "a"))
		for _, table := range []string{"mailbox_seen", "metadata"} {
			v.wantRows(table, 0)
		}
		v.wantRows("mailbox_right", 1) // the club's own
		v.must(v.GrantAll(ctx, 7, 8, "l"))
		v.must(v.SetNotes(ctx, 0, 8, 8, []mailbox.SetNote{{"/private/comment", &value}}))
		v.must(v.DB.Write(ctx, func(tx *store.Tx) error { return v.DeleteAccount(ctx, tx, 8) }))
		v.wantRows("metadata", 0)
		v.wantRows("mailbox_right", 1)
	})
}

func (v *village) wantRows(table string, want int) {
	v.Helper()
	var n int
	v.must(v.DB.Read(v.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(v.Context(), `SELECT count(*) FROM `+table).Scan(&n)
	}))
	if n != want {
		v.Errorf("%d rows in %s, want %d", n, table, want)
	}
}
