package world_test

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/pquerna/otp/totp"
	"github.com/smallstep/pkcs7"

	"colporteur/config"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/world"
)

// posts sends a form of the account's pages and follows where it leads.
func (b *browser) posts(s *world.Server, path string, form url.Values, want int, words ...string) string {
	b.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	code, h, body := b.do(s, "POST", path, form)
	if code == http.StatusSeeOther && want == http.StatusOK {
		code, _, body = b.do(s, "GET", h.Get("Location"), nil)
	}
	if code != want {
		b.t.Errorf("POST %s: %d, want %d\n%.3000s", path, code, want, body)
	}
	return b.says("POST "+path, body, words)
}

// sees opens one of them.
func (b *browser) sees(s *world.Server, path string, words ...string) string {
	b.t.Helper()
	code, _, body := b.do(s, "GET", path, nil)
	if code != http.StatusOK {
		b.t.Errorf("GET %s: %d\n%.2000s", path, code, body)
	}
	return b.says("GET "+path, body, words)
}

func (b *browser) says(what, body string, words []string) string {
	b.t.Helper()
	text := strings.NewReplacer("&#39;", "'", "\u00a0", " ", "&#43;", "+", "&#34;", `"`).Replace(body)
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("%s does not say %q:\n%.3000s", what, w, text)
		}
	}
	return text
}

// imapIn says why a program is not let in; "" when it is.
func imapIn(t testing.TB, s *world.Server, name, password string) string {
	t.Helper()
	c, err := imapclient.DialInsecure(s.Addr("imap"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(name, password).Wait(); err != nil {
		return err.Error()
	}
	return ""
}

// listening has the pages speak of the ports of a host on the Internet: those of
// a world are whatever was free.
func listening(s *world.Server) {
	at := &s.Gateway.Account.Servers
	at.IMAPS, at.IMAP, at.Submissions, at.Submission = 993, 143, 465, 587
}

var secretIn = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)

func secretOf(t testing.TB, body string) string {
	t.Helper()
	m := secretIn.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no secret is shown:\n%.2000s", body)
	}
	return m[1]
}

