package world_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	cmail "colporteur/mail"
	"colporteur/world"
)

// as files a draft from an address and sends it with an identity; it returns the
// answer about the submission.
func as(t *testing.T, c *world.JMAP, identity, from, to, html string) world.Answer {
	t.Helper()
	email := c.Call("Email/set", world.Args{"create": world.Args{"k": world.Args{"mailboxIds": world.Args{c.Mailbox("drafts"): true},
		"from": []any{world.Args{"email": from}}, "to": []any{world.Args{"email": to}}, "subject": "Cotisations",
		"htmlBody": []any{world.Args{"partId": "h", "type": "text/html"}}, "bodyValues": world.Args{"h": world.Args{"value": html}}}}}).Text("created/k/id")
	return c.Call("EmailSubmission/set", world.Args{"create": world.Args{"s": world.Args{"emailId": email, "identityId": identity}}})
}

func TestAMemberSendsAsTheTreasurerWithTheTreasurersSignature(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann", "fr"), far.Member("bob")
	home.Member("carl")
	if err := home.Accounts.AddAlias(t.Context(), cmail.MustAddress("tresorier@home.test"), cmail.MustAddress(ann.Address)); err != nil {
		t.Fatal(err)
	}
	c := ann.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:submission")
	logo := "data:image/png;base64," + base64.StdEncoding.EncodeToString(make([]byte, 48_000))
	got := c.Call("Identity/set", world.Args{"create": world.Args{
		"t": world.Args{"name": "La trésorière", "email": "tresorier@home.test", "bcc": []any{world.Args{"email": "archives@far.test"}},
			"htmlSignature": `<p onclick="x()">Ann<script>alert(1)</script> <img src="` + logo + `"><img src="https://far.test/pixel.png"></p>`},
		"carl":  world.Args{"email": "carl@home.test"},
		"star":  world.Args{"email": "*@home.test"},
		"none":  world.Args{"name": "x"},
		"large": world.Args{"email": "ann+x@home.test", "htmlSignature": strings.Repeat("x", 65<<10)},
	}})
	id, signature := got.Text("created/t/id"), got.Text("created/t/htmlSignature")
	if id == "" || !strings.Contains(signature, logo) || strings.Contains(signature, "alert") || strings.Contains(signature, "onclick") || strings.Contains(signature, "pixel") ||
		got.At("created/t/mayDelete") != true || got.At("created/t/name") != nil || got.At("created/t/textSignature") != "" {
		t.Fatalf("%.500v", got.Args)
	}
	for key, want := range map[string]string{"carl": "forbiddenFrom", "star": "forbiddenFrom", "none": "invalidProperties", "large": "invalidProperties"} {
		if kind := got.Text("notCreated/" + key + "/type"); kind != want {
			t.Errorf("%s is answered %s, want %s", key, kind, want)
		}
	}

	// Both are there, the own one first, and what is not the member's cannot be said.
	list := c.Call("Identity/get", world.Args{})
	if list.Text("list/0/id") != "own" || list.Text("list/0/name") != "Ann" || list.At("list/0/mayDelete") != false || list.Text("list/1/id") != id || list.Text("list/1/bcc/0/email") != "archives@far.test" || list.At("list/2") != nil {
		t.Errorf("%.500v", list.Args)
	}

	// Sent as the treasurer, it comes from there, to the picture in the signature.
	if got := as(t, c, id, "tresorier@home.test", bob.Address, "<p>Bonjour</p>"+signature); got.Text("created/s/id") == "" {
		t.Fatalf("%v", got.Args)
	} else if of := c.Call("EmailSubmission/get", world.Args{"ids": []string{got.Text("created/s/id")}}); of.Text("list/0/identityId") != id || of.Text("list/0/envelope/mailFrom/email") != "tresorier@home.test" {
		t.Errorf("%v", of.Args)
	}
	w.Settle()
	m := bob.Inbox().One()
	if from := m.Header.Get("From"); !strings.Contains(from, "tresorier@home.test") || m.Header.Get("Return-Path") != "<tresorier@home.test>" || !strings.Contains(m.HTML, logo) {
		t.Errorf("From: %s, Return-Path: %s, with its picture: %t", from, m.Header.Get("Return-Path"), strings.Contains(m.HTML, logo))
	}

	// Another From than the identity's is refused, also one that would be allowed by itself.
	for _, from := range []string{ann.Address, "carl@home.test"} {
		if got := as(t, c, id, from, bob.Address, "x"); got.Text("notCreated/s/type") != "forbiddenFrom" {
			t.Errorf("From: %s as the treasurer: %v", from, got.Args)
		}
	}
	if got := as(t, c, "iaaaaaaaaaaaaa", ann.Address, bob.Address, "x"); got.Text("notCreated/s/type") != "invalidProperties" {
		t.Errorf("an identity that is nobody's: %v", got.Args)
	}
	// An alias that leads elsewhere now is no sender of hers any more.
	if err := home.Accounts.RemoveAlias(t.Context(), cmail.MustAddress("tresorier@home.test")); err != nil {
		t.Fatal(err)
	}
	if got := as(t, c, id, "tresorier@home.test", bob.Address, "x"); !strings.HasPrefix(got.Text("notCreated/s/type"), "forbidden") {
		t.Errorf("sent from an address that was taken away: %v", got.Args)
	}
	w.Settle()
	bob.Inbox().One()
}

