package share_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"colporteur/workflow/workflowtest"
)

// unlocked types into a lock's form, and returns the cookies it gave.
func (s *site) unlocked(path string, fields ...string) (cookie string, a answer) {
	s.t.Helper()
	a = s.press(path+"/unlock", fields...)
	var all []string
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != path {
			s.t.Errorf("cookie %+v", c)
		}
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; "), a
}

func TestALockedLinkShowsItsLockAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le divorce", workflowtest.File{Name: "jugement.pdf", Type: "application/pdf", Bytes: []byte("%PDF-1.4 secret")}, workflowtest.File{Name: "b.txt", Type: "text/plain", Bytes: []byte("le secret")})
		album, albumOwner := s.album("Naissance", 10)
		look := s.photos(album)[0]
		s.done(owner+"/rules", "password", "mirabelle")
		s.done(albumOwner+"/rules", "password", "quetsche", "comment", "on")
		below := []string{guest + "/f/0/jugement.pdf", guest + "/Le-divorce.zip", guest + "/v/0", guest + "/get/all", guest + "/g/aaaa/jugement.pdf",
			look, look + "/400.jpg", look + "/clean", album + "/print", album + "/page/2", album + "/Naissance.zip"}
		for _, p := range below {
			for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
				if a := s.ask(m, p, "Sec-Fetch-Site", "same-origin"); a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
					t.Errorf("%s %s answers %d", m, p, a.status)
				}
			}
		}
		for _, path := range []string{guest, album} {
			word := map[string]string{guest: "mirabelle", album: "quetsche"}[path]
			a := s.get(path)
			a.sees(t, "Cette page est protégée", `name="password"`)
			a.misses(t, "divorce", "jugement", "Ann", "Naissance", "mamie")
			if c, wrong := s.unlocked(path, "password", "prune"); c != "" || wrong.status != http.StatusForbidden || !strings.Contains(wrong.body, "Ce n&#39;est pas le bon mot de passe") {
				t.Errorf("a wrong password: %q %d", c, wrong.status)
			}
			if _, wrong := s.unlocked(path, "password", strings.Repeat("x", 5000)); wrong.status != http.StatusForbidden {
				t.Errorf("a long password: %d", wrong.status)
			}
			cookie, right := s.unlocked(path, "password", word)
			if right.status != http.StatusSeeOther || right.header.Get("Location") != path || strings.Contains(right.header.Get("Location"), word) {
				t.Fatalf("the password: %d to %s", right.status, right.header.Get("Location"))
			}
			s.get(path, "Cookie", cookie).misses(t, "Cette page est protégée")
			for _, p := range below {
				if strings.HasPrefix(p, path) && !strings.Contains(p, "/g") && !strings.Contains(p, "page/2") {
					if a := s.get(p, "Cookie", cookie); a.status != http.StatusOK && a.status != http.StatusSeeOther {
						t.Errorf("%s with the cookie: %d", p, a.status)
					}
				}
			}
			// One link's cookie opens no other.
			if path == guest {
				s.get(album, "Cookie", cookie).sees(t, "Cette page est protégée")
			}
			// Nor does it outlive the password.
			o := map[string]string{guest: owner, album: albumOwner}[path]
			s.done(o+"/rules", "password", "autre")
			s.get(path, "Cookie", cookie).sees(t, "Cette page est protégée")
			s.done(o+"/rules", "open", "on")
			s.get(path).misses(t, "Cette page est protégée")
		}
		if strings.Contains(s.log.String(), "mirabelle") {
			t.Error("the password is in the log")
		}
	})
}

func TestGuessingAtALockIsBraked(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Film", workflowtest.File{Name: "a.bin", Bytes: film(10)})
		s.done(owner+"/rules", "password", "mirabelle")
		for range 10 {
			s.unlocked(guest, "password", "x")
		}
		// Also the right one is too late now.
		if c, a := s.unlocked(guest, "password", "mirabelle"); c != "" || a.status != http.StatusTooManyRequests || !strings.Contains(a.body, "Trop d&#39;essais") {
			t.Errorf("%q %d %s", c, a.status, a.body)
		}
		if a := s.get(owner); a.status != http.StatusOK {
			t.Errorf("the owner is locked out: %d", a.status)
		}
	})
}

