package world_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"colporteur/world"
)

// What the two RFCs say a call is refused with: each method with each of its errors.
func TestEveryMethodRefusesAsTheRFCsSay(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	bob.Send(ann.Address, world.Subject("Bonjour"), world.Text("Un mot.\r\n"))
	w.Settle()
	c := ann.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:submission", "urn:ietf:params:jmap:vacationresponse", "urn:ietf:params:jmap:quota")
	anothers := bob.JMAP().Account
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("x%d", i)
	}
	tooMany := map[string]any{}
	for _, id := range many {
		tooMany[id] = map[string]any{}
	}
	deep := any(map[string]any{"hasKeyword": "$seen"})
	for range 40 {
		deep = map[string]any{"operator": "NOT", "conditions": []any{deep}}
	}
	refused := func(name string, args world.Args, want string) {
		t.Helper()
		got := c.Calls(world.Step{Name: name, Args: args})
		if len(got) != 1 || got[0].Name != "error" || got[0].Text("type") != want {
			t.Errorf("%s %.200v: %.300v, want %s", name, args, got, want)
		}
	}

	// RFC 8620 §5.1 to §5.6, for every type that has the method.
	get := []string{"Mailbox", "Thread", "Email", "Identity", "EmailSubmission", "VacationResponse", "Quota"}
	changes := []string{"Mailbox", "Thread", "Email", "Identity", "EmailSubmission", "Quota"}
	set := []string{"Mailbox", "Email", "Identity", "EmailSubmission", "VacationResponse"}
	query := []string{"Mailbox", "Email", "EmailSubmission", "Quota"}
	every := func(name string, more ...world.Args) {
		t.Helper()
		for account, want := range map[any]string{"nobody": "accountNotFound", anothers: "accountNotFound", nil: "invalidArguments", 7: "invalidArguments"} {
			args := world.Args{}
			for _, m := range more {
				for k, v := range m {
					args[k] = v
				}
			}
			args["accountId"] = account
			refused(name, args, want)
		}
		args := world.Args{"oddArgument": 1}
		for _, m := range more {
			for k, v := range m {
				args[k] = v
			}
		}
		refused(name, args, "invalidArguments")
		got := post1(t, home, ann, `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["`+name+`",{"accountId":"`+c.Account+`"},"0"]]}`)
		if got != "unknownMethod" {
			t.Errorf("%s without its capability: %s", name, got)
		}
	}
	for _, kind := range get {
		every(kind+"/get", world.Args{"ids": []string{}})
		refused(kind+"/get", world.Args{"ids": many}, "requestTooLarge")
		refused(kind+"/get", world.Args{"ids": []string{}, "properties": []string{"nothing"}}, "invalidArguments")
		refused(kind+"/get", world.Args{"ids": "x"}, "invalidArguments")
		refused(kind+"/get", world.Args{"ids": []any{7}}, "invalidArguments")
		if a := c.Call(kind+"/get", world.Args{"ids": []string{"x1", "x1", "ünknown"}}); fmt.Sprint(a.At("notFound")) != "[x1 ünknown]" || a.Text("state") == "" {
			t.Errorf("%s/get of what is not there: %v", kind, a)
		}
	}
	for _, kind := range changes {
		every(kind+"/changes", world.Args{"sinceState": "x"})
		refused(kind+"/changes", world.Args{}, "cannotCalculateChanges")
		refused(kind+"/changes", world.Args{"sinceState": "never"}, "cannotCalculateChanges")
		now := c.Call(kind+"/get", world.Args{"ids": []string{}}).Text("state")
		refused(kind+"/changes", world.Args{"sinceState": now, "maxChanges": 0}, "invalidArguments")
		refused(kind+"/changes", world.Args{"sinceState": now, "maxChanges": -1}, "invalidArguments")
		refused(kind+"/changes", world.Args{"sinceState": now, "maxChanges": "1"}, "invalidArguments")
		if a := c.Call(kind+"/changes", world.Args{"sinceState": now}); a.Text("newState") != now || a.At("hasMoreChanges") != false || fmt.Sprint(a.At("created"), a.At("updated"), a.At("destroyed")) != "[] [] []" {
			t.Errorf("%s/changes since now: %v", kind, a)
		}
	}
	for _, kind := range set {
		every(kind + "/set")
		refused(kind+"/set", world.Args{"ifInState": "never"}, "stateMismatch")
		refused(kind+"/set", world.Args{"create": tooMany}, "requestTooLarge")
		refused(kind+"/set", world.Args{"destroy": many}, "requestTooLarge")
		refused(kind+"/set", world.Args{"create": []string{}}, "invalidArguments")
		a := c.Call(kind+"/set", world.Args{"update": world.Args{"x1": world.Args{}}, "destroy": []string{"x2"}})
		if a.Text("notUpdated/x1/type") != "notFound" || kind != "VacationResponse" && a.Text("notDestroyed/x2/type") != "notFound" {
			t.Errorf("%s/set of what is not there: %v", kind, a)
		}
		if a.Text("oldState") == "" || a.Text("oldState") != a.Text("newState") {
			t.Errorf("%s/set that did nothing: %v", kind, a)
		}
	}
	for _, kind := range query {
		every(kind + "/query")
		every(kind+"/queryChanges", world.Args{"sinceQueryState": "x"})
		refused(kind+"/query", world.Args{"anchor": "x1"}, "anchorNotFound")
		refused(kind+"/query", world.Args{"limit": -1}, "invalidArguments")
		refused(kind+"/query", world.Args{"sort": []any{world.Args{"property": "nothing"}}}, "unsupportedSort")
		refused(kind+"/query", world.Args{"filter": world.Args{"nothing": 1}}, "unsupportedFilter")
		refused(kind+"/query", world.Args{"filter": 7}, "invalidArguments")
		refused(kind+"/queryChanges", world.Args{"sinceQueryState": "never"}, "cannotCalculateChanges")
		all := c.Call(kind+"/query", world.Args{"calculateTotal": true})
		n := len(all.At("ids").([]any))
		if int(all.At("total").(float64)) != n || all.At("position") != 0.0 || all.Text("queryState") == "" {
			t.Errorf("%s/query of all: %v", kind, all)
		}
		if a := c.Call(kind+"/query", world.Args{"position": 1000}); len(a.At("ids").([]any)) != 0 {
			t.Errorf("%s/query beyond the end: %v", kind, a)
		}
		if a := c.Call(kind+"/query", world.Args{"position": -1000, "limit": 1}); n > 0 && fmt.Sprint(a.At("ids/0")) != fmt.Sprint(all.At("ids/0")) {
			t.Errorf("%s/query from before the beginning: %v", kind, a)
		}
		if n > 1 {
			last := all.Text(fmt.Sprintf("ids/%d", n-1))
			if a := c.Call(kind+"/query", world.Args{"anchor": last, "anchorOffset": -1}); a.Text("ids/1") != last || int(a.At("position").(float64)) != n-2 {
				t.Errorf("%s/query around an anchor: %v", kind, a)
			}
			if a := c.Call(kind+"/query", world.Args{"position": -1}); a.Text("ids/0") != last {
				t.Errorf("%s/query from the end: %v", kind, a)
			}
		}
	}
	refused("Email/query", world.Args{"filter": deep}, "unsupportedFilter")
	refused("Email/query", world.Args{"filter": world.Args{"operator": "XOR", "conditions": []any{}}}, "invalidArguments")
	refused("Email/query", world.Args{"sort": []any{world.Args{"property": "hasKeyword"}}}, "invalidArguments")
	refused("Email/query", world.Args{"sort": []any{world.Args{"property": "subject", "collation": "i;klingon"}}}, "unsupportedSort")
	refused("Email/get", world.Args{"ids": nil}, "requestTooLarge")
	refused("Email/get", world.Args{"ids": []string{}, "properties": []string{"header:x:asNothing"}}, "invalidArguments")
	refused("Email/get", world.Args{"ids": []string{}, "properties": []string{"header:Subject:asAddresses"}}, "invalidArguments")
	refused("Email/get", world.Args{"ids": []string{}, "bodyProperties": []string{"nothing"}}, "invalidArguments")
	refused("Email/get", world.Args{"ids": []string{}, "maxBodyValueBytes": -1}, "invalidArguments")
	every("SearchSnippet/get", world.Args{"emailIds": []string{}})
	refused("SearchSnippet/get", world.Args{"filter": nil, "emailIds": many}, "requestTooLarge")
	refused("SearchSnippet/get", world.Args{"filter": world.Args{"nothing": 1}, "emailIds": []string{}}, "unsupportedFilter")
	every("Email/import", world.Args{"emails": world.Args{}})
	refused("Email/import", world.Args{"emails": world.Args{}, "ifInState": "never"}, "stateMismatch")
	refused("Email/import", world.Args{"emails": tooMany}, "requestTooLarge")
	every("Email/parse", world.Args{"blobIds": []string{}})
	refused("Email/parse", world.Args{"blobIds": many}, "requestTooLarge")
	refused("Email/parse", world.Args{"blobIds": []string{}, "properties": []string{"nothing"}}, "invalidArguments")
	refused("Email/copy", world.Args{"fromAccountId": anothers, "create": world.Args{}}, "fromAccountNotFound")
	refused("Email/copy", world.Args{"fromAccountId": c.Account, "create": world.Args{}}, "invalidArguments")
	refused("Nothing/get", world.Args{}, "unknownMethod")
	refused("Email/nothing", world.Args{}, "unknownMethod")
}

