package world_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"colporteur/world"
)

// written files a draft over JMAP and returns its id.
func written(t *testing.T, c *world.JMAP, from, to string) string {
	t.Helper()
	set := c.Call("Email/set", world.Args{"create": world.Args{"k": world.Args{"mailboxIds": world.Args{c.Mailbox("drafts"): true}, "keywords": world.Args{"$draft": true},
		"from": []any{world.Args{"email": from}}, "to": []any{world.Args{"email": to}}, "bcc": []any{world.Args{"email": "carl@far.test"}}, "subject": "Bonjour",
		"textBody": []any{world.Args{"partId": "t"}}, "bodyValues": world.Args{"t": world.Args{"value": "Bonjour Bob\n"}}}}})
	id := set.Text("created/k/id")
	if id == "" {
		t.Fatalf("%v", set.Args)
	}
	return id
}

func TestAMailIsSentOverJMAPAndTakenBackWhileItWaits(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob, carl := home.Member("ann", "fr"), far.Member("bob"), far.Member("carl")
	c := ann.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:submission")
	identity := c.Call("Identity/get", world.Args{}).Text("list/0/id")
	drafts, sent := c.Mailbox("drafts"), c.Mailbox("sent")
	then := world.Args{"#s": world.Args{"keywords/$draft": nil, "mailboxIds/" + drafts: nil, "mailboxIds/" + sent: true}}

	// Sent at once: each has it, Bcc in none, and the member's own copy is filed.
	email := written(t, c, ann.Address, bob.Address)
	got := c.Calls(world.Step{Name: "EmailSubmission/set", Args: world.Args{"create": world.Args{"s": world.Args{"emailId": email, "identityId": identity}}, "onSuccessUpdateEmail": then}})
	if len(got) != 2 || got[0].Text("created/s/undoStatus") != "final" || got[1].Name != "Email/set" || got[1].At("updated") == nil {
		t.Fatalf("%v", got)
	}
	w.Settle()
	for _, who := range []*world.Member{bob, carl} {
		m := who.Inbox().One().Says("Bonjour Bob")
		if m.Header.Get("Bcc") != "" {
			t.Errorf("%s sees who has a blind copy", who.Address)
		}
	}
	ann.Folder("Envoyés").One()
	ann.Folder("Brouillons").Empty()

	// Held for ten seconds: taken back, it never leaves.
	email = written(t, c, ann.Address, bob.Address)
	hold := world.Args{"mailFrom": world.Args{"email": ann.Address, "parameters": world.Args{"HOLDFOR": "10"}}, "rcptTo": []any{world.Args{"email": bob.Address}, world.Args{"email": strings.ToUpper(bob.Address)}}}
	create := func() string {
		got := c.Call("EmailSubmission/set", world.Args{"create": world.Args{"s": world.Args{"emailId": email, "identityId": identity, "envelope": hold}}})
		if got.Text("created/s/undoStatus") != "pending" {
			t.Fatalf("%v", got.Args)
		}
		return got.Text("created/s/id")
	}
	cancel := func(id string) world.Answer {
		return c.Call("EmailSubmission/set", world.Args{"update": world.Args{id: world.Args{"undoStatus": "canceled"}}})
	}
	first := create()
	if got := cancel(first); got.At("notUpdated/"+first) != nil {
		t.Fatalf("%v", got.Args)
	}
	w.Advance(time.Minute)
	w.Settle()
	bob.Inbox().One()
	if got := c.Call("EmailSubmission/get", world.Args{"ids": []string{first}}); got.Text("list/0/undoStatus") != "canceled" {
		t.Errorf("%v", got.Args)
	}
	second := create()
	w.Advance(time.Minute)
	w.Settle()
	if n := len(bob.Inbox().All); n != 2 {
		t.Errorf("bob has %d mails, want the first and the held one, once", n)
	}
	if got := cancel(second); got.Text("notUpdated/"+second+"/type") != "cannotUnsend" {
		t.Errorf("what has left was taken back: %v", got.Args)
	}
	if got := c.Call("EmailSubmission/query", world.Args{"filter": world.Args{"undoStatus": "final"}}); len(got.At("ids").([]any)) != 2 {
		t.Errorf("%v", got.Args)
	}

	// What SMTP would refuse is refused.
	for name, want := range map[string]struct {
		from string
		env  world.Args
	}{
		"forbiddenFrom":     {"bob@far.test", nil},
		"forbiddenMailFrom": {ann.Address, world.Args{"mailFrom": world.Args{"email": "bob@home.test"}, "rcptTo": []any{world.Args{"email": bob.Address}}}},
		"noRecipients":      {ann.Address, world.Args{"mailFrom": world.Args{"email": ann.Address}, "rcptTo": []any{}}},
		"invalidRecipients": {ann.Address, world.Args{"mailFrom": world.Args{"email": ann.Address}, "rcptTo": []any{world.Args{"email": "nobody@home.test"}, world.Args{"email": bob.Address}}}},
		"invalidProperties": {ann.Address, world.Args{"mailFrom": world.Args{"email": ann.Address, "parameters": world.Args{"HOLDFOR": "99999999"}}, "rcptTo": []any{world.Args{"email": bob.Address}}}},
	} {
		s := world.Args{"emailId": written(t, c, want.from, bob.Address), "identityId": identity}
		if want.env != nil {
			s["envelope"] = want.env
		}
		got := c.Call("EmailSubmission/set", world.Args{"create": world.Args{"s": s}})
		if got.Text("notCreated/s/type") != name {
			t.Errorf("want %s: %v", name, got.Args)
		}
	}
	w.Settle()
	if n := len(bob.Inbox().All); n != 2 {
		t.Errorf("bob has %d mails: something refused was sent", n)
	}
}

