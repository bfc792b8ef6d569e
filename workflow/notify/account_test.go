package notify_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/notify"
	"colporteur/workflow/workflowtest"
)

const day = 24 * time.Hour

func (h *house) signIn(ip, protocol string) {
	h.t.Helper()
	h.Notify.SignedIn(h.t.Context(), workflowtest.Ann, mail.Client{IP: netip.MustParseAddr(ip), Protocol: protocol})
	h.Settle()
}

func TestSignInFromANewNetworkIsToldOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.signIn("198.51.100.7", "IMAP")
		h.Move(3 * day)
		h.signIn("192.0.2.9", "IMAP")
		h.None() // the first week: these are the member's own
		h.Move(5 * day)
		h.signIn("198.51.100.200", "ESMTPSA")
		h.None() // the same network
		h.signIn("203.0.113.5", "ESMTPSA")
		m := h.One(workflowtest.Ann.Address)
		for _, want := range []string{"ann@home.test", "dimanche 22 novembre 2026", "10:00", "pour envoyer du courrier", "203.0.113)", "postmaster@home.test"} {
			if !strings.Contains(m.Text, want) {
				t.Errorf("the warning lacks %q:\n%s", want, m.Text)
			}
		}
		if strings.Contains(m.Raw, "113.5") {
			t.Errorf("the warning has the whole address:\n%s", m.Text)
		}
		h.signIn("203.0.113.77", "IMAP")
		h.Move(day)
		h.signIn("203.0.113.5", "IMAP")
		h.None()
		h.signIn("2001:db8:1:2::3", "IMAP")
		if m := h.One(workflowtest.Ann.Address); !strings.Contains(m.Text, "(2001:db8:1)") || !strings.Contains(m.Text, "pour lire le courrier") {
			t.Errorf("the warning:\n%s", m.Text)
		}
		h.signIn("2001:db8:1:ffff::9", "IMAP")
		h.None()
	})
}

func TestPlaceIsNewAgainAfterNinetyDays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.signIn("198.51.100.7", "IMAP")
		for range 3 {
			h.Move(60 * day)
			h.signIn("198.51.100.7", "IMAP") // known for as long as it is used
		}
		h.None()
		h.Move(91 * day)
		h.signIn("198.51.100.7", "IMAP")
		h.One(workflowtest.Ann.Address)
		h.Move(91 * day)
		if err := h.Notify.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.signIn("198.51.100.7", "IMAP")
		h.One(workflowtest.Ann.Address)
	})
}

func TestWhereMembersSignInFromIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.signIn("198.51.100.7", "IMAP")
		var place []byte
		if err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT place FROM notify_place WHERE place <> $1`, []byte{}).Scan(&place)
		}); err != nil {
			t.Fatal(err)
		}
		if len(place) != 32 || strings.Contains(string(place), "198.51") {
			t.Errorf("kept: %x", place)
		}
		other := &notify.Service{DB: h.DB, Key: []byte("another key, of 32 bytes or more."), Now: h.Now}
		other.SignedIn(t.Context(), workflowtest.Ann, mail.Client{IP: netip.MustParseAddr("198.51.100.7"), Protocol: "IMAP"})
		if n := h.Count(`SELECT COUNT(*) FROM notify_place`); n != 3 { // the row that says since when, and two
			t.Errorf("%d rows: the hash does not depend on the key", n)
		}
	})
}

func TestMailboxThatFillsIsToldOnceForEachLevel(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		fill := func(percent int64) {
			t.Helper()
			if err := h.Notify.Filled(t.Context(), notify.Member{User: workflowtest.Ann, Used: percent * 1e7, Quota: 1e9}); err != nil {
				t.Fatal(err)
			}
			h.Settle()
		}
		told := func(words string) {
			t.Helper()
			m := h.One(workflowtest.Ann.Address)
			if !strings.Contains(m.Subject, words) {
				t.Errorf("subject %q, want %q", m.Subject, words)
			}
			button(t, m)
		}
		fill(10)
		fill(79)
		h.None()
		fill(80)
		told("80")
		fill(94)
		fill(78)
		fill(85) // was not below 75
		h.None()
		fill(95)
		told("95")
		fill(100)
		fill(85)
		fill(97)
		h.None()
		fill(74)
		h.None()
		h.Move(time.Second)
		fill(120)
		told("120")
		fill(0)
		h.Move(time.Second)
		fill(81)
		told("81")
	})
}

func TestTwoNodesThatLookTellOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				other := &notify.Service{DB: h.DB, Links: h.Links, Post: h.Post, Now: func() time.Time { return h.Now().Add(time.Duration(store.NewID() % 1e6)) }}
				if err := other.Filled(t.Context(), notify.Member{User: workflowtest.Ann, Used: 9, Quota: 10}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		h.Settle()
		h.One(workflowtest.Ann.Address)
	})
}

// mover is a notify.Tidier and its Offer.
type mover struct {
	looked int
	nil    bool
	err    error
	asked  []string
}

func (m *mover) Find(context.Context, notify.Member) (notify.Offer, error) {
	m.looked++
	if m.nil || m.err != nil {
		return nil, m.err
	}
	return m, nil
}

func (m *mover) Ask(_ context.Context, _ *store.Tx, n notify.Note) error {
	m.asked = append(m.asked, n.Letter.Subject)
	return nil
}

func TestMailboxThatFillsIsOfferedToBeTidiedInsteadOfToldWhenThatHelps(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		m := &mover{}
		h.Notify.Tidier = m
		fill := func(percent int64, asked, looked int) {
			t.Helper()
			h.Move(time.Second)
			if err := h.Notify.Filled(t.Context(), notify.Member{User: workflowtest.Ann, Used: percent * 1e7, Quota: 1e9}); err != nil {
				t.Fatal(err)
			}
			h.Settle()
			if len(m.asked) != asked || m.looked != looked {
				t.Errorf("at %d %%: asked %q, looked %d times; want %d and %d", percent, m.asked, m.looked, asked, looked)
			}
		}
		fill(50, 0, 0)
		fill(81, 1, 1)
		fill(82, 1, 1) // they know: nobody looks
		h.None()
		m.nil = true
		fill(96, 1, 2)
		h.One(workflowtest.Ann.Address)
		fill(10, 1, 2)
		m.nil, m.err = false, errors.New("the disk is away")
		fill(81, 1, 3)
		h.One(workflowtest.Ann.Address)
		fill(10, 1, 3)
		m.err = nil
		if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
			return h.Notify.Choose(t.Context(), tx, workflowtest.Ann.ID, notify.Quota, notify.Never)
		}); err != nil {
			t.Fatal(err)
		}
		fill(81, 1, 4)
		h.None()
	})
}

func TestMailboxWithoutLimitIsNeverFull(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if err := h.Notify.Filled(t.Context(), notify.Member{User: workflowtest.Ann, Used: 1 << 60}); err != nil {
			t.Fatal(err)
		}
		h.None()
	})
}

func TestNewMemberIsWelcomedOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for range 2 {
			h.write(func(tx *store.Tx) error { return h.Notify.Welcome(t.Context(), tx, workflowtest.Bob) })
			h.Settle()
		}
		m := h.One(workflowtest.Bob.Address)
		for _, want := range []string{"send@home.test", "album+", "aide@home.test"} {
			if !strings.Contains(m.Text, want) {
				t.Errorf("the welcome lacks %q:\n%s", want, m.Text)
			}
		}
	})
}

func TestRemovedMemberIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.write(func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO member (id, account, address, name, lang, plan, password, salt, suspended, created)
				VALUES ($1, $2, 'ann@home.test', '', 'fr', '', '', $3, 0, 0)`, int64(workflowtest.Ann.ID), int64(workflowtest.Ann.Account), []byte{1})
			return err
		})
		h.signIn("198.51.100.7", "IMAP")
		h.choose(notify.Receipt, notify.Daily)
		h.tell(h.toAnn("one"), h.toAnn("two"))
		v, _, _ := button(t, h.One(workflowtest.Ann.Address))
		if err := h.Notify.Filled(t.Context(), notify.Member{User: workflowtest.Ann, Used: 9, Quota: 10}); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		h.One(workflowtest.Ann.Address)
		h.write(func(tx *store.Tx) error { return h.Notify.Removed(t.Context(), tx, workflowtest.Ann.Account) })
		for _, table := range []string{"notify_choice", "notify_note", "notify_place", "notify_quota"} {
			if n := h.Count(`SELECT COUNT(*) FROM ` + table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
		if _, err := h.Notify.Open(t.Context(), v); !mail.Is(err, mail.NotFound) {
			t.Errorf("the page of settings: %v", err)
		}
		h.evening()
		h.None()
	})
}

func TestSettingsOfALinkThatIsGoneAreSwept(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.tell(h.toGuest("one"))
		h.evening()
		v, what, _ := button(t, h.One(grandma))
		h.write(func(tx *store.Tx) error { return h.Links.RevokeOne(t.Context(), tx, h.guest.ID) })
		if st := h.stop(v, what); !st.Quiet { // the button works all the same
			t.Errorf("%+v", st)
		}
		h.Move(31 * day)
		if err := h.Links.Sweep(t.Context(), 30*day); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Notify.Open(t.Context(), v); !mail.Is(err, mail.NotFound) {
			t.Errorf("still there: %v", err)
		}
		if _, err := h.Links.Get(t.Context(), h.ann.ID); err != nil {
			t.Errorf("Ann's link: %v", err)
		}
	})
}
