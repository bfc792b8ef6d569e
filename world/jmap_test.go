package world_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"colporteur/world"
)

func TestAMemberReadsTheirMailOverJMAPAndIMAPAgrees(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, bob := home.Member("ann", "fr"), far.Member("bob")
	c := ann.JMAP()
	inbox, trash := c.Mailbox("inbox"), c.Mailbox("trash")
	before := c.Call("Email/get", world.Args{"ids": []string{}}).Text("state")
	picture := photo(200, 100)
	bob.Send(ann.Address, world.Subject("Été à la mer"), world.Text("Bonjour Ann,\r\nvoici la photo.\r\n"), world.Attach("mer.jpg", "image/jpeg", picture))
	w.Settle()

	got := c.Calls(
		world.Step{Name: "Email/query", Args: world.Args{"filter": world.Args{"inMailbox": inbox}, "sort": []any{world.Args{"property": "receivedAt", "isAscending": false}}, "calculateTotal": true}},
		world.Step{Name: "Email/get", Args: world.Args{"#ids": world.Args{"resultOf": "0", "name": "Email/query", "path": "/ids"}, "fetchTextBodyValues": true}},
		world.Step{Name: "Thread/get", Args: world.Args{"#ids": world.Args{"resultOf": "1", "name": "Email/get", "path": "/list/*/threadId"}}},
		world.Step{Name: "SearchSnippet/get", Args: world.Args{"filter": world.Args{"text": "ete photo"}, "#emailIds": world.Args{"resultOf": "0", "name": "Email/query", "path": "/ids"}}},
	)
	if len(got) != 4 || got[0].At("total") != 1.0 {
		t.Fatalf("%v", got)
	}
	mail := got[1]
	id, part := mail.Text("list/0/id"), mail.Text("list/0/textBody/0/partId")
	if mail.Text("list/0/subject") != "Été à la mer" || mail.Text("list/0/from/0/email") != bob.Address || mail.At("list/0/hasAttachment") != true ||
		!strings.Contains(mail.Text("list/0/bodyValues/"+part+"/value"), "voici la photo.\n") || mail.Text("list/0/attachments/0/name") != "mer.jpg" {
		t.Errorf("%v", mail.Args)
	}
	if got[2].Text("list/0/emailIds/0") != id {
		t.Errorf("thread: %v", got[2].Args)
	}
	if got[3].Text("list/0/subject") != "<mark>Été</mark> à la mer" || !strings.Contains(got[3].Text("list/0/preview"), "la <mark>photo</mark>") {
		t.Errorf("snippet: %v", got[3].Args)
	}
	changes := c.Call("Email/changes", world.Args{"sinceState": before})
	if changes.Text("created/0") != id || changes.At("hasMoreChanges") != false {
		t.Errorf("changes: %v", changes.Args)
	}

	// The attachment, whole and in part; never as a page of ours.
	var file []byte
	path := "/jmap/download/" + c.Account + "/" + mail.Text("list/0/attachments/0/blobId") + "/mer.jpg?accept=text%2Fhtml"
	resp := c.Do("GET", path, "", nil, http.StatusOK, &file)
	if !bytes.Equal(file, picture) || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") || resp.Header.Get("Content-Type") != "application/octet-stream" ||
		!strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d octets as %v", len(file), resp.Header)
	}
	// Nobody else's.
	carl := home.Member("carl").JMAP()
	carl.Do("GET", strings.Replace(path, c.Account, carl.Account, 1), "", nil, http.StatusNotFound, nil)
	carl.Do("GET", path, "", nil, http.StatusNotFound, nil)
	if list := carl.Call("Email/get", world.Args{"ids": []string{id}}); list.Text("notFound/0") != id {
		t.Errorf("carl sees %v", list.Args)
	}

	// Read here, read there; moved here, moved there.
	since := c.Call("Email/get", world.Args{"ids": []string{}}).Text("state")
	set := c.Call("Email/set", world.Args{"update": world.Args{id: world.Args{"keywords/$seen": true, "keywords/$flagged": true}}})
	if _, ok := set.At("updated").(map[string]any)[id]; !ok {
		t.Fatalf("%v", set.Args)
	}
	ic := ann.IMAP()
	defer ic.Close()
	at(t, ic, "INBOX")
	flags, err := ic.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Flags: true}).Collect()
	if err != nil || !slices.Contains(flags[0].Flags, imap.FlagSeen) || !slices.Contains(flags[0].Flags, imap.FlagFlagged) {
		t.Errorf("IMAP sees %v %v", flags, err)
	}
	if n := c.Call("Mailbox/get", world.Args{"ids": []string{inbox}}); n.At("list/0/unreadEmails") != 0.0 || n.At("list/0/totalEmails") != 1.0 {
		t.Errorf("counts: %v", n.Args)
	}
	c.Call("Email/set", world.Args{"update": world.Args{id: world.Args{"mailboxIds": world.Args{trash: true}}}})
	if n := len(ann.Inbox().All); n != 0 {
		t.Errorf("INBOX still has %d mails", n)
	}
	ann.Folder("Corbeille").One().Says("voici la photo")
	if got := c.Call("Email/changes", world.Args{"sinceState": since}); got.Text("updated/0") != id {
		t.Errorf("changes: %v", got.Args)
	}
	if got := c.Call("Email/queryChanges", world.Args{"sinceQueryState": since, "filter": world.Args{"inMailbox": inbox}}); got.Text("removed/0") != id || len(got.At("added").([]any)) != 0 {
		t.Errorf("query changes: %v", got.Args)
	}
	c.Call("Email/set", world.Args{"destroy": []string{id}})
	ann.Folder("Corbeille").Empty()
	if got := c.Call("Email/changes", world.Args{"sinceState": since}); got.Text("destroyed/0") != id {
		t.Errorf("changes: %v", got.Args)
	}
	if kind := c.Fails("Email/changes", world.Args{"sinceState": "999999999"}); kind != "cannotCalculateChanges" {
		t.Errorf("a state from the future: %s", kind)
	}
}

