package world_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/outward"
	"colporteur/webgateway/webmail"
	"colporteur/world"
)

// gallery is a host elsewhere that notes who asks it for what.
type gallery struct {
	*httptest.Server
	mu    sync.Mutex
	asked []*http.Request
}

func openGallery(t testing.TB) *gallery {
	g := &gallery{}
	picture := photo(60, 40)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.asked = append(g.asked, r)
		g.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "reader", Value: "ann"})
		w.Header().Set("Content-Type", "text/html") // it lies
		switch {
		case strings.HasPrefix(r.URL.Path, "/photo"):
			w.Write(picture)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/photo-moved", http.StatusFound)
		case r.URL.Path == "/page":
			fmt.Fprint(w, "<!doctype html><script>alert(1)</script>")
		case r.URL.Path == "/drawing":
			fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`)
		case r.URL.Path == "/said-large":
			w.Header().Set("Content-Length", fmt.Sprint(11<<20))
			w.Write(picture)
		case r.URL.Path == "/large":
			w.Write(picture)
			w.Write(make([]byte, 11<<20))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// since are the requests since the last time.
func (g *gallery) since() []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.asked
	g.asked = nil
	return list
}

var proxied = regexp.MustCompile(`/mail/picture\?[^")]*`)

// picturesOf are the addresses of those that a page shows from elsewhere.
func picturesOf(page string) []string { return proxied.FindAllString(html.UnescapeString(page), -1) }

func htmlMail(from, to, subject, body string) []byte {
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%d.%d@far.test>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n%s\r\n",
		from, to, subject, len(body), len(subject), body)
}

// emailID is the id of a mail by its subject.
func emailID(t testing.TB, m *world.Member, subject string) string {
	t.Helper()
	c := m.JMAP()
	a := c.Calls(world.Step{Name: "Email/query", Args: world.Args{"filter": world.Args{"subject": subject}}})
	id := a[0].Text("ids/0")
	if id == "" {
		t.Fatalf("%s has no mail %q: %v", m.Address, subject, a)
	}
	return id
}

type told struct {
	Remote, Pixels int
	Trackers       []string
	Misled         []struct{ Shown, Leads string }
	Author         string
	Always, Quoted bool
}

func (b *browser) about(s *world.Server, id string) (a told) {
	b.t.Helper()
	code, h, body := b.do(s, "GET", "/mail/message/"+id+"?about", nil)
	if err := json.Unmarshal([]byte(body), &a); code != http.StatusOK || err != nil || h.Get("Content-Type") != "application/json" {
		b.t.Fatalf("about: %d %v\n%s", code, err, body)
	}
	return a
}

func (b *browser) page(s *world.Server, id, query string) string {
	b.t.Helper()
	code, h, body := b.do(s, "GET", "/mail/message/"+id+query, nil)
	if code != http.StatusOK || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || strings.Contains(h.Get("Content-Security-Policy"), "allow-scripts") {
		b.t.Fatalf("page: %d %v\n%s", code, h, body)
	}
	return body
}

func TestPicturesFromElsewhereComeThroughUsWhenTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	if !webmail.Built() {
		t.Skip("the application is not built")
	}
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, cleo, bob := home.Member("ann", "fr"), home.Member("cleo"), far.Member("bob")
	g := openGallery(t)
	home.Gateway.Webmail.Fetch = outward.New(outward.Options{HTTP: true, AllowPrivate: true, Redirects: 2})
	body := fmt.Sprintf(`<p>Bonjour</p><img src="%[1]s/photo" alt="la mer"><img src="%[1]s/photo?u=ann" width=1 height=1><img src="https://asso.list-manage.com/track/open.php?u=1">`+
		`<table background="%[1]s/moved"><tr><td>x</table><a href="https://evil.test/">www.banque.fr</a><blockquote>Viens ?</blockquote>`, g.URL)
	if err := bob.Submit([]string{ann.Address}, htmlMail(bob.Address, ann.Address, "Vacances", body)); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	id := emailID(t, ann, "Vacances")
	b := newBrowser(t).enter(home, ann)

	page := b.page(home, id, "")
	if strings.Contains(page, "/mail/picture") || strings.Contains(page, g.URL) || !strings.Contains(page, "<details><summary>Texte cité</summary>") || !strings.Contains(page, "ce lien mène à evil.test") {
		t.Errorf("before anybody asks:\n%s", page)
	}
	a := b.about(home, id)
	if a.Remote != 2 || a.Pixels != 2 || strings.Join(a.Trackers, " ") != "127.0.0.1 list-manage.com" || a.Always || !a.Quoted || len(a.Misled) != 1 || a.Misled[0].Leads != "evil.test" {
		t.Errorf("about: %+v", a)
	}
	shown := picturesOf(b.page(home, id, "?images=1"))
	if len(shown) != 2 {
		t.Fatalf("shown: %v", shown)
	}
	if again := picturesOf(b.page(home, id, "?images=1")); again[0] != shown[0] {
		t.Errorf("the same picture has another address: %s, %s", shown, again)
	}
	if asked := g.since(); len(asked) > 0 {
		t.Fatalf("pages alone ask for %v", asked[0].URL)
	}

	code, h, got := b.do(home, "GET", shown[0], nil)
	if code != http.StatusOK || h.Get("Content-Type") != "image/jpeg" || got != string(photo(60, 40)) || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") ||
		!strings.HasPrefix(h.Get("Cache-Control"), "private, max-age=") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Set-Cookie") != "" {
		t.Errorf("the picture: %d %v", code, h)
	}
	if code, _, _ := b.do(home, "GET", shown[1], nil); code != http.StatusOK {
		t.Errorf("a picture that moved: %d", code)
	}
	asked := g.since()
	if len(asked) != 3 || asked[2].URL.Path != "/photo-moved" {
		t.Fatalf("%d requests", len(asked))
	}
	for _, name := range []string{"Cookie", "Referer", "Accept-Language", "If-None-Match", "If-Modified-Since", "X-Forwarded-For", "Forwarded", "Via", "Authorization", "Origin"} {
		for _, r := range asked {
			if v := r.Header.Get(name); v != "" {
				t.Errorf("the host elsewhere is told %s: %s", name, v)
			}
		}
	}
	if ua := asked[0].UserAgent(); strings.Contains(ua, "Go") || strings.Contains(strings.ToLower(ua), "colporteur") {
		t.Errorf("the host elsewhere is told %q", ua)
	}

	// It is nobody else's, nothing else's, and not for ever.
	other := newBrowser(t).enter(home, cleo)
	changed := strings.Replace(shown[0], url.QueryEscape("/photo"), url.QueryEscape("/page"), 1)
	later := regexp.MustCompile(`s=[a-z0-9]+\.`).ReplaceAllString(shown[0], "s=zzzzzzz.")
	for name, try := range map[string]struct {
		b    *browser
		path string
		want int
	}{
		"nobody":        {newBrowser(t), shown[0], http.StatusUnauthorized},
		"another":       {other, shown[0], http.StatusNotFound},
		"another thing": {b, changed, http.StatusNotFound},
		"a longer time": {b, later, http.StatusNotFound},
		"no seal":       {b, "/mail/picture?u=" + url.QueryEscape(g.URL+"/photo"), http.StatusNotFound},
		"no address":    {b, "/mail/picture", http.StatusNotFound},
	} {
		if code, _, _ := try.b.do(home, "GET", try.path, nil); code != try.want {
			t.Errorf("%s: %d, want %d", name, code, try.want)
		}
	}
	w.Advance(49 * time.Hour)
	if code, _, _ := b.do(home, "GET", shown[0], nil); code != http.StatusNotFound {
		t.Errorf("two days later: %d", code)
	}
	if asked := g.since(); len(asked) > 0 {
		t.Errorf("these were fetched: %v", asked[0].URL)
	}
}

