package page_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/webgateway/page"
)

const secret = "k3v9abcdefghijklmnopqrstuv"

func ask(p *page.Pages, err error, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/t/"+secret+"/f/0/divorce-"+secret+".pdf", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	p.Handle(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
	return w
}

func TestEveryKindHasAStatusAndASentence(t *testing.T) {
	for k := range mail.Kind(mail.Kinds) {
		status := page.Status(mail.Wrap(k, errors.New("cause")))
		if status < 400 || http.StatusText(status) == "" {
			t.Errorf("kind %d has the status %d", k, status)
		}
		if temporary := status >= 500 || status == http.StatusTooManyRequests || status == http.StatusConflict; k.Temporary() && !temporary {
			t.Errorf("kind %d may succeed later, but %d says it never will", k, status)
		}
		for _, lang := range locale.Langs {
			id := page.KindText(k)
			if s := locale.For(lang).T(id); id == "" || s == id {
				t.Errorf("kind %d has no sentence in %s", k, lang)
			}
		}
		w := ask(&page.Pages{}, mail.Wrap(k, errors.New("a cause with "+secret)))
		if w.Code != status || strings.Contains(w.Body.String(), secret) || strings.Contains(w.Body.String(), "cause") {
			t.Errorf("kind %d is answered with %d, want %d; the page shows the cause or not: \n%s", k, w.Code, status, w.Body)
		}
	}
	for err, want := range map[error]int{
		errors.New("x"): http.StatusInternalServerError,
		fmt.Errorf("blob 1: %w", store.ErrNoRows):    http.StatusNotFound,
		fmt.Errorf("read: %w", store.ErrUnavailable): http.StatusServiceUnavailable,
	} {
		if got := page.Status(err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
}

func TestWhatIsForbiddenLooksLikeWhatIsNotThere(t *testing.T) {
	p := &page.Pages{}
	want := ask(p, mail.Refuse(mail.NotFound, "kind-not-found"))
	for _, err := range []error{
		mail.Refuse(mail.Forbidden, "kind-forbidden"), mail.Wrap(mail.Forbidden, errors.New("x")), mail.Wrap(mail.Gone, errors.New("x")),
		mail.Wrap(mail.NotFound, errors.New("revoked")), store.ErrNoRows,
	} {
		got := ask(p, err)
		if got.Code != want.Code || got.Body.String() != want.Body.String() || fmt.Sprint(got.Header()) != fmt.Sprint(want.Header()) {
			t.Errorf("%v can be told apart: %d %v\n%s", err, got.Code, got.Header(), got.Body)
		}
	}
	if want.Code != http.StatusNotFound || !strings.Contains(want.Body.String(), "rien ici") {
		t.Errorf("the gone page: %d\n%s", want.Code, want.Body)
	}
}

func TestTheLogSaysWhatFailedButNoTokenAndNoName(t *testing.T) {
	var log bytes.Buffer
	p := &page.Pages{Log: slog.New(slog.NewTextHandler(&log, nil))}
	ask(p, errors.New("the disk is on fire"))
	if s := log.String(); !strings.Contains(s, "the disk is on fire") || !strings.Contains(s, "/t/") || strings.Contains(s, secret) {
		t.Errorf("logged: %s", s)
	}
	log.Reset()
	ask(p, mail.Refuse(mail.NotFound, "kind-not-found"))
	if log.Len() > 0 {
		t.Errorf("whoever tries addresses fills the log: %s", &log)
	}
}

func TestAFailureInTheMiddleCutsTheConnection(t *testing.T) {
	s := httptest.NewServer((&page.Pages{}).Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Write([]byte("half"))
		http.NewResponseController(w).Flush()
		return errors.New("broken")
	}))
	defer s.Close()
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err == nil {
		t.Errorf("half an answer looks whole: %q", &b)
	}
}

func TestAnErrorPageForgetsTheFileItStandsFor(t *testing.T) {
	w := httptest.NewRecorder()
	(&page.Pages{}).Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Disposition", "attachment; filename=secret.pdf")
		w.Header().Set("ETag", `"abc"`)
		w.Header().Set("Content-Length", "12")
		return mail.Wrap(mail.NotFound, store.ErrNoRows)
	}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	for _, k := range []string{"Content-Disposition", "Etag", "Content-Length"} {
		if v := w.Header().Get(k); v != "" {
			t.Errorf("%s: %s", k, v)
		}
	}
}

func TestTheReadersChoiceOfLanguageComesFirst(t *testing.T) {
	for _, c := range []struct{ query, made, accept, want, keep string }{
		{"", "", "", "fr", ""},
		{"", "", "en-GB,en;q=0.9,fr;q=0.8", "en", ""},
		{"", "", "de-DE", "en", ""},
		{"", "fr", "en", "fr", ""},
		{"?lang=en", "fr", "fr", "en", "?lang=en"},
		{"?lang=fr", "en", "en", "fr", "?lang=fr"},
		{"?lang=%22%3E%3Cscript%3E", "en", "fr", "en", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/t/x"+c.query, nil)
		r.Header.Set("Accept-Language", c.accept)
		v := page.See(r, c.made)
		if v.Lang != c.want || v.Keep() != c.keep || v.Other() == v.Lang {
			t.Errorf("%+v: got %s, kept %q, other %s", c, v.Lang, v.Keep(), v.Other())
		}
	}
	if o := page.See(httptest.NewRequest(http.MethodPost, "/t/x/recall", nil), "fr").Other(); o != "" {
		t.Errorf("the page after a button offers %q, which would be a GET of the button", o)
	}
}

func TestAssetsHaveNoListingAndMayBeKept(t *testing.T) {
	for path, want := range map[string]int{"/assets/style.css": 200, "/assets/atkinson.woff2": 200, "/assets/": 404, "/assets": 404, "/assets/../page.go": 404, "/assets/none.css": 404} {
		w := httptest.NewRecorder()
		page.Assets().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
		if kept := strings.Contains(w.Header().Get("Cache-Control"), "public"); kept != (want == 200) {
			t.Errorf("%s (%d) may be kept by everybody: %v", path, w.Code, kept)
		}
	}
}
