package world_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/accounts"
	"colporteur/config"
	cmail "colporteur/mail"
	"colporteur/store/storetest"
	"colporteur/world"
)

// contacts is a program that knows contacts.
func contacts(m *world.Member) *world.JMAP {
	c := m.JMAP()
	c.Using = append(c.Using, "urn:ietf:params:jmap:contacts", "urn:colporteur:params:jmap:contacts")
	return c
}

// onBoth runs a story over a host on each database.
func onBoth(t *testing.T, story func(t *testing.T, w *world.World, home *world.Server)) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, database := world.New(t), "sqlite"
			if engine == "postgres" {
				database = storetest.Postgres(t)
			}
			story(t, w, w.Server("home.test", func(c *config.Config) { c.Database.URL = database }))
		})
	}
}

func texts(v any) (list []string) {
	all, _ := v.([]any)
	for _, x := range all {
		s, _ := x.(string)
		list = append(list, s)
	}
	return list
}

func TestAMemberKeepsContactsOverJMAP(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world.World, home *world.Server) {
		ann, bob := home.Member("ann", "fr"), home.Member("bob", "fr")
		c, other := contacts(ann), contacts(bob)

		// One address book from the beginning.
		books := c.Call("AddressBook/get", world.Args{})
		first := books.Text("list/0/id")
		if len(books.At("list").([]any)) != 1 || books.Text("list/0/name") != "Contacts" || books.At("list/0/isDefault") != true || books.At("list/0/myRights/mayWrite") != true || books.At("list/0/shareWith") != nil {
			t.Fatalf("%v", books.Args)
		}
		since := books.Text("state")

		// A second address book, and a card in both, in one request.
		got := c.Calls(
			world.Step{Name: "AddressBook/set", Args: world.Args{"create": world.Args{"b": world.Args{"name": "Chorale", "sortOrder": 5}, "bad": world.Args{"name": ""}}}},
			world.Step{Name: "ContactCard/set", Args: world.Args{"create": world.Args{
				"zoe": world.Args{"addressBookIds": world.Args{"#b": true, first: true}, "name": world.Args{"components": []any{world.Args{"kind": "given", "value": "Zoé"}, world.Args{"kind": "surname", "value": "Lefèvre"}}},
					"emails": world.Args{"e1": world.Args{"address": "zoe@far.test", "contexts": world.Args{"private": true}}}, "example.com:x": []any{1, nil}},
				"bad":  world.Args{"emails": world.Args{"e1": world.Args{"address": 1}}},
				"lost": world.Args{"addressBookIds": world.Args{"bxyz": true}},
			}}},
		)
		club, zoe := got[0].Text("created/b/id"), got[1].Text("created/zoe/id")
		if club == "" || zoe == "" || got[0].Text("notCreated/bad/type") != "invalidProperties" || got[1].Text("notCreated/bad/type") != "invalidProperties" ||
			got[1].Text("notCreated/bad/properties/0") != "emails/e1/address" || got[1].Text("notCreated/lost/properties/0") != "addressBookIds" {
			t.Fatalf("%v", got)
		}
		if got[1].Text("created/zoe/uid") == "" || got[1].Text("created/zoe/version") != "1.0" || got[1].Text("created/zoe/updated") == "" {
			t.Errorf("the server says not what it made: %v", got[1].Args)
		}
		card := c.Call("ContactCard/get", world.Args{"ids": []string{zoe, "cxyz"}})
		if card.Text("list/0/emails/e1/address") != "zoe@far.test" || card.At("list/0/addressBookIds/"+club) != true || card.At("list/0/example.com:x/0") != 1.0 || card.Text("notFound/0") != "cxyz" {
			t.Errorf("%v", card.Args)
		}
		if some := c.Call("ContactCard/get", world.Args{"ids": []string{zoe}, "properties": []string{"uid"}}); some.Text("list/0/uid") == "" || some.At("list/0/emails") != nil || some.Text("list/0/id") != zoe {
			t.Errorf("%v", some.Args)
		}
		// The same uid is the same card.
		uid := card.Text("list/0/uid")
		if twice := c.Call("ContactCard/set", world.Args{"create": world.Args{"k": world.Args{"uid": uid}}}); twice.Text("notCreated/k/type") != "alreadyExists" || twice.Text("notCreated/k/existingId") != zoe {
			t.Errorf("%v", twice.Args)
		}
		team := c.Call("ContactCard/set", world.Args{"create": world.Args{"k": world.Args{"kind": "group", "name": world.Args{"full": "Les altos"}, "members": world.Args{uid: true}}}}).Text("created/k/id")

		// Changes of both kinds.
		if ch := c.Call("ContactCard/changes", world.Args{"sinceState": since}); !slices.Equal(texts(ch.At("created")), []string{zoe, team}) {
			t.Errorf("%v", ch.Args)
		}
		if ch := c.Call("AddressBook/changes", world.Args{"sinceState": since}); ch.Text("created/0") != club {
			t.Errorf("%v", ch.Args)
		}
		page := c.Call("ContactCard/changes", world.Args{"sinceState": since, "maxChanges": 1})
		if !slices.Equal(texts(page.At("created")), []string{zoe}) || page.At("hasMoreChanges") != true {
			t.Errorf("%v", page.Args)
		}
		if rest := c.Call("ContactCard/changes", world.Args{"sinceState": page.Text("newState")}); !slices.Equal(texts(rest.At("created")), []string{team}) {
			t.Errorf("%v", rest.Args)
		}
		for _, bad := range []string{"99999", "x", "-1"} {
			if kind := c.Fails("ContactCard/changes", world.Args{"sinceState": bad}); kind != "cannotCalculateChanges" {
				t.Errorf("since %s: %s", bad, kind)
			}
		}

		// Found by all that RFC 9610 names.
		query := func(filter world.Args) []string {
			t.Helper()
			return texts(c.Call("ContactCard/query", world.Args{"filter": filter, "sort": []any{world.Args{"property": "name/surname"}, world.Args{"property": "created", "isAscending": false}}}).At("ids"))
		}
		for _, q := range []struct {
			filter world.Args
			want   []string
		}{
			{world.Args{"text": "lefev zoe"}, []string{zoe}}, {world.Args{"name/given": "ZOÉ"}, []string{zoe}}, {world.Args{"email": "@far"}, []string{zoe}}, {world.Args{"phone": "06"}, nil},
			{world.Args{"inAddressBook": club}, []string{zoe}}, {world.Args{"kind": "group"}, []string{team}}, {world.Args{"hasMember": uid}, []string{team}}, {world.Args{"uid": uid}, []string{zoe}},
			{world.Args{"operator": "NOT", "conditions": []any{world.Args{"kind": "group"}}}, []string{zoe}}, {world.Args{}, []string{team, zoe}}, {world.Args{"createdAfter": "2100-01-01T00:00:00Z"}, nil},
		} {
			if ids := query(q.filter); !slices.Equal(ids, q.want) {
				t.Errorf("%v finds %v, want %v", q.filter, ids, q.want)
			}
		}
		if kind := c.Fails("ContactCard/query", world.Args{"filter": world.Args{"shoeSize": 1}}); kind != "unsupportedFilter" {
			t.Errorf("%s", kind)
		}
		if kind := c.Fails("ContactCard/query", world.Args{"sort": []any{world.Args{"property": "shoeSize"}}}); kind != "unsupportedSort" {
			t.Errorf("%s", kind)
		}

		// Patches, and what cannot be patched.
		before := c.Call("ContactCard/query", world.Args{"filter": world.Args{"inAddressBook": first}, "sort": []any{world.Args{"property": "name"}}})
		set := c.Call("ContactCard/set", world.Args{"ifInState": before.Text("queryState"), "update": world.Args{zoe: world.Args{"emails/e2": world.Args{"address": "z@far.test"}, "emails/e1/contexts": nil, "addressBookIds/" + first: nil}}})
		if set.At("updated/"+zoe) == nil || set.Text("updated/"+zoe+"/updated") == "" {
			t.Fatalf("%v", set.Args)
		}
		card = c.Call("ContactCard/get", world.Args{"ids": []string{zoe}})
		if card.Text("list/0/emails/e2/address") != "z@far.test" || card.At("list/0/emails/e1/contexts") != nil || card.At("list/0/addressBookIds/"+first) != nil || card.At("list/0/example.com:x/0") != 1.0 {
			t.Errorf("%v", card.Args)
		}
		moved := c.Call("ContactCard/queryChanges", world.Args{"sinceQueryState": before.Text("queryState"), "filter": world.Args{"inAddressBook": first}, "sort": []any{world.Args{"property": "name"}}, "calculateTotal": true})
		if moved.Text("removed/0") != zoe || len(moved.At("added").([]any)) != 0 || moved.At("total") != 1.0 {
			t.Errorf("%v", moved.Args)
		}
		bad := c.Call("ContactCard/set", world.Args{"update": world.Args{
			zoe: world.Args{"id": team}, team: world.Args{"nothing/here": 1}, "cxyz": world.Args{"kind": "org"}}, "destroy": []string{"czzz"}})
		if bad.Text("notUpdated/"+zoe+"/type") != "invalidProperties" || bad.Text("notUpdated/"+team+"/type") != "invalidPatch" || bad.Text("notUpdated/cxyz/type") != "notFound" || bad.Text("notDestroyed/czzz/type") != "notFound" {
			t.Errorf("%v", bad.Args)
		}
		if none := c.Call("ContactCard/set", world.Args{"update": world.Args{zoe: world.Args{"addressBookIds/" + club: nil}}}); none.Text("notUpdated/"+zoe+"/type") != "invalidProperties" {
			t.Errorf("a card in no address book: %v", none.Args)
		}
		if kind := c.Fails("ContactCard/set", world.Args{"ifInState": since, "destroy": []string{zoe}}); kind != "stateMismatch" {
			t.Errorf("%s", kind)
		}

		// Nobody else's.
		if theirs := other.Call("ContactCard/get", world.Args{"ids": []string{zoe}}); theirs.Text("notFound/0") != zoe {
			t.Errorf("bob sees %v", theirs.Args)
		}
		if theirs := other.Call("ContactCard/set", world.Args{"update": world.Args{zoe: world.Args{"kind": "org"}}, "destroy": []string{team}}); theirs.Text("notUpdated/"+zoe+"/type") != "notFound" || theirs.Text("notDestroyed/"+team+"/type") != "notFound" {
			t.Errorf("bob changes %v", theirs.Args)
		}
		if theirs := other.Call("ContactCard/set", world.Args{"create": world.Args{"k": world.Args{"addressBookIds": world.Args{club: true}}}}); theirs.At("created/k") != nil {
			t.Errorf("bob puts a card into ann's: %v", theirs.Args)
		}
		if kind := other.Fails("ContactCard/get", world.Args{"accountId": c.Account}); kind != "accountNotFound" {
			t.Errorf("%s", kind)
		}
		for from, want := range map[string]string{c.Account: "invalidArguments", other.Account: "fromAccountNotFound"} {
			if kind := c.Fails("ContactCard/copy", world.Args{"fromAccountId": from, "create": world.Args{"k": world.Args{"id": zoe}}}); kind != want {
				t.Errorf("a copy from %s: %s", from, kind)
			}
		}
		if kind := ann.JMAP().Fails("ContactCard/get", world.Args{}); kind != "unknownMethod" {
			t.Errorf("without the capability: %s", kind)
		}

		// The default changes; the old one can go, with its cards or not at all.
		def := c.Call("AddressBook/set", world.Args{"update": world.Args{club: world.Args{"name": "La chorale", "description": "Lilas"}}, "onSuccessSetIsDefault": club})
		if def.At("updated/"+club+"/isDefault") != true || def.At("updated/"+first+"/isDefault") != false {
			t.Errorf("%v", def.Args)
		}
		if full := c.Call("AddressBook/set", world.Args{"destroy": []string{first, club}}); full.Text("notDestroyed/"+first+"/type") != "addressBookHasContents" || full.Text("notDestroyed/"+club+"/type") == "" {
			t.Errorf("%v", full.Args)
		}
		state := c.Call("ContactCard/get", world.Args{"ids": []string{}}).Text("state")
		if gone := c.Call("AddressBook/set", world.Args{"destroy": []string{first}, "onDestroyRemoveContents": true}); gone.Text("destroyed/0") != first {
			t.Errorf("%v", gone.Args)
		}
		if ch := c.Call("ContactCard/changes", world.Args{"sinceState": state}); !slices.Equal(texts(ch.At("destroyed")), []string{team}) {
			t.Errorf("%v", ch.Args)
		}
		if ch := c.Call("ContactCard/set", world.Args{"destroy": []string{zoe, zoe}}); !slices.Equal(texts(ch.At("destroyed")), []string{zoe}) {
			t.Errorf("%v", ch.Args)
		}
	})
}

func TestAPictureOfAContactIsItsOwnersAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world.World, home *world.Server) {
		ann, bob := home.Member("ann", "fr"), home.Member("bob", "fr")
		c, other := contacts(ann), contacts(bob)
		picture := photo(120, 80)
		var up map[string]any
		c.Do("POST", "/jmap/upload/"+c.Account+"/", "image/jpeg", picture, http.StatusCreated, &up)
		set := c.Call("ContactCard/set", world.Args{"create": world.Args{
			"k":   world.Args{"name": world.Args{"full": "Zoé"}, "media": world.Args{"m": world.Args{"kind": "photo", "blobId": up["blobId"]}}},
			"bad": world.Args{"media": world.Args{"m": world.Args{"kind": "photo", "blobId": "unothing"}}},
		}})
		id, blob := set.Text("created/k/id"), set.Text("created/k/media/m/blobId")
		if blob == "" || blob == up["blobId"] || set.Text("created/k/media/m/mediaType") != "image/jpeg" || set.Text("notCreated/bad/type") != "blobNotFound" {
			t.Fatalf("%v", set.Args)
		}
		path := "/jmap/download/" + c.Account + "/" + blob + "/zoe.jpg?accept=image/jpeg"
		var file []byte
		w.Advance(50 * 3600 * 1e9) // the upload is gone by then, the picture is not
		if err := home.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Do("GET", path, "", nil, http.StatusOK, &file)
		if !bytes.Equal(file, picture) {
			t.Errorf("%d octets, want %d", len(file), len(picture))
		}
		other.Do("GET", path, "", nil, http.StatusNotFound, nil)
		other.Do("GET", strings.Replace(path, c.Account, other.Account, 1), "", nil, http.StatusNotFound, nil)
		if theirs := other.Call("ContactCard/set", world.Args{"create": world.Args{"k": world.Args{"media": world.Args{"m": world.Args{"kind": "photo", "blobId": blob}}}}}); theirs.Text("notCreated/k/type") != "blobNotFound" {
			t.Errorf("bob takes it: %v", theirs.Args)
		}
		// Another change leaves it; without the card it is gone.
		c.Call("ContactCard/set", world.Args{"update": world.Args{id: world.Args{"media/m/label": "2026"}}})
		c.Do("GET", path, "", nil, http.StatusOK, nil)
		c.Call("ContactCard/set", world.Args{"destroy": []string{id}})
		c.Do("GET", path, "", nil, http.StatusNotFound, nil)
	})
}

