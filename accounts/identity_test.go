package accounts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store"
)

// edit makes the edits, all of which must succeed, and returns the state.
func (h *house) edit(u mail.UserID, edits ...*IdentityEdit) int64 {
	h.Helper()
	errs, _, after, err := h.EditIdentities(h.Context(), u, nil, edits)
	h.must(err)
	for _, err := range errs {
		h.must(err)
	}
	return after
}

// calls lists a member's identities: "0 Ann <ann@home.test>".
func (h *house) calls(u mail.UserID) string {
	h.Helper()
	list, _, err := h.Identities(h.Context(), u)
	h.must(err)
	var out []string
	for _, i := range list {
		out = append(out, fmt.Sprintf("%s <%s>%s", i.Name, i.Email, i.Text))
	}
	return strings.Join(out, ", ")
}

func text(s string) *string { return &s }

func TestAMemberWritesFromTheirAddressesAlone(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		h.must(h.alias("treasurer@home.test", "ann@home.test"))
		h.must(h.alias("board@home.test", "ann@home.test", "bob@home.test"))
		h.edit(ann.ID, &IdentityEdit{Make: mail.MustAddress("treasurer@home.test"), Name: text("The treasurer"), Text: text("--\nAnn")},
			&IdentityEdit{Make: mail.MustAddress("ann+news@home.test")})
		if got := h.calls(ann.ID); got != " <ann@home.test>, The treasurer <treasurer@home.test>--\nAnn,  <ann+news@home.test>" {
			t.Errorf("ann is %q", got)
		}
		if got := h.calls(bob.ID); got != " <bob@home.test>" {
			t.Errorf("bob is %q", got)
		}
		for _, address := range []string{"bob@home.test", "board@home.test", "nobody@home.test", "ann@far.test", "postmaster@home.test", "*@home.test"} {
			errs, before, after, err := h.EditIdentities(t.Context(), ann.ID, nil, []*IdentityEdit{{Make: mail.MustAddress(address)}})
			h.must(err)
			h.fails(errs[0], mail.NotYours)
			if after != before {
				t.Errorf("%s: what was refused changed the state", address)
			}
		}
		h.must(h.Remove(t.Context(), ann.ID))
		var left int
		h.must(h.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM identity`).Scan(&left)
		}))
		if left > 0 {
			t.Errorf("%d identities outlive their member", left)
		}
	})
}

func TestTheOwnIdentityStaysAndIsCalledAsTheMemberUntilSaidOtherwise(t *testing.T) {
	each(t, func(h *house) {
		ann := h.member("ann@home.test")
		rename := func(name string) {
			t.Helper()
			_, err := h.Update(t.Context(), ann.ID, Update{Name: &name})
			h.must(err)
		}
		rename("Ann")
		if got := h.calls(ann.ID); got != "Ann <ann@home.test>" {
			t.Errorf("got %q", got)
		}
		c, err := h.IdentityChanges(t.Context(), ann.Account, 0, 0)
		h.must(err)
		if !slices.Equal(c.Updated, []int64{OwnIdentity}) || len(c.Created) > 0 {
			t.Errorf("a new name of the member is told as %+v", c)
		}
		h.edit(ann.ID, &IdentityEdit{ID: OwnIdentity, Text: text("A.")})
		rename("Ann Petit")
		if got := h.calls(ann.ID); got != "Ann Petit <ann@home.test>A." {
			t.Errorf("got %q", got)
		}
		h.edit(ann.ID, &IdentityEdit{ID: OwnIdentity, Name: text("Mme Petit")})
		rename("Ann Grand")
		if got := h.calls(ann.ID); got != "Mme Petit <ann@home.test>A." {
			t.Errorf("got %q", got)
		}
		errs, _, _, err := h.EditIdentities(t.Context(), ann.ID, nil, []*IdentityEdit{{ID: OwnIdentity, Remove: true}, {ID: 77, Remove: true}, {ID: 77, Name: text("x")}})
		h.must(err)
		for i, want := range []mail.Kind{mail.Forbidden, mail.NotFound, mail.NotFound} {
			h.fails(errs[i], want)
		}
	})
}

func TestChangesOfIdentitiesAreToldWholeAndInSteps(t *testing.T) {
	each(t, func(h *house) {
		ann := h.member("ann@home.test")
		renewed := 0
		h.Renewed = func(tx *store.Tx, a mail.AccountID) {
			if a == ann.Account {
				tx.AfterCommit(func() { renewed++ })
			}
		}
		at := func(detail string) *IdentityEdit {
			return &IdentityEdit{Make: mail.MustAddress("ann+" + detail + "@home.test")}
		}
		x, y, z := at("x"), at("y"), at("z")
		h.edit(ann.ID, x)
		first := h.edit(ann.ID, y)
		h.edit(ann.ID, z, &IdentityEdit{ID: x.ID, Name: text("X")})
		h.edit(ann.ID, &IdentityEdit{ID: z.ID, Name: text("Z")}, &IdentityEdit{ID: y.ID, Remove: true})
		if renewed != 4 {
			t.Errorf("who listens was woken %d times, want once for each commit", renewed)
		}
		said := func(since int64, most int) (string, IdentityChanges) {
			t.Helper()
			c, err := h.IdentityChanges(t.Context(), ann.Account, since, most)
			h.must(err)
			name := map[int64]string{x.ID: "x", y.ID: "y", z.ID: "z"}
			var out []string
			for verb, list := range map[string][]int64{"+": c.Created, "~": c.Updated, "-": c.Removed} {
				for _, id := range list {
					out = append(out, verb+name[id])
				}
			}
			slices.Sort(out)
			return strings.Join(out, " "), c
		}
		if got, _ := said(0, 0); got != "+x +z" {
			t.Errorf("since the beginning: %s", got)
		}
		if got, _ := said(first, 0); got != "+z -y ~x" {
			t.Errorf("since %d: %s", first, got)
		}
		// By steps of one a client learns the same, and of nothing before it was made.
		have := map[string]bool{}
		for since, more := int64(0), true; more; {
			got, c := said(since, 1)
			for step := range strings.FieldsSeq(got) {
				switch verb, name := step[:1], step[1:]; {
				case verb == "+":
					have[name] = true
				case verb == "~" && !have[name]:
					t.Errorf("%s changed before it was there", name)
				case verb == "-":
					delete(have, name)
				}
			}
			if c.To <= since && c.More {
				t.Fatal("no step further")
			}
			since, more = c.To, c.More
		}
		if len(have) != 2 || !have["x"] || !have["z"] {
			t.Errorf("by steps: %v", have)
		}
		state := h.edit(ann.ID)
		stale := state - 1
		_, _, _, err := h.EditIdentities(t.Context(), ann.ID, &stale, []*IdentityEdit{at("w")})
		h.fails(err, mail.Conflict)
		for range remembersIdentities/20 + 1 {
			edits := make([]*IdentityEdit, 20)
			for i := range edits {
				edits[i] = &IdentityEdit{ID: x.ID, Name: text("again")}
			}
			h.edit(ann.ID, edits...)
		}
		for _, since := range []int64{state, -1, 1 << 40} {
			_, err := h.IdentityChanges(t.Context(), ann.Account, since, 0)
			h.fails(err, mail.Gone)
		}
		if got, _ := said(h.edit(ann.ID)-remembersIdentities, 0); got != "~x" {
			t.Errorf("of what is remembered: %s", got)
		}
	})
}

func TestWhatAMemberCallsThemselvesIsBounded(t *testing.T) {
	each(t, func(h *house) {
		ann := h.member("ann@home.test")
		many := make([]mail.Mailbox, 21)
		for i := range many {
			many[i].Addr = "x@far.test"
		}
		for _, c := range []struct {
			name string
			edit IdentityEdit
			want mail.Kind
		}{
			{"a long name", IdentityEdit{Name: text(strings.Repeat("é", 201))}, mail.BadContent},
			{"a long signature", IdentityEdit{HTML: text(strings.Repeat("x", MaxSignature+1))}, mail.TooBig},
			{"many addresses", IdentityEdit{Bcc: &many}, mail.BadContent},
			{"no address", IdentityEdit{ReplyTo: &[]mail.Mailbox{{Addr: "nobody"}}}, mail.BadAddress},
		} {
			errs, _, _, err := h.EditIdentities(t.Context(), ann.ID, nil, []*IdentityEdit{&c.edit})
			h.must(err)
			t.Log(c.name)
			h.fails(errs[0], c.want)
		}
		edits := make([]*IdentityEdit, MaxIdentities+1)
		for i := range edits {
			edits[i] = &IdentityEdit{Make: mail.MustAddress(fmt.Sprintf("ann+%d@home.test", i))}
		}
		errs, _, _, err := h.EditIdentities(t.Context(), ann.ID, nil, edits)
		h.must(err)
		h.must(errs[MaxIdentities-1])
		h.fails(errs[MaxIdentities], mail.OverQuota)
		h.edit(ann.ID, &IdentityEdit{ID: OwnIdentity, ReplyTo: &[]mail.Mailbox{{Name: "Us", Addr: "us@far.test"}}, Bcc: &[]mail.Mailbox{}})
		list, _, err := h.Identities(t.Context(), ann.ID)
		h.must(err)
		if list[0].ReplyTo[0].Name != "Us" || list[0].Bcc == nil {
			t.Errorf("kept %+v", list[0])
		}
	})
}
