package share_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/workflowtest"
)

// press posts a form as its button does.
func (s *site) press(path string, fields ...string) answer {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

// done presses a button and reads the page that follows.
func (s *site) done(path string, fields ...string) answer {
	s.t.Helper()
	a := s.press(path, fields...)
	if a.status != http.StatusSeeOther {
		s.t.Fatalf("POST %s answers %d:\n%s", path, a.status, a.body)
	}
	return s.get(a.header.Get("Location"))
}

func (a answer) sees(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("the page (%d) does not show %q:\n%s", a.status, w, a.body)
		}
	}
}

func (a answer) misses(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(a.body, w) {
			t.Errorf("the page (%d) shows %q:\n%s", a.status, w, a.body)
		}
	}
}

// fill puts n photos into the album of guest, as rows alone: their pictures are
// not there.
func fill(tb testing.TB, h *workflowtest.House, n int) {
	tb.Helper()
	err := h.DB.Write(tb.Context(), func(tx *store.Tx) error {
		var album int64
		if err := tx.QueryRow(tb.Context(), `SELECT id FROM album ORDER BY id DESC LIMIT 1`).Scan(&album); err != nil {
			return err
		}
		if _, err := tx.Exec(tb.Context(), `DELETE FROM photo_form`); err != nil {
			return err
		}
		if _, err := tx.Exec(tb.Context(), `DELETE FROM photo WHERE album = $1`, album); err != nil {
			return err
		}
		taken := time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC)
		for i := range n {
			w, h, caption := 4032, 3024, ""
			if i%4 == 3 {
				w, h = h, w
			}
			if i%3 == 0 {
				caption = fmt.Sprintf("Au bord du lac, le %d, avec toute la famille et les cousins de Nancy", i)
			}
			if _, err := tx.Exec(tb.Context(), `INSERT INTO photo (id, album, key, part, name, media_type, width, height, taken, created, caption, hash, finished)
				VALUES ($1, $2, $9, 0, $3, 'image/jpeg', $4, $5, $6, $6, $7, $8, 1)`, store.NewID(), album, fmt.Sprintf("IMG_%d.jpg", i), w, h,
				store.Micros(taken.Add(time.Duration(i)*time.Hour)), caption, []byte("twenty-five octets of one")[:25], fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// weight is how many bytes a browser takes for a path.
func (s *site) weight(path string) (n int, body string) {
	s.t.Helper()
	a := s.get(path, "Accept-Encoding", "gzip")
	if a.status != http.StatusOK {
		s.t.Fatalf("%s answers %d", path, a.status)
	}
	return len(a.body), s.get(path).body
}

func TestFirstViewIsLightBeforeItsPictures(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, _ := s.album("Vacances", 10)
		fill(t, s.House, 500)
		total, body := s.weight(guest)
		parts := []string{fmt.Sprintf("the page %d", total)}
		assets := regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`)
		load := func(list [][]string) {
			for _, m := range list {
				n, inside := s.weight(m[1])
				total += n
				parts = append(parts, fmt.Sprintf("%s %d", strings.Split(m[1], "?")[0], n))
				for _, chunk := range regexp.MustCompile(`from ?"\./(chunk-[^"]+)"`).FindAllStringSubmatch(inside, -1) {
					n, _ := s.weight("/assets/built/" + chunk[1])
					total += n
				}
			}
		}
		load(assets.FindAllStringSubmatch(body, -1))
		load([][]string{{"", "/assets/atkinson.woff2"}}) // what the style sheet asks for at once
		t.Logf("%d bytes: %s", total, strings.Join(parts, ", "))
		if total >= 100_000 {
			t.Errorf("the first view is %d bytes before pictures, want under 100 kB", total)
		}
		if n := strings.Count(body, "<img "); n != 60 {
			t.Errorf("%d photos on a page, want 60", n)
		}
		if n := strings.Count(body, "loading=\"lazy\""); n != 54 {
			t.Errorf("%d photos wait until they are near, want all but six", n)
		}
	})
}