func TestAFileOfVCardsComesInAndGoesOut(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world.World, home *world.Server) {
		ann, bob := home.Member("ann", "fr"), home.Member("bob", "fr")
		c, other := contacts(ann), contacts(bob)
		picture := photo(300, 200)
		var b strings.Builder
		for i := range 120 {
			fmt.Fprintf(&b, "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u%d\r\nFN:Nom%d\r\nEMAIL:n%d@far.test\r\nEND:VCARD\r\n", i, i, i)
		}
		fmt.Fprintf(&b, "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:P\r\nFN:Zoé\r\nPHOTO;ENCODING=b;TYPE=JPEG:%s\r\nX-CLUB:altos\r\nEND:VCARD\r\n", base64of(picture))
		b.WriteString("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u1\r\nFN:Nom1 again\r\nEND:VCARD\r\nBEGIN:VCARD\r\nEND:VCARD\r\n")
		b.WriteString("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:G\r\nFN:Altos\r\nX-ADDRESSBOOKSERVER-KIND:group\r\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:P\r\nMEMBER:urn:uuid:u2\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:cut")
		var up map[string]any
		c.Do("POST", "/jmap/upload/"+c.Account+"/", "text/vcard", []byte(b.String()), http.StatusCreated, &up)
		in := c.Call("ContactCard/import", world.Args{"blobId": up["blobId"]})
		var notes []string
		for i := range in.At("notCreated").([]any) {
			at := fmt.Sprintf("notCreated/%d/", i)
			notes = append(notes, fmt.Sprintf("%v %s %s", in.At(at+"index"), in.Text(at+"type"), in.Text(at+"name")))
		}
		slices.Sort(notes)
		if len(texts(in.At("created"))) != 122 || strings.Join(notes, ", ") != "121 alreadyExists Nom1 again, 122 invalidCard , 124 invalidCard " {
			t.Errorf("%d made; %s", len(texts(in.At("created"))), strings.Join(notes, ", "))
		}
		group := c.Calls(
			world.Step{Name: "ContactCard/query", Args: world.Args{"filter": world.Args{"kind": "group"}}},
			world.Step{Name: "ContactCard/get", Args: world.Args{"#ids": world.Args{"resultOf": "0", "name": "ContactCard/query", "path": "/ids"}}})[1]
		if group.At("list/0/members/P") != true || group.At("list/0/members/u2") != true {
			t.Errorf("%v", group.Args)
		}
		// Again: nothing twice.
		if again := c.Call("ContactCard/import", world.Args{"blobId": up["blobId"]}); len(texts(again.At("created"))) != 0 || again.Text("oldState") != again.Text("newState") {
			t.Errorf("%v", again.Args)
		}
		for _, version := range []string{"", "?version=4"} {
			var out []byte
			resp := c.Do("GET", "/jmap/contacts/"+c.Account+".vcf"+version, "", nil, http.StatusOK, &out)
			unfolded := strings.ReplaceAll(string(out), "\r\n ", "")
			if strings.Count(unfolded, "BEGIN:VCARD\r\n") != 122 || !strings.Contains(unfolded, base64of(picture)) || !strings.Contains(unfolded, "X-CLUB:altos\r\n") ||
				!strings.HasPrefix(resp.Header.Get("Content-Type"), "text/vcard") || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
				t.Errorf("%v %s", resp.Header, unfolded[:min(len(unfolded), 1000)])
			}
			// Another host takes it all.
			other.Do("POST", "/jmap/upload/"+other.Account+"/", "text/vcard", out, http.StatusCreated, &up)
			if there := other.Call("ContactCard/import", world.Args{"blobId": up["blobId"]}); version == "" && len(texts(there.At("created"))) != 122 || version != "" && len(texts(there.At("created"))) != 0 {
				t.Errorf("%d made", len(texts(there.At("created"))))
			}
		}
		var out []byte
		c.Do("GET", "/jmap/contacts/"+c.Account+".vcf?ids="+group.Text("list/0/id"), "", nil, http.StatusOK, &out)
		if strings.Count(string(out), "BEGIN:VCARD") != 1 || !strings.Contains(string(out), "FN:Altos") {
			t.Errorf("%s", out)
		}
		other.Do("GET", "/jmap/contacts/"+c.Account+".vcf", "", nil, http.StatusNotFound, nil)
		c.Do("GET", "/jmap/contacts/"+c.Account, "", nil, http.StatusNotFound, nil)
		if kind := c.Fails("ContactCard/import", world.Args{"blobId": "unothing"}); kind != "invalidArguments" {
			t.Errorf("%s", kind)
		}
		if kind := c.Fails("ContactCard/import", world.Args{"blobId": up["blobId"], "addressBookIds": world.Args{"bxyz": true}}); kind != "invalidArguments" {
			t.Errorf("%s", kind)
		}
	})
}

