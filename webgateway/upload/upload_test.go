package upload_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/webgateway"
	"colporteur/webgateway/page"
	"colporteur/webgateway/share"
	"colporteur/webgateway/upload"
	"colporteur/workflow/transfer"
	"colporteur/workflow/workflowtest"
)

// site is a house with its pages on a real socket.
type site struct {
	*workflowtest.House
	t       *testing.T
	url     string
	address string
	log     *bytes.Buffer
	pages   *upload.Upload
}

func each(t *testing.T, f func(t *testing.T, s *site)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := workflowtest.New(t, db)
		s := &site{House: h, t: t, log: &bytes.Buffer{}}
		log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
		pages := &page.Pages{Log: log}
		const here = "https://mail.home.test"
		g := &webgateway.Gateway{Hostname: "mail.home.test", URL: here, Pages: pages, Log: log,
			Domain: func(context.Context) string { return "home.test" }, Healthy: func(context.Context) error { return nil },
			Share:  &share.Share{Pages: pages, Transfers: h.Transfers, Albums: h.Albums, Blobs: h.Blobs, URL: here},
			Upload: &upload.Upload{Pages: pages, Places: h.Places, URL: here, Log: log}}
		s.pages = g.Upload
		server := httptest.NewServer(g.Handler())
		t.Cleanup(server.Close)
		s.url, s.address = server.URL, server.Listener.Addr().String()
		f(t, s)
	})
}

