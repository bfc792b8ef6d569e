package mailbox_test

import (
	"fmt"
	"slices"
	"testing"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"

	"pgregory.net/rapid"
)

// one is an email as u sees it; nil when it is not there.
func (h *house) one(u mail.User, account mail.AccountID, id mailbox.EmailID) *mailbox.Email {
	h.Helper()
	list, err := h.Emails(h.Context(), u, account, []mailbox.EmailID{id})
	h.must(err)
	return list[0]
}

// at is an email in words: its flags, and the names of the mailboxes it is in.
func (h *house) at(u mail.User, account mail.AccountID, id mailbox.EmailID) string {
	h.Helper()
	m := h.one(u, account, id)
	if m == nil {
		return "nowhere"
	}
	var names []string
	for _, p := range m.Places {
		b, err := h.ByID(h.Context(), p.Mailbox)
		h.must(err)
		names = append(names, b.Name)
	}
	slices.Sort(names)
	return fmt.Sprint(m.Flags, names)
}

func (h *house) patch(u mail.User, account mail.AccountID, patches ...mailbox.EmailPatch) []error {
	h.Helper()
	errs, before, after, err := h.Patch(h.Context(), u, account, nil, patches)
	h.must(err)
	state, err := h.State(h.Context(), account)
	h.must(err)
	if after != state || before > after || len(errs) != len(patches) {
		h.Errorf("from %d to %d, the state is %d; %v", before, after, state, errs)
	}
	return errs
}

var me = mail.User{ID: 1, Account: 7}

func TestAnEmailHasItsFlagsInAllMailboxes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.deliver("INBOX", letter, flagged(`\Flagged`))
		for _, c := range []struct {
			what  string
			patch mailbox.EmailPatch
			want  string
		}{
			{"another mailbox", mailbox.EmailPatch{Into: []mailbox.ID{h.box("Archive").ID}}, `[\Flagged] [Archive INBOX]`},
			{"a flag", mailbox.EmailPatch{Set: []string{`\seen`}}, `[\Flagged \Seen] [Archive INBOX]`},
			{"another instead", mailbox.EmailPatch{Set: []string{"$work", `\Seen`}, Replace: true}, `[$work \Seen] [Archive INBOX]`},
			{"one less", mailbox.EmailPatch{Clear: []string{`\Seen`, `\Draft`}}, `[$work] [Archive INBOX]`},
			{"elsewhere", mailbox.EmailPatch{Only: []mailbox.ID{h.box("Trash").ID}}, `[$work] [Trash]`},
			{"back, twice", mailbox.EmailPatch{Only: []mailbox.ID{h.box("INBOX").ID, h.box("Sent").ID}}, `[$work] [INBOX Sent]`},
			{"out of one", mailbox.EmailPatch{From: []mailbox.ID{h.box("INBOX").ID, h.box("Junk").ID}}, `[$work] [Sent]`},
			{"all at once", mailbox.EmailPatch{Into: []mailbox.ID{h.box("INBOX").ID}, From: []mailbox.ID{h.box("Sent").ID}, Set: []string{`\Seen`}}, `[$work \Seen] [INBOX]`},
			{"away", mailbox.EmailPatch{Destroy: true}, "nowhere"},
		} {
			c.patch.ID = p.Email
			if errs := h.patch(me, 7, c.patch); errs[0] != nil {
				t.Fatalf("%s: %v", c.what, errs[0])
			}
			if got := h.at(me, 7, p.Email); got != c.want {
				t.Fatalf("%s: %s, want %s", c.what, got, c.want)
			}
			if m := h.one(me, 7, p.Email); m != nil {
				for _, at := range m.Places {
					if !slices.Equal(at.Flags, m.Flags) {
						t.Errorf("%s: %v in one of the mailboxes, %v in all", c.what, at.Flags, m.Flags)
					}
				}
			}
		}
		if n := h.usage(); n != 0 {
			t.Errorf("%d octets are used by nothing", n)
		}
	})
}