func TestEveryPhotoIsOnOnePage(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, _ := s.album("Vacances", 10)
		fill(t, s.House, 130)
		for _, start := range []string{"", "/print"} {
			seen := map[string]int{}
			path := guest + start
			for pages := 1; path != ""; pages++ {
				a := s.get(path)
				if a.status != http.StatusOK || pages > 3 {
					t.Fatalf("%s, page %d: %d", path, pages, a.status)
				}
				for _, p := range regexp.MustCompile(`<img src="([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
					seen[photoPath.FindString(p[1])]++
				}
				path = ""
				if m := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(a.body); m != nil {
					path = m[1]
				}
			}
			if len(seen) != 130 {
				t.Errorf("%q leads to %d photos, want 130", start, len(seen))
			}
			for p, n := range seen {
				if n != 1 {
					t.Errorf("%s stands on %d pages", p, n)
				}
			}
		}
		s.get(guest+"/page/3").sees(t, `rel="prev" href="`+guest+`/page/2"`)
		s.get(guest+"/page/2").sees(t, `rel="prev" href="`+guest+`"`)
		for _, p := range []string{"/page/1", "/page/0", "/page/4", "/page/+2", "/page/02", "/page/x", "/page/99999999999999999999", "/page/", "/page", "/print/1", "/print/4"} {
			if a := s.get(guest + p); a.status != http.StatusNotFound {
				t.Errorf("%s answers %d", p, a.status)
			}
		}
	})
}

func TestWordsOfGuestsAreTextAndTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.album("Vacances", 10, 90)
		other := s.invite(owner, "jean@far.test")
		look := s.photos(guest)[0]
		evil := `<img src=x onerror=alert(1)>"'</p><script>alert(2)</script>`
		s.done(guest+"/word", "text", "  Quelle belle plage\r\n"+evil+"  ").sees(t, "Votre mot est là", "Quelle belle plage\n&lt;img src=x onerror=alert(1)&gt;")
		s.done(look+"/word", "text", "Le petit a grandi").sees(t, "Le petit a grandi", "Votre mot est là")
		s.done(look+"/word", "text", " \r\n\t ").sees(t, "Le mot était vide")
		s.get(guest).sees(t, "1 mot<", "Quelle belle plage")
		s.get(owner).sees(t, "mamie@far.test", "Quelle belle plage")
		for _, a := range []answer{s.get(guest), s.get(owner), s.get(look)} {
			a.misses(t, "<script>alert", "<img src=x")
		}
		remove := regexp.MustCompile(`action="(/a/[a-z2-7]+(?:/p/\d+)?/word/\d+/remove)"`)
		mine := remove.FindStringSubmatch(s.get(guest).body)
		if mine == nil {
			t.Fatal("who wrote it cannot take it away")
		}
		s.get(other).misses(t, "/remove\"")
		s.get(other).sees(t, "Quelle belle plage")
		theirs := strings.Replace(mine[1], guest, other, 1)
		if a := s.press(theirs); a.status != http.StatusNotFound {
			t.Errorf("another guest takes it away: %d", a.status)
		}
		s.done(mine[1]).misses(t, "Quelle belle plage")
		onPhoto := remove.FindStringSubmatch(s.get(strings.Replace(look, guest, owner, 1)).body)
		s.done(onPhoto[1]).misses(t, "Le petit a grandi")

		s.done(owner+"/rules", "add", "on").sees(t, "C&#39;est gardé")
		s.get(guest).misses(t, "/word\"")
		if a := s.press(guest+"/word", "text", "quand même"); a.status != http.StatusForbidden {
			t.Errorf("a word that is not wanted answers %d", a.status)
		}
		if n := s.Count(`SELECT COUNT(*) FROM photo_comment`); n != 0 {
			t.Errorf("%d words are kept", n)
		}
	})
}

// invite has the owner invite somebody from the page, and gives their link.
func (s *site) invite(owner, person string) string {
	s.t.Helper()
	s.done(owner+"/invite", "guests", person)
	s.Settle()
	_, addr, named := strings.Cut(strings.TrimSuffix(person, ">"), "<")
	if !named {
		addr = person
	}
	m := s.One(mail.MustAddress(addr))
	return "/a/" + string(m.Tokens()[0])
}

func TestOwnerDecidesOnThePage(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.album("Vacances", 10, 90)
		look := s.photos(guest)[0]
		own := strings.Replace(look, guest, owner, 1)

		s.done(own+"/caption", "caption", "Le phare & <b>la mer</b>").sees(t, "La légende est gardée", "Le phare &amp; &lt;b&gt;la mer")
		s.get(guest).sees(t, `<p class="caption">Le phare &amp; &lt;b&gt;la mer`, `alt="Le phare &amp;`)

		removed := s.press(own + "/remove")
		if removed.status != http.StatusOK {
			t.Fatalf("removing a photo answers %d", removed.status)
		}
		removed.sees(t, "La photo est retirée", own+"/restore", `href="`+owner+`"`)
		for _, p := range []string{look, look + "/400.jpg", look + "/clean", look + "/2048.jpg"} {
			if a := s.get(p); a.status != http.StatusNotFound {
				t.Errorf("%s of a removed photo answers %d", p, a.status)
			}
		}
		if n := len(s.photos(guest)); n != 1 {
			t.Errorf("%d photos are left, want one", n)
		}
		s.done(own+"/restore").sees(t, "Le phare")
		if n := len(s.photos(guest)); n != 2 {
			t.Errorf("%d photos after it was put back, want two", n)
		}

		public := regexp.MustCompile(`href="https://mail\.home\.test(/a/[a-z2-7]+)"`)
		share := public.FindStringSubmatch(s.get(owner).body)[1]
		s.done(owner+"/public", "on", "0").misses(t, `class="link"`)
		if a := s.get(share); a.status != http.StatusNotFound {
			t.Errorf("a link that was cut answers %d", a.status)
		}
		again := public.FindStringSubmatch(s.done(owner+"/public", "on", "1").body)[1]
		if again == share || s.get(again).status != http.StatusOK || s.get(share).status != http.StatusNotFound {
			t.Error("the link that was cut came back, or the new one does not open")
		}
		s.get(again).misses(t, "/word\"", "/quiet")

		jean := s.invite(owner, "Jean <jean@far.test>")
		s.get(owner).sees(t, "Jean (jean@far.test)", "mamie@far.test")
		revoke := regexp.MustCompile(`(/a/[a-z2-7]+/guest/\d+/revoke)" ?>?<button[^>]*Jean`).FindStringSubmatch(s.get(owner).body)
		s.done(revoke[1]).misses(t, "jean@far.test")
		if s.get(jean).status != http.StatusNotFound || s.get(guest).status != http.StatusOK {
			t.Error("the wrong guest lost their link")
		}
		if a := s.press(owner+"/invite", "guests", "jean@far.test\nnobody"); a.status != http.StatusBadRequest {
			t.Errorf("inviting nonsense answers %d", a.status)
		} else {
			a.sees(t, "nobody")
		}
		s.None()

		for until, status := range map[string]int{"2026-11-14": 303, "2026-11-13": 400, "tomorrow": 400, "9999-12-31": 400, "": 303} {
			if a := s.press(owner+"/rules", "comment", "on", "until", until); a.status != status {
				t.Errorf("last day %q answers %d, want %d", until, a.status, status)
			}
		}
		s.done(owner+"/rules", "comment", "on", "until", "2026-11-20").sees(t, `value="2026-11-20"`)
		s.Move(6*24*time.Hour + 13*time.Hour)
		if a := s.get(guest); a.status != http.StatusOK {
			t.Errorf("on its last day it answers %d", a.status)
		}
		s.Move(time.Hour)
		if a := s.get(guest); a.status != http.StatusNotFound {
			t.Errorf("after its last day it answers %d", a.status)
		}
		s.done(owner+"/restore").sees(t, "L&#39;album est de retour")
		if a := s.get(guest); a.status != http.StatusOK {
			t.Errorf("brought back after its last day it answers %d", a.status)
		}

		s.done(owner+"/recall").sees(t, "/restore", "samedi 5 décembre 2026", "L&#39;album est retiré")
		for _, p := range []string{guest, look, look + "/400.jpg", guest + "/Vacances.zip", guest + "/print", again} {
			if a := s.get(p); a.status != http.StatusNotFound {
				t.Errorf("%s after the recall answers %d", p, a.status)
			}
		}
		s.done(owner + "/restore")
		for _, p := range []string{guest, look, look + "/400.jpg", guest + "/Vacances.zip"} {
			if a := s.get(p); a.status != http.StatusOK {
				t.Errorf("%s after the album came back answers %d", p, a.status)
			}
		}
	})
}

