package accounts

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"colporteur/mail"
	"colporteur/store"
)

// second has a code asked for of a member; codes makes theirs.
func (h *house) second(m Member) (recovery []string, code func() string) {
	h.Helper()
	key, err := h.OfferSecond(h.Context(), m.ID)
	h.must(err)
	code = func() string {
		c, err := totp.GenerateCode(key, h.clock.now())
		h.must(err)
		return c
	}
	recovery, err = h.StartSecond(h.Context(), m.ID, code(), from("192.0.2.1"))
	h.must(err)
	h.clock.pass(time.Minute)
	return recovery, code
}

func TestACodeOpensOnceAndOnlyItsMembersDoor(t *testing.T) {
	each(t, func(h *house) {
		ann, bob := h.secretMember("ann@home.test"), h.secretMember("bob@home.test")
		recovery, code := h.second(ann)
		h.second(bob)
		check := func(m Member, c string) error { return h.CheckCode(h.Context(), m.ID, c, from("192.0.2.1")) }
		h.fails(check(bob, code()), mail.AuthFailed)
		h.must(check(ann, code()[:3]+" "+code()[3:]))
		h.fails(check(ann, code()), mail.AuthFailed) // looked over the shoulder
		late := code()
		h.clock.pass(30 * time.Second)
		h.fails(check(ann, late), mail.AuthFailed)
		h.must(check(ann, code()))
		old := code()
		h.clock.pass(2 * time.Minute)
		h.fails(check(ann, old), mail.AuthFailed)

		h.fails(check(bob, recovery[0]), mail.AuthFailed)
		h.must(check(ann, strings.ToUpper(recovery[0])))
		h.fails(check(ann, recovery[0]), mail.AuthFailed)
		if f, err := h.SecondOf(h.Context(), ann.ID); err != nil || f.Recovery != recoveryCodes-1 || f.Since.IsZero() {
			h.Errorf("%+v: %v", f, err)
		}
		again, err := h.RenewRecovery(h.Context(), ann.ID)
		h.must(err)
		h.clock.pass(time.Hour)
		h.fails(check(ann, recovery[1]), mail.AuthFailed)
		h.must(check(ann, again[1]))

		h.must(h.StopSecond(h.Context(), ann.ID))
		h.fails(check(ann, again[2]), mail.AuthFailed)
		h.fails(check(ann, code()), mail.AuthFailed)
	})
}

func TestProgramsGoOnWithTheirOwnPasswordsAndNotWithTheMembers(t *testing.T) {
	each(t, func(h *house) {
		h.ProgramsPage = "https://mail.home.test/account/programs"
		ann := h.secretMember("ann@home.test")
		app, err := h.AddAppPassword(h.Context(), ann.ID, "telephone")
		h.must(err)
		h.must(h.login("ann@home.test", secret, "192.0.2.1")) // it is remembered as right
		_, before, err := h.SignIn(h.Context(), "ann@home.test", secret, from("192.0.2.1"))
		h.must(err)
		cut := 0
		h.Changed = func(mail.UserID) { cut++ }
		h.second(ann)
		if cut != 1 {
			h.Errorf("open sessions of programs were cut %d times", cut)
		}
		err = h.login("ann@home.test", secret, "192.0.2.1")
		h.fails(err, mail.AuthFailed)
		if err == nil || !strings.Contains(err.Error(), "app-password-wanted") {
			h.Errorf("it is not said why: %v", err)
		}
		h.must(h.login("ann@home.test", app, "192.0.2.1"))
		u, after, err := h.SignIn(h.Context(), "ann@home.test", secret, from("192.0.2.1"))
		h.must(err)
		h.fails(h.login("ann@home.test", secret, "192.0.2.1"), mail.AuthFailed)
		if bytes.Equal(before, after) {
			h.Error("what began without a code goes on")
		}
		if _, stamp, err := h.Standing(h.Context(), u.ID); err != nil || !bytes.Equal(stamp, after) {
			h.Errorf("the stamps differ: %v", err)
		}
		h.must(h.StopSecond(h.Context(), ann.ID))
		h.must(h.login("ann@home.test", secret, "192.0.2.1"))
	})
}

// The own password at a mail port is slowed like a wrong one.
func TestTheOwnPasswordWhereACodeIsWantedCountsAsAGuess(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	h.second(h.secretMember("ann@home.test"))
	for range 100 {
		err := h.login("ann@home.test", secret, "203.0.113.9")
		if mail.Is(err, mail.RateLimited) {
			return
		}
		h.fails(err, mail.AuthFailed)
	}
	t.Error("a hundred times, and never slowed")
}