// A flag that IMAP set in one mailbox belongs to the email, and does not go with
// that mailbox.
func TestAFlagOfOneMailboxSurvivesLeavingIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.deliver("INBOX", letter)
		_, _, _, err := h.Copy(t.Context(), h.box("INBOX").ID, []mailbox.UID{p.UID}, h.box("Archive").ID)
		h.must(err)
		_, _, err = h.SetFlags(t.Context(), h.box("INBOX").ID, []mailbox.UID{p.UID}, mailbox.AddFlags, []string{`\Flagged`}, 0)
		h.must(err)
		h.patch(me, 7, mailbox.EmailPatch{ID: p.Email, From: []mailbox.ID{h.box("INBOX").ID}})
		if got := h.at(me, 7, p.Email); got != `[\Flagged] [Archive]` {
			t.Error(got)
		}
	})
}

func TestAPatchThatCannotBeIsNotDoneAtAll(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p, other := h.deliver("INBOX", letter), h.deliver("INBOX", letter)
		inbox := h.box("INBOX").ID
		for _, c := range []struct {
			what  string
			patch mailbox.EmailPatch
			kind  mail.Kind
		}{
			{"no mailbox", mailbox.EmailPatch{ID: p.Email, From: []mailbox.ID{inbox}, Set: []string{`\Seen`}}, mail.BadSyntax},
			{"no mailbox at all", mailbox.EmailPatch{ID: p.Email, Only: []mailbox.ID{}, Set: []string{`\Seen`}}, mail.BadSyntax},
			{"an unknown mailbox", mailbox.EmailPatch{ID: p.Email, Into: []mailbox.ID{99}, Set: []string{`\Seen`}}, mail.BadSyntax},
			{"no flag", mailbox.EmailPatch{ID: p.Email, Set: []string{`\Seen`, "a b"}}, mail.BadSyntax},
			{"\\Deleted", mailbox.EmailPatch{ID: p.Email, Set: []string{`\deleted`}}, mail.BadSyntax},
			{"an unknown email", mailbox.EmailPatch{ID: 5, Destroy: true}, mail.NotFound},
			{"too many flags", mailbox.EmailPatch{ID: p.Email, Set: many(65)}, mail.TooMany},
		} {
			errs := h.patch(me, 7, c.patch, mailbox.EmailPatch{ID: other.Email, Set: []string{`\Seen`}})
			h.wantKind(errs[0], c.kind, c.what)
			if errs[1] != nil {
				t.Errorf("%s: the other one: %v", c.what, errs[1])
			}
			if got := h.at(me, 7, p.Email); got != `[] [INBOX]` {
				t.Errorf("%s: now it is %s", c.what, got)
			}
		}
		before, err := h.State(t.Context(), 7)
		h.must(err)
		old := before - 1
		_, _, _, err = h.Patch(t.Context(), me, 7, &old, []mailbox.EmailPatch{{ID: p.Email, Destroy: true}})
		h.wantKind(err, mail.Conflict, "another state")
		if got := h.at(me, 7, p.Email); got != `[] [INBOX]` {
			t.Errorf("another state: now it is %s", got)
		}
		_, _, _, err = h.Patch(t.Context(), me, 7, &before, []mailbox.EmailPatch{{ID: p.Email, Destroy: true}})
		h.must(err)
		if got := h.at(me, 7, p.Email); got != `nowhere` {
			t.Errorf("at its state: now it is %s", got)
		}
	})
}

func many(n int) (flags []string) {
	for i := range n {
		flags = append(flags, fmt.Sprint("k", i))
	}
	return flags
}

