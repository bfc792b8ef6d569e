package world_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	cmail "colporteur/mail"
	"colporteur/office"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
	"colporteur/world"
)

// newOffice is a host whose postmaster is ann, past the guided set-up; pia is no more than a member.
func newOffice(t *testing.T) (w *world.World, home *world.Server, ann, pia *world.Member, b *browser) {
	w = world.New(t)
	home = w.Server("home.test")
	pia, ann = home.Member("pia"), home.Member("ann") // mail to postmaster would reach pia by itself
	if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("postmaster@home.test"), cmail.MustAddress(ann.Address)); err != nil {
		t.Fatal(err)
	}
	b = newBrowser(t).enter(home, ann)
	b.press(home, "/admin/start", url.Values{"step": {"1"}, "do": {"skip"}})
	return w, home, ann, pia, b
}

// press posts a form that must be taken, and returns the page that it leads to.
func (b *browser) press(s *world.Server, path string, form url.Values) string {
	b.t.Helper()
	code, h, body := b.do(s, "POST", path, form)
	if code != http.StatusSeeOther {
		b.t.Fatalf("POST %s: %d\n%s", path, code, body)
	}
	return b.see(s, h.Get("Location"))
}

// see opens a page that must be there.
func (b *browser) see(s *world.Server, path string, words ...string) string {
	b.t.Helper()
	code, _, body := b.do(s, "GET", path, nil)
	if code != http.StatusOK {
		b.t.Fatalf("GET %s: %d\n%s", path, code, body)
	}
	for _, w := range words {
		if !strings.Contains(body, w) {
			b.t.Errorf("%s does not show %q:\n%s", path, w, body)
		}
	}
	return body
}

var officePaths = []string{"/admin", "/admin/start", "/admin/members", "/admin/members/new", "/admin/members/ann@home.test", "/admin/directory", "/admin/queue",
	"/admin/trace", "/admin/links", "/admin/settings", "/admin/acts"}

func TestTheOfficeDoesNotExistForWhoeverDoesNotRunTheHost(t *testing.T) {
	t.Parallel()
	_, home, ann, pia, office := newOffice(t)
	member, nobody := newBrowser(t).enter(home, pia), newBrowser(t)
	_, _, nothing := member.do(home, "GET", "/nothing", nil)
	for _, path := range append(officePaths, "/admin/whatever") {
		if code, _, body := member.do(home, "GET", path, nil); code != http.StatusNotFound || body != nothing {
			t.Errorf("a member at %s: %d, and not the page of what is not there:\n%s", path, code, body)
		}
		if code, h, _ := nobody.do(home, "GET", path, nil); code != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/login?to=") {
			t.Errorf("somebody not signed in at %s: %d", path, code)
		}
	}
	for _, path := range officePaths {
		office.see(home, path, "<nav aria-label=\"Pages de l")
	}
	for _, path := range []string{"/admin/start", "/admin/members/new", "/admin/members/ann@home.test/suspend", "/admin/members/ann@home.test/password", "/admin/directory/alias-add",
		"/admin/queue/1/cancel", "/admin/trace", "/admin/links/album/1/freeze", "/admin/settings"} {
		form := url.Values{"from": {"postmaster@home.test"}, "to": {pia.Address}, "step": {"1"}, "what": {ann.Address}}
		if code, _, _ := member.do(home, "POST", path, form); code != http.StatusNotFound {
			t.Errorf("a member posts to %s: %d", path, code)
		}
		if code, _, _ := nobody.do(home, "POST", path, form); code != http.StatusSeeOther {
			t.Errorf("somebody not signed in posts to %s: %d", path, code)
		}
	}
	if yes, err := home.Accounts.Administers(t.Context(), pia.Account.ID); yes || err != nil {
		t.Errorf("%v, %v", yes, err)
	}
	// Off the alias is out at the next request.
	if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("postmaster@home.test"), cmail.MustAddress(pia.Address)); err != nil {
		t.Fatal(err)
	}
	member.see(home, "/admin/members")
	if err := home.Accounts.RemoveAlias(t.Context(), cmail.MustAddress("postmaster@home.test"), cmail.MustAddress(pia.Address)); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := member.do(home, "GET", "/admin/members", nil); code != http.StatusNotFound {
		t.Errorf("taken off the alias: %d", code)
	}
}