// answer is what came back, whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) offset() int64 {
	n, err := strconv.ParseInt(a.header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (s *site) ask(method, path string, body []byte, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// tus is ask in the protocol's tongue.
func (s *site) tus(method, path string, body []byte, header ...string) answer {
	s.t.Helper()
	a := s.ask(method, path, body, append([]string{"Tus-Resumable", "1.0.0"}, header...)...)
	if a.header.Get("Tus-Resumable") != "1.0.0" {
		s.t.Errorf("%s %s: the answer says Tus-Resumable %q", method, path, a.header.Get("Tus-Resumable"))
	}
	if cc := a.header.Get("Cache-Control"); cc != "private, no-store" {
		s.t.Errorf("%s %s: Cache-Control %q", method, path, cc)
	}
	return a
}

func (s *site) patch(path string, offset int64, body []byte, header ...string) answer {
	s.t.Helper()
	return s.tus(http.MethodPatch, path, body, append([]string{"Upload-Offset", fmt.Sprint(offset), "Content-Type", "application/offset+octet-stream"}, header...)...)
}

// create announces a file and returns its address.
func (s *site) create(place string, length int, name string, header ...string) string {
	s.t.Helper()
	meta := "filename " + base64.StdEncoding.EncodeToString([]byte(name)) + ",filetype " + base64.StdEncoding.EncodeToString([]byte("video/mp4"))
	a := s.tus(http.MethodPost, place+"/u", nil, append([]string{"Upload-Length", fmt.Sprint(length), "Upload-Metadata", meta}, header...)...)
	if a.status != http.StatusCreated || !strings.HasPrefix(a.header.Get("Location"), place+"/u/") {
		s.t.Fatalf("create: %d %v %s", a.status, a.header, a.body)
	}
	return a.header.Get("Location")
}

// secret is the end of an upload's address.
func secret(address string) string { return address[strings.LastIndexByte(address, '/')+1:] }

// place has Ann open one; it returns its address for others, and hers.
func (s *site) place(title string) (pass, own string) {
	s.t.Helper()
	s.Send(workflowtest.Mail{To: []string{"depot@home.test"}, Subject: title, Text: "Vos photos de la fête, s'il vous plaît.\n"})
	ts := s.One(workflowtest.Ann.Address).Tokens()
	if len(ts) != 2 {
		s.t.Fatalf("the answer has %d links, want the one to pass on and hers", len(ts))
	}
	return "/d/" + string(ts[0]), "/d/" + string(ts[1])
}

var onceField = regexp.MustCompile(`name="once" value="([0-9a-f]{32})"`)

// form hands in uploads that are whole.
func (s *site) form(place string, fields url.Values) answer {
	s.t.Helper()
	if fields.Get("once") == "" {
		m := onceField.FindStringSubmatch(s.ask(http.MethodGet, place, nil).body)
		if m == nil {
			s.t.Fatal("the page has no form")
		}
		fields.Set("once", m[1])
	}
	return s.ask(http.MethodPost, place, []byte(fields.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

func random(n int) []byte {
	b := make([]byte, n)
	var seed [32]byte
	seed[0], seed[1], seed[2] = byte(n), byte(n>>8), byte(n>>16)
	rand.NewChaCha8(seed).Read(b)
	return b
}

func hexSum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// stored is the SHA-256 of the only file of all transfers, as the row says and
// as the bytes are.
func (s *site) stored() string {
	s.t.Helper()
	ts, err := s.Transfers.List(s.t.Context())
	if err != nil || len(ts) != 1 || len(ts[0].Files) != 1 {
		s.t.Fatalf("transfers: %+v, %v; want one with one file", ts, err)
	}
	if !ts[0].Given() || ts[0].Origin() != transfer.ByWeb {
		s.t.Errorf("it was handed in by somebody, and is told as %q, %v", ts[0].Origin(), ts[0].Given())
	}
	f := ts[0].Files[0]
	if got := hexSum(s.Read(f.Blob)); got != f.SHA256 {
		s.t.Errorf("the row says SHA-256 %s, the bytes are %s", f.SHA256, got)
	}
	return f.SHA256
}

func TestAFileComesInPiecesAndBecomesATransferOfTheOwner(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, _ := s.place("Le film de la fête")
		film := random(3_000_000)
		up := s.create(pass, len(film), "film.mp4")
		if a := s.tus(http.MethodHead, up, nil); a.status != 200 || a.offset() != 0 || a.header.Get("Upload-Length") != "3000000" || a.header.Get("Upload-Expires") == "" {
			t.Errorf("HEAD of a new upload: %d %v", a.status, a.header)
		}
		for at, n := int64(0), int64(1); at < int64(len(film)); n *= 37 {
			end := min(at+n, int64(len(film)))
			a := s.patch(up, at, film[at:end])
			if a.status != http.StatusNoContent || a.offset() != end {
				t.Fatalf("PATCH at %d: %d %v %s", at, a.status, a.header, a.body)
			}
			at = end
			if a := s.tus(http.MethodHead, up, nil); a.offset() != end {
				t.Errorf("HEAD says %d, want %d", a.offset(), end)
			}
		}
		a := s.form(pass, url.Values{"giver": {"Claire"}, "message": {"Voilà le film.\nÀ bientôt"}, "upload": {secret(up)}})
		if a.status != 200 || !strings.Contains(a.body, "Votre fichier est remis") || !strings.Contains(a.body, "Ann Petit") {
			t.Fatalf("the form: %d\n%s", a.status, a.body)
		}
		if strings.Contains(a.body, "/t/") {
			t.Error("the giver is shown the owner's link")
		}
		s.Settle()
		m := s.One(workflowtest.Ann.Address)
		if !strings.Contains(m.Subject, "Claire") || !strings.Contains(m.Text, "Voilà le film.") || !strings.Contains(m.Text, "film.mp4") || len(m.Tokens()) == 0 {
			t.Errorf("the owner reads: %s\n%s", m.Subject, m.Text)
		}
		if got := s.stored(); got != hexSum(film) {
			t.Errorf("SHA-256 %s, want %s", got, hexSum(film))
		}
		got := s.ask(http.MethodGet, "/t/"+string(m.Tokens()[0])+"/f/0/film.mp4", nil)
		if got.status != 200 || got.body != string(film) {
			t.Errorf("her page gives %d with %d bytes", got.status, len(got.body))
		}
		if n := s.Count(`SELECT count(*) FROM upload`) + s.Count(`SELECT count(*) FROM upload_piece`); n != 0 {
			t.Errorf("%d rows of the upload are left", n)
		}
		// What was handed in cannot be reached by the giver any more.
		if a := s.tus(http.MethodHead, up, nil); a.status != http.StatusNotFound {
			t.Errorf("HEAD afterwards: %d", a.status)
		}
	})
}

func TestTheSameFormTwiceHandsInOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, own := s.place("Fête")
		for name, at := range map[string]string{"a guest": pass, "the owner": own} {
			up := s.create(at, 5, "a.txt")
			s.patch(up, 0, []byte("salut"))
			fields := url.Values{"upload": {secret(up)}, "guests": {"mamie@far.test"}}
			first := s.form(at, fields)
			again := s.form(at, fields)
			if first.status != 200 || again.status != 200 || first.body != again.body {
				t.Errorf("%s: %d and then %d\n%s", name, first.status, again.status, again.body)
			}
		}
		s.Settle()
		if n := s.Count(`SELECT count(*) FROM transfer`); n != 2 {
			t.Errorf("%d transfers, want two", n)
		}
		if ms := s.Mails(mail.MustAddress("mamie@far.test")); len(ms) != 1 {
			t.Errorf("%d invitations, want the owner's one", len(ms))
		}
	})
}