func TestNewsComeToProgramsThatListen(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	c := ann.JMAP()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	listen := func(query string) *bufio.Scanner {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+home.Addr("http")+"/jmap/events?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(ann.Address, ann.Password)
		resp, err := http.DefaultClient.Do(r)
		if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatalf("%v %v", resp, err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		in := bufio.NewScanner(resp.Body)
		for in.Scan() && in.Text() != "" { // it is there
		}
		return in
	}
	all, once := listen("types=*&closeafter=no&ping=0"), listen("types=Email&closeafter=state&ping=0")
	bob.Send(ann.Address, world.Subject("du nouveau"))
	w.Settle()
	state := c.Call("Email/get", world.Args{"ids": []string{}}).Text("state")
	next := func(in *bufio.Scanner) string {
		t.Helper()
		for in.Scan() {
			if data, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				return data
			}
		}
		return ""
	}
	for _, in := range []*bufio.Scanner{all, once} {
		if got := next(in); !strings.Contains(got, `"Email":"`+state+`"`) || !strings.Contains(got, `"@type":"StateChange"`) || !strings.Contains(got, c.Account) {
			t.Errorf("told %q, the state is %s", got, state)
		}
	}
	if got := next(once); got != "" {
		t.Errorf("after the first news came %q", got)
	}
	c.Call("Email/set", world.Args{"update": world.Args{c.Call("Email/query", world.Args{}).Text("ids/0"): world.Args{"keywords/$seen": true}}})
	if got := next(all); got == "" || strings.Contains(got, `"`+state+`"`) {
		t.Errorf("a flag told %q", got)
	}
}

func TestAProgramLearnsHowFullTheMailboxIs(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	c := ann.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:quota")
	if got := c.Call("Quota/get", world.Args{}); len(got.At("list").([]any)) != 0 {
		t.Errorf("without a limit: %v", got.Args)
	}
	ann.Quota(1_000_000)
	ann.Send(ann.Address, world.Attach("x.bin", "application/octet-stream", make([]byte, 30_000)))
	w.Settle()
	got := c.Calls(world.Step{Name: "Quota/query", Args: world.Args{"filter": world.Args{"type": "Email"}, "calculateTotal": true}},
		world.Step{Name: "Quota/get", Args: world.Args{"#ids": world.Args{"resultOf": "0", "name": "Quota/query", "path": "/ids"}}})
	if used, _ := got[1].At("list/0/used").(float64); used < 40_000 || used > 50_000 || got[1].At("list/0/hardLimit") != 1_000_000.0 || got[1].Text("list/0/resourceType") != "octets" || got[0].At("total") != 1.0 {
		t.Errorf("%v", got)
	}
	state := got[1].Text("state")
	c.Call("Quota/changes", world.Args{"sinceState": state})
	ann.Send(ann.Address)
	w.Settle()
	if kind := c.Fails("Quota/changes", world.Args{"sinceState": state}); kind != "cannotCalculateChanges" {
		t.Errorf("a change is told as %s", kind)
	}
}