func TestGuessingCodesIsSlowedAndLocksNobodyOutAtHome(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	ann := h.secretMember("ann@home.test")
	h.must(h.login("ann@home.test", secret, "192.0.2.1")) // at home
	_, code := h.second(ann)
	taken := 0
	for range 50 {
		switch err := h.CheckCode(t.Context(), ann.ID, "000000", from("203.0.113.9")); {
		case mail.Is(err, mail.AuthFailed):
			taken++
		default:
			h.fails(err, mail.RateLimited)
		}
	}
	if taken != 10 {
		t.Errorf("%d guesses were looked at", taken)
	}
	h.fails(h.CheckCode(t.Context(), ann.ID, code(), from("198.51.100.1")), mail.RateLimited) // another network of the guesser's
	h.must(h.CheckCode(t.Context(), ann.ID, code(), from("192.0.2.1")))
}

func TestASecretIsNotReadOffTheDatabase(t *testing.T) {
	t.Parallel()
	h := openSQLite(t)
	ann := h.secretMember("ann@home.test")
	key, err := h.OfferSecond(t.Context(), ann.ID)
	h.must(err)
	if again, err := h.OfferSecond(t.Context(), ann.ID); err != nil || again != key {
		t.Errorf("shown again it is another: %v", err)
	}
	var kept []byte
	h.must(h.DB.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT secret FROM second_factor`).Scan(&kept)
	}))
	if raw, err := h.openSecret(ann.ID, kept); err != nil || len(raw) != totpSecret || bytes.Contains(kept, raw) {
		t.Errorf("kept as %x: %v", kept, err)
	}
	if _, err := h.openSecret(ann.ID+1, kept); err == nil {
		t.Error("another's row opens it")
	}
	// Offered is not switched on.
	h.must(h.login("ann@home.test", secret, "192.0.2.1"))
	if _, err := h.StartSecond(t.Context(), ann.ID, "000000", from("192.0.2.1")); !mail.Is(err, mail.AuthFailed) {
		t.Errorf("a wrong code switches it on: %v", err)
	}
}

func TestADeviceLinkOpensOnceAndForMinutes(t *testing.T) {
	each(t, func(h *house) {
		ann := h.secretMember("ann@home.test")
		token, until, err := h.NewDeviceLink(h.Context(), ann.ID, "apple")
		h.must(err)
		if until.Sub(h.clock.now()) != 10*time.Minute {
			h.Errorf("until %s", until)
		}
		u, kind, err := h.DeviceLink(h.Context(), token)
		if err != nil || u.ID != ann.ID || kind != "apple" {
			h.Errorf("%v %q %v", u, kind, err)
		}
		u, app, err := h.UseDeviceLink(h.Context(), token, "iPhone")
		h.must(err)
		if u.ID != ann.ID {
			h.Errorf("it is %v's", u)
		}
		h.must(h.login("ann@home.test", app, "192.0.2.1"))
		for range 2 {
			_, _, err = h.UseDeviceLink(h.Context(), token, "iPhone")
			h.fails(err, mail.NotFound)
			_, _, err = h.DeviceLink(h.Context(), token)
			h.fails(err, mail.NotFound)
		}
		gone := func(when string, f func()) {
			h.Helper()
			token, _, err := h.NewDeviceLink(h.Context(), ann.ID, "apple")
			h.must(err)
			f()
			if _, _, err := h.UseDeviceLink(h.Context(), token, "iPhone"); !mail.Is(err, mail.NotFound) {
				h.Errorf("%s: %v", when, err)
			}
		}
		gone("late", func() { h.clock.pass(11 * time.Minute) })
		gone("another password", func() { h.must(h.SetPassword(h.Context(), ann.ID, "something else")) })
		gone("suspended", func() { h.must(h.Suspend(h.Context(), ann.ID)) })
		h.must(h.Resume(h.Context(), ann.ID))
		gone("one too many", func() {
			for range deviceLinks {
				h.clock.pass(time.Second)
				_, _, err := h.NewDeviceLink(h.Context(), ann.ID, "apple")
				h.must(err)
			}
		})
		gone("removed", func() { h.must(h.Remove(h.Context(), ann.ID)) })
		var n int
		h.must(h.DB.Read(h.Context(), func(tx *store.Tx) error { return tx.QueryRow(h.Context(), `SELECT count(*) FROM device_link`).Scan(&n) }))
		if n != 0 {
			h.Errorf("%d rows are left", n)
		}
	})
}