func TestABrokenConnectionKeepsWhatArrived(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, _ := s.place("Fête")
		film := random(40 << 20)
		up := s.create(pass, len(film), "film.mp4")
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n", up, len(film))
		const sent = 36<<20 + 4711
		if _, err := c.Write(film[:sent]); err != nil {
			t.Fatal(err)
		}
		c.Close()
		var at int64
		for end := time.Now().Add(20 * time.Second); at < sent; time.Sleep(5 * time.Millisecond) {
			if at = s.tus(http.MethodHead, up, nil).offset(); time.Now().After(end) {
				t.Fatalf("%d of %d bytes that were sent were kept", at, sent)
			}
		}
		if a := s.patch(up, at, film[at:]); a.status != http.StatusNoContent || a.offset() != int64(len(film)) {
			t.Fatalf("going on: %d %v", a.status, a.header)
		}
		s.form(pass, url.Values{"upload": {secret(up)}})
		if got := s.stored(); got != hexSum(film) {
			t.Errorf("SHA-256 %s, want %s", got, hexSum(film))
		}
		if n := s.Count(`SELECT count(*) FROM blob_piece`); n != 3 {
			t.Errorf("joined of %d pieces, want 3: 32 MiB, the rest of the first request, the second", n)
		}
	})
}

func TestASenderWhoFallsSilentIsCutOffAndWhatCameIsKept(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, _ := s.place("Fête")
		s.pages.Stall = 300 * time.Millisecond
		up := s.create(pass, 100_000, "a")
		for name, head := range map[string]string{
			"an upload": "PATCH " + up + " HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 100000\r\n\r\n",
			"the form":  "POST " + pass + " HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n",
			"a refusal": "PATCH " + up + " HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 7\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 100000\r\n\r\n",
			"a field":   "POST " + pass + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\ngiver=",
		} {
			c, err := net.Dial("tcp", s.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, head+strings.Repeat("x", 50_000))
			c.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("%s: the connection is still held: %v", name, err)
			}
		}
		if a := s.tus(http.MethodHead, up, nil); a.offset() != 50_000 {
			t.Errorf("the upload stands at %d, want what came", a.offset())
		}
		if n := s.Count(`SELECT count(*) FROM handed`); n != 0 {
			t.Errorf("%d things were handed in", n)
		}
	})
}