func TestADraftWrittenOverJMAPIsAMailForEveryProgram(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	c := ann.JMAP()
	drafts := c.Mailbox("drafts")
	picture := photo(120, 80)
	var up map[string]any
	c.Do("POST", "/jmap/upload/"+c.Account+"/", "image/jpeg", picture, http.StatusCreated, &up)
	set := c.Call("Email/set", world.Args{"create": world.Args{"k1": world.Args{
		"mailboxIds": world.Args{drafts: true}, "keywords": world.Args{"$draft": true, "$seen": true},
		"from": []any{world.Args{"name": "Ann Été", "email": ann.Address}}, "to": []any{world.Args{"email": "bob@far.test", "name": `Bob "le grand"`}},
		"subject": "Vacances d'été — déjà ?", "header:X-Colporteur-Test:asText": "à bientôt",
		"textBody":   []any{world.Args{"partId": "t", "type": "text/plain"}},
		"htmlBody":   []any{world.Args{"partId": "h", "type": "text/html"}},
		"bodyValues": world.Args{"t": world.Args{"value": "Ça va ?\nÀ bientôt"}, "h": world.Args{"value": `<p>Ça va ?</p><img src="cid:mer@x">`}},
		"attachments": []any{world.Args{"blobId": up["blobId"], "type": "image/jpeg", "cid": "mer@x", "disposition": "inline", "name": "mer.jpg"},
			world.Args{"blobId": up["blobId"], "type": "image/jpeg", "name": "été.jpg"}},
	}}})
	if set.At("notCreated/k1") != nil {
		t.Fatalf("%v", set.Args)
	}
	id := set.Text("created/k1/id")
	m := ann.Folder("Brouillons").One()
	if m.Subject != "Vacances d'été — déjà ?" || strings.ReplaceAll(m.Text, "\r\n", "\n") != "Ça va ?\nÀ bientôt" || !strings.Contains(m.HTML, "cid:mer@x") || len(m.Files) != 2 ||
		!bytes.Equal(m.Files[0].Body, picture) || m.Files[1].Name != "été.jpg" || m.Header.Get("Message-Id") == "" || m.Header.Get("Date") == "" {
		t.Errorf("%s\n%v", m.Raw[:min(len(m.Raw), 3000)], m.Files)
	}
	got := c.Call("Email/get", world.Args{"ids": []string{id}, "properties": []string{"subject", "from", "to", "keywords", "header:X-Colporteur-Test:asText", "bodyStructure", "attachments", "preview"}})
	if got.Text("list/0/header:X-Colporteur-Test:asText") != "à bientôt" || got.Text("list/0/from/0/name") != "Ann Été" || got.Text("list/0/to/0/name") != `Bob "le grand"` ||
		got.At("list/0/keywords/$draft") != true || got.Text("list/0/bodyStructure/type") != "multipart/mixed" || got.Text("list/0/bodyStructure/subParts/0/type") != "multipart/alternative" {
		t.Errorf("%v", got.Args)
	}

	// What cannot be is refused, and says which property.
	for name, change := range map[string]world.Args{
		"mailboxIds":            {"mailboxIds": world.Args{}},
		"bodyValues/x":          {"textBody": []any{world.Args{"partId": "x", "type": "text/plain"}}},
		"header:Subject:asText": {"subject": "a", "header:Subject:asText": "b"},
		"subject":               {"subject": "a\r\nBcc: everybody@far.test"},
		"to":                    {"to": []any{world.Args{"email": "a@b.test>\r\nX: y"}}},
		"header:X-A":            {"header:X-A": "a\r\nBcc: b"},
		"header:Content-Type":   {"header:Content-Type": "text/html"},
		"nonsense":              {"nonsense": true},
	} {
		args := world.Args{"mailboxIds": world.Args{drafts: true}}
		for k, v := range change {
			args[k] = v
		}
		set := c.Call("Email/set", world.Args{"create": world.Args{"k": args}})
		if set.Text("notCreated/k/type") != "invalidProperties" || set.At("notCreated/k/properties").([]any)[0] != name {
			t.Errorf("%s: %v", name, set.Args)
		}
	}
	if set := c.Call("Email/set", world.Args{"create": world.Args{"k": world.Args{"mailboxIds": world.Args{drafts: true}, "attachments": []any{world.Args{"blobId": "unothing"}}}}}); set.Text("notCreated/k/type") != "blobNotFound" {
		t.Errorf("%v", set.Args)
	}

	// Imported as it is, parsed without being kept.
	raw := "From: <carl@far.test>\r\nTo: <ann@home.test>\r\nSubject: =?iso-8859-1?q?No=EBl?=\r\nMessage-ID: <import@far.test>\r\n\r\ncorps\r\n"
	c.Do("POST", "/jmap/upload/"+c.Account+"/", "message/rfc822", []byte(raw), http.StatusCreated, &up)
	parsed := c.Call("Email/parse", world.Args{"blobIds": []any{up["blobId"], "unothing"}, "fetchTextBodyValues": true})
	if parsed.Text("parsed/"+up["blobId"].(string)+"/subject") != "Noël" || parsed.Text("notFound/0") != "unothing" {
		t.Errorf("%v", parsed.Args)
	}
	inbox := c.Mailbox("inbox")
	imported := c.Call("Email/import", world.Args{"emails": world.Args{"i": world.Args{"blobId": up["blobId"], "mailboxIds": world.Args{inbox: true, drafts: true}, "keywords": world.Args{"projet": true}, "receivedAt": "2020-02-03T04:05:06Z"}}})
	got = c.Call("Email/get", world.Args{"ids": []string{imported.Text("created/i/id")}, "properties": []string{"receivedAt", "mailboxIds", "keywords", "blobId"}})
	if got.Text("list/0/receivedAt") != "2020-02-03T04:05:06Z" || len(got.At("list/0/mailboxIds").(map[string]any)) != 2 || got.At("list/0/keywords/projet") != true {
		t.Errorf("%v", got.Args)
	}
	var file []byte
	c.Do("GET", "/jmap/download/"+c.Account+"/"+got.Text("list/0/blobId")+"/x.eml", "", nil, http.StatusOK, &file)
	if string(file) != raw {
		t.Errorf("downloaded %q", file)
	}
}
