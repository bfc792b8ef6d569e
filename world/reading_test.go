package world_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"colporteur/outward"
	"colporteur/world"
)

const ownMail = "urn:colporteur:params:jmap:mail"

// newest is the id of the mail that came last, of all that the member has.
func newest(t *testing.T, c *world.JMAP, text string) string {
	t.Helper()
	id := c.Call("Email/query", world.Args{"filter": world.Args{"text": text}, "sort": []any{world.Args{"property": "receivedAt", "isAscending": false}}}).Text("ids/0")
	if id == "" {
		t.Fatalf("no mail has %q", text)
	}
	return id
}

func field(line string) world.Option {
	return func(d *world.Draft) { d.Header = append(d.Header, line) }
}

func TestAReaderIsToldHowFarASenderCanBeRelied(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob, carl := home.Member("ann", "en"), home.Member("bob"), far.Member("carl")
	c := ann.JMAP()
	bob.Send(ann.Address, world.Subject("From next door"))
	carl.Send(ann.Address, world.Subject("From elsewhere"))
	w.Settle()

	// Who does not ask in our own words gets RFC 8621's.
	id := newest(t, c, "next door")
	if why := c.Fails("Email/get", world.Args{"ids": []string{id}, "properties": []string{"proof"}}); why != "invalidArguments" {
		t.Errorf("proof without its capability: %s", why)
	}
	c.Using = append(c.Using, ownMail)
	for _, x := range []struct{ text, level, word, detail string }{
		{"next door", "member", "", bob.Address},
		{"elsewhere", "proven", "", "far.test"},
	} {
		got := c.Call("Email/get", world.Args{"ids": []string{newest(t, c, x.text)}, "properties": []string{"proof"}})
		if got.Text("list/0/proof/level") != x.level || got.Text("list/0/proof/word") == "" || !strings.Contains(got.Text("list/0/proof/detail"), x.detail) {
			t.Errorf("%s: %v", x.text, got.Args)
		}
	}
	// What a member keeps themselves bears nobody's word.
	own := written(t, c, ann.Address, bob.Address)
	if got := c.Call("Email/get", world.Args{"ids": []string{own}, "properties": []string{"proof"}}); got.At("list/0/proof") != nil {
		t.Errorf("a draft has a badge: %v", got.Args)
	}
}

func TestAMailThatWasPutAsideComesBackAtItsHour(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	c := ann.JMAP()
	c.Using = append(c.Using, ownMail)
	bob.Send(ann.Address, world.Text("pas maintenant"))
	w.Settle()
	id := newest(t, c, "pas maintenant")
	c.Call("Email/set", world.Args{"update": world.Args{id: world.Args{"keywords/$seen": true}}})
	until := w.Clock.Now().Add(20 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)

	look := func() world.Answer {
		return c.Call("Email/get", world.Args{"ids": []string{id}, "properties": []string{"mailboxIds", "keywords", "snoozedUntil"}})
	}
	put := func(until any) {
		t.Helper()
		if got := c.Call("Email/snooze", world.Args{"ids": []string{id}, "until": until}); got.Text("updated/0") != id {
			t.Fatalf("%v", got.Args)
		}
	}
	inbox := c.Mailbox("inbox")
	put(until)
	if got := look(); got.Text("list/0/snoozedUntil") != until || got.At("list/0/mailboxIds/"+inbox) != nil || got.At("list/0/mailboxIds/"+c.Mailbox("snoozed")) != true {
		t.Fatalf("it does not wait: %v", got.Args)
	}
	ann.Folder("Plus tard").One()

	// Taken back, it is as it was.
	put(nil)
	if got := look(); got.At("list/0/snoozedUntil") != nil || got.At("list/0/mailboxIds/"+inbox) != true || got.At("list/0/keywords/$seen") != true || got.At("list/0/keywords/$new") != nil {
		t.Errorf("it was not taken back: %v", got.Args)
	}

	// At its hour it comes back unread; the hour of before says nothing any more.
	put(until)
	put(w.Clock.Now().Add(40 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339))
	w.Advance(21 * time.Hour)
	w.Settle()
	if got := look(); got.At("list/0/mailboxIds/"+inbox) != nil {
		t.Errorf("it came at the first hour: %v", got.Args)
	}
	w.Advance(20 * time.Hour)
	w.Settle()
	if got := look(); got.At("list/0/snoozedUntil") != nil || got.At("list/0/mailboxIds/"+inbox) != true || got.At("list/0/keywords/$seen") != nil || got.At("list/0/keywords/$new") != true {
		t.Errorf("it did not come back: %v", got.Args)
	}

	// What its reader moved meanwhile stays where it is.
	put(w.Clock.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339))
	c.Call("Email/set", world.Args{"update": world.Args{id: world.Args{"mailboxIds": world.Args{c.Mailbox("archive"): true}}}})
	w.Advance(2 * time.Hour)
	w.Settle()
	if got := look(); got.At("list/0/mailboxIds/"+inbox) != nil {
		t.Errorf("it left the archive: %v", got.Args)
	}

	for _, bad := range []any{"yesterday", w.Clock.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "2199-01-01T00:00:00Z"} {
		if why := c.Fails("Email/snooze", world.Args{"ids": []string{id}, "until": bad}); why != "invalidArguments" {
			t.Errorf("%v: %s", bad, why)
		}
	}
	if got := bob.JMAP(); true {
		got.Using = append(got.Using, ownMail)
		if a := got.Call("Email/snooze", world.Args{"ids": []string{id}, "until": w.Clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)}); a.Text("notUpdated/"+id+"/type") != "notFound" {
			t.Errorf("bob puts ann's mail aside: %v", a.Args)
		}
	}
}