func TestAProgramHearsOfPatchesAndMayRefuseOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		c := hire(h)
		a, b := h.deliver("Desk", letter), h.deliver("INBOX", letter)
		h.noted()
		h.patch(me, 7, mailbox.EmailPatch{ID: b.Email, Only: []mailbox.ID{h.box("Desk").ID}})
		h.wantNoted("Desk: arrive moved 2[]")
		h.patch(me, 7, mailbox.EmailPatch{ID: b.Email, Only: []mailbox.ID{h.box("INBOX").ID}})
		h.wantNoted("Desk: leave moved to INBOX 2[]")
		h.patch(me, 7, mailbox.EmailPatch{ID: b.Email, Into: []mailbox.ID{h.box("Desk").ID}})
		h.wantNoted("Desk: arrive copied 3[]")
		c.fail, c.with = "Desk: leave", mail.Refuse(mail.Policy, "workflow-no")
		errs := h.patch(me, 7, mailbox.EmailPatch{ID: a.Email, Destroy: true}, mailbox.EmailPatch{ID: b.Email, Set: []string{`\Seen`}})
		h.wantKind(errs[0], mail.Policy, "destroy")
		if errs[1] != nil || h.at(me, 7, a.Email) != "[] [Desk]" || h.at(me, 7, b.Email) != `[\Seen] [Desk INBOX]` {
			t.Error(errs, h.at(me, 7, a.Email), h.at(me, 7, b.Email))
		}
	})
}

func TestPatchesKeepToRights(t *testing.T) {
	inVillage(t, func(v *village) {
		ctx := v.Context()
		from, to, hidden := v.create("From"), v.create("To"), v.create("Hidden")
		p := v.deliver("From", letter, flagged(`\Flagged`))
		try := func(rights, toRights mailbox.Rights, patch mailbox.EmailPatch, kind mail.Kind, want string) {
			v.Helper()
			v.must(v.Grant(ctx, from, 8, rights))
			v.must(v.Grant(ctx, to, 8, toRights))
			patch.ID = p.Email
			errs, _, _, err := v.Patch(ctx, v.bob, 7, nil, []mailbox.EmailPatch{patch})
			v.must(err)
			if kind != 0 {
				v.wantKind(errs[0], kind, fmt.Sprint(rights, toRights, patch))
			} else if errs[0] != nil {
				v.Errorf("%s %s %+v: %v", rights, toRights, patch, errs[0])
			}
			if got := v.at(v.ann, 7, p.Email); got != want {
				v.Errorf("%s %s %+v: it is %s, want %s", rights, toRights, patch, got, want)
			}
		}
		move := mailbox.EmailPatch{Only: []mailbox.ID{to.ID}}
		back := mailbox.EmailPatch{Only: []mailbox.ID{from.ID}}
		try("lr", "lri", move, mail.Forbidden, `[\Flagged] [From]`)
		try("lrte", "lr", move, mail.Forbidden, `[\Flagged] [From]`)
		try("lrte", "", move, mail.BadSyntax, `[\Flagged] [From]`)
		try("lrte", "lr", mailbox.EmailPatch{Into: []mailbox.ID{hidden.ID}}, mail.BadSyntax, `[\Flagged] [From]`)
		try("l", "lr", mailbox.EmailPatch{Destroy: true}, mail.NotFound, `[\Flagged] [From]`)
		try("lrt", "lr", mailbox.EmailPatch{Destroy: true}, mail.Forbidden, `[\Flagged] [From]`)
		try("lrs", "lr", mailbox.EmailPatch{Clear: []string{`\Flagged`}}, mail.Forbidden, `[\Flagged] [From]`)
		try("lrw", "lr", mailbox.EmailPatch{Set: []string{`\Seen`}}, mail.Forbidden, `[\Flagged] [From]`)
		// What bob has read is his.
		try("lrs", "lr", mailbox.EmailPatch{Set: []string{`\Seen`}}, 0, `[\Flagged] [From]`)
		if got := v.at(v.bob, 7, p.Email); got != `[\Flagged \Seen] [From]` {
			v.Error(got)
		}
		try("lrte", "lriws", move, 0, `[\Flagged] [To]`)
		if got := v.at(v.bob, 7, p.Email); got != `[\Flagged \Seen] [To]` {
			v.Error(got)
		}
		try("lriws", "lrtesw", back, 0, `[\Flagged] [From]`)
		// It is in a mailbox that bob does not see, too: there it stays.
		v.patch(v.ann, 7, mailbox.EmailPatch{ID: p.Email, Into: []mailbox.ID{hidden.ID}})
		try("lrte", "lr", mailbox.EmailPatch{Destroy: true}, 0, `[\Flagged] [Hidden]`)
		_, _, _, err := v.Patch(ctx, v.zoe, 7, nil, nil)
		v.wantKind(err, mail.NotFound, "an account of which zoe sees nothing")
	})
}