func TestGuestsCannotDecide(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.album("Vacances", 10, 90)
		stranger, _ := s.album("Lac", 30)
		look := s.photos(guest)[0]
		own := strings.Replace(look, guest, owner, 1)
		before := s.get(owner).body
		foreign := strings.Replace(look, guest, stranger, 1)
		person := regexp.MustCompile(`/guest/(\d+)/revoke`).FindStringSubmatch(before)[1]
		for _, p := range []string{guest + "/recall", guest + "/restore", guest + "/public", guest + "/invite", guest + "/rules", guest + "/guest/" + person + "/revoke",
			look + "/caption", look + "/remove", look + "/restore", foreign + "/word", foreign + "/remove"} {
			if a := s.press(p, "on", "0", "guests", "evil@far.test", "caption", "x", "text", "x"); a.status != http.StatusNotFound {
				t.Errorf("%s answers %d to a guest", p, a.status)
			}
		}
		// Link scanners follow every address they see.
		for _, p := range []string{"/recall", "/restore", "/public", "/invite", "/rules", "/quiet", "/word", "/add"} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if a := s.ask(method, owner+p); a.status != http.StatusNotFound {
					t.Errorf("%s %s answers %d", method, p, a.status)
				}
			}
		}
		for _, p := range []string{"/caption", "/remove", "/restore", "/word"} {
			if a := s.get(own + p); a.status != http.StatusNotFound {
				t.Errorf("GET %s answers %d", p, a.status)
			}
		}
		if a := s.get(look + "/source"); a.status != http.StatusNotFound {
			t.Errorf("the owner's original answers %d to a guest", a.status)
		}
		if a := s.get(own + "/source"); a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("their original answers the owner %d, %v", a.status, a.header)
		}
		if after := s.get(owner).body; after != before {
			t.Errorf("something changed:\n%s", after)
		}
		s.None()
	})
}