func TestMembersChangeTheirNameLanguageAndPassword(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	here, library := newBrowser(t).enter(home, ann), newBrowser(t).enter(home, ann)
	here.sees(home, "/account", "Votre compte", "ann@home.test", "Il n'y a pas de limite")
	here.posts(home, "/account", url.Values{"name": {"Anne <b>"}, "lang": {"en"}}, 200, "Saved.", "Anne &lt;b&gt;")
	here.posts(home, "/account", url.Values{"name": {strings.Repeat("x", 201)}, "lang": {"fr"}}, 422, "200")
	here.posts(home, "/account", url.Values{"name": {"Anne"}, "lang": {"xx"}}, 400)

	change := func(old, fresh, again string, want int, words ...string) {
		t.Helper()
		here.posts(home, "/account/password", url.Values{"old": {old}, "new": {fresh}, "again": {again}}, want, words...)
	}
	change("wrong", "quatre mots au hasard", "quatre mots au hasard", 422, "not your password")
	change(ann.Password, "quatre mots au hasard", "quatre mots", 422, "not the same")
	change(ann.Password, "neuf sign", "neuf sign", 422, "at least 10")
	change(ann.Password, "aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", 422, "guessed")
	change(ann.Password, "ann@home.test", "ann@home.test", 422, "guessed")
	library.reads(home, true, "until then")
	change(ann.Password, "quatre mots au hasard", "quatre mots au hasard", 200, "Your password is changed")
	here.reads(home, true, "the browser that changed it")
	library.reads(home, false, "the other")
	if code, _ := newBrowser(t).login(home, ann.Address, ann.Password); code != http.StatusUnauthorized {
		t.Errorf("the old password: %d", code)
	}
	// Whoever guesses at an open browser is slowed as at the door.
	for i := range 40 {
		if code, _, _ := here.do(home, "POST", "/account/password", url.Values{"old": {fmt.Sprint("guess ", i)}}); code == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("forty guesses, and never slowed")
}

func TestNobodyReachesAnothersAccountNorPressesItsButtonsFromElsewhere(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	annB, bobB := newBrowser(t).enter(home, ann), newBrowser(t).enter(home, bob)
	if _, err := home.Accounts.AddAppPassword(t.Context(), bob.Account.ID, "son telephone"); err != nil {
		t.Fatal(err)
	}
	apps, err := home.Accounts.AppPasswords(t.Context(), bob.Account.ID)
	if err != nil {
		t.Fatal(err)
	}
	if body := annB.sees(home, "/account/programs"); strings.Contains(body, "son telephone") {
		t.Error("Ann sees Bob's app passwords")
	}
	annB.posts(home, fmt.Sprintf("/account/programs/%d/remove", apps[0].ID), nil, 404)
	bobB.sees(home, "/account/programs", "son telephone")
	id := regexp.MustCompile(`/account/sessions/(\d+)/end`).FindStringSubmatch(newBrowser(t).enter(home, bob).sees(home, "/account/sessions"))
	annB.posts(home, "/account/sessions/"+id[1]+"/end", nil, 200)
	annB.posts(home, "/account/sessions/others/end", nil, 200)
	bobB.reads(home, true, "after Ann's presses")
	if err := home.DB.Write(t.Context(), func(tx *store.Tx) error {
		return home.Accounts.AddOutside(t.Context(), tx, bob.Account.ID, mail.MustAddress("bob@work.test"))
	}); err != nil {
		t.Fatal(err)
	}
	annB.posts(home, "/account/addresses/remove", url.Values{"address": {"bob@work.test"}}, 404)
	bobB.sees(home, "/account/addresses", "bob@work.test")

	stranger := newBrowser(t)
	for _, path := range []string{"", "/room", "/room/photos", "/password", "/code", "/programs", "/sessions", "/devices", "/devices/apple", "/news", "/addresses", "/export"} {
		if code, h, _ := stranger.do(home, "GET", "/account"+path, nil); code != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/login?to=%2Faccount") {
			t.Errorf("a stranger at %s: %d", path, code)
		}
	}
	for _, path := range []string{"/account", "/account/room/photos", "/account/password", "/account/code/begin", "/account/code/on", "/account/code/off", "/account/code/recovery",
		"/account/programs", "/account/programs/1/remove", "/account/sessions/others/end", "/account/devices/apple/profile", "/account/devices/apple/code",
		"/account/news", "/account/addresses/add", "/account/addresses/secret", "/account/export"} {
		if code, h, _ := stranger.do(home, "POST", path, url.Values{}); code != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/login") {
			t.Errorf("a stranger presses %s: %d", path, code)
		}
		bobB.site = "cross-site"
		if code, _, _ := bobB.do(home, "POST", path, url.Values{}); code != http.StatusForbidden {
			t.Errorf("another site presses %s: %d", path, code)
		}
		bobB.site = ""
		if code, _, _ := bobB.do(home, "GET", path, nil); code == http.StatusSeeOther {
			t.Errorf("a GET of %s leads elsewhere", path)
		}
	}
	if n, err := home.Accounts.AppPasswords(t.Context(), bob.Account.ID); err != nil || len(n) != 1 {
		t.Errorf("%d app passwords after all that: %v", len(n), err)
	}
}

