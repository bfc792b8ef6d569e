package share_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/webgateway"
	"colporteur/webgateway/page"
	"colporteur/webgateway/share"
	"colporteur/workflow/link"
	"colporteur/workflow/workflowtest"
)

var mamie = mail.MustAddress("mamie@far.test")

// site is a house with its pages on a real socket.
type site struct {
	*workflowtest.House
	t   testing.TB
	url string
	log *bytes.Buffer
}

func each(t *testing.T, f func(t *testing.T, s *site)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, open(t, db)) })
}

func open(tb testing.TB, db *store.DB) *site {
	h := workflowtest.New(tb, db)
	s := &site{House: h, t: tb, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	pages := &page.Pages{Log: log}
	domain := func(context.Context) string { return "home.test" }
	g := &webgateway.Gateway{Hostname: "mail.home.test", URL: "https://mail.home.test", Pages: pages, Log: log,
		Domain: domain, Healthy: func(context.Context) error { return nil },
		Share: &share.Share{Pages: pages, Transfers: h.Transfers, Albums: h.Albums, Blobs: h.Blobs, URL: "https://mail.home.test", Domain: domain,
			Recheck: time.Nanosecond}} // with every block
	server := httptest.NewServer(g.Handler())
	tb.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// answer is what came back, whole.
type answer struct {
	status int
	header http.Header
	body   string
	broken error
}

func (s *site) ask(method, path string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

func (s *site) get(path string, header ...string) answer {
	return s.ask(http.MethodGet, path, header...)
}

// send mails files to the drop and returns mamie's link and ann's own.
func (s *site) send(subject string, files ...workflowtest.File) (guest, owner string) {
	s.t.Helper()
	s.Send(workflowtest.Mail{To: []string{"envoi@home.test", mamie.String()}, Subject: subject, Text: "Voilà.\n", Files: files})
	return s.links()
}

func (s *site) links() (guest, owner string) {
	s.t.Helper()
	kind := regexp.MustCompile(`home\.test(/[ta]/)`)
	m := s.One(mamie)
	prefix := kind.FindStringSubmatch(m.Text)[1]
	guest = prefix + string(m.Tokens()[0])
	for _, token := range s.One(workflowtest.Ann.Address).Tokens() {
		if strings.Contains(s.get(prefix+string(token)).body, "/recall\"") {
			owner = prefix + string(token)
		}
	}
	if owner == "" {
		s.t.Fatal("ann got no page of her own")
	}
	return guest, owner
}

func film(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func photo(t testing.TB, shade uint8) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 900, 600))
	for i := range m.Pix {
		m.Pix[i] = shade
	}
	m.Set(1, 1, color.White)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (s *site) album(name string, shades ...uint8) (guest, owner string) {
	s.t.Helper()
	m := workflowtest.Mail{To: []string{"album+" + name + "@home.test", mamie.String()}, Subject: name}
	for i, shade := range shades {
		m.Files = append(m.Files, workflowtest.File{Name: fmt.Sprintf("IMG_%d.jpg", i%2), Type: "image/jpeg", Bytes: photo(s.t, shade)})
	}
	s.Send(m)
	return s.links()
}

var photoPath = regexp.MustCompile(`/a/[a-z2-7]+/p/(\d+)`)

func (s *site) photos(album string) (paths []string) {
	for _, p := range photoPath.FindAllString(s.get(album).body, -1) {
		if !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}

func TestEveryAnswerKeepsItsAddressToItself(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(40_000)}, workflowtest.File{Name: "b.bin", Bytes: film(10)})
		album, _ := s.album("vacances", 10)
		paths := []string{guest, owner, guest + "/f/0/a.bin", guest + "/Le-film.zip", guest + "/nothing", "/t/aaaaaaaaaaaaaaaaaaaaaaaaaa", "/", "/mail", "/none", album, s.photos(album)[0], s.photos(album)[0] + "/400.jpg"}
		for _, path := range paths {
			a := s.get(path, "X-Forwarded-Host", "evil.invalid", "X-Forwarded-Proto", "gopher", "Host", "evil.invalid")
			for k, want := range map[string]string{"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex", "Cache-Control": "no-store"} {
				if got := a.header.Get(k); !strings.Contains(got, want) {
					t.Errorf("%s (%d): %s is %q, want %q", path, a.status, k, got, want)
				}
			}
			if !strings.Contains(a.header.Get("Cache-Control"), "private") {
				t.Errorf("%s may be kept by a shared cache", path)
			}
			csp := a.header.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
				if !strings.Contains(csp, want) {
					t.Errorf("%s: the policy lacks %s: %s", path, want, csp)
				}
			}
			if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || strings.Contains(csp, "http") {
				t.Errorf("%s: the policy lets something in: %s", path, csp)
			}
			if strings.Contains(a.body, "evil.invalid") || strings.Contains(fmt.Sprint(a.header), "evil.invalid") {
				t.Errorf("%s shows the name in the request", path)
			}
			if regexp.MustCompile(`style="|<script[^>]*[^/]>[^<]|<style|\son[a-z]+=`).MatchString(a.body) && strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Errorf("%s has what the policy forbids", path)
			}
			if len(a.header["Set-Cookie"]) > 0 {
				t.Errorf("%s sets a cookie", path)
			}
		}
		if !strings.Contains(s.get(owner).body, "https://mail.home.test/t/") {
			t.Error("the link to pass on is not made of the public address")
		}
		for _, path := range paths {
			for p := range strings.SplitSeq(path, "/") {
				if len(p) >= 26 && strings.Contains(s.log.String(), p) {
					t.Errorf("the log holds a token: %s", s.log)
				}
			}
		}
	})
}