func TestWhomAMemberWritesToIsOfferedAndCanBeForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world.World, home *world.Server) {
		far := w.Server("far.test")
		ann, bob := home.Member("ann", "fr"), far.Member("bob")
		home.Member("bobette", "fr")
		c := contacts(ann)
		group, err := home.Accounts.AddGroup(t.Context(), accounts.Group{Address: cmail.MustAddress("bouquet@home.test"), Name: "Le bouquet"})
		if err != nil {
			t.Fatal(err)
		}
		if err := home.Accounts.Join(t.Context(), group.Address, cmail.MustAddress(ann.Address)); err != nil {
			t.Fatal(err)
		}
		suggests := func(text string, want ...string) {
			t.Helper()
			a := c.Call("Address/suggest", world.Args{"text": text})
			var got []string
			for i := range a.At("list").([]any) {
				at := fmt.Sprintf("list/%d/", i)
				got = append(got, a.Text(at+"source")+" "+a.Text(at+"name")+" <"+a.Text(at+"email")+">")
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q suggests %q, want %q", text, got, want)
			}
		}
		suggests("bo", "group Le bouquet <bouquet@home.test>") // not other members: nobody showed them
		ann.Send(bob.Address, world.Subject("bonjour"), world.Cc("envoi@home.test"), world.Text("x"), world.Attach("a.txt", "text/plain", []byte("x")))
		ann.Send(ann.Address, world.Subject("à moi"))
		bob.Send(ann.Address, world.Subject("who writes to ann is not whom ann writes to"))
		w.Settle()
		suggests("bo", "sent  <bob@far.test>", "group Le bouquet <bouquet@home.test>")
		suggests("envoi")
		suggests("ann")
		// By JMAP too, under the name of the mail; a card's name is better.
		if err := ann.Submit([]string{"marc@far.test"}, []byte("From: "+ann.Address+"\r\nTo: =?utf-8?q?Marc_l=27A=C3=AEn=C3=A9?= <marc@far.test>\r\nSubject: x\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <x@home.test>\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
		w.Settle()
		suggests("aine mar", "sent Marc l'Aîné <marc@far.test>")
		c.Call("ContactCard/set", world.Args{"create": world.Args{"k": world.Args{"name": world.Args{"full": "Robert"}, "emails": world.Args{"e": world.Args{"address": "Bob@far.test"}}}}})
		suggests("rob", "card Robert <Bob@far.test>")
		suggests("bob@", "card Robert <Bob@far.test>")
		c.Call("Address/forget", world.Args{"email": "marc@far.test"})
		suggests("marc")
		for _, bad := range []string{"marc@far.test", "no address"} {
			if kind := c.Fails("Address/forget", world.Args{"email": bad}); kind != "invalidArguments" {
				t.Errorf("forget %q: %s", bad, kind)
			}
		}
		if kind := c.Fails("Address/suggest", world.Args{"text": "x", "limit": 0}); kind != "invalidArguments" {
			t.Errorf("%s", kind)
		}
	})
}

func TestAChangeOfContactsIsPushed(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world.World, home *world.Server) {
		ann := home.Member("ann", "fr")
		c := contacts(ann)
		c.Call("AddressBook/get", world.Args{}) // the default is made now
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+home.Addr("http")+"/jmap/events?types=ContactCard,Email&closeafter=state&ping=0", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(ann.Address, ann.Password)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		in := bufio.NewScanner(resp.Body)
		for in.Scan() && in.Text() != "" { // it listens
		}
		set := c.Call("ContactCard/set", world.Args{"create": world.Args{"k": world.Args{"name": world.Args{"full": "Zoé"}}}})
		told := ""
		for in.Scan() {
			told += in.Text() + "\n"
		}
		if !strings.Contains(told, `"changed":{"`+c.Account+`":{"ContactCard":"`+set.Text("newState")+`"}}`) {
			t.Errorf("told %q, the state is %s", told, set.Text("newState"))
		}
	})
}

func base64of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