func TestAnAppPasswordIsShownOnceAndGone(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	listening(home)
	b := newBrowser(t).enter(home, ann)
	b.posts(home, "/account/programs", url.Values{"name": {"  "}}, 422)
	made := secretOf(t, b.posts(home, "/account/programs", url.Values{"name": {"Téléphone"}}, 200, "Téléphone", "que cette fois", "port 993", "port 465"))
	if why := imapIn(t, home, ann.Address, made); why != "" {
		t.Errorf("it opens nothing: %s", why)
	}
	body := b.sees(home, "/account/programs", "Téléphone")
	if strings.Contains(body, made) {
		t.Error("it is shown again")
	}
	path := regexp.MustCompile(`/account/programs/\d+/remove`).FindString(body)
	b.posts(home, path, nil, 200, "ne fonctionne plus")
	if why := imapIn(t, home, ann.Address, made); why == "" {
		t.Error("it opens the door after its end")
	}
}

func TestBrowsersAreListedAndSignedOut(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	here, one, two := newBrowser(t).enter(home, ann), newBrowser(t).enter(home, ann), newBrowser(t).enter(home, ann)
	body := here.sees(home, "/account/sessions", "celui-ci", "127.0.0.1", "Déconnecter tous les autres")
	ends := regexp.MustCompile(`/account/sessions/(\d+)/end`).FindAllStringSubmatch(body, -1)
	if len(ends) != 2 {
		t.Fatalf("%d can be signed out, want the two others:\n%s", len(ends), body)
	}
	here.posts(home, "/account/sessions/"+ends[0][1]+"/end", nil, 200, "est déconnecté")
	left := 0
	for _, b := range []*browser{one, two} {
		if code, _, _ := b.do(home, "GET", "/account", nil); code == http.StatusOK {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d of two others are signed in", left)
	}
	here.posts(home, "/account/sessions/others/end", nil, 200, "Tous les autres")
	one.reads(home, false, "one")
	two.reads(home, false, "two")
	here.reads(home, true, "this one")
}

func TestAMemberSetsUpASecondFactorAndComesInWithIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	b, other := newBrowser(t).enter(home, ann), newBrowser(t).enter(home, ann)
	app, err := home.Accounts.AddAppPassword(t.Context(), ann.Account.ID, "telephone")
	if err != nil {
		t.Fatal(err)
	}
	b.posts(home, "/account/code/begin", url.Values{"password": {"wrong"}}, 422, "pas votre mot de passe")
	body := b.posts(home, "/account/code/begin", url.Values{"password": {ann.Password}}, 200, "<svg", "otpauth://totp/mail.home.test:ann@home.test")
	key := strings.ReplaceAll(secretOf(t, body), " ", "")
	code := func() string {
		c, err := totp.GenerateCode(key, w.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	b.posts(home, "/account/code/on", url.Values{"code": {"000000"}}, 422, "ne convient pas", "<svg")
	body = b.posts(home, "/account/code/on", url.Values{"code": {code()}}, 200, "Vos codes de secours")
	recovery := regexp.MustCompile(`<code>([a-z2-7]{5}-[a-z2-7]{5})</code>`).FindAllStringSubmatch(body, -1)
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes", len(recovery))
	}
	if strings.Contains(b.sees(home, "/account/code", "10 codes de secours"), recovery[0][1]) {
		t.Error("they are shown again")
	}
	b.reads(home, true, "the browser that did it")
	other.reads(home, false, "one that came in without a code")

	// Programs.
	if why := imapIn(t, home, ann.Address, app); why != "" {
		t.Errorf("the app password: %s", why)
	}
	if why := imapIn(t, home, ann.Address, ann.Password); !strings.Contains(why, "/account/programs") {
		t.Errorf("the own password at IMAP: %q", why)
	}
	r, err := http.NewRequest("GET", "http://"+home.Addr("http")+"/jmap/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(ann.Address, ann.Password)
	if resp, err := http.DefaultClient.Do(r); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the own password at JMAP: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}

	// The door.
	w.Advance(time.Minute)
	door := newBrowser(t)
	got, h, _ := door.do(home, "POST", "/login", url.Values{"name": {ann.Address}, "password": {ann.Password}, "to": {"/account/room"}})
	if got != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/login/code?to=%2Faccount%2Froom") {
		t.Fatalf("%d %s", got, h.Get("Location"))
	}
	door.reads(home, false, "with the password alone")
	door.sees(home, h.Get("Location"), "Encore un code", `value="/account/room"`)
	door.posts(home, "/login/code", url.Values{"code": {"123123"}}, 401, "ne convient pas")
	got, h, _ = door.do(home, "POST", "/login/code", url.Values{"code": {code()}, "to": {"/account/room"}})
	if got != http.StatusSeeOther || h.Get("Location") != "/account/room" {
		t.Errorf("%d %s", got, h.Get("Location"))
	}
	door.reads(home, true, "with the code")
	lost := newBrowser(t)
	lost.login(home, ann.Address, ann.Password)
	lost.posts(home, "/login/code", url.Values{"code": {recovery[3][1]}}, 303)
	lost.reads(home, true, "with a recovery code")
	again := newBrowser(t)
	again.login(home, ann.Address, ann.Password)
	again.posts(home, "/login/code", url.Values{"code": {recovery[3][1]}}, 401)
	if code, h, _ := newBrowser(t).do(home, "GET", "/login/code", nil); code != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/login?") {
		t.Errorf("a stranger at the second door: %d %s", code, h.Get("Location"))
	}

	b.posts(home, "/account/code/off", url.Values{"password": {"wrong"}}, 422)
	b.posts(home, "/account/code/off", url.Values{"password": {ann.Password}}, 200, "suffit de nouveau")
	b.reads(home, true, "the browser that switched it off")
	newBrowser(t).enter(home, ann)
	if why := imapIn(t, home, ann.Address, ann.Password); why != "" {
		t.Errorf("at IMAP again: %s", why)
	}
}

