package ask_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/webgateway"
	askpage "colporteur/webgateway/ask"
	"colporteur/webgateway/page"
	"colporteur/webgateway/share"
	"colporteur/workflow/ask"
	"colporteur/workflow/workflowtest"
)

// answers keeps what was answered.
type answers struct{ heard []ask.Answer }

func (a *answers) Answered(_ context.Context, _ *store.Tx, _ ask.Question, what ask.Answer) (said letter.Letter, err error) {
	a.heard = append(a.heard, what)
	said.Para("L'arbre <reste>.")
	return said, nil
}

func TestLookingAtAQuestionAnswersNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, got, pages := workflowtest.New(t, db), &answers{}, &page.Pages{}
		h.Questions.To["tree"] = got
		g := &webgateway.Gateway{Hostname: "mail.home.test", URL: "https://mail.home.test", Pages: pages,
			Domain: func(context.Context) string { return "home.test" },
			Share:  &share.Share{Pages: pages, Transfers: h.Transfers, Albums: h.Albums, Blobs: h.Blobs, URL: "https://mail.home.test"},
			Ask:    &askpage.Pages{Pages: pages, Questions: h.Questions}}
		site := g.Handler()
		do := func(method, path string, header ...string) *httptest.ResponseRecorder {
			t.Helper()
			r, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			site.ServeHTTP(w, r)
			if cc := w.Result().Header.Get("Cache-Control"); cc != "private, no-store" {
				t.Errorf("%s: Cache-Control %q", method, cc)
			}
			return w
		}
		q := ask.Question{Kind: "tree", Member: workflowtest.Ann.ID, To: workflowtest.Ann.Address, Lang: "fr", From: mail.MustAddress("aide@home.test"),
			Yes: "L'abattre", No: "Le laisser", Key: "oak"}
		q.Letter.Subject = "L'arbre"
		q.Letter.Para("Peut-on abattre <l'arbre> ?")
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return h.Questions.Ask(t.Context(), tx, q) }); err != nil {
			t.Fatal(err)
		}
		h.Settle()
		m := h.One(workflowtest.Ann.Address)
		path := regexp.MustCompile(`/c/[a-z2-7]{26}`).FindString(m.Text)

		before := ""
		for range 20 {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				for _, below := range []string{"", "/yes", "/no"} {
					w := do(method, path+below, "Range", "bytes=0-10", "User-Agent", "scanner")
					if below == "" && method == http.MethodGet {
						before = w.Body.String()
					} else if below != "" && w.Code < 400 {
						t.Fatalf("%s of a button: %d", method, w.Code)
					}
				}
			}
		}
		if len(got.heard) != 0 {
			t.Fatalf("looking answered %v", got.heard)
		}
		for _, s := range []string{"Peut-on abattre &lt;l&#39;arbre&gt;", "L&#39;abattre", "Le laisser", `method="post"`} {
			if !strings.Contains(before, s) {
				t.Errorf("the page lacks %q:\n%s", s, before)
			}
		}
		if strings.Contains(before, "<script") {
			t.Error("the page needs a script")
		}
		for _, c := range []string{path + "/maybe", path + "/late", path + "a/yes", "/c/" + strings.Repeat("a", 26) + "/yes"} {
			if w := do(http.MethodPost, c); w.Code != http.StatusNotFound {
				t.Errorf("POST of what is not asked: %d", w.Code)
			}
		}
		if w := do(http.MethodPost, path+"/yes", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"); w.Code < 400 {
			t.Errorf("a button on somebody else's page: %d", w.Code)
		}
		if len(got.heard) != 0 {
			t.Fatalf("heard %v", got.heard)
		}
		if w := do(http.MethodPost, path+"/no"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "L&#39;arbre &lt;reste&gt;.") {
			t.Errorf("the button says %d:\n%s", w.Code, w.Body)
		}
		for _, w := range []*httptest.ResponseRecorder{do(http.MethodPost, path+"/yes"), do(http.MethodGet, path)} {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "déjà été donnée") || strings.Contains(w.Body.String(), "<form method=\"post\" action=\"/c/") {
				t.Errorf("afterwards: %d\n%s", w.Code, w.Body)
			}
		}
		if len(got.heard) != 1 || got.heard[0] != ask.No {
			t.Errorf("heard %v", got.heard)
		}
	})
}