// post1 is the type of the first answer's error to a body.
func post1(t *testing.T, home *world.Server, m *world.Member, body string) string {
	t.Helper()
	status, out := post(t, home, m, "application/json", body)
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, out)
	}
	first := out["methodResponses"].([]any)[0].([]any)
	if first[0] != "error" {
		return fmt.Sprint(first[0])
	}
	return first[1].(map[string]any)["type"].(string)
}

// What the two RFCs say one object of a set is refused with.
func TestEveryObjectIsRefusedAsTheRFCsSay(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	bob.Send(ann.Address, world.Subject("Bonjour"), world.Text("Un mot.\r\n"))
	w.Settle()
	c := ann.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:submission", "urn:ietf:params:jmap:vacationresponse")
	inbox, drafts := c.Mailbox("inbox"), c.Mailbox("drafts")
	mail := c.Call("Email/query", world.Args{}).Text("ids/0")
	identity := c.Call("Identity/get", world.Args{"ids": nil}).Text("list/0/id")
	a := c.Call("Mailbox/set", world.Args{"create": world.Args{"p": world.Args{"name": "Parent"}, "k": world.Args{"name": "Enfant", "parentId": "#p"}}})
	parent, child := a.Text("created/p/id"), a.Text("created/k/id")
	draft := c.Call("Email/set", world.Args{"create": world.Args{"d": world.Args{"mailboxIds": world.Args{drafts: true}, "keywords": world.Args{"$draft": true},
		"from": []any{world.Args{"email": ann.Address}}, "to": []any{world.Args{"email": bob.Address}}, "subject": "x",
		"bodyValues": world.Args{"1": world.Args{"value": "x"}}, "textBody": []any{world.Args{"partId": "1", "type": "text/plain"}}}}}).Text("created/d/id")
	if parent == "" || child == "" || draft == "" || identity == "" {
		t.Fatalf("%v %q %q", a, draft, identity)
	}
	create := func(kind string, o world.Args, want string, properties ...string) {
		t.Helper()
		got := c.Call(kind+"/set", world.Args{"create": world.Args{"n": o}})
		if got.Text("notCreated/n/type") != want || len(properties) > 0 && fmt.Sprint(got.At("notCreated/n/properties")) != fmt.Sprint(properties) {
			t.Errorf("%s %.200v: %.300v, want %s of %v", kind, o, got, want, properties)
		}
	}
	update := func(kind, id string, o world.Args, want string, properties ...string) {
		t.Helper()
		got := c.Call(kind+"/set", world.Args{"update": world.Args{id: o}})
		if got.Text("notUpdated/"+id+"/type") != want || len(properties) > 0 && fmt.Sprint(got.At("notUpdated/"+id+"/properties")) != fmt.Sprint(properties) {
			t.Errorf("%s %.200v: %.300v, want %s of %v", kind, o, got, want, properties)
		}
	}
	destroy := func(kind, id, want string, more ...world.Args) {
		t.Helper()
		args := world.Args{"destroy": []string{id}}
		for _, m := range more {
			for k, v := range m {
				args[k] = v
			}
		}
		if got := c.Call(kind+"/set", args); got.Text("notDestroyed/"+id+"/type") != want {
			t.Errorf("%s destroyed %s: %v, want %s", kind, id, got, want)
		}
	}

	// RFC 8621 §2.5.
	create("Mailbox", world.Args{}, "invalidProperties", "name")
	create("Mailbox", world.Args{"name": ""}, "invalidProperties", "name")
	create("Mailbox", world.Args{"name": strings.Repeat("x", 300)}, "invalidProperties", "name")
	create("Mailbox", world.Args{"name": "Parent"}, "alreadyExists")
	create("Mailbox", world.Args{"name": "x", "parentId": "nothing"}, "invalidProperties", "parentId")
	create("Mailbox", world.Args{"name": "x", "totalEmails": 3}, "invalidProperties", "totalEmails")
	create("Mailbox", world.Args{"name": "x", "nothing": 3}, "invalidProperties", "nothing")
	create("Mailbox", world.Args{"name": "x", "role": "king"}, "invalidProperties", "role")
	create("Mailbox", world.Args{"name": "x", "sortOrder": -1}, "invalidProperties", "sortOrder")
	update("Mailbox", parent, world.Args{"parentId": child}, "invalidProperties", "parentId")
	update("Mailbox", parent, world.Args{"parentId": parent}, "invalidProperties", "parentId")
	update("Mailbox", parent, world.Args{"id": "other"}, "invalidProperties", "id")
	update("Mailbox", parent, world.Args{"name/x": "y"}, "invalidPatch")
	update("Mailbox", child, world.Args{"name": nil}, "invalidProperties", "name")
	destroy("Mailbox", parent, "mailboxHasChild")
	destroy("Mailbox", inbox, "forbidden", world.Args{"onDestroyRemoveEmails": true})
	c.Call("Email/set", world.Args{"update": world.Args{mail: world.Args{"mailboxIds/" + child: true}}})
	destroy("Mailbox", child, "mailboxHasEmail")

	// RFC 8621 §4.6.
	letter := func(more world.Args) world.Args {
		o := world.Args{"mailboxIds": world.Args{drafts: true}, "subject": "x"}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	create("Email", world.Args{"subject": "x"}, "invalidProperties", "mailboxIds")
	create("Email", world.Args{"mailboxIds": world.Args{}}, "invalidProperties", "mailboxIds")
	create("Email", world.Args{"mailboxIds": world.Args{"nothing": true}}, "invalidProperties", "mailboxIds")
	create("Email", world.Args{"mailboxIds": world.Args{drafts: false}}, "invalidProperties", "mailboxIds")
	create("Email", letter(world.Args{"keywords": world.Args{"a b": true}}), "invalidProperties", "keywords/a b")
	create("Email", letter(world.Args{"headers": []any{world.Args{"name": "X", "value": "y"}}}), "invalidProperties", "headers")
	create("Email", letter(world.Args{"header:Subject": " y"}), "invalidProperties")
	create("Email", letter(world.Args{"header:Content-Type": " text/plain"}), "invalidProperties")
	create("Email", letter(world.Args{"header:X-Odd\r\nBcc": "y"}), "invalidProperties")
	create("Email", letter(world.Args{"subject": "a\r\nBcc: x@y.test"}), "invalidProperties", "subject")
	create("Email", letter(world.Args{"from": []any{world.Args{"email": "no address\r\n"}}}), "invalidProperties", "from")
	create("Email", letter(world.Args{"textBody": []any{world.Args{"partId": "1"}, world.Args{"partId": "1"}}}), "invalidProperties", "textBody")
	create("Email", letter(world.Args{"textBody": []any{world.Args{"partId": "1", "type": "text/html"}}, "bodyValues": world.Args{"1": world.Args{"value": "x"}}}), "invalidProperties", "textBody")
	create("Email", letter(world.Args{"bodyValues": world.Args{"1": world.Args{"value": "x", "isTruncated": true}}, "textBody": []any{world.Args{"partId": "1"}}}), "invalidProperties")
	create("Email", letter(world.Args{"attachments": []any{world.Args{"blobId": "nothing"}}}), "blobNotFound")
	create("Email", letter(world.Args{"size": 7}), "invalidProperties", "size")
	create("Email", letter(world.Args{"preview": "x"}), "invalidProperties", "preview")
	update("Email", mail, world.Args{"subject": "other"}, "invalidProperties", "subject")
	update("Email", mail, world.Args{"mailboxIds": world.Args{}}, "invalidProperties", "mailboxIds")
	update("Email", mail, world.Args{"mailboxIds/nothing": true}, "invalidProperties")
	update("Email", mail, world.Args{"keywords/$seen": false}, "invalidProperties")
	update("Email", mail, world.Args{"keywords": world.Args{"$seen": false}}, "invalidProperties", "keywords")
	update("Email", mail, world.Args{"keywords": world.Args{}, "keywords/$seen": true}, "invalidPatch")
	update("Email", mail, world.Args{"keywords/$seen/x": true}, "invalidPatch")
	both := c.Call("Email/set", world.Args{"update": world.Args{draft: world.Args{"keywords/$flagged": true}}, "destroy": []string{draft, "nothing"}, "ifInState": c.Call("Email/get", world.Args{"ids": []string{}}).Text("state")})
	if both.Text("notUpdated/"+draft+"/type") != "willDestroy" || both.Text("destroyed/0") != draft || both.Text("notDestroyed/nothing/type") != "notFound" {
		t.Errorf("updated and destroyed: %v", both)
	}
	for what, want := range map[string]string{"no blob": "blobNotFound", "nothing": "invalidProperties", "boxes": "invalidProperties"} {
		o := map[string]world.Args{"no blob": {"blobId": "nothing", "mailboxIds": world.Args{drafts: true}}, "nothing": {}, "boxes": {"blobId": "nothing", "mailboxIds": world.Args{}}}[what]
		if got := c.Call("Email/import", world.Args{"emails": world.Args{"n": o}}).Text("notCreated/n/type"); got != want && !(what == "no blob" && got == "invalidProperties") {
			t.Errorf("imported, %s: %s", what, got)
		}
	}

	// RFC 8621 §6.4, §7.5, §8.
	create("Identity", world.Args{"email": "x@elsewhere.test"}, "forbiddenFrom")
	create("Identity", world.Args{}, "invalidProperties", "email")
	create("Identity", world.Args{"email": ann.Address, "mayDelete": true}, "invalidProperties", "mayDelete")
	update("Identity", identity, world.Args{"email": "other@home.test"}, "invalidProperties", "email")
	create("EmailSubmission", world.Args{"identityId": identity}, "invalidProperties", "emailId")
	create("EmailSubmission", world.Args{"identityId": identity, "emailId": "nothing"}, "invalidProperties", "emailId")
	create("EmailSubmission", world.Args{"identityId": "nothing", "emailId": mail}, "invalidProperties", "identityId")
	create("EmailSubmission", world.Args{"identityId": identity, "emailId": mail}, "forbiddenFrom")
	create("VacationResponse", world.Args{"isEnabled": true}, "singleton")
	destroy("VacationResponse", "singleton", "singleton")
	update("VacationResponse", "singleton", world.Args{"isEnabled": "yes"}, "invalidProperties", "isEnabled")
	update("VacationResponse", "singleton", world.Args{"nothing": 1}, "invalidProperties", "nothing")
}
