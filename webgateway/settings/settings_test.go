package settings_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/webgateway"
	"colporteur/webgateway/page"
	"colporteur/webgateway/settings"
	"colporteur/webgateway/share"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/workflowtest"
)

// site is the pages, with a mail to Ann whose button leads to them.
type site struct {
	*workflowtest.House
	t       *testing.T
	handler http.Handler
	button  string // path of the button
	page    string
}

func each(t *testing.T, f func(t *testing.T, s *site)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		pages := &page.Pages{}
		g := &webgateway.Gateway{Hostname: "mail.home.test", URL: "https://mail.home.test", Pages: pages,
			Domain:   func(context.Context) string { return "home.test" },
			Share:    &share.Share{Pages: pages, Transfers: h.Transfers, Albums: h.Albums, Blobs: h.Blobs, URL: "https://mail.home.test"},
			Settings: &settings.Pages{Pages: pages, Notify: h.Notify}}
		s := &site{House: h, t: t, handler: g.Handler()}
		n := notify.Note{Kind: notify.Album, Key: "one", Member: workflowtest.Ann.ID, To: workflowtest.Ann.Address, Lang: "fr",
			From: mail.MustAddress("aide@home.test"), Letter: letter.Letter{Subject: "Un mot"}, Line: "Un mot"}
		n.Letter.Para("Un mot")
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return h.Notify.Tell(t.Context(), tx, n) }); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		m := h.One(workflowtest.Ann.Address)
		got := regexp.MustCompile(`<https://mail\.home\.test((/n/[a-z2-7]{26})/stop/album)>`).FindStringSubmatch(m.Header.Get("List-Unsubscribe"))
		if got == nil {
			t.Fatalf("no button:\n%s", m.Raw)
		}
		s.button, s.page = got[1], got[2]
		f(t, s)
	})
}

// ask does one request; form is nil for a GET.
func (s *site) ask(method, path string, form url.Values, header ...string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Result().Body)
	if cc := w.Result().Header.Get("Cache-Control"); cc != "private, no-store" {
		s.t.Errorf("%s %s: Cache-Control %q", method, path, cc)
	}
	return w.Code, string(b)
}

func (s *site) album() notify.When {
	s.t.Helper()
	cs, err := s.Notify.Choices(s.t.Context(), workflowtest.Ann.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return cs[0].When
}

func TestButtonOfAMailProgramNeedsNothingButItsAddress(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		// RFC 8058 §3.1: no cookies, and from wherever the mail program stands.
		code, body := s.ask("POST", s.button, url.Values{"List-Unsubscribe": {"One-Click"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://webmail.example")
		if code != 200 || !strings.Contains(body, "ne recevrez plus") || s.album() != notify.Never {
			t.Errorf("%d, album %s:\n%s", code, s.album(), body)
		}
	})
}

func TestLookingAtTheAddressesOfAMailChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for range 20 {
			for _, method := range []string{"GET", "HEAD"} {
				for _, path := range []string{s.button, s.page, s.page + "?lang=en", s.page + "/stop/daily"} {
					if code, _ := s.ask(method, path, nil); code != 200 {
						t.Fatalf("%s %s: %d", method, path, code)
					}
				}
			}
			if code, _ := s.ask("GET", s.page+"/set?album=never", nil); code == 200 {
				t.Fatal("a GET may set")
			}
		}
		if s.album() != notify.Now {
			t.Errorf("album %s", s.album())
		}
		_, body := s.ask("GET", s.button, nil)
		if !strings.Contains(body, `action="`+s.button+`"`) || strings.Contains(body, "<script") {
			t.Errorf("the page behind the button:\n%s", body)
		}
	})
}

func TestMemberChoosesOnThePage(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		if code, body := s.ask("POST", s.page+"/set", url.Values{"album": {"daily"}, "signin": {"never"}}); code != 200 ||
			!strings.Contains(body, "Vos choix sont enregistrés") || !strings.Contains(body, `name="album" value="daily" checked`) {
			t.Errorf("%d:\n%s", code, body)
		}
		cs, err := s.Notify.Choices(t.Context(), workflowtest.Ann.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			want := map[notify.Kind]notify.When{notify.Album: notify.Daily, notify.SignIn: notify.Never}[c.Kind]
			if c.Chosen != (want != "") || want != "" && c.When != want {
				t.Errorf("%+v", c)
			}
		}
		if code, _ := s.ask("POST", s.page+"/set", url.Values{"album": {"now"}}, "Sec-Fetch-Site", "cross-site"); code == 200 || s.album() != notify.Daily {
			t.Errorf("another site's form: %d, album %s", code, s.album())
		}
	})
}

func TestBadInputSetsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for _, try := range []struct {
			path string
			form url.Values
			want int
		}{
			{s.page + "/set", url.Values{"album": {"sometimes"}}, 400},
			{s.page + "/set", url.Values{"album": {strings.Repeat("x", 1<<20)}}, 400},
			{s.page + "/stop/signin", nil, 404},
			{s.page + "/stop/admin", nil, 404},
			{"/n/aaaaaaaaaaaaaaaaaaaaaaaaaa/stop/album", nil, 404},
			{"/n/" + strings.Repeat("a", 5000) + "/stop/album", nil, 404},
			{"/n/" + string(link.Token("%00")) + "/set", nil, 404},
		} {
			if code, _ := s.ask("POST", try.path, try.form); code != try.want {
				t.Errorf("POST %.60s %.40v: %d, want %d", try.path, try.form, code, try.want)
			}
		}
		if n := s.Count(`SELECT COUNT(*) FROM notify_choice`); n != 0 {
			t.Errorf("%d choices were made", n)
		}
	})
}
