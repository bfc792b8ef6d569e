package mailbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/storetest"
)

// each runs f on both databases.
func each(t *testing.T, f func(h *house)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		f(newHouse(t, db))
	})
}

func (h *house) names(a mail.AccountID) []string {
	h.Helper()
	list, err := h.List(h.Context(), a)
	h.must(err)
	var out []string
	for _, m := range list {
		out = append(out, m.Name)
	}
	return out
}

func TestAnAccountBeginsWithItsMailboxesInItsLanguage(t *testing.T) {
	each(t, func(h *house) {
		h.open(8, "fr")
		if got, want := h.names(8), []string{"INBOX", "Archives", "Brouillons", "Corbeille", "Envoyés", "Indésirables"}; !slices.Equal(got, want) {
			h.Errorf("French: %q, want %q", got, want)
		}
		if got, want := h.names(7), []string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}; !slices.Equal(got, want) {
			h.Errorf("English: %q, want %q", got, want)
		}
		for _, r := range []mailbox.Role{mailbox.Inbox, mailbox.Sent, mailbox.Drafts, mailbox.Trash, mailbox.Junk, mailbox.Archive} {
			h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
				_, err := h.ByRole(h.Context(), tx, 8, r)
				return err
			}))
		}
	})
}

func TestDeletingAnAccountLeavesNothingOfIt(t *testing.T) {
	each(t, func(h *house) {
		h.deliver("INBOX", letter)
		gone := h.deliver("INBOX", letter)
		_, err := h.Expunge(h.Context(), h.box("INBOX").ID, []mailbox.UID{gone.UID}, false)
		h.must(err)
		h.create("Old")
		h.deliver("Old", letter)
		h.must(h.Remove(h.Context(), h.account, "Old"))
		h.open(8, "fr")
		kept, err := h.Get(h.Context(), 8, "INBOX")
		h.must(err)
		_, err = h.tryDeliver(h.Context(), 8, kept.ID, letter)
		h.must(err)
		h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.DeleteAccount(h.Context(), tx, h.account) }))
		for table, want := range map[string]int{"mailbox_account": 1, "mailbox": 6, "email": 1, "placement": 1, "tombstone": 0, "mailbox_gone": 0, "thread_ref": 1} {
			var n int
			h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(h.Context(), `SELECT count(*) FROM `+table).Scan(&n)
			}))
			if n != want {
				h.Errorf("%d rows in %s, want %d", n, table, want)
			}
		}
		_, err = h.Usage(h.Context(), h.account)
		h.wantKind(err, mail.NotFound, "usage")
	})
}

func TestCreateMakesTheParentsAndReadsNamesAsOneSpelling(t *testing.T) {
	each(t, func(h *house) {
		m := h.create("Clients/2026/e\u0301te\u0301/") // é in two characters, and a separator at the end
		if m.Name != "Clients/2026/été" {
			h.Errorf("made %q", m.Name)
		}
		for _, name := range []string{"Clients", "Clients/2026", "Clients/2026/e\u0301te\u0301", "iNbOx"} {
			h.box(name)
		}
		if m := h.create("inbox/Old"); m.Name != "INBOX/Old" {
			h.Errorf("made %q", m.Name)
		}
		for _, name := range []string{"Clients", "INBOX", "inbox", "Clients/2026/été"} {
			_, err := h.Create(h.Context(), h.account, name)
			h.wantKind(err, mail.Conflict, name)
		}
		h.create("clients") // case counts, but for INBOX
		_, err := h.Get(h.Context(), h.account, "Clients/2025")
		h.wantKind(err, mail.NotFound, "get")
	})
}

func TestNamesThatWouldConfuseSomebodyAreRefused(t *testing.T) {
	each(t, func(h *house) {
		deep := strings.Repeat("a/", 20) + "a"
		for _, name := range []string{"", "/", "a//b", "/a", "a/../b", "..", ".", "a\x00b", "a\r\nb", "100%", "a*", "\xff", "a\u202eb",
			"\u0085", strings.Repeat("x", 256), strings.Repeat(strings.Repeat("x", 250)+"/", 4) + "x", deep} {
			_, err := h.Create(h.Context(), h.account, name)
			h.wantKind(err, mail.BadSyntax, fmt.Sprintf("create %.20q", name))
			err = h.Rename(h.Context(), h.account, "Sent", name)
			h.wantKind(err, mail.BadSyntax, fmt.Sprintf("rename to %.20q", name))
		}
		if n := len(h.names(h.account)); n != 6 {
			h.Errorf("%d mailboxes", n)
		}
		// A rename must not make children too deep either.
		h.create(strings.TrimSuffix(strings.Repeat("a/", 18), "/"))
		h.create("b/c/d/e")
		h.wantKind(h.Rename(h.Context(), h.account, "b", "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/b"), mail.BadSyntax, "deep rename")
		h.box("b/c/d/e")
	})
}