func TestEachRefusalHasItsStatus(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, own := s.place("Fête")
		other, _ := s.place("Une autre")
		s.Places.Max = 1000
		up := s.create(pass, 100, "a.bin")
		s.patch(up, 0, random(10))
		whole := s.create(pass, 3, "b.bin")
		s.patch(whole, 0, []byte("abc"))
		part := s.create(pass, 3, "c", "Upload-Concat", "partial")
		sum := func(b []byte) string {
			h := sha1.Sum(b)
			return "sha1 " + base64.StdEncoding.EncodeToString(h[:])
		}
		const stream = "application/offset+octet-stream"
		for name, c := range map[string]struct {
			method, path string
			body         string
			header       []string
			status       int
		}{
			"another version":           {"PATCH", up, "x", []string{"Tus-Resumable", "0.2.2", "Upload-Offset", "10", "Content-Type", stream}, 412},
			"no version":                {"POST", pass + "/u", "", []string{"Tus-Resumable", "", "Upload-Length", "1"}, 412},
			"no length":                 {"POST", pass + "/u", "", nil, 400},
			"a length put off":          {"POST", pass + "/u", "", []string{"Upload-Defer-Length", "1"}, 400},
			"a negative length":         {"POST", pass + "/u", "", []string{"Upload-Length", "-1"}, 400},
			"a length with a sign":      {"POST", pass + "/u", "", []string{"Upload-Length", "+1"}, 400},
			"a length beyond 64 bits":   {"POST", pass + "/u", "", []string{"Upload-Length", "99999999999999999999"}, 400},
			"over the limit":            {"POST", pass + "/u", "", []string{"Upload-Length", "1001"}, 413},
			"broken metadata":           {"POST", pass + "/u", "", []string{"Upload-Length", "1", "Upload-Metadata", "filename !!"}, 400},
			"an unknown concat":         {"POST", pass + "/u", "", []string{"Upload-Length", "1", "Upload-Concat", "parts"}, 400},
			"unknown token":             {"POST", "/d/aaaaaaaaaaaaaaaaaaaaaaaaaa/u", "", []string{"Upload-Length", "1"}, 404},
			"an unknown upload":         {"HEAD", pass + "/u/aaaaaaaaaaaaaaaaaaaaaaaaaa", "", nil, 404},
			"under another place":       {"HEAD", other + "/u/" + secret(up), "", nil, 404},
			"a wrong offset":            {"PATCH", up, "x", []string{"Upload-Offset", "9", "Content-Type", stream}, 409},
			"an offset beyond":          {"PATCH", up, "x", []string{"Upload-Offset", "101", "Content-Type", stream}, 409},
			"no offset":                 {"PATCH", up, "x", []string{"Content-Type", stream}, 400},
			"another type":              {"PATCH", up, "x", []string{"Upload-Offset", "10", "Content-Type", "text/plain"}, 415},
			"more than announced":       {"PATCH", whole, "more", []string{"Upload-Offset", "3", "Content-Type", stream}, 413},
			"a wrong checksum":          {"PATCH", up, "hello", []string{"Upload-Offset", "10", "Content-Type", stream, "Upload-Checksum", sum([]byte("hullo"))}, 460},
			"an unknown checksum":       {"PATCH", up, "hello", []string{"Upload-Offset", "10", "Content-Type", stream, "Upload-Checksum", "md5 XUFAKrxLKna5cZ2REBfFkg=="}, 400},
			"a short checksum":          {"PATCH", up, "hello", []string{"Upload-Offset", "10", "Content-Type", stream, "Upload-Checksum", "sha1 aGVs"}, 400},
			"joining what is not whole": {"POST", pass + "/u", "", []string{"Upload-Concat", "final;" + part}, 409},
			"joining no parts":          {"POST", pass + "/u", "", []string{"Upload-Concat", "final;" + whole}, 409},
			"joining another place's":   {"POST", other + "/u", "", []string{"Upload-Concat", "final;" + strings.Replace(part, pass, other, 1)}, 404},
			"joining nonsense":          {"POST", pass + "/u", "", []string{"Upload-Concat", "final;/etc/passwd"}, 400},
			"joining with a length":     {"POST", pass + "/u", "", []string{"Upload-Concat", "final;" + part, "Upload-Length", "3"}, 400},
			"GET of an upload":          {"GET", up, "", nil, 405},
			"PUT of an upload":          {"PUT", up, "x", nil, 405},
			"a form without a file":     {"POST", pass, "giver=Claire", []string{"Content-Type", "application/x-www-form-urlencoded"}, 422},
			"an upload half there":      {"POST", pass, "upload=" + secret(up), []string{"Content-Type", "application/x-www-form-urlencoded"}, 422},
			"somebody else's upload":    {"POST", other, "upload=" + secret(whole), []string{"Content-Type", "application/x-www-form-urlencoded"}, 404},
			"a guest closes the place":  {"POST", pass + "/close", "", nil, 404},
			"from another site":         {"POST", own + "/close", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		} {
			if len(c.header) == 0 || c.header[0] != "Tus-Resumable" {
				c.header = append(c.header, "Tus-Resumable", "1.0.0")
			}
			a := s.ask(c.method, c.path, []byte(c.body), c.header...)
			if a.status != c.status {
				t.Errorf("%s: got %d, want %d (%s)", name, a.status, c.status, a.body)
			}
			if c.status == 412 && a.header.Get("Tus-Version") != "1.0.0" {
				t.Errorf("%s: Tus-Version %q", name, a.header.Get("Tus-Version"))
			}
		}
		if a := s.tus(http.MethodHead, up, nil); a.offset() != 10 {
			t.Errorf("after all that the upload stands at %d, want 10", a.offset())
		}
		if a := s.tus(http.MethodHead, whole, nil); a.offset() != 3 {
			t.Errorf("the whole one stands at %d", a.offset())
		}
		if strings.Contains(s.log.String(), secret(up)) || strings.Contains(s.log.String(), pass[3:]) {
			t.Errorf("a secret is in the log: %s", s.log)
		}
		if n := s.Count(`SELECT count(*) FROM transfer`) + s.Count(`SELECT count(*) FROM handed`); n != 0 {
			t.Errorf("%d things were handed in", n)
		}
	})
}

