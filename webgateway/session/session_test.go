package session_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/webgateway/page"
	"colporteur/webgateway/session"
)

// desk knows Ann and her password.
type desk struct {
	stamp     string
	suspended bool
}

var ann = mail.User{ID: 41, Account: 42, Address: mail.MustAddress("ann@home.test"), Lang: "fr"}

func (d *desk) SignIn(_ context.Context, name, password string, _ mail.Client) (mail.User, []byte, error) {
	if name != "ann@home.test" || password != "trois mots" {
		return mail.User{}, nil, mail.Refuse(mail.AuthFailed, "accounts-wrong")
	}
	return ann, []byte(d.stamp), nil
}

func (d *desk) Standing(_ context.Context, id mail.UserID) (mail.User, []byte, error) {
	if d.suspended {
		return mail.User{}, nil, mail.Refuse(mail.Suspended, "accounts-you-are-suspended")
	}
	return ann, []byte(d.stamp), nil
}

// house is a site with a door, and a clock that is moved by hand.
type house struct {
	*testing.T
	*session.Service
	desk *desk
	site *httptest.Server
	now  time.Time
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{T: t, desk: &desk{stamp: "one"}, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
		h.Service = &session.Service{DB: db, Accounts: h.desk, Now: func() time.Time { return h.now }}
		pages := &session.Pages{Pages: &page.Pages{}, Sessions: h.Service, Home: "/mail"}
		mux := http.NewServeMux()
		pages.Routes(mux)
		mux.Handle("GET /mail", pages.Require(func(w http.ResponseWriter, r *http.Request, u mail.User) error {
			_, err := io.WriteString(w, u.Address.String())
			return err
		}))
		h.site = httptest.NewServer(http.NewCrossOriginProtection().Handler(page.Headers(mux)))
		t.Cleanup(h.site.Close)
		f(t, h)
	})
}

// browser is one with its own cookies, that follows nothing by itself.
func (h *house) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (h *house) get(b *http.Client, path string) (int, string, string) {
	h.Helper()
	resp, err := b.Get(h.site.URL + path)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Location"), string(body)
}

func (h *house) post(b *http.Client, path string, form url.Values, header ...string) (int, string, string) {
	h.Helper()
	r, err := http.NewRequest("POST", h.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Location"), string(body)
}

func (h *house) in(keep string) *http.Client {
	h.Helper()
	b := h.browser()
	if code, to, body := h.post(b, "/login", url.Values{"name": {"ann@home.test"}, "password": {"trois mots"}, "keep": {keep}}); code != http.StatusSeeOther || to != "/mail" {
		h.Fatalf("signing in: %d %s\n%s", code, to, body)
	}
	return b
}

func (h *house) inside(b *http.Client, want bool, when string) {
	h.Helper()
	code, to, body := h.get(b, "/mail")
	if got := code == http.StatusOK && body == "ann@home.test"; got != want {
		h.Errorf("%s: %d %s %.60q", when, code, to, body)
	}
	if !want && !strings.HasPrefix(to, "/login?to=%2Fmail") {
		h.Errorf("%s: sent to %q", when, to)
	}
}

func TestASessionLastsAsLongAsItIsUsed(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		short, long := h.in(""), h.in("1")
		for range 5 {
			h.now = h.now.Add(11 * time.Hour)
			h.inside(short, true, "used every eleven hours")
		}
		h.now = h.now.Add(13 * time.Hour)
		h.inside(short, false, "left for thirteen hours")
		h.inside(long, true, "kept")
		h.now = h.now.Add(59 * 24 * time.Hour)
		h.inside(long, true, "kept, after 59 days")
		h.now = h.now.Add(61 * 24 * time.Hour)
		h.inside(long, false, "kept, after 61 days")
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := h.rows(); n != 0 {
			t.Errorf("%d rows stay", n)
		}
	})
}

func (h *house) rows() (n int) {
	h.Helper()
	if err := h.DB.Read(h.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(h.Context(), `SELECT count(*) FROM web_session`).Scan(&n)
	}); err != nil {
		h.Fatal(err)
	}
	return n
}

func TestWhatEndsASessionEndsItAtTheNextRequest(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		b := h.in("1")
		h.desk.stamp = "two"
		h.inside(b, false, "another password")
		b = h.in("1")
		h.desk.suspended = true
		h.inside(b, false, "suspended")
		h.desk.suspended = false
		h.inside(b, true, "resumed")
		u, _ := url.Parse(h.site.URL)
		old := b.Jar.Cookies(u)
		if code, to, _ := h.post(b, "/logout", nil); code != http.StatusSeeOther || to != "/login" {
			t.Errorf("signing out: %d %s", code, to)
		}
		h.inside(b, false, "signed out")
		b.Jar.SetCookies(u, old)
		h.inside(b, false, "signed out, with the old cookie")
	})
}

