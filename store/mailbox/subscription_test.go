package mailbox_test

import (
	"slices"
	"testing"

	"colporteur/mail"
)

func (h *house) subscribed() []string {
	h.Helper()
	list, err := h.Folders(h.Context(), mail.User{ID: 1, Account: h.account})
	h.must(err)
	var out []string
	for _, f := range list {
		switch {
		case f.Subscribed && f.Exists:
			out = append(out, f.Shown)
		case f.Subscribed:
			out = append(out, f.Shown+" (gone)")
		}
	}
	return out
}

func (h *house) wantSubscribed(what string, want ...string) {
	h.Helper()
	want = append([]string{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}, want...)
	slices.Sort(want[1:])
	if got := h.subscribed(); !slices.Equal(got, want) {
		h.Errorf("%s: subscribed to %q, want %q", what, got, want)
	}
}

func TestASubscriptionThatWasAskedForOutlivesItsMailbox(t *testing.T) {
	each(t, func(h *house) {
		ctx := h.Context()
		h.create("a")
		h.create("b")
		h.wantSubscribed("new ones", "a", "b")
		h.must(h.Subscribe(ctx, h.account, "b", true))
		h.must(h.Remove(ctx, h.account, "a"))
		h.must(h.Remove(ctx, h.account, "b"))
		h.wantSubscribed("removed", "b (gone)")
		h.create("b")
		h.wantSubscribed("made again", "b")
		h.must(h.Subscribe(ctx, h.account, "b", false))
		h.must(h.Subscribe(ctx, h.account, "b", false))
		h.wantSubscribed("not any more")
		h.wantKind(h.Subscribe(ctx, h.account, "nothing", true), mail.NotFound, "what is not there")
	})
}

func TestASubscriptionFollowsAMailboxThatIsRenamed(t *testing.T) {
	each(t, func(h *house) {
		ctx := h.Context()
		h.create("a/b")
		h.must(h.Subscribe(ctx, h.account, "a", false))
		h.must(h.Rename(ctx, h.account, "a", "c"))
		h.wantSubscribed("renamed", "c/b")
	})
}