func TestEveryExtensionOfTheProtocol(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, _ := s.place("Fête")
		a := s.ask(http.MethodOptions, pass+"/u", nil)
		for _, x := range []string{"creation", "creation-with-upload", "expiration", "checksum", "concatenation", "termination"} {
			if !strings.Contains(","+a.header.Get("Tus-Extension")+",", ","+x+",") {
				t.Errorf("OPTIONS does not name %s: %v", x, a.header)
			}
		}
		if a.status != 204 || a.header.Get("Tus-Max-Size") == "" || a.header.Get("Tus-Checksum-Algorithm") != "sha1,sha256" || a.header.Get("Tus-Version") != "1.0.0" {
			t.Errorf("OPTIONS: %d %v", a.status, a.header)
		}

		t.Run("creation-with-upload", func(t *testing.T) {
			a := s.tus(http.MethodPost, pass+"/u", []byte("hello"), "Upload-Length", "11", "Content-Type", "application/offset+octet-stream")
			if a.status != 201 || a.offset() != 5 {
				t.Fatalf("%d %v", a.status, a.header)
			}
			if b := s.patch(a.header.Get("Location"), 5, []byte(" world")); b.offset() != 11 {
				t.Errorf("going on: %d %v", b.status, b.header)
			}
		})
		t.Run("checksum", func(t *testing.T) {
			up := s.create(pass, 10, "a")
			h := sha256.Sum256([]byte("hello"))
			if a := s.patch(up, 0, []byte("hello"), "Upload-Checksum", "sha256 "+base64.StdEncoding.EncodeToString(h[:])); a.offset() != 5 {
				t.Errorf("a right sha256: %d %s", a.status, a.body)
			}
			g := sha1.Sum([]byte("world"))
			if a := s.patch(up, 5, []byte("world"), "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(g[:])); a.offset() != 10 {
				t.Errorf("a right sha1: %d %s", a.status, a.body)
			}
		})
		t.Run("concatenation", func(t *testing.T) {
			want := []byte{}
			var parts []string
			for i := range 3 {
				b := random(50_000 + i)
				up := s.create(pass, len(b), "", "Upload-Concat", "partial")
				if a := s.tus(http.MethodHead, up, nil); a.header.Get("Upload-Concat") != "partial" {
					t.Errorf("HEAD of a part: %v", a.header)
				}
				s.patch(up, 0, b[:20_000])
				s.patch(up, 20_000, b[20_000:])
				want = append(want, b...)
				parts = append(parts, up)
			}
			parts[1] = "https://mail.home.test" + parts[1] // clients send both forms
			a := s.tus(http.MethodPost, pass+"/u", nil, "Upload-Concat", "final;"+strings.Join(parts, " "),
				"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte("tout.bin")))
			if a.status != 201 {
				t.Fatalf("final: %d %s", a.status, a.body)
			}
			whole := a.header.Get("Location")
			if a := s.tus(http.MethodHead, whole, nil); a.offset() != int64(len(want)) {
				t.Errorf("HEAD of the whole: %v", a.header)
			}
			if a := s.patch(whole, int64(len(want)), nil); a.status != 403 {
				t.Errorf("PATCH of the whole: %d", a.status)
			}
			if a := s.form(pass, url.Values{"upload": {secret(whole)}}); a.status != 200 {
				t.Fatalf("handing in: %d %s", a.status, a.body)
			}
			if got := s.stored(); got != hexSum(want) {
				t.Errorf("SHA-256 %s, want %s", got, hexSum(want))
			}
		})
		t.Run("termination", func(t *testing.T) {
			before := s.Count(`SELECT count(*) FROM blob`)
			up := s.create(pass, 100_000, "a")
			s.patch(up, 0, random(70_000))
			if s.Count(`SELECT count(*) FROM blob`) != before+1 {
				t.Error("nothing was kept")
			}
			if a := s.tus(http.MethodDelete, up, nil); a.status != 204 {
				t.Errorf("DELETE: %d", a.status)
			}
			if a := s.tus(http.MethodHead, up, nil); a.status != 404 {
				t.Errorf("HEAD afterwards: %d", a.status)
			}
			if s.Count(`SELECT count(*) FROM blob`) != before {
				t.Error("its bytes are still there")
			}
			up = s.create(pass, 3, "b")
			s.patch(up, 0, []byte("abc"))
			if a := s.ask(http.MethodPost, up, nil, "Tus-Resumable", "1.0.0", "X-HTTP-Method-Override", "DELETE"); a.status != 204 {
				t.Errorf("DELETE in a POST's clothes, of a whole one: %d", a.status)
			}
			if s.Count(`SELECT count(*) FROM blob`) != before {
				t.Error("its bytes are still there")
			}
		})
		t.Run("expiration", func(t *testing.T) {
			before := s.Count(`SELECT count(*) FROM blob`)
			up := s.create(pass, 100_000, "a")
			s.Move(20 * time.Hour)
			if _, err := s.Places.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			a := s.patch(up, 0, random(70_000)) // and lives a day longer
			when, err := http.ParseTime(a.header.Get("Upload-Expires"))
			if err != nil || !when.Equal(s.Now().Add(24*time.Hour).Truncate(time.Second)) {
				t.Errorf("Upload-Expires %q at %s: %v", a.header.Get("Upload-Expires"), s.Now(), err)
			}
			s.Move(23 * time.Hour)
			if a := s.tus(http.MethodHead, up, nil); a.status != 200 {
				t.Errorf("HEAD in time: %d", a.status)
			}
			s.Move(time.Hour)
			if a := s.tus(http.MethodHead, up, nil); a.status != 404 {
				t.Errorf("HEAD too late: %d", a.status)
			}
			if _, err := s.Places.Sweep(t.Context()); err != nil || s.Count(`SELECT count(*) FROM blob`) > before {
				t.Errorf("the sweep left bytes behind: %v", err)
			}
		})
		t.Run("nothing", func(t *testing.T) {
			up := s.create(pass, 0, "vide.txt")
			if a := s.form(pass, url.Values{"upload": {secret(up)}}); a.status != 200 {
				t.Errorf("an empty file: %d %s", a.status, a.body)
			}
		})
	})
}

func TestTwoConnectionsForOneFileWriteItOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, _ := s.place("Fête")
		b := random(500_000)
		up := s.create(pass, len(b), "a")
		answers := make(chan answer, 8)
		for range cap(answers) {
			go func() { answers <- s.patch(up, 0, b) }()
		}
		won := 0
		for range cap(answers) {
			switch a := <-answers; a.status {
			case 204:
				won++
			case 409:
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		if won != 1 {
			t.Errorf("%d connections were told that they wrote it, want one", won)
		}
		s.form(pass, url.Values{"upload": {secret(up)}})
		if got := s.stored(); got != hexSum(b) {
			t.Error("the bytes are not those that were sent")
		}
	})
}

// multi is the form as a browser without a script sends it.
func multi(t *testing.T, fields map[string]string, files map[string][]byte) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		w.WriteField(k, v)
	}
	for name, body := range files {
		p, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		p.Write(body)
	}
	w.Close()
	return w.FormDataContentType(), b.Bytes()
}

func TestTheFormWorksWithoutAScript(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, own := s.place("La fête <b>")
		p := s.ask(http.MethodGet, pass, nil)
		if p.status != 200 || !strings.Contains(p.body, "La fête &lt;b&gt;") || !strings.Contains(p.body, "Vos photos de la fête") ||
			!strings.Contains(p.body, `enctype="multipart/form-data"`) || strings.Contains(p.body, "/close") {
			t.Fatalf("the page: %d\n%s", p.status, p.body)
		}
		film := random(200_000)
		kind, body := multi(t, map[string]string{"giver": "Cl\u202eaire\x00", "message": "Bonjour", "once": "x"}, map[string][]byte{"../../etc/film.mp4": film})
		if a := s.ask(http.MethodPost, pass, body, "Content-Type", kind); a.status != 200 || !strings.Contains(a.body, "est remis") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if got := s.stored(); got != hexSum(film) {
			t.Errorf("SHA-256 %s", got)
		}
		s.Settle()
		m := s.One(workflowtest.Ann.Address)
		if !strings.Contains(m.Text, "Claire") || strings.Contains(m.Text, "../") {
			t.Errorf("the owner reads:\n%s", m.Text)
		}
		// Again with the same form, after a reload.
		if a := s.ask(http.MethodPost, pass, body, "Content-Type", kind); a.status != 200 {
			t.Errorf("the same again: %d %s", a.status, a.body)
		}
		if n := s.Count(`SELECT count(*) FROM transfer_file`); n != 1 {
			t.Errorf("%d files, want one", n)
		}
		list := s.ask(http.MethodGet, own, nil)
		if !strings.Contains(list.body, "Claire") || !strings.Contains(list.body, "/close") {
			t.Errorf("the owner's page:\n%s", list.body)
		}
		for name, c := range map[string]struct {
			kind   string
			body   []byte
			status int
		}{
			"cut off":      {kind, body[:len(body)-5000], 400},
			"no boundary":  {"multipart/form-data", body, 400},
			"another form": {"text/plain", []byte("x"), 422},
			"nothing":      {kind, nil, 400},
		} {
			if a := s.ask(http.MethodPost, pass, c.body, "Content-Type", c.kind); a.status != c.status {
				t.Errorf("%s: %d, want %d", name, a.status, c.status)
			}
		}
		s.Places.Max = 1000
		if a := s.ask(http.MethodPost, pass, body, "Content-Type", kind); a.status != 413 {
			t.Errorf("a file over the limit: %d", a.status)
		}
	})
}