// patchIt is a random patch by the owner or the neighbour, and what must follow.
func (c *clients) patchIt(rt *rapid.T) {
	if len(c.emails) == 0 {
		return
	}
	ctx, u := c.Context(), c.users[rapid.SampledFrom([]int{0, 0, 1}).Draw(rt, "user")]
	folders, err := c.InAccount(ctx, u, c.account)
	if mail.Is(err, mail.NotFound) {
		return
	}
	c.ok(err)
	some := func(label string) (ids []mailbox.ID) {
		for _, f := range rapid.SliceOfN(rapid.SampledFrom(folders), 0, 2).Draw(rt, label) {
			ids = append(ids, f.ID)
		}
		return ids
	}
	flags := func(label string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom([]string{`\Seen`, `\Flagged`, "$work"}), 0, 2, rapid.ID).Draw(rt, label)
	}
	p := mailbox.EmailPatch{ID: rapid.SampledFrom(c.emails).Draw(rt, "email"), Into: some("into"), From: some("from"), Set: flags("set"), Clear: flags("clear"),
		Replace: rapid.Bool().Draw(rt, "replace"), Destroy: rapid.IntRange(0, 5).Draw(rt, "destroy") == 0}
	if rapid.Bool().Draw(rt, "only") {
		p.Only = append([]mailbox.ID{}, some("boxes")...)
	}
	was, err := c.Emails(ctx, u, c.account, []mailbox.EmailID{p.ID})
	c.ok(err)
	errs, _, _, err := c.Patch(ctx, u, c.account, nil, []mailbox.EmailPatch{p})
	c.ok(err)
	is, err := c.Emails(ctx, u, c.account, []mailbox.EmailID{p.ID})
	c.ok(err)
	if was[0] == nil || errs[0] != nil {
		if errs[0] == nil || was[0] != nil && u.Account == c.account && !mail.Is(errs[0], mail.BadSyntax) || fmt.Sprint(inWords(was[0])) != fmt.Sprint(inWords(is[0])) {
			rt.Fatalf("%+v of %+v: %v, and now %+v", p, was[0], errs[0], is[0])
		}
		return
	}
	in := map[mailbox.ID]bool{}
	for _, at := range was[0].Places {
		in[at.Mailbox] = p.Only == nil
	}
	for _, id := range slices.Concat(p.Only, p.Into) {
		in[id] = true
	}
	for _, id := range p.From {
		in[id] = false
	}
	want := slices.Clone(was[0].Flags)
	if p.Replace {
		want = nil
	} else {
		want = slices.DeleteFunc(want, func(f string) bool { return slices.Contains(p.Clear, f) })
	}
	want = append(want, p.Set...)
	if p.Destroy {
		clear(in)
	}
	for _, at := range inWords(is[0]).places {
		if !in[at] {
			rt.Fatalf("%+v of %+v: it is in %d", p, was[0], at)
		}
		delete(in, at)
	}
	for id, there := range in {
		if there && slices.ContainsFunc(folders, func(f mailbox.Folder) bool { return f.ID == id && f.Rights.Has("lr") }) {
			rt.Fatalf("%+v of %+v: it is not in %d", p, was[0], id)
		}
	}
	if is[0] != nil && u.Account == c.account && lower(is[0].Flags) != lower(want) {
		rt.Fatalf("%+v of %+v: flags %v, want %v", p, was[0], is[0].Flags, want)
	}
}

type emailWords struct {
	flags  []string
	places []mailbox.ID
}

func inWords(m *mailbox.Email) (w emailWords) {
	if m != nil {
		w.flags = m.Flags
		for _, at := range m.Places {
			w.places = append(w.places, at.Mailbox)
		}
		w.places = slices.Compact(w.places)
	}
	return w
}