func TestRenameTakesTheChildrenAlong(t *testing.T) {
	each(t, func(h *house) {
		a, below := h.create("a"), h.create("a/x/y")
		h.create("ab") // not a child
		h.must(h.Rename(h.Context(), h.account, "a", "new/top"))
		if got := h.box("new/top"); got.ID != a.ID || got.UIDValidity != a.UIDValidity {
			h.Errorf("%+v, was %+v", got, a)
		}
		if got := h.box("new/top/x/y"); got.ID != below.ID {
			h.Errorf("%+v, was %+v", got, below)
		}
		h.box("new")
		h.box("ab")
		h.wantKind(h.Rename(h.Context(), h.account, "a", "b"), mail.NotFound, "the old name")
		h.wantKind(h.Rename(h.Context(), h.account, "new", "ab"), mail.Conflict, "a name that is taken")
		h.wantKind(h.Rename(h.Context(), h.account, "new", "new/deep"), mail.BadSyntax, "into itself")
		if again := h.create("a"); again.UIDValidity <= below.UIDValidity {
			h.Errorf("UIDVALIDITY %d after %d", again.UIDValidity, below.UIDValidity)
		}
	})
}

func TestRenamingInboxMovesItsMessages(t *testing.T) {
	each(t, func(h *house) {
		h.create("INBOX/child")
		p := h.deliver("INBOX", letter, flagged(`\Seen`))
		h.deliver("INBOX", letter)
		h.must(h.Rename(h.Context(), h.account, "INBOX", "INBOX/2026"))
		if got := brief(h.entries("INBOX/2026")); got != `1[\Seen] 2[]` {
			h.Errorf("moved %s", got)
		}
		if e := h.entries("INBOX/2026")[0]; e.Email != p.Email || e.Thread != p.Thread {
			h.Errorf("email %d became %d", p.Email, e.Email)
		}
		in := h.box("INBOX")
		if in.Total != 0 || in.Unseen != 0 || in.Size != 0 || in.UIDNext != 3 {
			h.Errorf("left %+v", in)
		}
		h.box("INBOX/child")
		if p := h.deliver("INBOX", letter); p.UID != 3 {
			h.Errorf("UID %d given again", p.UID)
		}
	})
}

func TestRemoveTakesTheMessagesAndSparesInboxAndParents(t *testing.T) {
	each(t, func(h *house) {
		h.create("a/b")
		h.deliver("a/b", letter)
		both := h.deliver("INBOX", letter)
		_, _, _, err := h.Copy(h.Context(), h.box("INBOX").ID, []mailbox.UID{both.UID}, h.box("a/b").ID)
		h.must(err)
		h.wantKind(h.Remove(h.Context(), h.account, "inbox"), mail.Policy, "INBOX")
		h.wantKind(h.Remove(h.Context(), h.account, "a"), mail.Policy, "a parent")
		h.wantKind(h.Remove(h.Context(), h.account, "nothing"), mail.NotFound, "nothing")
		old := h.box("a/b")
		h.must(h.Remove(h.Context(), h.account, "a/b"))
		if n := h.usage(); n != int64(len(letter)) {
			h.Errorf("%d used, want one mail of %d", n, len(letter))
		}
		_, _, _, err = h.Changed(h.Context(), old.ID, 0)
		h.wantKind(err, mail.NotFound, "changes of what is gone")
		_, err = h.Find(h.Context(), old.ID, &mailbox.Query{})
		h.wantKind(err, mail.NotFound, "search in what is gone")
		_, err = h.tryDeliver(h.Context(), h.account, old.ID, letter)
		h.wantKind(err, mail.NotFound, "delivery to what is gone")
		if again := h.create("a/b"); again.UIDValidity <= old.UIDValidity || again.ID == old.ID {
			h.Errorf("%+v after %+v", again, old)
		}
	})
}

func TestUIDValidityRisesEvenWhenTheClockDoesNot(t *testing.T) {
	each(t, func(h *house) {
		seen := map[uint32]bool{}
		for i := range 5 {
			h.now = h.now.Add(-time.Hour)
			m := h.create(fmt.Sprint("box", i))
			if seen[m.UIDValidity] {
				h.Errorf("%d twice", m.UIDValidity)
			}
			seen[m.UIDValidity] = true
			h.must(h.Remove(h.Context(), h.account, m.Name))
		}
	})
}

func TestIDsAreWrittenAsObjectsAndReadBack(t *testing.T) {
	t.Parallel()
	for _, id := range []int64{0, 1, 1<<63 - 1, store.NewID()} {
		s := mailbox.ObjectID('M', id)
		if got, ok := mailbox.ParseObjectID('M', s); !ok || got != id || len(s) > 255 || strings.ToLower(s[1:]) != s[1:] {
			t.Errorf("%d is %q is %d %v", id, s, got, ok)
		}
		if _, ok := mailbox.ParseObjectID('T', s); ok {
			t.Errorf("%q passes for a thread", s)
		}
	}
	for _, bad := range []string{"", "M", "M!", "Maaaa", strings.ToUpper(mailbox.ObjectID('M', 77)), mailbox.ObjectID('M', 77) + "a"} {
		if id, ok := mailbox.ParseObjectID('M', bad); ok {
			t.Errorf("%q is %d", bad, id)
		}
	}
}