func TestAMembersOwnUploadIsTheirTransfer(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		_, own := s.place("Fête")
		film := random(100_000)
		kind, body := multi(t, map[string]string{"title": "Le film", "message": "Pour vous", "guests": "mamie@far.test, paul@far.test"}, map[string][]byte{"film.mp4": film, "b.txt": []byte("b")})
		a := s.ask(http.MethodPost, own, body, "Content-Type", kind)
		share := regexp.MustCompile(`https://mail\.home\.test(/t/[a-z2-7]{26})`).FindStringSubmatch(a.body)
		if a.status != 200 || share == nil {
			t.Fatalf("%d\n%s", a.status, a.body)
		}
		if p := s.ask(http.MethodGet, share[1], nil); p.status != 200 || !strings.Contains(p.body, "Le film") || !strings.Contains(p.body, "film.mp4") {
			t.Errorf("the link to pass on: %d", p.status)
		}
		s.Settle()
		for _, who := range []string{"mamie@far.test", "paul@far.test"} {
			if m := s.One(mail.MustAddress(who)); len(m.Tokens()) != 1 || !strings.Contains(m.Text, "Ann Petit") {
				t.Errorf("%s reads:\n%s", who, m.Text)
			}
		}
		if m := s.One(workflowtest.Ann.Address); len(m.Tokens()) < 2 {
			t.Errorf("her receipt:\n%s", m.Text)
		}
		if a := s.form(own, url.Values{"upload": {"x"}, "guests": {"not an address"}}); a.status != 400 {
			t.Errorf("a wrong address: %d", a.status)
		}
	})
}