func TestGuestEndsAndBeginsTheMails(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.album("Vacances", 10)
		s.get(guest).sees(t, "Ne plus recevoir", `href="mailto:abuse@home.test?subject=Album%20signal%C3%A9`)
		s.get(owner).misses(t, "Ne plus recevoir", "mailto:abuse")
		s.done(guest+"/quiet").sees(t, "vous ne recevrez plus", "Recevoir à nouveau")
		s.get(owner).sees(t, "ne veut pas de messages")
		m := workflowtest.Mail{To: []string{"album+Vacances@home.test", mamie.String()}, Subject: "encore",
			Files: []workflowtest.File{{Name: "x.jpg", Type: "image/jpeg", Bytes: photo(t, 77)}}}
		s.Send(m)
		s.One(workflowtest.Ann.Address)
		s.None()
		s.done(guest+"/quiet").sees(t, "vous recevrez à nouveau", "Ne plus recevoir")
	})
}

// A report says which album, and lets nobody in.
func TestReportHoldsNoToken(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, _ := s.album("Vacances", 10)
		for _, m := range regexp.MustCompile(`mailto:[^"]+`).FindAllString(s.get(guest).body, -1) {
			if strings.Contains(m, guest[3:]) {
				t.Errorf("%s holds the token", m)
			}
		}
	})
}