func TestOnlyTheAddressThatWasGivenOpens(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(20)}, workflowtest.File{Name: "b.bin", Bytes: film(20)})
		other, _ := s.send("Autre", workflowtest.File{Name: "c.css", Bytes: film(20)})
		album, _ := s.album("vacances", 10, 90)
		second, _ := s.album("lac", 200)
		mine, theirs := s.photos(album), s.photos(second)
		if len(mine) != 2 || len(theirs) != 1 {
			t.Fatalf("%d and %d photos, want 2 and 1", len(mine), len(theirs))
		}
		foreign := photoPath.FindStringSubmatch(theirs[0])[1]
		want := s.get("/t/aaaaaaaaaaaaaaaaaaaaaaaaaa")
		if want.status != http.StatusNotFound {
			t.Fatalf("a token that was never given out answers %d", want.status)
		}
		token := guest[len("/t/"):]
		for _, path := range []string{
			"/t/" + strings.ToUpper(token), "/t/" + token + "=", "/t/" + token + "%20", "/t/" + token + "%00", "/t/" + token[:25], "/t/" + token + "a", "/T/" + token, "/a/" + token,
			guest + "/", guest + "/x.css", guest + ";.jpg", guest + "%2f..", guest + "%2Fx.css", guest + "/%2e%2e%2fx.css", guest + "?", guest + "/recall", guest + "/extend", owner + "/recall", owner + "/extend",
			guest + "/f", guest + "/f/", guest + "/f/0", guest + "/f/0/", guest + "/f/+0/a.bin", guest + "/f/00/a.bin", guest + "/f/-0/a.bin", guest + "/f/0x0/a.bin", guest + "/f/2/a.bin", guest + "/f/-1/a.bin", guest + "/f/99999999999999999999/a.bin",
			guest + "/f/0/b.bin", guest + "/f/0/x.css", guest + "/f/0/a.bin;x.css", guest + "/f/0/A.BIN", other + "/f/1/b.bin", other + "/f/0/a.bin", other + "/Le-film.zip", guest + "/Autre.zip", guest + "/le-film.zip",
			album + "/p/" + foreign, album + "/p/" + foreign + "/400.jpg", album + "/p/" + foreign + "/2048.jpg", second + "/p/" + photoPath.FindStringSubmatch(mine[0])[1] + "/2048.jpg",
			mine[0] + "1/400.jpg", strings.Replace(mine[0], "/p/", "/p/+", 1) + "/400.jpg", strings.Replace(mine[0], "/p/", "/p/0", 1) + "/400.jpg",
			mine[0] + "/original.jpg", mine[0] + "/400.png", mine[0] + "/400.jpg.css", mine[0] + "/", mine[0] + "/400.JPG", album + "/vacances.zip", album + "/recall",
			"/t/", "/a/", "/t", "/t/" + token + "/" + token,
		} {
			got := s.get(path)
			if path == guest+"?" { // the same address
				if got.status != http.StatusOK {
					t.Errorf("%s answers %d", path, got.status)
				}
				continue
			}
			if got.status != want.status || got.body != want.body {
				t.Errorf("%s answers %d, not as what does not exist:\n%.300s", path, got.status, got.body)
			}
			for k := range got.header {
				if k != "Date" && fmt.Sprint(got.header[k]) != fmt.Sprint(want.header[k]) {
					t.Errorf("%s: %s is %q, want %q", path, k, got.header[k], want.header[k])
				}
			}
		}
		for path, status := range map[string]int{guest: 200, owner: 200, album: 200, mine[0]: 200, mine[1] + "/400.jpg": 200, mine[1] + "/2048.jpg": 200, guest + "/f/1/b.bin": 200, guest + "/Le-film.zip": 200} {
			if got := s.get(path); got.status != status {
				t.Errorf("%s answers %d, want %d", path, got.status, status)
			}
		}
	})
}

