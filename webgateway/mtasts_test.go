package webgateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheMTASTSPolicyIsServedForOurDomainsOnly(t *testing.T) {
	t.Parallel()
	const policy = "version: STSv1\r\nmode: testing\r\nmx: mail.home.test\r\nmax_age: 86400\r\n"
	g := gateway(nil)
	g.STS = func(_ context.Context, domain string) (string, bool) { return policy, domain == "home.test" }
	for _, c := range []struct {
		method, host string
		want         int
	}{
		{"GET", "mta-sts.home.test", 200},
		{"GET", "MTA-STS.home.test:8443", 200},
		{"GET", "mta-sts.home.test.", 200},
		{"HEAD", "mta-sts.home.test", 200},
		{"GET", "mta-sts.evil.test", 404},
		{"GET", "home.test", 404},
		{"GET", "mail.home.test", 404},
		{"GET", "mta-sts.mta-sts.home.test", 404},
		{"GET", "mta-sts.", 404},
		{"GET", "", 404},
		{"POST", "mta-sts.home.test", 404},
	} {
		r := httptest.NewRequest(c.method, "https://mail.home.test/.well-known/mta-sts.txt", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, r)
		served := strings.Contains(w.Body.String(), "STSv1")
		if w.Code != c.want || served != (c.want == 200 && c.method == "GET") && c.method != "HEAD" {
			t.Errorf("%s %s: got %d %q", c.method, c.host, w.Code, w.Body)
		}
		if c.want == 200 && (w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("Cache-Control") != "public, max-age=60") {
			t.Errorf("%s: headers %v", c.host, w.Header())
		}
		if served && w.Body.String() != policy {
			t.Errorf("%s: got %q", c.host, w.Body)
		}
	}
	// Plain HTTP shows it to nobody.
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://mta-sts.home.test/.well-known/mta-sts.txt", nil)
	if g.Redirect().ServeHTTP(w, r); w.Code != http.StatusPermanentRedirect || strings.Contains(w.Body.String(), "STSv1") {
		t.Errorf("over HTTP: got %d %q", w.Code, w.Body)
	}
	g.STS = nil
	w = httptest.NewRecorder()
	r.Host = "mta-sts.home.test"
	if g.Handler().ServeHTTP(w, r); w.Code != 404 {
		t.Errorf("without policies: got %d", w.Code)
	}
}