func TestWhatTakesTheRoomIsNamed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	ann.Quota(10 << 20)
	bob.Send(ann.Address, world.Subject("Le gros <plan>"), world.Attach("plan.bin", "application/octet-stream", bytes.Repeat([]byte("plan"), 400_000)))
	bob.Send(ann.Address, world.Subject("Un petit mot"), world.Text("Bonjour"))
	b := newBrowser(t).enter(home, ann)
	body := b.sees(home, "/account/room", "Le gros &lt;plan&gt;", "Boîte de réception", "sur 10 Mo", "2 messages", "<progress")
	if !regexp.MustCompile(`href="/mail#/f/m\w+/m/e\w+">Le gros`).MatchString(body) {
		t.Errorf("the large mail cannot be opened from here:\n%s", body)
	}
	if strings.Contains(body, "Un petit mot") {
		t.Error("a small mail is among the large ones")
	}
	if body := newBrowser(t).enter(home, bob).sees(home, "/account/room"); strings.Contains(body, "Boîte de réception<br>") {
		t.Errorf("what another's mail takes is shown:\n%s", body)
	}
	b.sees(home, "/account/room/photos", "pas de photos")
	w.Advance(500 * 24 * time.Hour)
	b.enter(home, ann)
	bob.Send(ann.Address, world.Subject("Rien"), world.Text("x"))
	b.sees(home, "/account/room/photos", "pas de photos")
}

func TestOldPhotosMoveWhenTheirMemberAsks(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send(ann.Address, world.Subject("La mer"), world.Attach("mer.jpg", "image/jpeg", heavy(7)))
	w.Settle()
	w.Advance(500 * 24 * time.Hour)
	b := newBrowser(t).enter(home, ann)
	b.sees(home, "/account/room/photos", "peut partir dans un album")
	if n, err := home.Mailboxes.Usage(t.Context(), ann.Account.Account); err != nil || n < 600_000 {
		t.Fatalf("a GET moved it: %d %v", n, err)
	}
	b.posts(home, "/account/room/photos", nil, 200, "en route vers vos albums")
	w.Settle()
	b.sees(home, "/account/room/photos", "pas de photos")
	ann.Inbox().Last().Says("photo")
}