func TestLookingNeverActsAndStrangersCannotPress(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		guest, owner := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: film(20)})
		album, albumOwner := s.album("vacances", 10)
		for _, p := range []string{owner, guest, albumOwner, album} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, "PROPFIND"} {
				if a := s.ask(method, p+"/recall", "X-HTTP-Method-Override", "POST"); a.status < 400 {
					t.Errorf("%s %s/recall answers %d", method, p, a.status)
				}
			}
			for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.invalid"}, {"Origin", "null"}} {
				if a := s.ask(http.MethodPost, p+"/recall", h...); a.status != http.StatusForbidden || strings.Contains(a.body, "effacé") {
					t.Errorf("a form elsewhere (%v) presses %s: %d", h, p, a.status)
				}
			}
		}
		for _, p := range []string{guest, album} { // a guest has no such button, and making one up is no use
			if a := s.ask(http.MethodPost, p+"/recall", "Sec-Fetch-Site", "same-origin"); a.status != http.StatusNotFound {
				t.Errorf("a guest recalls %s: %d", p, a.status)
			}
			if a := s.ask(http.MethodPost, p+"/extend", "Sec-Fetch-Site", "same-origin"); a.status != http.StatusNotFound {
				t.Errorf("a guest extends %s: %d", p, a.status)
			}
		}
		for _, p := range []string{guest, owner, album, albumOwner} {
			if a := s.get(p); a.status != http.StatusOK {
				t.Fatalf("%s is gone: %d", p, a.status)
			}
		}
		if a := s.ask(http.MethodPost, owner+"/extend?lang=en", "Sec-Fetch-Site", "same-origin"); a.status != http.StatusSeeOther || a.header.Get("Location") != owner+"?lang=en&said=t-extended" {
			t.Errorf("extending answers %d, %s", a.status, a.header.Get("Location"))
		}
		for guest, owner := range map[string]string{guest: owner, album: albumOwner} {
			if a := s.ask(http.MethodPost, owner+"/recall", "Sec-Fetch-Site", "same-origin"); a.status != http.StatusSeeOther && a.status != http.StatusOK {
				t.Errorf("the button answers %d\n%s", a.status, a.body)
			}
			s.Settle()
			if a := s.get(guest); a.status != http.StatusNotFound {
				t.Errorf("%s answers %d after the recall", guest, a.status)
			}
			if a := s.get(owner); a.status != http.StatusOK || !strings.Contains(a.body, "/restore\"") {
				t.Errorf("the owner's page (%d) does not offer the way back:\n%s", a.status, a.body)
			}
		}
	})
}