func TestOnlyPicturesComeThroughAndNotForEver(t *testing.T) {
	t.Parallel()
	if !webmail.Built() {
		t.Skip("the application is not built")
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	g := openGallery(t)
	home.Gateway.Webmail.Fetch = outward.New(outward.Options{HTTP: true, AllowPrivate: true, Redirects: 2})
	var body strings.Builder
	for _, name := range []string{"page", "drawing", "said-large", "nothing"} {
		fmt.Fprintf(&body, `<img src="%s/%s">`, g.URL, name)
	}
	body.WriteString(`<img src="http://127.0.0.1:1/refused"><img src="` + g.URL + `/large">`)
	if err := ann.Submit([]string{ann.Address}, htmlMail(ann.Address, ann.Address, "Rien", body.String())); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	b := newBrowser(t).enter(home, ann)
	shown := picturesOf(b.page(home, emailID(t, ann, "Rien"), "?images=1"))
	if len(shown) != 6 {
		t.Fatalf("%v", shown)
	}
	for _, path := range shown[:5] {
		if code, h, got := b.do(home, "GET", path, nil); code != http.StatusNotFound || h.Get("Content-Type") != "text/html; charset=utf-8" || strings.Contains(got, "alert(1)") || strings.Contains(h.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", path, code, h)
		}
	}
	// What turns out to be too large on the way is cut off, visibly.
	name := &url.URL{Scheme: "http", Host: "mail.home.test", Path: "/"}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+home.Addr("http")+shown[5], nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(name) {
		r.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all bytes.Buffer
	if n, err := all.ReadFrom(resp.Body); err == nil || n > 10<<20 {
		t.Errorf("%d octets, %v", n, err)
	}
}

func TestNoMailMakesUsAskOurOwnNetwork(t *testing.T) {
	t.Parallel()
	if !webmail.Built() {
		t.Skip("the application is not built")
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	g := openGallery(t)
	_, port, _ := net.SplitHostPort(g.Listener.Addr().String())
	var body strings.Builder
	addresses := []string{"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "10.0.0.1", "[fd00::1]"}
	for _, a := range addresses {
		fmt.Fprintf(&body, `<img src="http://%s:%s/photo"><img src="http://%s/photo"><img src="https://%s/photo">`, a, port, a, a)
	}
	body.WriteString(`<img src="file:///etc/passwd"><img src="gopher://127.0.0.1/x"><img src="http://ann:x@127.0.0.1/photo"><img src="http://127.0.0.1:25/photo">`)
	if err := ann.Submit([]string{ann.Address}, htmlMail(ann.Address, ann.Address, "Dedans", body.String())); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	b := newBrowser(t).enter(home, ann)
	id := emailID(t, ann, "Dedans")
	wired := home.Gateway.Webmail.Fetch
	for name, fetch := range map[string]webmail.Fetcher{"as it is": wired, "at any port": outward.New(outward.Options{HTTP: true, AnyPort: true})} {
		home.Gateway.Webmail.Fetch = fetch
		shown := picturesOf(b.page(home, id, "?images=1"))
		if len(shown) != 3*len(addresses)+1 {
			t.Fatalf("%d pictures", len(shown))
		}
		for _, path := range shown {
			if code, _, _ := b.do(home, "GET", path, nil); code != http.StatusNotFound {
				t.Errorf("%s: %s: %d", name, path, code)
			}
		}
	}
	if asked := g.since(); len(asked) > 0 {
		t.Errorf("we asked ourselves for %d pictures", len(asked))
	}
}

func TestPicturesAreAlwaysShownOfAuthorsWhoAreProven(t *testing.T) {
	t.Parallel()
	if !webmail.Built() {
		t.Skip("the application is not built")
	}
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=none") // a forgery is delivered, unproven
	ann, cleo, bob := home.Member("ann", "fr"), home.Member("cleo"), far.Member("bob")
	body := `<img src="https://cdn.far.test/a.png">`
	for _, to := range []*world.Member{ann, cleo} {
		if err := bob.Submit([]string{to.Address}, htmlMail(bob.Address, to.Address, "Honest", body)); err != nil {
			t.Fatal(err)
		}
	}
	w.Settle()
	w.DNS.TXT("stranger.test", "v=spf1 -all")
	if err := home.FromOutside("x@elsewhere.test", []string{ann.Address}, htmlMail(bob.Address, ann.Address, "Forged", body)); err != nil {
		t.Fatal(err)
	}
	if err := home.FromOutside("x@elsewhere.test", []string{ann.Address}, htmlMail(bob.Address, ann.Address, "Forged with a note", "<p>x</p>"+body)); err != nil {
		t.Fatal(err)
	}
	if err := ann.Submit([]string{ann.Address}, htmlMail(ann.Address, ann.Address, "Mine", body)); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	b := newBrowser(t).enter(home, ann)
	honest, forged, mine := emailID(t, ann, "Honest"), emailID(t, ann, "Forged"), emailID(t, ann, "Mine")
	choose := func(id, show string) int {
		t.Helper()
		code, _, _ := b.do(home, "POST", "/mail/message/"+id+"/pictures", url.Values{"show": {show}})
		return code
	}
	shows := func(b *browser, id string) bool {
		t.Helper()
		on := len(picturesOf(b.page(home, id, ""))) > 0
		if a := b.about(home, id); a.Always != on {
			t.Errorf("%s: %v, and about says %+v", id, on, a)
		}
		return on
	}
	if code := choose(forged, "always"); code != http.StatusForbidden {
		t.Errorf("a forged mail makes its author trusted: %d", code)
	}
	if a := b.about(home, forged); a.Author != "" {
		t.Errorf("the forged mail's author is told as %s", a.Author)
	}
	if shows(b, honest) || shows(b, forged) {
		t.Error("pictures are shown before anybody chose so")
	}
	if code := choose(honest, "sometimes"); code != http.StatusBadRequest {
		t.Errorf("a choice that is none: %d", code)
	}
	if code := choose(honest, "always"); code != http.StatusNoContent {
		t.Fatalf("chosen: %d", code)
	}
	if !shows(b, honest) || b.about(home, honest).Author != bob.Address {
		t.Error("the choice is not kept")
	}
	if shows(b, forged) || shows(b, mine) {
		t.Error("a mail that says the same author shows its pictures by itself")
	}
	if got := picturesOf(b.page(home, forged, "?images=1")); len(got) != 1 {
		t.Errorf("and not when it is asked to: %v", got)
	}
	if choose(mine, "always") != http.StatusNoContent || !shows(b, mine) {
		t.Error("somebody of this house is not taken for proven")
	}
	other := newBrowser(t).enter(home, cleo)
	if shows(other, emailID(t, cleo, "Honest")) {
		t.Error("one member's choice is another's")
	}
	if code, _, _ := other.do(home, "POST", "/mail/message/"+honest+"/pictures", url.Values{"show": {"ask"}}); code != http.StatusNotFound {
		t.Errorf("another's mail: %d", code)
	}
	if choose(honest, "ask") != http.StatusNoContent || shows(b, honest) {
		t.Error("the choice cannot be taken back")
	}
	if code, _, _ := newBrowser(t).do(home, "POST", "/mail/message/"+honest+"/pictures", url.Values{"show": {"always"}}); code != http.StatusSeeOther {
		t.Errorf("nobody: %d", code)
	}
}

func TestAMailIsPrintedUnderALineThatItCannotHide(t *testing.T) {
	t.Parallel()
	if !webmail.Built() {
		t.Skip("the application is not built")
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	raw := htmlMail("Ann Petit <"+ann.Address+">", ann.Address, "Ordre <b>du</b> jour", `<style>header,h1{display:none} * {color:red}</style><p>Un.</p><blockquote>Viens ?</blockquote>`)
	if err := ann.Submit([]string{ann.Address}, raw); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	b := newBrowser(t).enter(home, ann)
	page := b.page(home, emailID(t, ann, "Ordre"), "?print")
	for _, want := range []string{"<title>Ordre &lt;b&gt;du&lt;/b&gt; jour</title>", "<dt>De</dt><dd>Ann Petit &lt;ann@home.test&gt;</dd>", "lundi 23 novembre 2026 à 10:00",
		"#letter header,#letter h1{display:none;}", "<blockquote>Viens ?</blockquote>", `<div id="letter">`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not there:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<details>") || strings.Contains(page, "style>header") {
		t.Errorf("on paper nothing can be opened:\n%s", page)
	}
}

func TestAFileIsLookedAtWithoutBeingSavedUnlessItCouldRun(t *testing.T) {
	t.Parallel()
	if !webmail.Built() {
		t.Skip("the application is not built")
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann, cleo := home.Member("ann", "fr"), home.Member("cleo")
	pdf := []byte("%PDF-1.7\n…")
	ann.Send(ann.Address, world.Subject("Pièces"), world.Attach("mer.jpg", "image/jpeg", photo(60, 40)), world.Attach("notes.txt", "text/plain", []byte("caf\xe9 <script>")),
		world.Attach("plan.pdf", "application/pdf", pdf), world.Attach("x.html", "text/html", []byte("<script>alert(1)</script>")),
		world.Attach("x.svg", "image/svg+xml", []byte("<svg/>")), world.Attach("faux.pdf", "application/pdf", []byte("<script>alert(1)</script>")),
		world.Attach("faux.jpg", "image/jpeg", []byte("<script>alert(1)</script>")))
	w.Settle()
	c := ann.JMAP()
	a := c.Call("Email/get", world.Args{"ids": []string{emailID(t, ann, "Pièces")}, "properties": []string{"attachments"}})
	b, other := newBrowser(t).enter(home, ann), newBrowser(t).enter(home, cleo)
	for i, want := range []struct {
		code             int
		as, body, policy string
	}{
		{http.StatusOK, "image/jpeg", string(photo(60, 40)), "sandbox"}, {http.StatusOK, "text/plain; charset=utf-8", "café <script>", "sandbox"},
		{http.StatusOK, "application/pdf", string(pdf), "default-src 'none'"}, {http.StatusNotFound, "", "", ""}, {http.StatusNotFound, "", "", ""}, {http.StatusNotFound, "", "", ""}, {http.StatusNotFound, "", "", ""},
	} {
		path := "/mail/file/" + a.Text(fmt.Sprintf("list/0/attachments/%d/blobId", i)) + "/fichier"
		code, h, body := b.do(home, "GET", path, nil)
		if code != want.code || strings.Contains(body, "alert(1)") {
			t.Errorf("file %d: %d\n%.200s", i, code, body)
		}
		if code == http.StatusOK && (h.Get("Content-Type") != want.as || body != want.body || !strings.Contains(h.Get("Content-Security-Policy"), want.policy) ||
			!strings.HasPrefix(h.Get("Content-Disposition"), "inline") || h.Get("X-Content-Type-Options") != "nosniff" || strings.Contains(h.Get("Content-Security-Policy"), "script-src")) {
			t.Errorf("file %d: %v", i, h)
		}
		if code, _, _ := other.do(home, "GET", path, nil); code != http.StatusNotFound {
			t.Errorf("file %d, another member: %d", i, code)
		}
	}
}
