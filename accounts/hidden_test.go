package accounts

import (
	"slices"
	"strings"
	"testing"

	"colporteur/mail"
)

func TestWhatAProgramBreaksOnIsHiddenFromItsMember(t *testing.T) {
	each(t, func(h *house) {
		ann := h.member("ann@home.test")
		cut := 0
		h.Changed = func(mail.UserID) { cut++ }
		h.must(h.Hide(h.Context(), ann.ID, []string{"uidonly", "NOTIFY"}))
		got, err := h.Hidden(h.Context(), ann.ID)
		h.must(err)
		if !slices.Equal(got, []string{"UIDONLY", "NOTIFY"}) || cut != 1 {
			t.Errorf("hidden: %v, sessions cut %d times", got, cut)
		}
		h.must(h.Hide(h.Context(), ann.ID, nil))
		if got, _ = h.Hidden(h.Context(), ann.ID); len(got) > 0 {
			t.Errorf("still hidden: %v", got)
		}
		h.fails(h.Hide(h.Context(), ann.ID, []string{"A B"}), mail.BadContent)
		h.fails(h.Hide(h.Context(), ann.ID, []string{strings.Repeat("X", 50)}), mail.BadContent)
		h.fails(h.Hide(h.Context(), 4711, []string{"IDLE"}), mail.NotFound)
	})
}
