package share_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"colporteur/workflow/workflowtest"
)

// reader is somebody's browser: it keeps the cookies it is given.
type reader struct {
	*site
	jar []*http.Cookie
}

func (b *reader) do(method, path string, fields ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range b.jar {
		if strings.HasPrefix(path+"/", c.Path+"/") {
			req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b.jar = append(b.jar, resp.Cookies()...)
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), err}
}

func (b *reader) get(path string) answer { b.t.Helper(); return b.do(http.MethodGet, path) }

func (b *reader) post(path string, fields ...string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, path, fields...)
}

func TestLockedLinkShowsNothingUntilThePasswordIsTyped(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		film := film(2000)
		transfer, transferOwner := s.send("Le divorce", workflowtest.File{Name: "photo.jpg", Type: "image/jpeg", Bytes: photo(t, 9)}, workflowtest.File{Name: "b.bin", Bytes: film})
		album, albumOwner := s.album("Vacances", 10)
		look := s.photos(album)[0]
		s.done(transferOwner+"/rules", "password", "un mot de passe").sees(t, "C&#39;est gardé")
		s.done(albumOwner+"/rules", "password", "un mot de passe", "comment", "on")
		below := map[string][]string{
			transfer: {"/f/0/photo.jpg", "/f/1/b.bin", "/Le-divorce.zip", "/v/0", "/g/aaaaaaaaaaaaaaaaaaaaaaaaaa/b.bin"},
			album:    {look[len(album):], look[len(album):] + "/400.jpg", "/Vacances.zip", "/print"},
		}
		for base, paths := range below {
			b := &reader{site: s}
			closed := b.get(base)
			if closed.status != http.StatusOK {
				t.Errorf("%s answers %d", base, closed.status)
			}
			closed.sees(t, `action="`+base+`/unlock"`, `type="password"`)
			closed.misses(t, "divorce", "Vacances", "photo.jpg", "b.bin", "far.test", "home.test")
			for _, p := range paths {
				if a := b.get(base + p); a.status != http.StatusNotFound || strings.Contains(a.body, "unlock") {
					t.Errorf("%s of a locked link answers %d", p, a.status)
				}
			}
			if a := b.post(base + "/get/all"); a.status != http.StatusNotFound {
				t.Errorf("a press at a locked link answers %d", a.status)
			}
			wrong := b.post(base+"/unlock", "password", "un autre")
			if wrong.status == http.StatusSeeOther || len(b.jar) > 0 {
				t.Fatalf("a wrong password opens: %d, %v", wrong.status, b.jar)
			}
			wrong.sees(t, "pas le bon mot de passe", `type="password"`)
			wrong.misses(t, "un autre", "divorce")
			right := b.post(base+"/unlock", "password", "un mot de passe")
			if right.status != http.StatusSeeOther || right.header.Get("Location") != base || len(b.jar) != 1 {
				t.Fatalf("the right password answers %d, %s, %v", right.status, right.header.Get("Location"), b.jar)
			}
			if c := b.jar[0]; c.Name != "u_password" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != base || strings.Contains(c.Value, "mot") {
				t.Errorf("the cookie is %+v", c)
			}
			if a := b.get(base); strings.Contains(a.body, "/unlock") {
				t.Errorf("it is still locked:\n%s", a.body)
			}
			if a := (&reader{site: s}).get(base); !strings.Contains(a.body, "/unlock") {
				t.Error("it is open to another browser")
			}
			if base == transfer { // bytes of a locked link are had by the button
				if a := b.get(base + "/f/1/b.bin"); a.status != http.StatusSeeOther || a.header.Get("Location") != base {
					t.Errorf("a bare address answers %d, %s", a.status, a.header.Get("Location"))
				}
				if a := b.get(base + "/v/0"); a.status != http.StatusOK {
					t.Errorf("a preview answers %d", a.status)
				}
				b.get(base).misses(t, `/f/1/b.bin"`)
				if a := b.get(b.post(base + "/get/1").header.Get("Location")); a.status != http.StatusOK || a.body != string(film) {
					t.Errorf("the button leads to %d, %d bytes", a.status, len(a.body))
				}
			} else if a := b.get(look + "/400.jpg"); a.status != http.StatusOK {
				t.Errorf("an unlocked photo answers %d", a.status)
			}
			// The other link keeps its own door.
			for other := range below {
				if other != base {
					stolen := &reader{site: s, jar: []*http.Cookie{{Name: b.jar[0].Name, Value: b.jar[0].Value, Path: other}}}
					stolen.get(other).sees(t, "/unlock")
				}
			}
			// A password that changes closes it again.
			owner := map[string]string{transfer: transferOwner, album: albumOwner}[base]
			s.done(owner+"/rules", "password", "un nouveau")
			b.get(base).sees(t, "/unlock")
		}
		for base, owner := range map[string]string{transfer: transferOwner, album: albumOwner} {
			s.done(owner+"/rules", "open", "on")
			(&reader{site: s}).get(base).misses(t, "/unlock")
		}
		if strings.Contains(s.log.String(), "mot de passe") {
			t.Error("the log holds a password")
		}
	})
}