func TestAMemberChoosesTheirNewsSignedIn(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	b := newBrowser(t).enter(home, ann)
	b.sees(home, "/account/news", "Albums", "Accusés de réception")
	b.posts(home, "/account/news", url.Values{"receipt": {"never"}, "album": {"sometimes"}}, 400)
	b.posts(home, "/account/news", url.Values{"receipt": {"never"}}, 200, "Vos choix sont enregistrés")
	cs, err := home.Notify.Choices(t.Context(), ann.Account.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		if want := c.Kind == "receipt"; c.Chosen != want || want && c.When != "never" {
			t.Errorf("%+v", c)
		}
	}
}

func TestAnAddressElsewhereIsAskedBeforeItIsAMembers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, work := w.Server("home.test"), w.Server("work.test")
	ann, her := home.Member("ann"), work.Member("ann")
	b := newBrowser(t).enter(home, ann)
	b.posts(home, "/account/addresses/add", url.Values{"address": {"no address"}}, 422)
	b.posts(home, "/account/addresses/add", url.Values{"address": {"bob@home.test"}}, 422, "est de ce serveur")
	b.posts(home, "/account/addresses/add", url.Values{"address": {her.Address}}, 200, "Une question vient de partir")
	w.Settle()
	if strings.Contains(b.sees(home, "/account/addresses"), her.Address) {
		t.Error("it is hers before anybody there said so")
	}
	question := regexp.MustCompile(`https?://\S+/c/[a-z2-7]+`).FindString(her.Inbox().One().Says("est son adresse").Text)
	home.Press(question+"/yes", url.Values{})
	w.Settle()
	b.sees(home, "/account/addresses", her.Address)
	b.posts(home, "/account/addresses/remove", url.Values{"address": {her.Address}}, 200, "n'est plus la vôtre")
	throttled := false
	for i := range 8 {
		code, _, _ := b.do(home, "POST", "/account/addresses/add", url.Values{"address": {fmt.Sprintf("x%d@work.test", i)}})
		throttled = throttled || code == http.StatusTooManyRequests
	}
	if !throttled {
		t.Error("any number of strangers is asked")
	}

	first := secretOf(t, b.posts(home, "/account/addresses/secret", nil, 200, "album."))
	second := secretOf(t, b.posts(home, "/account/addresses/secret", nil, 200))
	if first == second || !strings.HasPrefix(second, "envoi.") {
		t.Errorf("%s, then %s", first, second)
	}
	secret := func(address string) string {
		return strings.TrimSuffix(strings.TrimPrefix(address, "envoi."), "@home.test")
	}
	if _, err := home.Accounts.BySecret(t.Context(), secret(first)); !mail.Is(err, mail.NotFound) {
		t.Errorf("the one before: %v", err)
	}
	if m, err := home.Accounts.BySecret(t.Context(), secret(second)); err != nil || m.ID != ann.Account.ID {
		t.Errorf("the new one: %v %v", m, err)
	}
	b.posts(home, "/account/addresses/secret-off", nil, 200, "ne fonctionnent plus")
	if _, err := home.Accounts.BySecret(t.Context(), secret(second)); !mail.Is(err, mail.NotFound) {
		t.Errorf("switched off: %v", err)
	}
}

// take is everything of a member's, unpacked.
func (b *browser) take(s *world.Server) map[string]string {
	b.t.Helper()
	code, h, body := b.do(s, "POST", "/account/export", url.Values{})
	if code != http.StatusOK || h.Get("Content-Type") != "application/zip" || !strings.Contains(h.Get("Content-Disposition"), "attachment") {
		b.t.Fatalf("%d %v\n%.500s", code, h, body)
	}
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			b.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			b.t.Fatal(err)
		}
		if _, twice := files[f.Name]; twice {
			b.t.Errorf("two files are called %s", f.Name)
		}
		files[f.Name] = string(text)
	}
	return files
}

