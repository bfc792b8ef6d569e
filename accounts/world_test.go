package accounts

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
)

// clock is a time that only tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type house struct {
	*Service
	testing.TB
	clock *clock
}

// open is a directory with the domain home.test.
func open(t testing.TB, db *store.DB) *house {
	t.Helper()
	c := &clock{t: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	h := &house{Service: &Service{DB: db, Now: c.now, Hostname: "mail.home.test"}, TB: t, clock: c}
	h.must(h.AddDomain(t.Context(), "home.test"))
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// fails wants an error of this kind.
func (h *house) fails(err error, want mail.Kind) {
	h.Helper()
	if !mail.Is(err, want) {
		h.Errorf("got %v (kind %d), want kind %d", err, mail.KindOf(err), want)
	}
}

// member adds one; without a password there is no slow hash.
func (h *house) member(address string) Member {
	h.Helper()
	m, err := h.AddMember(h.Context(), NewMember{Address: mail.MustAddress(address)})
	h.must(err)
	return m
}

func (h *house) alias(from string, to ...string) error {
	targets := make([]mail.Address, len(to))
	for i, t := range to {
		targets[i] = mail.MustAddress(t)
	}
	return h.AddAlias(h.Context(), mail.MustAddress(from), targets...)
}

// leads says where an address leads: "ann@home.test ann+x=detail →there program:x", or the kind of refusal.
func (h *house) leads(address string) string {
	h.Helper()
	a, err := mail.ParseAddress(address)
	h.must(err)
	dest, err := h.Resolve(h.Context(), a)
	switch {
	case mail.Is(err, mail.NoSuchUser):
		return "nobody"
	case mail.Is(err, mail.Suspended):
		return "suspended"
	case err != nil:
		return err.Error()
	}
	var out []string
	for _, d := range dest {
		s := d.Addr.String()
		switch d.Where {
		case mail.ToRelay:
			s = "relay:" + s
		case mail.ToProgram:
			s = d.Program + ":" + s
		}
		if d.Detail != "" {
			s += " (" + d.Detail + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func (h *house) want(address, want string) {
	h.Helper()
	if got := h.leads(address); got != want {
		h.Errorf("%s leads to %q, want %q", address, got, want)
	}
}

func from(ip string) mail.Client { return mail.Client{IP: netip.MustParseAddr(ip)} }

// each runs f over both databases.
func each(t *testing.T, f func(h *house)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Parallel()
		f(open(t, db))
	})
}

var _ interface {
	Resolve(context.Context, mail.Address) ([]mail.Destination, error)
	MaySend(context.Context, mail.UserID, mail.Address) error
} = (*Service)(nil)

var h0 = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func always(time.Time) bool { return true }

func openSQLite(t testing.TB) *house { return open(t, storetest.SQLite(t)) }

func eachPostgres(t *testing.T, f func(h *house)) {
	f(open(t, storetest.Open(t, storetest.Postgres(t))))
}
