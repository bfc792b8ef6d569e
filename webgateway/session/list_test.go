package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/webgateway/session"
)

// street is a real directory, with Ann and Bob in it.
type street struct {
	testing.TB
	*session.Service
	accounts *accounts.Service
	now      time.Time
}

func people(t testing.TB, db *store.DB) *street {
	s := &street{TB: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	s.accounts = &accounts.Service{DB: db, Now: clock, Hostname: "mail.home.test"}
	s.Service = &session.Service{DB: db, Accounts: s.accounts, Now: clock}
	if err := s.accounts.AddDomain(t.Context(), "home.test"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "bob"} {
		if _, err := s.accounts.AddMember(t.Context(), accounts.NewMember{Address: mail.MustAddress(name + "@home.test"), Password: "trois mots " + name}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// enter signs in and returns a request of that browser.
func (s *street) enter(name string) *http.Request {
	s.Helper()
	w := httptest.NewRecorder()
	if _, err := s.Open(w, httptest.NewRequest("POST", "/login", nil), name+"@home.test", "trois mots "+name, false); err != nil {
		s.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	return r
}

func (s *street) list(r *http.Request) []session.Session {
	s.Helper()
	l, err := s.List(r)
	if err != nil {
		s.Fatal(err)
	}
	return l
}

func TestNobodySeesOrEndsTheSessionsOfAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := people(t, db)
		ann, bob := s.enter("ann"), s.enter("bob")
		his := s.list(bob)
		if len(his) != 1 || len(s.list(ann)) != 1 {
			t.Fatalf("%v %v", his, s.list(ann))
		}
		for _, id := range []int64{his[0].ID, 0} {
			if err := s.Revoke(ann, id); err != nil {
				t.Fatal(err)
			}
		}
		if u, err := s.User(bob); err != nil || u.Address.Local != "bob" {
			t.Errorf("%v: %v", u, err)
		}
		stranger := httptest.NewRequest("GET", "/", nil)
		if _, err := s.List(stranger); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("nobody sees: %v", err)
		}
		if err := s.Revoke(stranger, his[0].ID); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("nobody ends: %v", err)
		}
	})
}

func TestTheSessionLongestUnseenGivesWay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := people(t, db)
		s.accounts.Now = nil // its memory of right passwords does not end, and no hash is made a hundred times
		first := s.enter("ann")
		s.now = s.now.Add(time.Minute)
		second := s.enter("ann")
		for range 98 {
			s.now = s.now.Add(time.Minute)
			s.enter("ann")
		}
		if _, err := s.User(first); err != nil { // it is seen
			t.Fatal(err)
		}
		s.now = s.now.Add(time.Minute)
		last := s.enter("ann")
		if n := len(s.list(last)); n != 100 {
			t.Errorf("%d sessions", n)
		}
		if _, err := s.User(first); err != nil {
			t.Errorf("the one in use ended: %v", err)
		}
		if _, err := s.User(second); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("the one that was never used goes on: %v", err)
		}
	})
}

func TestARequestIsNotAWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := people(t, db)
		r := s.enter("ann")
		began := s.now
		var seen []time.Duration
		for range 20 {
			s.now = s.now.Add(time.Minute)
			if _, err := s.User(r); err != nil {
				t.Fatal(err)
			}
			if at := s.list(r)[0].Seen.Sub(began); len(seen) == 0 || seen[len(seen)-1] != at {
				seen = append(seen, at)
			}
		}
		if len(seen) != 5 || seen[0] != 0 || seen[4] != 20*time.Minute {
			t.Errorf("twenty requests in twenty minutes were noted at %v", seen)
		}
	})
}

func TestACookieThatIsNoneAsksNoDatabase(t *testing.T) {
	s := people(t, storetest.SQLite(t))
	s.DB = nil
	for _, v := range []string{"", "x", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "colporteur", Value: v})
		if _, err := s.User(r); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("%q: %v", v, err)
		}
	}
}

// What every request of the webmail pays.
func BenchmarkWhoIsIt(b *testing.B) {
	s := people(b, storetest.SQLite(b))
	r := s.enter("ann")
	r.RemoteAddr = netip.MustParseAddrPort("192.0.2.1:1").String()
	for b.Loop() {
		if _, err := s.User(r); err != nil {
			b.Fatal(err)
		}
	}
}

func (s *street) factor(name string) (code func() string) {
	s.Helper()
	m, err := s.accounts.ByAddress(s.Context(), mail.MustAddress(name+"@home.test"))
	if err != nil {
		s.Fatal(err)
	}
	key, err := s.accounts.OfferSecond(s.Context(), m.ID)
	if err != nil {
		s.Fatal(err)
	}
	code = func() string {
		c, err := totp.GenerateCode(key, s.now)
		if err != nil {
			s.Fatal(err)
		}
		return c
	}
	if _, err := s.accounts.StartSecond(s.Context(), m.ID, code(), mail.Client{}); err != nil {
		s.Fatal(err)
	}
	s.now = s.now.Add(time.Minute)
	s.Codes = s.accounts
	return code
}

// half gives a right password where a code is wanted too.
func (s *street) half(name string) *http.Request {
	s.Helper()
	w := httptest.NewRecorder()
	if _, err := s.Open(w, httptest.NewRequest("POST", "/login", nil), name+"@home.test", "trois mots "+name, false); !errors.Is(err, session.ErrCode) {
		s.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/login/code", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	return r
}

func TestThePasswordAloneOpensNothingWhereACodeIsWanted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := people(t, db)
		before := s.enter("ann")
		code := s.factor("ann")
		if _, err := s.User(before); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("a session from before goes on: %v", err)
		}
		half := s.half("ann")
		if _, err := s.User(half); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("half a sign-in is one: %v", err)
		}
		if _, err := s.Finish(httptest.NewRecorder(), half, "123456"); !mail.Is(err, mail.AuthFailed) {
			t.Errorf("a wrong code: %v", err)
		}
		w := httptest.NewRecorder()
		if u, err := s.Finish(w, half, code()); err != nil || u.Address.Local != "ann" {
			t.Fatalf("%v: %v", u, err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		if u, err := s.User(r); err != nil || u.Address.Local != "ann" {
			t.Errorf("%v: %v", u, err)
		}
		s.now = s.now.Add(time.Minute)
		if _, err := s.Finish(httptest.NewRecorder(), half, code()); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("the half serves twice: %v", err)
		}
		late := s.half("ann")
		s.now = s.now.Add(6 * time.Minute)
		if _, err := s.Finish(httptest.NewRecorder(), late, code()); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("six minutes later: %v", err)
		}
		s.enter("bob") // is asked for none
	})
}

func TestTheSessionThatChangesThePasswordGoesOnAloneOfAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := people(t, db)
		home, library := s.enter("ann"), s.enter("ann")
		u, err := s.User(home)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Outlive(home, func() error { return s.accounts.SetPassword(t.Context(), u.ID, "quatre autres mots") }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.User(home); err != nil {
			t.Errorf("the one that asked: %v", err)
		}
		if _, err := s.User(library); !mail.Is(err, mail.AuthRequired) {
			t.Errorf("the other: %v", err)
		}
		if n := len(s.list(home)); n != 1 {
			t.Errorf("%d are listed", n)
		}
		if err := s.Outlive(home, func() error { return errors.New("no") }); err == nil {
			t.Error("a change that failed is said to be made")
		}
	})
}