func TestADatabaseOutOfABackupHasNobodySignedIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		b := h.in("1")
		if err := h.Restored(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.inside(b, false, "after a restore")
	})
}

func TestOneOfSeveralSessionsCanBeEndedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		home, library := h.in("1"), h.in("")
		ask := func(b *http.Client) *http.Request {
			r := httptest.NewRequest("GET", "/", nil)
			u, _ := url.Parse(h.site.URL)
			for _, c := range b.Jar.Cookies(u) {
				r.AddCookie(c)
			}
			return r
		}
		list, err := h.List(ask(home))
		if err != nil || len(list) != 2 {
			t.Fatalf("%v %v", list, err)
		}
		for _, s := range list {
			if s.Agent != "Firefox, Windows" || s.Network != "127.0.0.1" {
				t.Errorf("%+v", s)
			}
			if !s.This {
				if err := h.Revoke(ask(home), s.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		h.inside(library, false, "ended from home")
		h.inside(home, true, "home")
		third := h.in("")
		if err := h.Revoke(ask(third), 0); err != nil {
			t.Fatal(err)
		}
		h.inside(home, false, "all others ended")
		h.inside(third, true, "the one that asked")
	})
}

func TestTheDoorSaysWhyAndTellsNobodyWhoExists(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		words := map[string]bool{}
		for _, name := range []string{"ann@home.test", "nobody@home.test", "", "<script>"} {
			code, _, body := h.post(h.browser(), "/login?lang=fr", url.Values{"name": {name}, "password": {"wrong"}})
			if code != http.StatusUnauthorized || strings.Contains(body, "<script>") {
				t.Errorf("%q: %d", name, code)
			}
			_, said, _ := strings.Cut(body, `role="alert">`)
			said, _, _ = strings.Cut(said, "<")
			words[said] = true
		}
		if len(words) != 1 || words[""] {
			t.Errorf("it says %v", words)
		}
	})
}

func TestNobodyIsSentToAnotherSite(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		b := h.in("")
		for to, want := range map[string]string{"/mail": "/mail", "/mail?x=1#y": "/mail?x=1#y", "//evil.test/": "/mail", `/\evil.test`: "/mail", "https://evil.test/": "/mail", "javascript:alert(1)": "/mail",
			"/login": "/mail", "/logout": "/mail", "": "/mail", "mail": "/mail", "/%0d%0aX: y": "/%0d%0aX: y", "http:/evil.test": "/mail", "/\tevil": "/mail"} {
			if code, got, _ := h.get(b, "/login?to="+url.QueryEscape(to)); code != http.StatusSeeOther || strings.Contains(got, "evil.test") || want == "/mail" && got != "/mail" {
				t.Errorf("%q leads to %d %q", to, code, got)
			}
		}
	})
}

func TestAnotherSiteCannotSignSomebodyInOrOut(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		b := h.in("")
		for _, path := range []string{"/login", "/logout"} {
			code, _, _ := h.post(b, path, url.Values{"name": {"ann@home.test"}, "password": {"trois mots"}}, "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
			if code != http.StatusForbidden {
				t.Errorf("%s from elsewhere: %d", path, code)
			}
		}
		h.inside(b, true, "after that")
	})
}

func TestACookieThatCameAlongIsNotTakenOver(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		b := h.browser()
		u, _ := url.Parse(h.site.URL)
		b.Jar.SetCookies(u, []*http.Cookie{{Name: "colporteur", Value: "AAAAAAAAAAAAAAAAAAAAAA", Path: "/"}})
		h.post(b, "/login", url.Values{"name": {"ann@home.test"}, "password": {"trois mots"}})
		for _, c := range b.Jar.Cookies(u) {
			if c.Value == "AAAAAAAAAAAAAAAAAAAAAA" {
				t.Error("somebody who put a cookie into the browser is signed in with it")
			}
		}
		h.inside(b, true, "with a fresh one")
		h.Secure = true
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "https://home.test/login", nil)
		if _, err := h.Open(w, r, "ann@home.test", "trois mots", false); err != nil {
			t.Fatal(err)
		}
		c := w.Result().Cookies()[0]
		if c.Name != "__Host-colporteur" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%+v", c)
		}
		if n := h.rowsWith(c.Value); n != 0 {
			t.Error("the database has the cookie")
		}
	})
}

func (h *house) rowsWith(token string) (n int) {
	h.Helper()
	if err := h.DB.Read(h.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(h.Context(), `SELECT count(*) FROM web_session WHERE hash = $1`, []byte(token)).Scan(&n)
	}); err != nil {
		h.Fatal(err)
	}
	return n
}