func TestACodeByMailOpensForItsPersonAlone(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Dossier", workflowtest.File{Name: "a.bin", Bytes: film(10)})
		shared := regexp.MustCompile(`class="link" href="https://mail.home.test(/t/[a-z2-7]+)"`).FindStringSubmatch(s.get(owner).body)
		if shared == nil {
			t.Fatal("no link to pass on")
		}
		s.done(owner+"/rules", "code", "on")
		s.get(guest).sees(t, "M&#39;envoyer le code")
		s.get(shared[1]).sees(t, "n&#39;est à personne en particulier")
		if a := s.press(shared[1] + "/code"); a.status != http.StatusNotFound {
			t.Errorf("the public link gets a code: %d", a.status)
		}
		if a := s.get(guest + "/code"); a.status == http.StatusOK {
			t.Errorf("looking sends a code: %d", a.status)
		}
		s.done(guest+"/code").sees(t, "Le code vient de partir")
		s.Settle()
		m := s.One(mamie)
		code := regexp.MustCompile(`\b\d{6}\b`).FindString(m.Text)
		if code == "" || m.Subject != "Votre code" {
			t.Fatalf("%s: %s", m.Subject, m.Text)
		}
		if _, a := s.unlocked(guest, "code", "000000"); a.status != http.StatusForbidden && code != "000000" {
			t.Errorf("a wrong code: %d", a.status)
		}
		cookie, a := s.unlocked(guest, "code", " "+code[:3]+" "+code[3:])
		if a.status != http.StatusSeeOther || !strings.HasPrefix(cookie, "u_code=") {
			t.Fatalf("the code: %d %s", a.status, a.body)
		}
		s.get(guest, "Cookie", cookie).sees(t, "Dossier")
		if again, _ := s.unlocked(guest, "code", code); again != "" {
			t.Error("a code opens twice")
		}
		for range 6 {
			a = s.press(guest + "/code")
		}
		if a.status != http.StatusTooManyRequests {
			t.Errorf("codes without end: %d", a.status)
		}
	})
}

func TestOwnerOfATransferDecidesOnThePage(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(20)}, workflowtest.File{Name: "b.bin", Bytes: film(30)})
		s.get(owner).sees(t, "mamie@far.test", "N&#39;a encore rien pris")
		s.take(guest, "0")
		s.get(owner).sees(t, "A reçu 1 fichier sur 2")
		s.take(guest, "all")
		s.get(owner).sees(t, "A tout reçu")

		s.done(owner+"/invite", "guests", "Paul <paul@far.test>\r\n").sees(t, "C&#39;est fait", "paul@far.test")
		if a := s.press(owner+"/invite", "guests", "pas une adresse"); a.status != http.StatusBadRequest {
			t.Errorf("a bad address: %d", a.status)
		}
		for _, bad := range []string{"-1", "x", "99999999999"} {
			if a := s.press(owner+"/rules", "downloads", bad); a.status != http.StatusBadRequest {
				t.Errorf("%s downloads: %d", bad, a.status)
			}
		}
		gone := regexp.MustCompile(`action="(/t/[a-z2-7]+/guest/\d+/revoke)"`).FindStringSubmatch(s.get(owner).body)
		s.done(gone[1]).sees(t, "ne peut plus prendre")
		if a := s.get(guest); a.status != http.StatusNotFound {
			t.Errorf("a revoked guest gets %d", a.status)
		}
		shared := regexp.MustCompile(`class="link" href="https://mail.home.test(/t/[a-z2-7]+)"`).FindStringSubmatch(s.get(owner).body)
		s.done(owner+"/public", "on", "0").misses(t, `class="link"`)
		if a := s.get(shared[1]); a.status != http.StatusNotFound {
			t.Errorf("the link to pass on answers %d", a.status)
		}
		s.done(owner+"/recall").sees(t, "Remettre ce lien")
		s.done(owner+"/restore").sees(t, "Le lien est de retour", "Garder une semaine de plus")
		for _, p := range []string{"/invite", "/rules", "/public", "/restore", "/extend", "/recall"} {
			if a := s.press(shared[1] + p); a.status != http.StatusNotFound {
				t.Errorf("a stranger presses %s: %d", p, a.status)
			}
		}
	})
}

// take presses the button and takes the bytes.
func (s *site) take(link, what string) answer {
	s.t.Helper()
	a := s.press(link + "/get/" + what)
	if a.status != http.StatusSeeOther {
		s.t.Fatalf("the button of %s answers %d:\n%s", what, a.status, a.body)
	}
	return s.get(a.header.Get("Location"))
}

func TestWhatCanBeLookedAtRunsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		evil := "<script>alert(1)</script>"
		guest, owner := s.send("Aperçus",
			workflowtest.File{Name: "photo.jpg", Type: "image/jpeg", Bytes: photo(t, 3)},
			workflowtest.File{Name: "lettre.txt", Type: "text/plain", Bytes: []byte("Bonjour " + evil + " é\n")},
			workflowtest.File{Name: "ancien.txt", Type: "text/plain", Bytes: []byte("\xe9t\xe9 " + strings.Repeat("x", 70_000))},
			workflowtest.File{Name: "page.html", Type: "text/html", Bytes: []byte(evil)},
			workflowtest.File{Name: "dessin.svg", Type: "image/svg+xml", Bytes: []byte("<svg onload='alert(1)'/>")},
			workflowtest.File{Name: "faux.png", Type: "image/png", Bytes: []byte("<html>" + evil)},
			workflowtest.File{Name: "note.pdf", Type: "application/pdf", Bytes: []byte("%PDF-1.4\n")},
			workflowtest.File{Name: "son.mp3", Type: "audio/mpeg", Bytes: film(100)})
		a := s.get(guest)
		a.sees(t, `<img src="`+guest+`/v/0"`, "Bonjour &lt;script&gt;", "été xxx", "La suite est dans le fichier", `<audio controls preload="none" src="`+guest+`/v/7"`, guest+"/v/6")
		a.misses(t, evil, guest+"/v/3", guest+"/v/4")
		for seq, status := range map[string]int{"0": 200, "1": 404, "3": 404, "4": 404, "5": 200, "6": 200, "7": 200, "8": 404, "-1": 404, "00": 404} {
			a := s.get(guest + "/v/" + seq)
			if a.status != status {
				t.Errorf("/v/%s answers %d, want %d", seq, a.status, status)
			}
			if status != 200 {
				continue
			}
			csp := a.header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") || seq != "6" && !strings.Contains(csp, "sandbox") ||
				a.header.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(a.header.Get("Content-Type"), "html") {
				t.Errorf("/v/%s: %v", seq, a.header)
			}
			if part := s.get(guest+"/v/"+seq, "Range", "bytes=0-1"); part.status != http.StatusPartialContent {
				t.Errorf("/v/%s in parts: %d", seq, part.status)
			}
		}
		s.get(owner).sees(t, "N&#39;a encore rien pris")
		// Where takes are counted a look would be one.
		s.done(owner+"/rules", "downloads", "2")
		s.get(guest).misses(t, guest+"/v/")
		if a := s.get(guest + "/v/0"); a.status != http.StatusNotFound {
			t.Errorf("a counted picture can be looked at: %d", a.status)
		}
	})
}

func TestCountedFilesComeByTheButtonAlone(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		b := film(1000)
		guest, owner := s.send("Film", workflowtest.File{Name: "un film.bin", Bytes: b})
		direct := guest + "/f/0/" + url.PathEscape("un film.bin")
		for range 20 { // robots
			s.get(direct)
			s.ask(http.MethodHead, direct)
			s.get(guest+"/Film.zip", "Range", "bytes=0-10")
		}
		s.get(owner).sees(t, "N&#39;a encore rien pris")
		s.done(owner+"/rules", "downloads", "2")
		for _, p := range []string{direct, guest + "/Film.zip"} {
			if a := s.get(p); a.status != http.StatusSeeOther || a.header.Get("Location") != guest || len(a.body) > 200 {
				t.Errorf("%s answers %d to %s", p, a.status, a.header.Get("Location"))
			}
		}
		s.get(guest).sees(t, "Il reste 2 téléchargements sur 2")
		for range 2 {
			if a := s.take(guest, "0"); a.body != string(b) {
				t.Errorf("%d, %d bytes", a.status, len(a.body))
			}
		}
		if a := s.press(guest + "/get/0"); a.status != http.StatusForbidden || a.header.Get("Location") != "" {
			t.Errorf("a third download: %d", a.status)
		}
		s.get(owner).sees(t, "A tout reçu")
		for _, bad := range []string{"1", "-1", "x", "00", "all/x"} {
			if a := s.press(guest + "/get/" + bad); a.status != http.StatusNotFound {
				t.Errorf("get/%s: %d", bad, a.status)
			}
		}
	})
}