func TestDownloadsAreSavedUnderTheirNameAndNeverShown(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		long := strings.Repeat("é", 150) + ".txt"
		names := []string{`a";x=".html`, "b\r\nSet-Cookie: x=1.html", "c%0d%0aX: y.svg", "été à Gérardmer.pdf", "日本語.html", long, "back\\slash;semi.js", "percent%41.txt", "..", "plain.txt"}
		var files []workflowtest.File
		for i, n := range names {
			files = append(files, workflowtest.File{Name: n, Type: []string{"text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "application/pdf"}[i%5], Bytes: fmt.Appendf(nil, "<script>%d</script>", i)})
		}
		guest, _ := s.send("Noms", files...)
		body := s.get(guest).body
		paths := regexp.MustCompile(`href="(/t/[^"]+/f/\d+/[^"]*)"`).FindAllStringSubmatch(body, -1)
		if len(paths) != len(names) {
			t.Fatalf("%d files are listed, want %d:\n%s", len(paths), len(names), body)
		}
		for i, p := range paths {
			a := s.get(strings.ReplaceAll(p[1], "&#43;", "+"))
			if want := fmt.Sprintf("<script>%d</script>", i); a.status != http.StatusOK || a.body != want {
				t.Errorf("%q at %s: %d %q", names[i], p[1], a.status, a.body)
				continue
			}
			cd := a.header.Get("Content-Disposition")
			disposition, params, err := mime.ParseMediaType(cd)
			if err != nil || disposition != "attachment" || len(params) != 1 {
				t.Errorf("%q: %v in %s (%v)", names[i], params, cd, err)
			}
			name := params["filename"]
			if name == "" || name == ".." || strings.ContainsAny(name, "/\\\r\n") || len(name) > 255 {
				t.Errorf("%q is saved as %q", names[i], name)
			}
			if strings.Contains(names[i], "été") && name != names[i] || names[i] == "plain.txt" && name != names[i] || names[i] == "日本語.html" && name != names[i] {
				t.Errorf("%q is saved as %q", names[i], name)
			}
			if ct := a.header.Get("Content-Type"); regexp.MustCompile(`html|svg|xml|javascript|text/`).MatchString(ct) {
				t.Errorf("%q is served as %s", names[i], ct)
			}
			if a.header.Get("Set-Cookie") != "" || a.header.Get("X") != "" {
				t.Errorf("%q splits the header: %v", names[i], a.header)
			}
		}
	})
}

func TestRangesAreOneOrTheWhole(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		b := film(1_000_000)
		guest, _ := s.send("Le film", workflowtest.File{Name: "a.bin", Bytes: b})
		p := guest + "/f/0/a.bin"
		whole := s.get(p)
		tag := whole.header.Get("ETag")
		if whole.status != 200 || whole.body != string(b) || tag == "" || whole.header.Get("Content-Length") != "1000000" {
			t.Fatalf("the whole: %d, %d bytes, %v", whole.status, len(whole.body), whole.header)
		}
		many := "bytes=0-1" + strings.Repeat(",0-", 1000)
		for _, c := range []struct {
			name, rng, ifRange string
			status             int
			from, to           int
		}{
			{"the middle", "bytes=70000-700000", "", 206, 70000, 700001},
			{"to the end", "bytes=999999-", "", 206, 999999, 1000000},
			{"the last", "bytes=-5", "", 206, 999995, 1000000},
			{"more than there is", "bytes=500000-9999999", "", 206, 500000, 1000000},
			{"resumed", "bytes=1-", tag, 206, 1, 1000000},
			{"resumed with another tag", "bytes=1-", `"other"`, 200, 0, 1000000},
			{"resumed with a weak tag", "bytes=1-", "W/" + tag, 200, 0, 1000000},
			{"resumed with a date", "bytes=1-", "Sat, 14 Nov 2026 10:00:00 GMT", 200, 0, 1000000},
			{"beyond the end", "bytes=1000000-", "", 416, 0, 0},
			{"backwards", "bytes=9-1", "", 416, 0, 0},
			{"a thousand", many, "", 200, 0, 1000000},
			{"overlapping", "bytes=0-9,5-15", "", 200, 0, 1000000},
		} {
			a := s.get(p, "Range", c.rng, "If-Range", c.ifRange)
			if a.status != c.status || c.status != 416 && a.body != string(b[c.from:c.to]) {
				t.Errorf("%s: got %d with %d bytes, want %d with %d", c.name, a.status, len(a.body), c.status, c.to-c.from)
			}
			if strings.HasPrefix(a.header.Get("Content-Type"), "multipart") {
				t.Errorf("%s: answered in parts", c.name)
			}
		}
		if a := s.ask(http.MethodHead, p); a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "1000000" || a.header.Get("ETag") != tag {
			t.Errorf("HEAD: %d %v", a.status, a.header)
		}
		if a := s.ask(http.MethodHead, guest+"/Le-film.zip"); a.status != 404 { // one file has no zip button, but its address is the same
			if a.body != "" {
				t.Errorf("HEAD of the zip: %d bytes", len(a.body))
			}
		}
		if a := s.get(p, "If-None-Match", tag); a.status != http.StatusNotModified || a.body != "" {
			t.Errorf("If-None-Match: %d", a.status)
		}
	})
}

func TestTheZipHoldsEveryFileOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		one, two, three := film(600_000), film(5), film(70_000)
		guest, owner := s.send("Été : tout", workflowtest.File{Name: "photo.jpg", Bytes: one}, workflowtest.File{Name: "Photo.JPG", Bytes: two}, workflowtest.File{Name: "日本.bin", Bytes: three})
		for _, p := range []string{guest, owner, guest + "?lang=en"} {
			m := regexp.MustCompile(`href="(/t/[^"]+\.zip)"`).FindStringSubmatch(s.get(p).body)
			if m == nil {
				t.Fatalf("%s has no zip", p)
			}
			a := s.get(m[1])
			r, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
			if err != nil {
				t.Fatalf("%s: %v (%d)", m[1], err, a.status)
			}
			var got [][]byte
			names := map[string]bool{}
			for _, f := range r.File {
				rc, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(rc)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, b)
				names[strings.ToLower(f.Name)] = true
				if f.Method != zip.Store || strings.ContainsAny(f.Name, "/\\") {
					t.Errorf("%q with method %d", f.Name, f.Method)
				}
			}
			if len(got) != 3 || len(names) != 3 || !bytes.Equal(got[0], one) || !bytes.Equal(got[1], two) || !bytes.Equal(got[2], three) {
				t.Errorf("the zip holds %d files with the names %v", len(got), names)
			}
			if _, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition")); err != nil || params["filename"] != "Été-tout.zip" {
				t.Errorf("it is saved as %v (%v)", params, err)
			}
		}
		album, _ := s.album("vacances", 10, 20, 30)
		m := regexp.MustCompile(`href="(/a/[^"]+\.zip)"`).FindStringSubmatch(s.get(album).body)
		a := s.get(m[1])
		r, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
		if err != nil || len(r.File) != 3 || r.File[0].Name == r.File[2].Name {
			t.Errorf("the album's zip: %v", err)
		}
	})
}

// slow reads a little of an answer and then does something before the rest.
func (s *site) slow(path string, then func()) (int64, error) {
	s.t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.CopyN(io.Discard, resp.Body, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	then()
	m, err := io.Copy(io.Discard, resp.Body)
	return n + m, err
}

func TestARecallStopsDownloadsUnderWay(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		const size = 12_000_000 // more than the sockets between us hold
		for _, whole := range []string{"/f/0/a.bin", "/Film.zip"} {
			guest, owner := s.send("Film", workflowtest.File{Name: "a.bin", Bytes: film(size)}, workflowtest.File{Name: "b.bin", Bytes: film(size / 2)})
			token := link.Token(owner[len("/t/"):])
			n, err := s.slow(guest+whole, func() {
				v, err := s.Transfers.Open(t.Context(), link.Visit{Token: token})
				if err == nil {
					err = s.Transfers.Recall(t.Context(), v.ID, link.Holder(v.Link))
				}
				if err != nil {
					t.Fatal(err)
				}
			})
			if err == nil || n >= size {
				t.Errorf("%s: %d bytes came after the recall, and the end looked right (%v)", whole, n, err)
			}
			s.Settle()
			s.One(workflowtest.Ann.Address) // told that it is gone
		}
	})
}

func TestWhatTheSenderWroteIsTextOnThePage(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		evil := `<img src=x onerror=alert(1)>`
		guest, _ := s.send(evil, workflowtest.File{Name: evil + ".txt", Bytes: []byte("x")}, workflowtest.File{Name: "javascript:alert(1)", Bytes: []byte("x")})
		a := s.get(guest)
		if strings.Contains(a.body, "<img") || strings.Contains(a.body, `href="javascript`) {
			t.Errorf("the page holds the sender's markup:\n%s", a.body)
		}
		if q := s.get(guest + "?lang=" + url.QueryEscape(`"><script>`)); strings.Contains(q.body, "<script") {
			t.Error("the page holds what the address says")
		}
	})
}