func TestClosedPlaceTakesNothingMore(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, own := s.place("Fête")
		up := s.create(pass, 100_000, "a")
		s.patch(up, 0, random(70_000))
		if a := s.ask(http.MethodPost, own+"/close", nil); a.status != 200 {
			t.Fatalf("closing: %d %s", a.status, a.body)
		}
		for name, a := range map[string]answer{
			"the page": s.ask(http.MethodGet, pass, nil), "hers": s.ask(http.MethodGet, own, nil), "HEAD": s.tus("HEAD", up, nil),
			"PATCH": s.patch(up, 70_000, random(30_000)), "a new one": s.tus("POST", pass+"/u", nil, "Upload-Length", "1"),
			"the form": s.ask("POST", pass, []byte("upload="+secret(up)), "Content-Type", "application/x-www-form-urlencoded"),
		} {
			if a.status != 404 {
				t.Errorf("%s: %d, want 404", name, a.status)
			}
		}
		if n := s.Count(`SELECT count(*) FROM upload`) + s.Count(`SELECT count(*) FROM upload_piece`); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestPlaceHoldsOnlySoMuch(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, _ := s.place("Fête")
		err := s.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE place SET total = 1000`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		up := s.create(pass, 600, "a")
		if a := s.tus("POST", pass+"/u", nil, "Upload-Length", "401"); a.status != 413 {
			t.Errorf("announcing more than fits beside another: %d", a.status)
		}
		s.patch(up, 0, random(600))
		if a := s.form(pass, url.Values{"upload": {secret(up)}}); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := s.tus("POST", pass+"/u", nil, "Upload-Length", "401"); a.status != 413 || !strings.Contains(a.body, "plein") && !strings.Contains(a.body, "full") {
			t.Errorf("more than is left: %d %s", a.status, a.body)
		}
		kind, body := multi(t, nil, map[string][]byte{"b": random(401)})
		if a := s.ask(http.MethodPost, pass, body, "Content-Type", kind); a.status != 507 {
			t.Errorf("by the form: %d", a.status)
		}
		s.create(pass, 400, "c")
		for range 3 {
			s.tus("POST", pass+"/u", nil, "Upload-Length", "0")
		}
	})
}

func TestTooManyFilesOnTheirWayAreRefused(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, _ := s.place("Fête")
		for range 300 {
			s.create(pass, 1, "a")
		}
		if a := s.tus("POST", pass+"/u", nil, "Upload-Length", "1"); a.status != 429 || a.header.Get("Retry-After") == "" {
			t.Errorf("one more: %d %v", a.status, a.header)
		}
	})
}

func TestReadingChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		pass, own := s.place("Fête")
		up := s.create(pass, 100, "a")
		sum := func() string {
			return fmt.Sprint(s.Count(`SELECT count(*) FROM upload`), s.Count(`SELECT sum(received) FROM upload`), s.Count(`SELECT count(*) FROM place WHERE ended = 0`), s.Count(`SELECT count(*) FROM handed`))
		}
		before := sum()
		for range 20 {
			for _, p := range []string{pass, own, up, pass + "/u", own + "/close"} {
				for _, m := range []string{"GET", "HEAD", "OPTIONS"} {
					s.ask(m, p, nil, "Range", "bytes=0-")
				}
			}
		}
		if now := sum(); now != before {
			t.Errorf("before %s, after %s", before, now)
		}
		s.None()
	})
}