func TestIdentitiesAreChangedAndEveryProgramHearsOfIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	c := ann.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:submission")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+home.Addr("http")+"/jmap/events?types=Identity,Email,VacationResponse&closeafter=no&ping=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(ann.Address, ann.Password)
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	in := bufio.NewScanner(resp.Body)
	for in.Scan() && in.Text() != "" {
	}
	first := c.Call("Identity/get", world.Args{}).Text("state")
	got := c.Call("Identity/set", world.Args{"ifInState": first, "update": world.Args{
		"own": world.Args{"id": "own", "email": ann.Address, "name": "Ann Petit", "replyTo": []any{world.Args{"name": "Le bureau", "email": "bureau@far.test"}}, "textSignature": "Ann\nTrésorière", "htmlSignature": "<b>Ann</b>"}},
		"create": world.Args{"n": world.Args{"email": "ann+lettres@home.test"}}})
	id := got.Text("created/n/id")
	if _, ok := got.At("updated").(map[string]any)["own"]; !ok || id == "" || got.Text("oldState") != first || got.Text("newState") == first {
		t.Fatalf("%v", got.Args)
	}
	heard := func(kind, state string) {
		t.Helper()
		told := ""
		for ok := false; !ok && in.Scan(); {
			told, ok = strings.CutPrefix(in.Text(), "data: ")
		}
		if want := fmt.Sprintf(`{"@type":"StateChange","changed":{"%s":{"%s":"%s"}}}`, c.Account, kind, state); told != want {
			t.Errorf("who listens heard %s, want %s", told, want)
		}
	}
	heard("Identity", got.Text("newState"))
	c.Using = append(c.Using, "urn:ietf:params:jmap:vacationresponse")
	heard("VacationResponse", c.Call("VacationResponse/set", world.Args{"update": world.Args{"singleton": world.Args{"isEnabled": true}}}).Text("newState"))
	own := c.Call("Identity/get", world.Args{"ids": []string{"own", "nobody"}, "properties": []string{"name", "textSignature", "htmlSignature", "replyTo", "email"}})
	if own.Text("list/0/name") != "Ann Petit" || own.Text("list/0/textSignature") != "Ann\nTrésorière" || own.Text("list/0/htmlSignature") != "<b>Ann</b>" || own.Text("list/0/replyTo/0/name") != "Le bureau" || own.Text("notFound/0") != "nobody" {
		t.Errorf("%v", own.Args)
	}
	if kind := c.Fails("Identity/set", world.Args{"ifInState": first, "destroy": []string{id}}); kind != "stateMismatch" {
		t.Errorf("a change of an old state is told %s", kind)
	}
	got = c.Call("Identity/set", world.Args{"update": world.Args{id: world.Args{"email": "ann@home.test"}, "own": world.Args{"replyTo/0/name": "x"}, "nobody": world.Args{"name": "x"}}, "destroy": []string{"own", "nobody"}})
	for path, want := range map[string]string{"notUpdated/" + id: "invalidProperties", "notUpdated/own": "willDestroy", "notUpdated/nobody": "willDestroy", "notDestroyed/own": "forbidden", "notDestroyed/nobody": "notFound"} {
		if kind := got.Text(path + "/type"); kind != want {
			t.Errorf("%s: %s, want %s", path, kind, want)
		}
	}
	got = c.Call("Identity/set", world.Args{"destroy": []string{id}})
	changes := c.Call("Identity/changes", world.Args{"sinceState": first})
	if got.Text("destroyed/0") != id || changes.Text("updated/0") != "own" || changes.At("updated/1") != nil || changes.At("created/0") != nil || changes.At("destroyed/0") != nil || changes.Text("newState") != got.Text("newState") {
		t.Errorf("%v\n%v", got.Args, changes.Args)
	}
	if kind := c.Fails("Identity/changes", world.Args{"sinceState": "99"}); kind != "cannotCalculateChanges" {
		t.Errorf("a state that never was is told %s", kind)
	}
}
