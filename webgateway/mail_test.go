package webgateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store/storetest"
	"colporteur/webgateway/page"
	"colporteur/webgateway/session"
)

// ann is the only member, and her password is right.
type ann struct{}

var annUser = mail.User{ID: 1, Account: 2, Address: mail.MustAddress("ann@home.test"), Name: "Ann <b>", Lang: "fr"}

func (ann) SignIn(context.Context, string, string, mail.Client) (mail.User, []byte, error) {
	return annUser, []byte{1}, nil
}

func (ann) Standing(context.Context, mail.UserID) (mail.User, []byte, error) {
	return annUser, []byte{1}, nil
}

func TestAMemberIsGreetedWhereThereIsNoWebmail(t *testing.T) {
	g := gateway(nil)
	g.Doors = &session.Pages{Pages: &page.Pages{}, Home: "/mail", Sessions: &session.Service{DB: storetest.SQLite(t), Accounts: ann{}}}
	site := g.Handler()
	ask := func(method, path string, form url.Values, cookies ...*http.Cookie) (*http.Response, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept-Language", "fr")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w.Result(), w.Body.String()
	}
	if _, body := ask("GET", "/mail", nil); strings.Contains(body, "/logout") || strings.Contains(body, "Bonjour") {
		t.Errorf("nobody is greeted:\n%s", body)
	}
	in, _ := ask("POST", "/login", url.Values{"name": {"ann@home.test"}, "password": {"x"}})
	cookies := in.Cookies()
	_, body := ask("GET", "/mail", nil, cookies...)
	if !strings.Contains(body, "Bonjour Ann &lt;b&gt;.") || !strings.Contains(body, `method="post" action="/logout"`) {
		t.Errorf("signed in:\n%s", body)
	}
	out, _ := ask("POST", "/logout", url.Values{}, cookies...)
	if c := out.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Name != cookies[0].Name {
		t.Errorf("signed out, the browser keeps %v", c)
	}
	if _, body := ask("GET", "/mail", nil, cookies...); strings.Contains(body, "Bonjour") {
		t.Errorf("signed out:\n%s", body)
	}
}
