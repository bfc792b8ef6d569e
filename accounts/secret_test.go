package accounts

import (
	"bytes"
	"regexp"
	"testing"

	"colporteur/mail"
	"colporteur/store"
)

func (h *house) newSecret(m Member) string {
	h.Helper()
	h.must(h.DB.Write(h.Context(), func(tx *store.Tx) error { return h.NewSecret(h.Context(), tx, m.ID) }))
	secret, err := h.Secret(h.Context(), m.ID)
	h.must(err)
	return secret
}

func TestASecretAddressIsItsMembersUntilItIsRenewed(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := h.member("ann@home.test"), h.member("bob@home.test")
		_, err := h.Secret(h.Context(), ann.ID)
		h.fails(err, mail.NotFound)
		first, other := h.newSecret(ann), h.newSecret(bob)
		if !regexp.MustCompile(`^[a-z2-7]{16}$`).MatchString(first) || first == other {
			t.Fatalf("secrets %q and %q", first, other)
		}
		m, err := h.BySecret(h.Context(), first)
		h.must(err)
		if m.ID != ann.ID {
			t.Errorf("ann's secret is %s's", m.Address)
		}
		second := h.newSecret(ann)
		_, err = h.BySecret(h.Context(), first)
		h.fails(err, mail.NotFound)
		for _, guess := range []string{"", "aaaaaaaaaaaaaaaa", second[:15], second + "a"} {
			_, err := h.BySecret(h.Context(), guess)
			h.fails(err, mail.NotFound)
		}
		if m, err = h.BySecret(h.Context(), other); err != nil || m.ID != bob.ID {
			t.Errorf("bob's ended with ann's: %v", err)
		}

		h.must(h.Suspend(h.Context(), ann.ID))
		_, err = h.BySecret(h.Context(), second)
		h.fails(err, mail.NotFound)
		h.must(h.Remove(h.Context(), bob.ID))
		_, err = h.BySecret(h.Context(), other)
		h.fails(err, mail.NotFound)
	})
}

func TestASecretIsNotKeptInItsOwnLetters(t *testing.T) {
	each(t, func(h *house) {
		ann := h.member("ann@home.test")
		secret := h.newSecret(ann)
		var kept []byte
		h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(h.Context(), `SELECT secret FROM secret_address WHERE member = $1`, int64(ann.ID)).Scan(&kept)
		}))
		if len(kept) != 32 || bytes.Contains(kept, []byte(secret)) {
			t.Errorf("kept: %x", kept)
		}
		// Another key than the host's makes nothing of what is kept.
		thief := &Service{DB: h.DB, Now: h.clock.now, Key: bytes.Repeat([]byte{7}, 32)}
		if got, err := thief.Secret(h.Context(), ann.ID); err != nil || got == secret {
			t.Errorf("a copy of the database tells %q (%v)", got, err)
		}
	})
}
