package webgateway_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"colporteur/webgateway"
	"colporteur/webgateway/page"
	"colporteur/webgateway/share"
)

func gateway(healthy error) *webgateway.Gateway {
	p := &page.Pages{}
	return &webgateway.Gateway{Hostname: "mail.home.test", URL: "https://mail.home.test", Pages: p, Share: &share.Share{Pages: p},
		Domain: func(context.Context) string { return "home.test" }, Healthy: func(context.Context) error { return healthy }}
}

func TestPlainHTTPIsSentToThePublicAddressWhateverHostItNames(t *testing.T) {
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/t/abc?lang=en", "https://mail.home.test/t/abc?lang=en"},
		{"HEAD", "/", "https://mail.home.test/"},
		{"GET", "//evil.invalid/x", "https://mail.home.test//evil.invalid/x"},
		{"POST", "/t/abc/recall", ""},
	} {
		r := httptest.NewRequest(c.method, "http://evil.invalid"+c.target, nil)
		w := httptest.NewRecorder()
		gateway(nil).Redirect().ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != c.want {
			t.Errorf("%s %s: sent to %q (%d), want %q", c.method, c.target, got, w.Code, c.want)
		}
	}
}

func TestHealthSaysYesOrNoAndNoMore(t *testing.T) {
	for _, err := range []error{nil, errors.New("the database at 10.0.0.5 is away")} {
		w := httptest.NewRecorder()
		gateway(err).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if (w.Code == http.StatusOK) != (err == nil) || strings.Contains(w.Body.String(), "10.0.0.5") {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
	}
}

func TestTheHomePageSaysWhereToMailInBothLanguages(t *testing.T) {
	for lang, want := range map[string][]string{"fr": {"envoi@home.test", "album+vacances@home.test", `lang="fr"`}, "en": {"send@home.test", "album+holidays@home.test", `lang="en"`}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", lang)
		gateway(nil).Handler().ServeHTTP(w, r)
		for _, s := range want {
			// html/template writes the plus sign of an address as a reference.
			if !strings.Contains(strings.ReplaceAll(w.Body.String(), "&#43;", "+"), s) {
				t.Errorf("%s: the page lacks %q:\n%s", lang, s, w.Body)
			}
		}
	}
}

func TestAFormOfManyBytesIsNotRead(t *testing.T) {
	s := httptest.NewServer(gateway(nil).Handler())
	defer s.Close()
	resp, err := http.Post(s.URL+"/none", "application/x-www-form-urlencoded", strings.NewReader(strings.Repeat("x", 10<<20)))
	if err != nil {
		return // cut while it was still sending: as good
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %d", resp.StatusCode)
	}
}