func TestAMemberTakesAChoiceOfPicturesBack(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	b := newBrowser(t).enter(home, ann)
	b.sees(home, "/account/pictures", "Vous n'avez choisi personne")
	for _, a := range []string{"lettre@ailleurs.test", "autre@ailleurs.test"} {
		if err := home.Accounts.ShowPictures(t.Context(), ann.Account.ID, mail.MustAddress(a), true); err != nil {
			t.Fatal(err)
		}
	}
	b.sees(home, "/account/pictures", "lettre@ailleurs.test", "autre@ailleurs.test")
	if body := b.posts(home, "/account/pictures", url.Values{"sender": {"lettre@ailleurs.test"}}, 200, "autre@ailleurs.test", "à chaque fois"); strings.Contains(body, "lettre@ailleurs.test") {
		t.Errorf("it is still there:\n%s", body)
	}
	b.posts(home, "/account/pictures", url.Values{"sender": {"no address"}}, 400)
}

func TestAMemberTakesAllTheirMailAlong(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	bob.Send(ann.Address, world.Subject("Un"), world.Text("Bonjour\r\nFrom here to there\r\n>From quoted\r\nfin"))
	bob.Send(ann.Address, world.Subject("Deux"), world.Text("Encore"))
	bob.Send("bob@home.test", world.Subject("A moi seul"), world.Text("secret de Bob"))
	for _, name := range []string{"Clients/2026", "Clients/../../etc", "a:b?c", "A_b_C"} {
		if _, err := home.Mailboxes.Create(t.Context(), ann.Account.Account, name); err != nil {
			t.Log(name, err)
		}
	}
	c := ann.IMAP()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t).enter(home, ann)
	b.sees(home, "/account/export", "Tout emporter")
	files := b.take(home)
	inbox := files["INBOX.mbox"]
	if strings.Count("\n"+inbox, "\nFrom MAILER-DAEMON ") != 2 || strings.Contains(inbox, "\r") || !strings.Contains(inbox, "\n>From here") || !strings.Contains(inbox, "\n>>From quoted") ||
		!strings.Contains(inbox, "Subject: Un\n") || !strings.Contains(inbox, "Subject: Deux\n") || !strings.Contains(inbox, "Delivered-To: ") {
		t.Errorf("the inbox is\n%s", inbox)
	}
	for name, text := range files {
		if strings.Contains(text, "secret de Bob") {
			t.Errorf("%s has another's mail", name)
		}
		if strings.Contains(name, "..") || strings.ContainsAny(name, `:?\`) || strings.HasPrefix(name, "/") {
			t.Errorf("a file is called %q", name)
		}
	}
	if files["Clients/2026.mbox"] != "" || files["LISEZMOI.txt"] == "" {
		t.Errorf("there are %v", len(files))
	}
	if _, ok := files["Clients/2026.mbox"]; !ok {
		t.Error("an empty folder is missing")
	}
}

// profile reads the settings of a configuration profile.
func profile(t testing.TB, plist string) map[string]string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(plist))
	out := map[string]string{}
	key, element := "", ""
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, plist)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			element = tok.Name.Local
			if element == "true" || element == "false" {
				out[key] = element
			}
		case xml.CharData:
			switch text := strings.TrimSpace(string(tok)); {
			case text == "":
			case element == "key":
				key = text
			default:
				out[key] += text
			}
		}
	}
}

func TestAPhoneSetsItselfUpFromACodeOnceAndForMinutes(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	b := newBrowser(t).enter(home, ann)
	listening(home)
	b.sees(home, "/account/devices", "iPhone", "Thunderbird", "Android", "Outlook")
	for _, kind := range []string{"android", "thunderbird", "outlook", "other"} {
		b.sees(home, "/account/devices/"+kind, "mail.home.test", "port 993", "port 587", "ann@home.test")
	}
	if code, _, _ := b.do(home, "GET", "/account/devices/toaster", nil); code != http.StatusNotFound {
		t.Errorf("a toaster: %d", code)
	}
	link := func(kind string) string {
		t.Helper()
		u, err := url.Parse(secretOf(t, b.posts(home, "/account/devices/"+kind+"/code", nil, 200, "<svg", "qu'une fois")))
		if err != nil || !strings.HasPrefix(u.Path, "/p/") {
			t.Fatalf("%v %v", u, err)
		}
		return u.Path
	}
	phone := newBrowser(t) // signed in nowhere
	path := link("apple")
	for range 3 { // what looks at links before people do
		phone.sees(home, path, "ann@home.test", "Recevoir le profil", "pas signé")
	}
	code, h, body := phone.do(home, "POST", path, url.Values{})
	if code != http.StatusOK || h.Get("Content-Type") != "application/x-apple-aspen-config" || !strings.Contains(h.Get("Cache-Control"), "no-store") {
		t.Fatalf("%d %v", code, h)
	}
	p := profile(t, body)
	for key, want := range map[string]string{"EmailAddress": "ann@home.test", "IncomingMailServerHostName": "mail.home.test", "IncomingMailServerUseSSL": "true",
		"IncomingMailServerUsername": "ann@home.test", "OutgoingPasswordSameAsIncomingPassword": "true", "EmailAccountType": "EmailTypeIMAP"} {
		if p[key] != want {
			t.Errorf("%s is %q", key, p[key])
		}
	}
	if why := imapIn(t, home, ann.Address, p["IncomingPassword"]); why != "" {
		t.Errorf("its password: %s", why)
	}
	for _, method := range []string{"GET", "POST"} {
		if code, _, body := phone.do(home, method, path, nil); code != http.StatusNotFound || strings.Contains(body, "ann") {
			t.Errorf("%s again: %d\n%s", method, code, body)
		}
	}

	path = link("android")
	body = phone.posts(home, path, nil, 200, "mail.home.test")
	if why := imapIn(t, home, ann.Address, secretOf(t, body)); why != "" {
		t.Errorf("the password that is shown: %s", why)
	}
	late := link("apple")
	w.Advance(11 * time.Minute)
	phone.posts(home, late, nil, 404)
	ended := link("apple")
	if err := home.Accounts.SetPassword(t.Context(), ann.Account.ID, "another one of ann"); err != nil {
		t.Fatal(err)
	}
	phone.posts(home, ended, nil, 404)
	phone.posts(home, "/p/AAAAAAAAAAAAAAAAAAAAAA", nil, 404)

	ann.Password = "another one of ann"
	b.enter(home, ann)
	code, _, body = b.do(home, "POST", "/account/devices/apple/profile", url.Values{})
	if again := profile(t, body); code != http.StatusOK || again["PayloadUUID"] != p["PayloadUUID"] || again["IncomingPassword"] == p["IncomingPassword"] {
		t.Errorf("%d: another profile for the same address takes the place of the one before, with another password\n%s", code, body)
	}
}

func TestAProfileIsSignedWithTheHostsCertificate(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test", func(c *config.Config) { c.TLS.Mode = config.Files })
	ann := home.Member("ann")
	b := newBrowser(t).enter(home, ann)
	if body := b.sees(home, "/account/devices/apple"); strings.Contains(body, "pas signé") {
		t.Error("it says that it is not signed")
	}
	_, _, body := b.do(home, "POST", "/account/devices/apple/profile", url.Values{})
	signed, err := pkcs7.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for _, c := range signed.Certificates {
		roots.AddCert(c)
	}
	if err := signed.Verify(); err != nil {
		t.Error(err)
	}
	if p := profile(t, string(signed.Content)); p["EmailAddress"] != ann.Address {
		t.Errorf("it says %v", p)
	}
	signed.Content = bytes.Replace(signed.Content, []byte("ann@"), []byte("eve@"), 1)
	if err := signed.Verify(); err == nil {
		t.Error("changed, it is believed all the same")
	}
}