func TestGuessingAPasswordIsBraked(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(20)})
		s.done(owner+"/rules", "password", "juste")
		b := &reader{site: s}
		for range 10 {
			b.post(guest+"/unlock", "password", "faux").sees(t, "pas le bon")
		}
		a := b.post(guest+"/unlock", "password", "juste")
		a.sees(t, "Trop d&#39;essais")
		if a.status != http.StatusTooManyRequests || len(b.jar) > 0 {
			t.Errorf("the eleventh try answers %d", a.status)
		}
		if s.get(owner).status != http.StatusOK {
			t.Error("the owner is locked out")
		}
		s.Move(time.Hour)
		if a := b.post(guest+"/unlock", "password", "juste"); a.status != http.StatusSeeOther {
			t.Errorf("an hour later the right one answers %d", a.status)
		}
		if a := b.post(guest+"/unlock", "password", strings.Repeat("x", 100_000)); a.status >= 500 {
			t.Errorf("a password of 100 kB answers %d", a.status)
		}
	})
}

func TestCodeGoesToTheGuestsOwnAddressAlone(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le divorce", workflowtest.File{Name: "a.bin", Bytes: film(20)})
		public := regexp.MustCompile(`class="link" href="https://mail\.home\.test(/t/[a-z2-7]+)"`).FindStringSubmatch(s.get(owner).body)[1]
		s.done(owner+"/rules", "code", "on").sees(t, `name="code" checked`)
		b := &reader{site: s}
		b.get(guest).sees(t, guest+"/code\"", `autocomplete="one-time-code"`)
		b.get(guest).misses(t, "divorce", "mamie")
		s.ask(http.MethodGet, guest+"/code")
		s.ask(http.MethodHead, guest+"/code")
		s.None() // looking mails nothing
		sent := b.post(guest + "/code")
		if sent.status != http.StatusSeeOther {
			t.Fatalf("asking for the code answers %d\n%s", sent.status, sent.body)
		}
		b.get(sent.header.Get("Location")).sees(t, "Le code vient de partir")
		s.Settle()
		m := s.One(mamie)
		if strings.Contains(m.Text, "divorce") {
			t.Error("the mail says what is locked")
		}
		code := regexp.MustCompile(`\b\d{6}\b`).FindString(m.Text)
		wrong := "000000"
		if code == wrong {
			wrong = "111111"
		}
		b.post(guest+"/unlock", "code", wrong).sees(t, "Ce code n")
		if a := b.post(guest+"/unlock", "code", code[:3]+" "+code[3:]); a.status != http.StatusSeeOther || len(b.jar) != 1 || b.jar[0].Name != "u_code" {
			t.Fatalf("the code answers %d, %v\n%s", a.status, b.jar, a.body)
		}
		b.get(guest).sees(t, "Le divorce", "a.bin")
		again := &reader{site: s}
		again.post(guest+"/unlock", "code", code).sees(t, "Ce code n") // it worked once

		// The link to pass on is nobody's, so nobody can be mailed.
		p := &reader{site: s}
		p.get(public).sees(t, "à transmettre")
		p.get(public).misses(t, "divorce", "/code\"")
		if a := p.post(public + "/code"); a.status != http.StatusNotFound {
			t.Errorf("a code for nobody answers %d", a.status)
		}
		for range 4 {
			b.jar = nil
			b.post(guest + "/code")
		}
		if a := b.post(guest + "/code"); a.status != http.StatusTooManyRequests {
			t.Errorf("the sixth code in an hour answers %d", a.status)
		}
	})
}
