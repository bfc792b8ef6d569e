package share_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/workflow/workflowtest"
)

func TestFilesAreShownBeforeTheyAreTaken(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		evil := `<script>alert(1)</script>`
		long := strings.Repeat("é", 60_000)
		guest, owner := s.send("Le dossier",
			workflowtest.File{Name: "plage.jpg", Type: "image/jpeg", Bytes: photo(t, 9)},
			workflowtest.File{Name: "lisez.txt", Type: "text/plain", Bytes: []byte("Bonjour " + evil)},
			workflowtest.File{Name: "rapport.pdf", Type: "application/pdf", Bytes: []byte("%PDF-1.4\n")},
			workflowtest.File{Name: "chant.mp3", Type: "audio/mpeg", Bytes: film(50)},
			workflowtest.File{Name: "film.mp4", Type: "video/mp4", Bytes: film(50)},
			workflowtest.File{Name: "page.html", Type: "text/html", Bytes: []byte(evil)},
			workflowtest.File{Name: "dessin.svg", Type: "image/svg+xml", Bytes: []byte("<svg>" + evil + "</svg>")},
			workflowtest.File{Name: "long.csv", Type: "text/csv", Bytes: []byte(long)},
			workflowtest.File{Name: "menteur.png", Type: "image/png", Bytes: []byte("<html>" + evil)},
			workflowtest.File{Name: "vieux.txt", Type: "text/plain", Bytes: []byte("d\xe9j\xe0")},
		)
		a := s.get(guest)
		a.sees(t, `<img src="`+guest+`/v/0"`, "Bonjour &lt;script&gt;alert(1)", `href="`+guest+`/v/2"`, `<audio controls preload="none" src="`+guest+`/v/3"`,
			`<video controls preload="none" src="`+guest+`/v/4"`, "La suite est dans le fichier", "déjà", `action="`+guest+`/get/all"`, `action="`+guest+`/get/9"`, "image, ", "PDF, ")
		a.misses(t, evil, guest+`/v/5"`, guest+`/v/6"`, guest+`/v/1"`)
		for i, want := range map[int]string{0: "image/jpeg", 2: "application/pdf", 3: "audio/mpeg", 4: "video/mp4", 8: "image/png"} {
			got := s.get(fmt.Sprintf("%s/v/%d", guest, i))
			csp := got.header.Get("Content-Security-Policy")
			if got.status != http.StatusOK || got.header.Get("Content-Type") != want || got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "inline") {
				t.Errorf("/v/%d: %d %v", i, got.status, got.header)
			}
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") || want != "application/pdf" && !strings.Contains(csp, "sandbox") || strings.Contains(csp, "allow-") {
				t.Errorf("/v/%d may do %s", i, csp)
			}
		}
		for _, p := range []string{"/v/1", "/v/5", "/v/6", "/v/7", "/v/10", "/v/-1", "/v/00", "/v/x", "/v/", "/v"} {
			if got := s.get(guest + p); got.status != http.StatusNotFound {
				t.Errorf("%s answers %d %s", p, got.status, got.header.Get("Content-Type"))
			}
		}
		if got := s.get(guest+"/v/0", "Range", "bytes=2-5"); got.status != http.StatusPartialContent || len(got.body) != 4 {
			t.Errorf("a part of a preview answers %d", got.status)
		}
		// Looking is not taking.
		s.get(owner).sees(t, "N&#39;a encore rien pris")
		if n := s.Count(`SELECT COUNT(*) FROM transfer_grant`); n != 0 {
			t.Errorf("looking made %d grants", n)
		}
		// Where takes are counted, a look would be one.
		s.done(owner+"/rules", "downloads", "2")
		s.get(guest).misses(t, "/v/", "Bonjour", "<audio", "<video", `/f/0/`)
		for i := range 10 {
			if got := s.get(fmt.Sprintf("%s/v/%d", guest, i)); got.status != http.StatusNotFound {
				t.Errorf("/v/%d answers %d though downloads are counted", i, got.status)
			}
		}
	})
}

func TestPageSaysHowManyDownloadsAreLeft(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(2000)})
		s.done(owner+"/rules", "downloads", "2").sees(t, `value="2"`)
		s.get(guest).sees(t, "Il reste 2 téléchargements sur 2")
		for range 20 { // a scanner follows what it sees
			if a := s.get(guest + "/f/0/a.bin"); a.status != http.StatusSeeOther {
				t.Fatalf("a bare address answers %d", a.status)
			}
		}
		for range 3 {
			if a := s.get(s.press(owner + "/get/0").header.Get("Location")); a.status != http.StatusOK { // the owner's do not count
				t.Fatalf("the owner's download answers %d", a.status)
			}
		}
		if a := s.done(guest + "/get/0"); a.status != http.StatusOK || len(a.body) != 2000 {
			t.Fatalf("the button leads to %d, %d bytes", a.status, len(a.body))
		}
		s.get(guest).sees(t, "Il reste 1 téléchargement sur 2")
		s.done(guest + "/get/0")
		s.get(guest).misses(t, "/get/0")
		s.get(guest).sees(t, "est atteint")
		if a := s.press(guest + "/get/0"); a.status != http.StatusForbidden || !strings.Contains(a.body, "(2)") {
			t.Errorf("one too many answers %d\n%s", a.status, a.body)
		}
		for _, bad := range []string{"-1", "x", "1.5", "99999999999999999999"} {
			if a := s.press(owner+"/rules", "downloads", bad); a.status != http.StatusBadRequest {
				t.Errorf("a limit of %q answers %d", bad, a.status)
			}
		}
		s.done(owner+"/rules", "downloads", "").misses(t, `value="2"`)
		s.get(guest).sees(t, "/get/0")
	})
}