func TestAnotherSiteCannotPressTheButtonsOfTheOffice(t *testing.T) {
	t.Parallel()
	_, home, _, pia, b := newOffice(t)
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+home.Addr("http")+"/admin/members/"+pia.Address+"/suspend", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://evil.test")
	for _, c := range b.jar.Cookies(&url.URL{Scheme: "http", Host: "mail.home.test", Path: "/"}) {
		r.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	m, err := home.Accounts.ByID(t.Context(), pia.Account.ID)
	if resp.StatusCode != http.StatusForbidden || err != nil || !m.Suspended.IsZero() {
		t.Errorf("%d; suspended %v, %v", resp.StatusCode, m.Suspended, err)
	}
	// Nor does looking at an address do anything.
	if code, _, _ := b.do(home, "GET", "/admin/members/"+pia.Address+"/suspend", nil); code != http.StatusNotFound {
		t.Errorf("GET of what a button does: %d", code)
	}
}

func TestAMemberIsSuspendedInTheOfficeAndTheirOpenProgramsFeelIt(t *testing.T) {
	t.Parallel()
	_, home, ann, pia, b := newOffice(t)
	c := pia.IMAP()
	defer c.Close()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	web := newBrowser(t).enter(home, pia)
	if said := b.press(home, "/admin/members/"+pia.Address+"/suspend", url.Values{}); !strings.Contains(said, "Ce membre est suspendu") || !strings.Contains(said, "Suspendu depuis") {
		t.Errorf("the page does not say so:\n%s", said)
	}
	select {
	case <-c.Closed():
	case <-time.After(10 * time.Second):
		t.Error("their program is still connected")
	}
	web.reads(home, false, "suspended in the office")
	b.press(home, "/admin/members/"+pia.Address+"/resume", url.Values{})
	web.enter(home, pia).reads(home, true, "let in again")

	code, _, page := b.do(home, "POST", "/admin/members/"+pia.Address+"/password", url.Values{})
	fresh := regexp.MustCompile(`class="password">([^<]+)<`).FindStringSubmatch(page)
	if code != http.StatusOK || fresh == nil {
		t.Fatalf("%d\n%s", code, page)
	}
	web.reads(home, false, "after another password")
	pia.Password = fresh[1]
	web.enter(home, pia).reads(home, true, "with the new password")
	b.press(home, "/admin/members/"+pia.Address+"/sign-out", url.Values{})
	web.reads(home, false, "signed out everywhere")

	// Nobody shuts themselves out.
	if code, _, _ := b.do(home, "POST", "/admin/members/"+ann.Address+"/suspend", url.Values{}); code != http.StatusForbidden {
		t.Errorf("suspending oneself: %d", code)
	}
	// To remove somebody is to type who.
	if code, _, page := b.do(home, "POST", "/admin/members/"+pia.Address+"/remove", url.Values{"typed": {"ann@home.test"}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "Rien n&#39;a été effacé") {
		t.Errorf("%d\n%s", code, page)
	}
	b.press(home, "/admin/members/"+pia.Address+"/remove", url.Values{"typed": {" PIA@home.test"}})
	if _, err := home.Accounts.ByID(t.Context(), pia.Account.ID); !cmail.Is(err, cmail.NotFound) {
		t.Errorf("removed: %v", err)
	}
	acts := b.see(home, "/admin/acts", "a suspendu", "a rétabli l&#39;accès", "a donné un autre mot de passe", "a déconnecté partout", "a effacé le membre", pia.Address, ann.Address)
	if strings.Contains(acts, fresh[1]) {
		t.Error("the log has the password")
	}
}

func TestMembersGroupsAndAliasesAreKeptInTheOffice(t *testing.T) {
	t.Parallel()
	w, home, _, pia, b := newOffice(t)
	b.press(home, "/admin/settings", url.Values{"lang": {"en"}, "quota": {"2,5"}})
	b.see(home, "/admin/members/new", `value="en" lang="en" selected`, `value="2.5"`)
	code, _, page := b.do(home, "POST", "/admin/members/new", url.Values{"name": {"Zoé <b>"}, "address": {"zoe@home.test"}, "lang": {"fr"}, "quota": {"1,5"}, "welcome": {"1"}})
	fresh := regexp.MustCompile(`class="password">([^<]+)<`).FindStringSubmatch(page)
	if code != http.StatusOK || fresh == nil {
		t.Fatalf("%d\n%s", code, page)
	}
	m, err := home.Accounts.ByAddress(t.Context(), cmail.MustAddress("zoe@home.test"))
	if err != nil || m.Quota != 1_500_000_000 || m.Lang != "fr" {
		t.Errorf("%+v, %v", m, err)
	}
	w.Settle()
	zoe := &world.Member{Server: home, Address: "zoe@home.test", Password: fresh[1], Account: m}
	zoe.Inbox().One()
	if code, _, page := b.do(home, "POST", "/admin/members/new", url.Values{"name": {"Encore"}, "address": {"zoe@home.test"}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, `value="Encore"`) {
		t.Errorf("the same address twice: %d\n%s", code, page)
	}
	b.see(home, "/admin/members?q=ZO", "Zoé &lt;b&gt;", "1 membre sur 3", "1,5\u00a0Go")
	if page := b.see(home, "/admin/members?which=suspended"); strings.Contains(page, "zoe@") {
		t.Error("the filter shows who is not suspended")
	}
	for _, step := range []struct {
		do   string
		form url.Values
	}{
		{"group-add", url.Values{"group": {"bureau@home.test"}, "name": {"Le bureau"}}},
		{"join", url.Values{"group": {"bureau@home.test"}, "member": {pia.Address}}},
		{"alias-add", url.Values{"from": {"contact@home.test"}, "to": {"bureau@home.test"}}},
	} {
		b.press(home, "/admin/directory/"+step.do, step.form)
	}
	b.see(home, "/admin/directory", "Le bureau", "contact@home.test", pia.Address)
	b.press(home, "/admin/directory/leave", url.Values{"group": {"bureau@home.test"}, "member": {pia.Address}})
	b.press(home, "/admin/directory/alias-remove", url.Values{"from": {"contact@home.test"}, "to": {"bureau@home.test"}})
	if code, _, _ := b.do(home, "POST", "/admin/directory/group-remove", url.Values{"group": {"bureau@home.test"}, "typed": {"x@home.test"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("a group removed without its address: %d", code)
	}
	b.press(home, "/admin/directory/group-remove", url.Values{"group": {"bureau@home.test"}, "typed": {"bureau@home.test"}})
	if page := b.see(home, "/admin/directory"); strings.Contains(page, "bureau@") {
		t.Error("the group is still there")
	}
	if groups, err := home.Accounts.AllGroups(t.Context()); err != nil || len(groups) != 0 {
		t.Errorf("%v, %v", groups, err)
	}
}

func TestMailThatWaitsIsHeldReleasedAndGivenUpInTheOffice(t *testing.T) {
	t.Parallel()
	w, home, _, pia, b := newOffice(t)
	w.Server("nowhere.test").Stop()
	pia.Send("somebody@nowhere.test", world.Subject("Attend"), world.Text("x"))
	row := regexp.MustCompile(`/admin/queue/(\d+)/retry`)
	path := ""
	for end := time.Now().Add(20 * time.Second); path == "" && time.Now().Before(end); {
		if m := row.FindStringSubmatch(b.see(home, "/admin/queue")); m != nil {
			path = "/admin/queue/" + m[1]
		}
	}
	if path == "" {
		t.Fatal("no mail waits")
	}
	if page := b.press(home, path+"/hold", url.Values{}); !strings.Contains(page, "Le message est retenu") || !strings.Contains(page, path+"/release") {
		t.Errorf("held:\n%s", page)
	}
	b.press(home, path+"/release", url.Values{})
	b.press(home, path+"/retry", url.Values{})
	if page := b.press(home, path+"/cancel", url.Values{}); !strings.Contains(page, "Le message est abandonné") || strings.Contains(page, path) {
		t.Errorf("given up:\n%s", page)
	}
	if page := b.press(home, path+"/cancel", url.Values{}); !strings.Contains(page, "attend plus") {
		t.Errorf("given up twice:\n%s", page)
	}
	code, _, story := b.do(home, "POST", "/admin/trace", url.Values{"what": {"somebody@nowhere.test"}})
	if code != http.StatusOK || !strings.Contains(story, `<li class="lost">`) || !strings.Contains(story, "pia@home.test") || strings.Contains(story, "Attend<") {
		t.Errorf("%d\n%s", code, story)
	}
	b.see(home, "/admin/acts", "a cherché la trace", "a retenu le message", "a abandonné le message")
}

func TestAFrozenTransferIsSeenByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	w, home, ann, pia, b := newOffice(t)
	pia.Send("envoi@home.test", world.Subject("Le film"), world.Cc(ann), world.Text("Voici."), world.Attach("film.mp4", "video/mp4", []byte("un film")))
	w.Settle()
	guest := ann.Inbox().Last().Link()
	home.Browse(guest).Sees("film.mp4")
	page := b.see(home, "/admin/links", "Le film", pia.Address)
	path := regexp.MustCompile(`/admin/links/transfer/\d+`).FindString(page)
	if page := b.press(home, path+"/freeze", url.Values{}); !strings.Contains(page, "Gelé depuis") {
		t.Errorf("frozen:\n%s", page)
	}
	home.Browse(guest).Gone()
	// What its owner changes now does not thaw it, not even a form from before.
	id, _ := strconv.ParseInt(path[strings.LastIndex(path, "/")+1:], 10, 64)
	if err := home.Transfers.SetRules(t.Context(), transfer.ID(id), link.Member(pia.Account.ID), link.Rules{Downloads: 3}); err != nil {
		t.Fatal(err)
	}
	home.Browse(guest).Gone()
	b.press(home, path+"/unfreeze", url.Values{})
	home.Browse(guest).Sees("film.mp4")
	if code, _, _ := b.do(home, "POST", "/admin/links/transfer/1/freeze", url.Values{}); code != http.StatusNotFound {
		t.Errorf("what is not there is frozen: %d", code)
	}
}

func TestTheFrontPageIsTheHousesOwnAndHarmless(t *testing.T) {
	t.Parallel()
	w, home, _, pia, b := newOffice(t)
	b.press(home, "/admin/settings", url.Values{"name": {"Les Amis <i>"}, "contact": {"Marie, 06 00"}, "lang": {"fr"},
		"front-fr": {"# Bienvenue\r\n\r\n<script>alert(1)</script> <img src=x onerror=alert(1)>\r\n\r\n- javascript:alert(1)\r\n- https://asso.test/?a=\"onmouseover=x"},
		"help-fr":  {"Demandez à Marie."}})
	page := home.Browse("/", "Accept-Language: fr").Sees("<h1>Les Amis &lt;i&gt;</h1>", "<h2>Bienvenue</h2>", "&lt;script&gt;alert(1)&lt;/script&gt;", "Marie, 06 00", "Demandez à Marie.", `<a href="https://asso.test/?a="`)
	page.SeesNot("<script>alert", "<img src=x", `href="javascript`, `"onmouseover`, "Ceci est un serveur de courrier")
	home.Browse("/?lang=en").Sees("<h2>Bienvenue</h2>") // the other language serves
	if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") {
		t.Error(got)
	}
	pia.Send("aide@home.test", world.Subject("?"), world.Text("?"))
	w.Settle()
	pia.Inbox().Last().Says("Demandez à Marie.")
	if code, _, page := b.do(home, "POST", "/admin/settings", url.Values{"name": {strings.Repeat("x", 300)}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "200 caractères") {
		t.Errorf("%d\n%s", code, page)
	}
}

func TestTheFirstVisitIsGuidedAndCanBeLeftAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, elsewhere := home.Member("ann"), w.Server("away.test").Member("ann")
	if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("postmaster@home.test"), cmail.MustAddress(ann.Address)); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t).enter(home, ann)
	if code, h, _ := b.do(home, "GET", "/admin", nil); code != http.StatusSeeOther || h.Get("Location") != "/admin/start" {
		t.Fatalf("the first visit: %d, %v", code, h)
	}
	b.see(home, "/admin/start", "Étape 1 sur 4")
	if page := b.press(home, "/admin/start", url.Values{"step": {"1"}, "do": {"next"}, "name": {"Les Amis"}, "contact": {"Marie"}}); !strings.Contains(page, "Étape 2 sur 4") || !strings.Contains(page, "v=spf1") || !strings.Contains(page, `class="verdicts"`) {
		t.Errorf("the records:\n%s", page)
	}
	b.see(home, "/admin", "/admin/start") // it can be taken up again
	b.see(home, "/admin/start", "Étape 2 sur 4")
	b.press(home, "/admin/start", url.Values{"step": {"2"}, "do": {"look"}})
	b.press(home, "/admin/start", url.Values{"step": {"2"}, "do": {"skip"}})
	code, _, page := b.do(home, "POST", "/admin/start", url.Values{"step": {"3"}, "do": {"member"}, "name": {"Bob"}, "address": {"bob@home.test"}, "lang": {"fr"}})
	if code != http.StatusOK || !strings.Contains(page, `class="password"`) || !strings.Contains(page, "<li>bob@home.test</li>") {
		t.Errorf("%d\n%s", code, page)
	}
	b.press(home, "/admin/start", url.Values{"step": {"3"}, "do": {"skip"}})
	b.press(home, "/admin/start", url.Values{"step": {"4"}, "do": {"test"}, "to": {elsewhere.Address}})
	w.Settle()
	elsewhere.Inbox().One().Says("il sait envoyer")
	b.press(home, "/admin/start", url.Values{"step": {"4"}, "do": {"skip"}})
	if page := b.see(home, "/admin", "Regardé à", "Aucune sauvegarde"); strings.Contains(page, "Reprendre l&#39;installation") {
		t.Error("the set-up is over, and is offered again")
	}
	home.Browse("/", "Accept-Language: fr").Sees("<h1>Les Amis</h1>", "Marie")
}

func TestTheStateOfTheHostIsSaidInSentencesTheWorstFirst(t *testing.T) {
	t.Parallel()
	w, home, _, _, b := newOffice(t)
	if err := home.Office.Refused(t.Context(), office.Refusing{Who: "Orange", Scope: "ip", Server: "smtp-in.orange.fr", Form: "https://postmaster.orange.fr/"}); err != nil {
		t.Fatal(err)
	}
	w.Advance(2 * time.Minute) // the guided set-up has looked
	page := b.see(home, "/admin", "Orange refuse nos mails depuis", "(réputation de notre adresse IP)", `<a href="https://postmaster.orange.fr/"`, "Aucun message n&#39;attend", "Aucune sauvegarde", "1 chose ne va pas")
	if first := strings.Index(page, `<li class="bad"`); first < 0 || first > strings.Index(page, `<li class="warn"`) || strings.LastIndex(page, `<li class="warn"`) > strings.Index(page, `<li class="good"`) {
		t.Errorf("not the worst first:\n%s", page)
	}
	if err := home.Office.BackedUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page := b.see(home, "/admin"); strings.Contains(page, "Dernière sauvegarde") {
		t.Error("what is slow is looked at at every request")
	}
	w.Advance(2 * time.Minute)
	b.see(home, "/admin", "Dernière sauvegarde", "Orange refuse nos mails")
	w.Advance(25 * time.Hour)
	if page := b.see(home, "/admin", "Rien ne demande votre attention"); strings.Contains(page, "Orange") {
		t.Error("a day without a refusal is not enough")
	}
	// Nobody takes the last rights from themselves.
	if code, _, page := b.do(home, "POST", "/admin/directory/alias-remove", url.Values{"from": {"postmaster@home.test"}, "to": {"ann@home.test"}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "votre propre accès") {
		t.Errorf("%d\n%s", code, page)
	}
	b.see(home, "/admin/directory", "postmaster@home.test")
}
