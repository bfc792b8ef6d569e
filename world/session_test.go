package world_test

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"colporteur/config"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/world"
)

// browser is a member's, which keeps cookies and follows nothing by itself.
type browser struct {
	t    testing.TB
	jar  http.CookieJar
	dial *net.Dialer
	site string // of the page that asks, as browsers say it; "" is our own
}

func newBrowser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, jar: jar, dial: &net.Dialer{}}
}

// do is one request to a host; whatever host of the domain it is, the browser
// knows them all by one name, and so has one set of cookies.
func (b *browser) do(s *world.Server, method, path string, form url.Values) (int, http.Header, string) {
	b.t.Helper()
	name := &url.URL{Scheme: "http", Host: "mail." + s.Domain, Path: "/"}
	r, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+s.Addr("http")+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", cmp.Or(b.site, "same-origin"))
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Accept-Language", "fr")
	for _, c := range b.jar.Cookies(name) {
		r.AddCookie(c)
	}
	way := &http.Transport{DialContext: b.dial.DialContext}
	defer way.CloseIdleConnections()
	resp, err := way.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	b.jar.SetCookies(name, resp.Cookies())
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// login types an address and a password at the door.
func (b *browser) login(s *world.Server, name, password string) (int, string) {
	b.t.Helper()
	code, _, body := b.do(s, "POST", "/login", url.Values{"name": {name}, "password": {password}, "keep": {"1"}})
	return code, body
}

// enter is login that must succeed.
func (b *browser) enter(s *world.Server, m *world.Member) *browser {
	b.t.Helper()
	if code, body := b.login(s, m.Address, m.Password); code != http.StatusSeeOther {
		b.t.Fatalf("%s signs in: %d\n%s", m.Address, code, body)
	}
	return b
}

// reads says whether the mail can be read, with a page and with the application.
func (b *browser) reads(s *world.Server, want bool, when string) {
	b.t.Helper()
	data, _, body := b.do(s, "GET", "/jmap/session", nil)
	again, _, door := b.do(s, "GET", "/login", nil)
	if want != (data == http.StatusOK) || !want && data != http.StatusUnauthorized || want != (again == http.StatusSeeOther) {
		b.t.Errorf("%s: the mail answers %d, the door %d\n%s\n%.200s", when, data, again, body, door)
	}
}

// Whatever ends a member's sessions ends them at the next request, on every node.
func TestASessionEndsAtTheNextRequestOnEveryNode(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, database := world.New(t), "sqlite"
			if engine == "postgres" {
				database = storetest.Postgres(t)
			}
			home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
			nodes := []*world.Server{home}
			if engine == "postgres" {
				nodes = append(nodes, home.Node())
			}
			last := nodes[len(nodes)-1]
			everywhere := func(b *browser, want bool, when string) {
				t.Helper()
				for i, n := range nodes {
					b.reads(n, want, fmt.Sprintf("%s, host %d", when, i))
				}
			}
			ann, bob := home.Member("ann"), home.Member("bob")
			bobs := newBrowser(t).enter(home, bob)

			b := newBrowser(t)
			everywhere(b, false, "nobody")
			everywhere(b.enter(home, ann), true, "signed in")
			other := newBrowser(t).enter(last, ann)
			everywhere(other, true, "signed in at another host")
			if code, _, _ := b.do(last, "POST", "/logout", url.Values{}); code != http.StatusSeeOther {
				t.Errorf("signing out: %d", code)
			}
			everywhere(b, false, "signed out")
			everywhere(other, true, "signed out elsewhere")

			if err := home.Accounts.SetPassword(t.Context(), ann.Account.ID, "another one of ann"); err != nil {
				t.Fatal(err)
			}
			everywhere(other, false, "another password")
			if code, _ := b.login(last, ann.Address, ann.Password); code != http.StatusUnauthorized {
				t.Errorf("the old password opens: %d", code)
			}
			ann.Password = "another one of ann"
			everywhere(b.enter(last, ann), true, "with the new password")

			if err := home.Accounts.Suspend(t.Context(), ann.Account.ID); err != nil {
				t.Fatal(err)
			}
			everywhere(b, false, "suspended")
			if code, body := newBrowser(t).login(last, ann.Address, ann.Password); code != http.StatusUnauthorized || !strings.Contains(body, "Votre compte est suspendu") {
				t.Errorf("suspended, the door says %d\n%s", code, body)
			}
			if err := home.Accounts.Resume(t.Context(), ann.Account.ID); err != nil {
				t.Fatal(err)
			}
			b.enter(home, ann)
			if err := last.Accounts.Remove(t.Context(), ann.Account.ID); err != nil {
				t.Fatal(err)
			}
			everywhere(b, false, "removed")
			var rows int
			if err := home.DB.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT count(*) FROM web_session WHERE member = $1`, int64(ann.Account.ID)).Scan(&rows)
			}); err != nil || rows != 0 {
				t.Errorf("%d rows of a member who is gone: %v", rows, err)
			}
			everywhere(bobs, true, "somebody else's")
		})
	}
}

// Guesses at the door are counted with those in mail programs, and are answered
// in words; the member's own way in stays open.
func TestGuessesAtTheDoorAreSlowedDownInWords(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	b := newBrowser(t)
	wrong, throttled := "", 0
	for i := range 40 {
		code, body := b.login(home, ann.Address, fmt.Sprint("guess ", i))
		switch {
		case code == http.StatusUnauthorized && strings.Contains(body, "Adresse ou mot de passe incorrect"):
			wrong = body
		case code == http.StatusTooManyRequests && strings.Contains(body, "Veuillez réessayer dans quelques minutes"):
			throttled++
		default:
			t.Fatalf("guess %d: %d\n%s", i, code, body)
		}
	}
	if wrong == "" || throttled == 0 {
		t.Fatalf("%d of 40 guesses were slowed down", throttled)
	}
	if !strings.Contains(wrong, `value="ann@home.test"`) || strings.Contains(wrong, "guess") {
		t.Errorf("the page keeps the address, and the address alone:\n%s", wrong)
	}
	// The right password is no way to learn that it is right.
	if code, _ := b.login(home, ann.Address, ann.Password); code != http.StatusTooManyRequests {
		t.Errorf("the right password while slowed down: %d", code)
	}
	w.Advance(time.Hour)
	b.enter(home, ann).reads(home, true, "an hour later")
}

func TestTheDoorOpensToThePersonAndNotToTheirPrograms(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	app, err := home.Accounts.AddAppPassword(t.Context(), ann.Account.ID, "telephone")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)
	if code, _ := b.login(home, ann.Address, app); code != http.StatusUnauthorized {
		t.Errorf("an app password opens a browser: %d", code)
	}
	// Where there is one domain, the name before the @ will do.
	if code, body := b.login(home, " Ann ", ann.Password); code != http.StatusSeeOther {
		t.Errorf("%d\n%s", code, body)
	}
	b.reads(home, true, "by name")
}

func TestNoPageOfTheDoorCanBeFramedOrKept(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", secure)
	ann := home.Member("ann")
	b := newBrowser(t)
	for _, path := range []string{"/login", "/mail"} {
		_, h, _ := b.do(home, "GET", path, nil)
		if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || !strings.Contains(h.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: %v", path, h)
		}
	}
	code, h, _ := b.do(home, "POST", "/login", url.Values{"name": {ann.Address}, "password": {ann.Password}})
	if got := h.Get("Set-Cookie"); code != http.StatusSeeOther || !strings.HasPrefix(got, "__Host-colporteur=") ||
		!strings.Contains(got, "; Secure") || !strings.Contains(got, "; HttpOnly") || !strings.Contains(got, "; SameSite=Lax") || !strings.Contains(got, "Path=/;") ||
		strings.Contains(got, "Domain") || strings.Contains(got, "Expires") || strings.Contains(got, "Max-Age") {
		t.Errorf("%d, the cookie is %q", code, got)
	}
}

// Who signs in at the door from a new place hears of it by mail, as for programs.
func TestASignInAtTheDoorFromElsewhereIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	newBrowser(t).enter(home, ann)
	w.Advance(8 * 24 * time.Hour) // at home, for a week
	away := newBrowser(t)
	away.dial = &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 77, 7, 7)}}
	away.enter(home, ann)
	w.Settle()
	ann.Inbox().One().Says("connecté au compte ann@home.test", "dans un navigateur")
}