func TestSenderDecidesOnTheirPage(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(2000)}, workflowtest.File{Name: "b.bin", Bytes: film(10)})
		s.get(owner).sees(t, "mamie@far.test", "N&#39;a encore rien pris")
		s.done(guest + "/get/1")
		s.get(owner).sees(t, "A reçu 1 fichier sur 2")
		s.done(guest + "/get/all")
		s.get(owner).sees(t, "A tout reçu")
		s.Settle()
		s.Mails(workflowtest.Ann.Address)

		public := regexp.MustCompile(`class="link" href="https://mail\.home\.test(/t/[a-z2-7]+)"`)
		share := public.FindStringSubmatch(s.get(owner).body)[1]
		s.done(owner+"/public", "on", "0").misses(t, `class="link"`)
		if a := s.get(share); a.status != http.StatusNotFound {
			t.Errorf("a link that was cut answers %d", a.status)
		}
		again := public.FindStringSubmatch(s.done(owner+"/public", "on", "1").body)[1]
		if again == share || s.get(again).status != http.StatusOK || s.get(share).status != http.StatusNotFound {
			t.Error("the link that was cut came back, or the new one does not open")
		}

		s.done(owner+"/invite", "guests", "Jean <jean@far.test>; paul@far.test").sees(t, "C&#39;est fait", "jean@far.test", "paul@far.test")
		s.Settle()
		jean := "/t/" + string(s.One(mail.MustAddress("jean@far.test")).Tokens()[0])
		s.One(mail.MustAddress("paul@far.test"))
		if s.get(jean).status != http.StatusOK {
			t.Error("an invited guest's link does not open")
		}
		revoke := regexp.MustCompile(`(/t/[a-z2-7]+/guest/\d+/revoke)"><button[^>]*jean`).FindStringSubmatch(s.get(owner).body)
		s.done(revoke[1]).misses(t, "jean@far.test")
		if s.get(jean).status != http.StatusNotFound || s.get(guest).status != http.StatusOK {
			t.Error("the wrong guest lost their link")
		}
		if a := s.press(owner+"/invite", "guests", "paul@far.test\nnobody"); a.status != http.StatusBadRequest || !strings.Contains(a.body, "nobody") {
			t.Errorf("inviting nonsense answers %d", a.status)
		}
		s.None()

		s.done(owner+"/recall").sees(t, "/restore\"", "Le lien est retiré")
		s.get(owner).misses(t, "/get/", "/rules\"")
		s.Settle()
		for _, p := range []string{guest, again, guest + "/f/0/a.bin", guest + "/v/0"} {
			if a := s.get(p); a.status != http.StatusNotFound {
				t.Errorf("%s after the recall answers %d", p, a.status)
			}
		}
		s.Move(13 * 24 * time.Hour)
		s.done(owner+"/restore").sees(t, "Le lien est de retour", "/get/all")
		if a := s.get(guest); a.status != http.StatusOK {
			t.Errorf("brought back it answers %d", a.status)
		}
		s.done(owner + "/recall")
		s.Move(15 * 24 * time.Hour)
		if _, err := s.Transfers.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a := s.press(owner + "/restore"); a.status != http.StatusNotFound {
			t.Errorf("after its days of grace bringing back answers %d", a.status)
		}
	})
}

func TestGuestsOfATransferCannotDecide(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(20)})
		before := s.get(owner).body
		person := regexp.MustCompile(`/guest/(\d+)/revoke`).FindStringSubmatch(before)[1]
		list := []string{"/recall", "/restore", "/extend", "/public", "/invite", "/rules", "/guest/" + person + "/revoke"}
		for _, p := range list {
			if a := s.press(guest+p, "on", "0", "guests", "evil@far.test", "password", "x"); a.status != http.StatusNotFound {
				t.Errorf("%s answers %d to a guest", p, a.status)
			}
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if a := s.ask(method, owner+p); a.status != http.StatusNotFound {
					t.Errorf("%s %s answers %d", method, p, a.status)
				}
			}
			if a := s.ask(http.MethodPost, owner+p, "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden {
				t.Errorf("a form elsewhere presses %s: %d", p, a.status)
			}
		}
		if after := s.get(owner).body; after != before {
			t.Errorf("something changed:\n%s", after)
		}
		s.None()
	})
}