// A letter that nobody answered comes back to whoever wrote it, and only then.
func TestALetterWithoutAnAnswerComesBack(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	c := ann.JMAP()
	c.Using = append(c.Using, ownMail)
	inbox, sent := c.Mailbox("inbox"), c.Mailbox("sent")
	put := func(head string) (id string) {
		t.Helper()
		var up struct{ BlobID string }
		c.Do("POST", "/jmap/upload/"+c.Account+"/", "message/rfc822", []byte("From: ann@home.test\r\nTo: bob@home.test\r\n"+head+"\r\nx\r\n"), 201, &up)
		return c.Call("Email/import", world.Args{"emails": world.Args{"m": world.Args{"blobId": up.BlobID, "mailboxIds": world.Args{sent: true}, "keywords": world.Args{"$seen": true},
			"receivedAt": w.Clock.Now().UTC().Format(time.RFC3339)}}}).Text("created/m/id")
	}
	quiet, answered, off := put("Subject: Sans\r\nMessage-ID: <sans@home.test>\r\n"), put("Subject: Avec\r\nMessage-ID: <avec@home.test>\r\n"), put("Subject: Non\r\nMessage-ID: <non@home.test>\r\n")
	put("Subject: Re: Sans\r\nMessage-ID: <sans2@home.test>\r\nIn-Reply-To: <sans@home.test>\r\nReferences: <sans@home.test>\r\n") // her own, once more
	remind := func(until any, ids ...string) {
		t.Helper()
		if a := c.Call("Email/snooze", world.Args{"ids": ids, "until": until, "unlessAnswered": true}); len(a.At("updated").([]any)) != len(ids) {
			t.Fatalf("%v", a)
		}
	}
	remind(w.Clock.Now().Add(72*time.Hour).UTC().Format(time.RFC3339), quiet, answered, off)
	look := func(id string) world.Answer {
		return c.Call("Email/get", world.Args{"ids": []string{id}, "properties": []string{"mailboxIds", "keywords", "snoozedUntil"}})
	}
	if got := look(quiet); got.Text("list/0/snoozedUntil") == "" || got.At("list/0/mailboxIds/"+sent) != true || got.At("list/0/mailboxIds/"+inbox) != nil {
		t.Errorf("while it waits: %v", got)
	}
	remind(nil, off)
	w.Advance(time.Hour)
	bob.Send(ann.Address, world.Subject("Re: Avec"), field("In-Reply-To: <avec@home.test>"), field("References: <avec@home.test>"), world.Text("Oui."))
	w.Settle()
	w.Advance(72 * time.Hour)
	w.Settle()
	if got := look(quiet); got.At("list/0/mailboxIds/"+inbox) != true || got.At("list/0/mailboxIds/"+sent) != true || got.At("list/0/keywords/$seen") != nil || got.At("list/0/keywords/$new") != true || got.At("list/0/snoozedUntil") != nil {
		t.Errorf("nobody answered: %v", got)
	}
	for what, id := range map[string]string{"answered": answered, "taken off": off} {
		if got := look(id); got.At("list/0/mailboxIds/"+inbox) != nil || got.At("list/0/keywords/$seen") != true || got.At("list/0/snoozedUntil") != nil {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func TestAMutedConversationStaysQuiet(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	c := ann.JMAP()
	bob.Send(ann.Address, world.Text("qui vient ?"), field("Message-ID: <1@home.test>"))
	w.Settle()
	first := newest(t, c, "qui vient")
	c.Call("Email/set", world.Args{"update": world.Args{first: world.Args{"keywords/$muted": true}}})
	bob.Send(ann.Address, world.Text("moi aussi"), field("In-Reply-To: <1@home.test>"))
	bob.Send(ann.Address, world.Text("autre chose"))
	w.Settle()
	of := func(text string) world.Answer {
		return c.Call("Email/get", world.Args{"ids": []string{newest(t, c, text)}, "properties": []string{"keywords"}})
	}
	if got := of("moi aussi"); got.At("list/0/keywords/$muted") != true || got.At("list/0/keywords/$seen") != true {
		t.Errorf("an answer rings: %v", got.Args)
	}
	if got := of("autre chose"); got.At("list/0/keywords/$muted") != nil || got.At("list/0/keywords/$seen") != nil {
		t.Errorf("another conversation is quiet: %v", got.Args)
	}
	// Pinned and fresh first, the rest by arrival: a list as the webmail asks for it.
	c.Call("Email/set", world.Args{"update": world.Args{first: world.Args{"keywords/$pinned": true, "keywords/$muted": nil}}})
	list := c.Call("Email/query", world.Args{"filter": world.Args{"inMailbox": c.Mailbox("inbox"), "notKeyword": "$muted"},
		"sort": []any{world.Args{"property": "hasKeyword", "keyword": "$pinned", "isAscending": false}, world.Args{"property": "receivedAt", "isAscending": false}}})
	if ids := list.At("ids").([]any); len(ids) != 2 || ids[0] != first || ids[1] != newest(t, c, "autre chose") {
		t.Errorf("%v", list.Args)
	}
}

func TestAListIsLeftWithOneButtonWhenItsSenderIsProven(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	far.Publish("p=reject")
	ann, carl := home.Member("ann", "fr"), far.Member("carl")
	asked := make(chan string, 10)
	list := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.RequestURI() + " " + string(body) + r.Header.Get("Cookie") + r.Header.Get("Referer")
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/on":
			http.Redirect(w, r, "/left", http.StatusFound)
		}
	}))
	defer list.Close()
	home.JMAP.Outward = outward.New(outward.Options{AllowPrivate: true, TLS: list.Client().Transport.(*http.Transport).TLSClientConfig})
	send := func(subject, url string) {
		carl.Send(ann.Address, world.Subject(subject), field("List-Unsubscribe: <mailto:leave@far.test>,\r\n <"+url+">"), field("List-Unsubscribe-Post: List-Unsubscribe=One-Click"))
	}
	send("Lettre premiere", list.URL+"/left?who=ann")
	send("Lettre deuxieme", list.URL+"/gone")
	send("Lettre troisieme", list.URL+"/on")
	send("Lettre quatrieme", "http://"+strings.TrimPrefix(list.URL, "https://")+"/plain")
	carl.Send(ann.Address, world.Subject("Lettre cinquieme"), field("List-Unsubscribe: <"+list.URL+"/page>"))
	w.Settle()
	if err := home.FromOutside("eve@elsewhere.test", []string{ann.Address}, []byte("From: Carl <carl@elsewhere.test>\r\nTo: ann@home.test\r\nSubject: Lettre sixieme\r\nList-Unsubscribe: <"+list.URL+
		"/forged>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMessage-ID: <6@elsewhere.test>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nun mot\r\n")); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	c := ann.JMAP()
	c.Using = append(c.Using, ownMail)
	for text, done := range map[string]bool{"premiere": true, "deuxieme": false, "troisieme": false} {
		if got := c.Call("Email/unsubscribe", world.Args{"emailId": newest(t, c, text)}); got.At("done") != done {
			t.Errorf("%s: %v", text, got.Args)
		}
	}
	for _, text := range []string{"quatrieme", "cinquieme", "sixieme"} {
		if why := c.Fails("Email/unsubscribe", world.Args{"emailId": newest(t, c, text)}); why != "invalidArguments" {
			t.Errorf("%s: %s", text, why)
		}
	}
	// Without leave to ask one's own network, this one is not asked.
	home.JMAP.Outward = outward.New(outward.Options{AnyPort: true, TLS: &tls.Config{InsecureSkipVerify: true}})
	if got := c.Call("Email/unsubscribe", world.Args{"emailId": newest(t, c, "premiere")}); got.At("done") != false || got.At("status") != 0.0 {
		t.Errorf("an address of this house was asked: %v", got.Args)
	}
	close(asked)
	n := 0
	for a := range asked {
		if n++; a != "POST /left?who=ann List-Unsubscribe=One-Click" && a != "POST /gone List-Unsubscribe=One-Click" && a != "POST /on List-Unsubscribe=One-Click" {
			t.Errorf("the list was asked %q", a)
		}
	}
	if n != 3 {
		t.Errorf("the list was asked %d times", n)
	}
}
