package page_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"colporteur/webgateway/page"
)

// drawn is a page whose view names a script.
func drawn(t *testing.T, script string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/x", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	pages := &page.Pages{}
	page.Headers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := page.See(r, "fr")
		v.Script, v.Title, v.Data = script, "Titre", strings.Repeat("un mot ", 1000)
		if err := pages.Write(w, http.StatusOK, "sorry.html", v); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestScriptIsLinkedOnlyWhenItWasBuilt(t *testing.T) {
	script := regexp.MustCompile(`<script[^>]*></script>`)
	for _, name := range []string{"", "nothing", "album"} {
		r := drawn(t, name)
		found, csp := script.FindString(text(t, r.Body)), r.Header.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
			t.Errorf("%q: the policy lets something in: %s", name, csp)
		}
		if found == "" {
			if strings.Contains(csp, "script-src") {
				t.Errorf("%q: scripts may run, and there is none", name)
			}
			if name == "album" {
				t.Log("the scripts were not built: make build does it")
			}
			continue
		}
		if name != "album" || !strings.Contains(csp, "script-src 'self';") {
			t.Errorf("%q: %s under the policy %s", name, found, csp)
		}
		at := regexp.MustCompile(`src="([^"]+)"`).FindStringSubmatch(found)[1]
		w := httptest.NewRecorder()
		page.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, at, nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("%s answers %d, %s", at, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestPagesAndAssetsAreCompressedForWhoTakesThem(t *testing.T) {
	plain := text(t, drawn(t, "").Body)
	get := func(accept string) *http.Response {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/assets/style.css", nil)
		r.Header.Set("Accept-Encoding", accept)
		page.Assets().ServeHTTP(w, r)
		return w.Result()
	}
	sheet := text(t, get("").Body)
	for accept, want := range map[string]bool{"gzip": true, "deflate, gzip;q=0.5, br": true, "": false, "br": false, "gzip;q=0": false, "xgzip": false} {
		for what, r := range map[string]*http.Response{"a page": drawn(t, "", "Accept-Encoding", accept), "the style sheet": get(accept)} {
			whole := plain
			if what != "a page" {
				whole = sheet
			}
			if got := r.Header.Get("Content-Encoding") == "gzip"; got != want || r.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s with %q: compressed %v, want %v (%v)", what, accept, got, want, r.Header)
			}
			body := text(t, r.Body)
			if want {
				z, err := gzip.NewReader(bytes.NewReader([]byte(body)))
				if err != nil {
					t.Fatal(err)
				}
				body = text(t, z)
			}
			if body != whole {
				t.Errorf("%s with %q is another one", what, accept)
			}
		}
	}
}

func TestAssetsHaveNoOtherAddresses(t *testing.T) {
	for _, p := range []string{"/assets/", "/assets", "/assets/built", "/assets/built/", "/assets/style.css/", "/assets/../page.go", "/assets/%2e%2e/page.go", "/assets/style.CSS", "/assets/built/nothing.js"} {
		w := httptest.NewRecorder()
		page.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, p, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s answers %d", p, w.Code)
		}
	}
}
