package world_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"colporteur/config"
	"colporteur/store/storetest"
	"colporteur/world"
)

const sharing = "urn:colporteur:params:jmap:sharing"

// sharer is a member's program that knows what members share.
func sharer(m *world.Member) *world.JMAP {
	c := m.JMAP()
	c.Using = append(c.Using, sharing)
	return c
}

// ids are those of a query.
func ids(c *world.JMAP, name string, filter world.Args) []string {
	args := world.Args{}
	if filter != nil {
		args["filter"] = filter
	}
	var out []string
	for _, id := range c.Call(name+"/query", args).At("ids").([]any) {
		out = append(out, id.(string))
	}
	return out
}

// one gets the one object that a query finds.
func one(t *testing.T, c *world.JMAP, name string, filter world.Args) map[string]any {
	t.Helper()
	found := ids(c, name, filter)
	if len(found) != 1 {
		t.Fatalf("%s/query %v: %v, want one", name, filter, found)
	}
	return get(t, c, name, found[0])
}

// get is nil when there is none.
func get(t *testing.T, c *world.JMAP, name, id string) map[string]any {
	t.Helper()
	a := c.Call(name+"/get", world.Args{"ids": []string{id}})
	list := a.At("list").([]any)
	if len(list) == 0 {
		if fmt.Sprint(a.At("notFound")) != "["+id+"]" {
			t.Fatalf("%s %s is neither there nor not: %v", name, id, a.Args)
		}
		return nil
	}
	return list[0].(map[string]any)
}

// set changes one object, and says what was refused: "" or a type.
func set(c *world.JMAP, name, id string, change world.Args) string {
	a := c.Call(name+"/set", world.Args{"update": world.Args{id: change}})
	return a.Text("notUpdated/" + id + "/type")
}

// create makes an object; it must work.
func create(t *testing.T, c *world.JMAP, name string, o world.Args) map[string]any {
	t.Helper()
	a := c.Call(name+"/set", world.Args{"create": world.Args{"new": o}})
	made, ok := a.At("created/new").(map[string]any)
	if !ok {
		t.Fatalf("%s/set: %v", name, a.Args)
	}
	return made
}

// uploads keeps a file for a program.
func uploads(c *world.JMAP, mediaType string, body []byte) string {
	var up struct{ BlobID string }
	c.Do("POST", "/jmap/upload/"+c.Account+"/", mediaType, body, http.StatusCreated, &up)
	return up.BlobID
}

func TestATransferByMailIsSeenProlongedRecalledAndBroughtBackByItsOwnersProgram(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie := home.Member("ann"), far.Member("mamie")
	ann.Send("envoi@home.test", world.Subject("Le bulletin"), world.Cc(mamie), world.Attach("bulletin.pdf", "application/pdf", []byte("%PDF-1.4 le bulletin")))
	w.Settle()
	link := mamie.Inbox().One().Link()
	c := sharer(ann)
	o := one(t, c, "Transfer", nil)
	if o["title"] != "Le bulletin" || o["from"] != "mail" || o["recalledAt"] != nil || o["graceUntil"] != nil || o["handIn"] != false || o["downloads"] != 0.0 ||
		o["size"] != 20.0 || len(o["recipients"].([]any)) != 1 {
		t.Errorf("the transfer: %v", o)
	}
	id := o["id"].(string)
	home.Browse(o["url"].(string)).Sees("Le bulletin", "bulletin.pdf")
	file := o["files"].([]any)[0].(map[string]any)
	if file["name"] != "bulletin.pdf" || file["type"] != "application/pdf" {
		t.Errorf("its file: %v", file)
	}
	var body []byte
	download := "/jmap/download/" + c.Account + "/" + file["blobId"].(string) + "/bulletin.pdf"
	c.Do("GET", download, "", nil, http.StatusOK, &body)
	if string(body) != "%PDF-1.4 le bulletin" {
		t.Errorf("the file is %q", body)
	}
	guest := one(t, c, "Guest", world.Args{"transferId": id})
	if guest["email"] != mamie.Address || guest["transferId"] != id || guest["url"] != nil || guest["downloads"] != 0.0 {
		t.Errorf("the guest: %v", guest)
	}

	until := w.Clock.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	if why := set(c, "Transfer", id, world.Args{"expiresAt": until, "maxDownloads": 3, "password": "soleil"}); why != "" {
		t.Errorf("prolonged: %s", why)
	}
	if o := get(t, c, "Transfer", id); o["expiresAt"] != until || o["maxDownloads"] != 3.0 || o["needsPassword"] != true {
		t.Errorf("prolonged, and locked: %v", o)
	}
	home.Browse(link).SeesNot("Le bulletin")
	if why := set(c, "Transfer", id, world.Args{"password": nil, "maxDownloads": nil}); why != "" {
		t.Errorf("unlocked: %s", why)
	}
	home.Browse(link).Sees("Le bulletin")
	for _, bad := range []world.Args{{"expiresAt": "2020-01-01T00:00:00Z"}, {"expiresAt": w.Clock.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339)},
		{"title": "Autre"}, {"downloads": 7}, {"maxDownloads": 0}, {"recalled": "yes"}, {"password": 3}} {
		if set(c, "Transfer", id, bad) == "" {
			t.Errorf("%v was taken", bad)
		}
	}

	state := c.Call("Transfer/get", world.Args{"ids": []string{}}).Text("state")
	if why := set(c, "Transfer", id, world.Args{"recalled": true}); why != "" {
		t.Fatalf("recalled: %s", why)
	}
	home.Browse(link).Gone()
	c.Do("GET", download, "", nil, http.StatusGone, nil)
	if o := get(t, c, "Transfer", id); o["recalledAt"] == nil || o["graceUntil"] == nil || o["url"] != nil {
		t.Errorf("recalled: %v", o)
	}
	if kind := c.Fails("Transfer/changes", world.Args{"sinceState": state}); kind != "cannotCalculateChanges" {
		t.Errorf("changes since before the recall: %s", kind)
	}
	w.Settle()
	if why := set(c, "Transfer", id, world.Args{"recalled": false}); why != "" {
		t.Fatalf("brought back: %s", why)
	}
	home.Browse(link).Sees("Le bulletin")
	if o := get(t, c, "Transfer", id); o["recalledAt"] != nil || o["graceUntil"] != nil || o["url"] == nil {
		t.Errorf("brought back: %v", o)
	}
	if a := c.Call("Transfer/set", world.Args{"destroy": []string{id}}); fmt.Sprint(a.At("destroyed")) != "["+id+"]" {
		t.Errorf("destroyed: %v", a.Args)
	}
	home.Browse(link).Gone()
	w.Advance(15 * 24 * time.Hour)
	if n, err := home.Transfers.Sweep(t.Context()); err != nil || n != 1 {
		t.Errorf("swept %d, %v", n, err)
	}
	if o := get(t, c, "Transfer", id); o != nil || len(ids(c, "Transfer", nil)) != 0 {
		t.Errorf("after the grace it is still there: %v", o)
	}
}

func TestAProgramMakesATransferOfAnUploadAndOfAnAttachment(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie, bob := home.Member("ann"), far.Member("mamie"), home.Member("bob")
	bob.Send(ann.Address, world.Subject("un fichier"), world.Attach("notes.txt", "text/plain", []byte("les notes de Bob\r\n")))
	w.Settle()
	c := sharer(ann)
	mails := c.Call("Email/query", world.Args{}).At("ids").([]any)
	part := c.Call("Email/get", world.Args{"ids": mails, "properties": []string{"attachments"}}).Text("list/0/attachments/0/blobId")
	up := uploads(c, "application/pdf", []byte("%PDF-1.4 compte rendu"))

	for name, bad := range map[string]world.Args{
		"no files":       {"title": "x"},
		"another's blob": {"files": []any{world.Args{"blobId": uploads(bob.JMAP(), "text/plain", []byte("à Bob"))}}},
		"no address":     {"files": []any{world.Args{"blobId": up}}, "recipients": []any{world.Args{"email": "mamie"}}},
		"a year":         {"files": []any{world.Args{"blobId": up}}, "days": 365},
	} {
		a := c.Call("Transfer/set", world.Args{"create": world.Args{"new": bad}})
		if a.Text("notCreated/new/type") == "" {
			t.Errorf("%s: %v", name, a.Args)
		}
	}
	o := create(t, c, "Transfer", world.Args{"title": "La réunion", "days": 3, "maxDownloads": 5, "password": nil,
		"files":      []any{world.Args{"blobId": up, "name": "compte rendu.pdf", "type": "application/pdf"}, world.Args{"blobId": part, "name": "notes.txt"}},
		"recipients": []any{world.Args{"email": mamie.Address, "name": "Mamie"}}})
	w.Settle()
	if o["from"] != "web" || o["title"] != "La réunion" || o["maxDownloads"] != 5.0 || len(o["files"].([]any)) != 2 {
		t.Errorf("made: %v", o)
	}
	if got := mamie.Inbox().One().Says("compte rendu.pdf"); got.Subject != "La réunion" {
		t.Errorf("mamie reads %q", got.Subject)
	}
	ann.Inbox().Last().Says("compte rendu.pdf")
	page := home.Browse(o["url"].(string)).Sees("compte rendu.pdf", "notes.txt")
	if page.Status != http.StatusOK {
		t.Error(page.Status)
	}
	var body []byte
	file := o["files"].([]any)[1].(map[string]any)
	c.Do("GET", "/jmap/download/"+c.Account+"/"+file["blobId"].(string)+"/x", "", nil, http.StatusOK, &body)
	if string(body) != "les notes de Bob\r\n" {
		t.Errorf("the attachment is %q", body)
	}
	// What waited is not needed any more, and what has it is not its name.
	w.Advance(25 * time.Hour)
	if err := home.Uploads.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	file = o["files"].([]any)[0].(map[string]any)
	c.Do("GET", "/jmap/download/"+c.Account+"/"+file["blobId"].(string)+"/x", "", nil, http.StatusOK, &body)
	if string(body) != "%PDF-1.4 compte rendu" {
		t.Errorf("the upload is %q", body)
	}
	// What is shared counts as what is kept.
	ann.Quota(100_000)
	big := uploads(c, "application/octet-stream", make([]byte, 90_000))
	refused := c.Call("Transfer/set", world.Args{"create": world.Args{"new": world.Args{"files": []any{world.Args{"blobId": big, "name": "a"}, world.Args{"blobId": big, "name": "b"}}}}})
	if refused.Text("notCreated/new/type") != "overQuota" {
		t.Errorf("beyond the quota: %v", refused.Args)
	}
	// There is one link to pass on.
	first := o["url"].(string)
	a := c.Call("Transfer/link", world.Args{"id": o["id"]})
	if a.Text("url") != first {
		t.Errorf("there is a link already, and another came: %v", a.Args)
	}
}

func TestAnAlbumByMailIsSeenAndChangedByItsOwnersProgram(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie, paul := home.Member("ann"), far.Member("mamie"), far.Member("paul")
	ann.Send("album+vacances@home.test", world.Subject("La mer"), world.Cc(mamie),
		world.Attach("un.jpg", "image/jpeg", photo(800, 600)), world.Attach("deux.jpg", "image/jpeg", photo(600, 800)))
	w.Settle()
	c := sharer(ann)
	o := one(t, c, "Album", nil)
	id := o["id"].(string)
	if o["title"] != "Vacances" || o["photos"] != 2.0 || o["mailto"] != "album+vacances@home.test" || o["visibility"] != "link" ||
		o["guestsMayAdd"] != true || o["guestsMayComment"] != true || o["recalledAt"] != nil || o["size"].(float64) < 1000 {
		t.Errorf("the album: %v", o)
	}
	home.Browse(o["url"].(string)).Sees("Vacances")
	list := ids(c, "Photo", world.Args{"albumId": id})
	if len(list) != 2 || o["cover"].(map[string]any)["photoId"] != list[0] {
		t.Fatalf("photos %v, cover %v", list, o["cover"])
	}
	p := get(t, c, "Photo", list[0])
	if p["name"] != "un.jpg" || p["width"] != 800.0 || p["height"] != 600.0 || p["kind"] != "photo" || p["albumId"] != id || p["hidden"] != false {
		t.Errorf("a photo: %v", p)
	}

	// The rendition, with the cookie of who is signed in.
	b := newBrowser(t).enter(home, ann)
	path := func(u any) string { return strings.TrimPrefix(u.(string), home.Config.Web.URL) }
	code, h, body := b.do(home, "GET", path(p["thumbUrl"]), nil)
	if code != http.StatusOK || h.Get("Content-Type") != "image/jpeg" || !strings.HasPrefix(body, "\xff\xd8") || h.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("the thumbnail: %d %v", code, h)
	}
	for _, bad := range []string{"photo", "../../../etc/passwd", "400.css", ""} {
		if code, _, _ := b.do(home, "GET", strings.TrimSuffix(path(p["thumbUrl"]), "400.jpg")+bad, nil); code == http.StatusOK {
			t.Errorf("form %q: %d", bad, code)
		}
	}
	var source []byte
	c.Do("GET", "/jmap/download/"+c.Account+"/"+p["blobId"].(string)+"/un.jpg", "", nil, http.StatusOK, &source)
	if !bytes.Equal(source, photo(800, 600)) {
		t.Error("the source is another")
	}

	if why := set(c, "Photo", list[0], world.Args{"caption": "Sur la plage"}); why != "" {
		t.Errorf("caption: %s", why)
	}
	home.Browse(mamie.Inbox().One().Link()).Sees("Sur la plage")
	if why := set(c, "Album", id, world.Args{"guestsMayComment": false, "guestsMayAdd": false, "visibility": "guests"}); why != "" {
		t.Errorf("rules: %s", why)
	}
	home.Browse(o["url"].(string)).Gone()
	if now := get(t, c, "Album", id); now["url"] != nil || now["guestsMayAdd"] != false || now["guestsMayComment"] != false || now["visibility"] != "guests" {
		t.Errorf("closed: %v", now)
	}
	anew := c.Call("Album/link", world.Args{"id": id}).Text("url")
	if anew == "" || anew == o["url"] {
		t.Errorf("a new link: %q", anew)
	}
	home.Browse(anew).Sees("Vacances")

	// Words, of the owner and of a guest, and their end.
	said := create(t, c, "Comment", world.Args{"albumId": id, "photoId": list[0], "text": "C'était froid"})
	if got := one(t, c, "Comment", world.Args{"albumId": id, "photoId": list[0]}); got["text"] != "C'était froid" || got["id"] != said["id"] {
		t.Errorf("words: %v", got)
	}
	if a := c.Call("Comment/set", world.Args{"destroy": []any{said["id"]}}); fmt.Sprint(a.At("destroyed")) != fmt.Sprint([]any{said["id"]}) {
		t.Errorf("destroyed: %v", a.Args)
	}
	if left := ids(c, "Comment", world.Args{"albumId": id}); len(left) != 0 {
		t.Errorf("words are left: %v", left)
	}

	// A photo, taken off and shown again.
	if a := c.Call("Photo/set", world.Args{"destroy": []string{list[1]}}); a.At("notDestroyed/"+list[1]) != nil {
		t.Errorf("taken off: %v", a.Args)
	}
	if left := ids(c, "Photo", world.Args{"albumId": id}); len(left) != 1 || left[0] != list[0] {
		t.Errorf("left: %v", left)
	}
	if off := ids(c, "Photo", world.Args{"albumId": id, "hidden": true}); len(off) != 1 || off[0] != list[1] || get(t, c, "Photo", off[0])["hidden"] != true {
		t.Errorf("taken off: %v", off)
	}
	if why := set(c, "Photo", list[1], world.Args{"hidden": false}); why != "" || len(ids(c, "Photo", world.Args{"albumId": id})) != 2 {
		t.Errorf("shown again: %q", why)
	}

	// More photos: of an upload; not twice, and nothing that is none.
	added := create(t, c, "Photo", world.Args{"albumId": id, "blobId": uploads(c, "image/jpeg", photo(300, 300)), "name": "trois.jpg", "caption": "Le port"})
	if added["caption"] != "Le port" || added["width"] != 300.0 || len(ids(c, "Photo", world.Args{"albumId": id})) != 3 {
		t.Errorf("added: %v", added)
	}
	for name, want := range map[string]struct {
		body []byte
		kind string
	}{"again": {photo(300, 300), "alreadyExists"}, "text": {[]byte("not a picture"), "invalidProperties"}} {
		a := c.Call("Photo/set", world.Args{"create": world.Args{"new": world.Args{"albumId": id, "blobId": uploads(c, "image/jpeg", want.body), "name": "x.jpg"}}})
		if got := a.Text("notCreated/new/type"); got != want.kind {
			t.Errorf("%s: %v", name, a.Args)
		}
	}

	// And of an attachment of a mail, large enough to be a file of its own.
	paul.Send(ann.Address, world.Subject("La mienne"), world.Attach("quatre.jpg", "image/jpeg", photo(900, 700)))
	w.Settle()
	theirs := c.Calls(world.Step{Name: "Email/query", Args: world.Args{"filter": world.Args{"subject": "La mienne"}}},
		world.Step{Name: "Email/get", Args: world.Args{"#ids": world.Args{"resultOf": "0", "name": "Email/query", "path": "/ids"}, "properties": []string{"attachments"}}})[1]
	if four := create(t, c, "Photo", world.Args{"albumId": id, "blobId": theirs.Text("list/0/attachments/0/blobId"), "name": "quatre.jpg"}); four["width"] != 900.0 {
		t.Errorf("a photo of a mail: %v", four)
	}

	// A guest is invited by the program's own mail, and their link ended.
	g := create(t, c, "Guest", world.Args{"albumId": id, "email": paul.Address, "name": "Paul"})
	w.Settle()
	link := paul.Inbox().One().Says("Vacances").Link()
	home.Browse(link).Sees("Vacances")
	if g["name"] != "Paul" || g["email"] != paul.Address || len(ids(c, "Guest", world.Args{"albumId": id})) != 2 {
		t.Errorf("the guest: %v", g)
	}
	if why := set(c, "Guest", g["id"].(string), world.Args{"revoked": true}); why != "" {
		t.Errorf("revoked: %s", why)
	}
	home.Browse(link).Gone()
	if get(t, c, "Guest", g["id"].(string)) != nil {
		t.Error("who has no link is still a guest")
	}

	empty := create(t, c, "Album", world.Args{"title": "Noël"})
	if empty["mailto"] != "album+noël@home.test" || empty["photos"] != 0.0 || len(ids(c, "Album", nil)) != 2 {
		t.Errorf("a new album: %v", empty)
	}
	if a := c.Call("Album/set", world.Args{"create": world.Args{"new": world.Args{"title": ""}}}); a.Text("notCreated/new/type") == "" {
		t.Errorf("an album without a name: %v", a.Args)
	}
}

// Nothing of what one member shares is there for another: not to see, not to
// change, by whatever method, path or id.
func TestNothingOfWhatAMemberSharesIsThereForAnother(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			database := "sqlite"
			if engine == "postgres" {
				database = storetest.Postgres(t)
			}
			nothingForAnother(t, database)
		})
	}
}

func nothingForAnother(t *testing.T, database string) {
	w := world.New(t)
	home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
	ann, bob := home.Member("ann"), home.Member("bob")
	home.Member("cec")
	ann.Send("envoi@home.test", world.Cc("cec@home.test"), world.Attach("a.txt", "text/plain", []byte("a")))
	ann.Send("album+vacances@home.test", world.Cc("cec@home.test"), world.Attach("un.jpg", "image/jpeg", photo(80, 60)))
	w.Settle()
	a, b := sharer(ann), sharer(bob)
	transfer, album := one(t, a, "Transfer", nil)["id"].(string), one(t, a, "Album", nil)["id"].(string)
	p := one(t, a, "Photo", world.Args{"albumId": album})
	words := create(t, a, "Comment", world.Args{"albumId": album, "text": "à nous"})
	guest := one(t, a, "Guest", world.Args{"albumId": album})
	create(t, a, "Transfer", world.Args{"title": "b", "files": []any{world.Args{"blobId": uploads(a, "text/plain", []byte("b")), "name": "b.txt"}}})
	sent := ids(a, "Email", nil)
	if len(sent) == 0 {
		t.Fatal("ann has no mail")
	}
	of := map[string]string{"Transfer": transfer, "Album": album, "Photo": p["id"].(string), "Comment": words["id"].(string), "Guest": guest["id"].(string)}
	change := map[string][]world.Args{
		"Transfer": {{"recalled": true}, {"password": "x"}, {"expiresAt": "2030-01-01T00:00:00Z"}},
		"Album":    {{"recalled": true}, {"guestsMayAdd": false}, {"visibility": "guests"}},
		"Photo":    {{"caption": "mine"}, {"hidden": true}},
		"Comment":  {{"text": "mine"}},
		"Guest":    {{"revoked": true}},
	}
	for name, id := range of {
		if o := get(t, b, name, id); o != nil {
			t.Errorf("bob sees %s %v", name, o)
		}
		for _, args := range change[name] {
			if why := set(b, name, id, args); why != "notFound" {
				t.Errorf("bob changes %s %v: %q", name, args, why)
			}
		}
		if d := b.Call(name+"/set", world.Args{"destroy": []string{id}}); d.Text("notDestroyed/"+id+"/type") != "notFound" {
			t.Errorf("bob destroys %s: %v", name, d.Args)
		}
		for _, method := range []string{"get", "query", "changes", "set"} {
			args := world.Args{"accountId": a.Account, "ids": []string{id}}
			switch method {
			case "query", "set":
				delete(args, "ids")
			case "changes":
				args = world.Args{"accountId": a.Account, "sinceState": ""}
			}
			if kind := b.Fails(name+"/"+method, args); kind != "accountNotFound" {
				t.Errorf("%s/%s of ann's account: %s", name, method, kind)
			}
		}
	}
	for _, name := range []string{"Photo", "Comment", "Guest"} {
		if kind := b.Fails(name+"/query", world.Args{"filter": world.Args{"albumId": album}}); kind != "unsupportedFilter" {
			t.Errorf("%s/query of ann's album: %s", name, kind)
		}
	}
	for name, o := range map[string]world.Args{
		"Photo":   {"albumId": album, "blobId": uploads(b, "image/jpeg", photo(30, 30)), "name": "x.jpg"},
		"Comment": {"albumId": album, "text": "bonjour"},
		"Guest":   {"albumId": album, "email": bob.Address},
	} {
		if c := b.Call(name+"/set", world.Args{"create": world.Args{"new": o}}); c.At("created/new") != nil {
			t.Errorf("bob makes %s: %v", name, c.Args)
		}
	}
	for _, name := range []string{"Transfer/link", "Album/link"} {
		if kind := b.Fails(name, world.Args{"id": of[name[:strings.Index(name, "/")]]}); kind != "invalidArguments" {
			t.Errorf("%s: %s", name, kind)
		}
	}
	if got := b.Call("Trace/query", world.Args{"filter": world.Args{"emailId": sent[0]}}); len(got.At("ids").([]any)) != 0 {
		t.Errorf("bob traces ann's mail: %v", got.Args)
	}
	bobs := newBrowser(t).enter(home, bob)
	own := strings.TrimPrefix(p["url"].(string), home.Config.Web.URL)
	for _, path := range []string{own, strings.Replace(own, a.Account, b.Account, 1)} {
		if code, _, _ := bobs.do(home, "GET", path, nil); code != http.StatusNotFound {
			t.Errorf("bob opens %s: %d", path, code)
		}
	}
	if code, _, _ := newBrowser(t).enter(home, ann).do(home, "GET", strings.Replace(own, a.Account, b.Account, 1), nil); code != http.StatusNotFound {
		t.Errorf("ann's photo is in bob's account: %d", code)
	}
	if code, _, _ := newBrowser(t).do(home, "GET", own, nil); code != http.StatusUnauthorized {
		t.Errorf("nobody opens %s: %d", own, code)
	}
	for _, account := range []string{a.Account, b.Account} {
		for _, blob := range []string{transfer + "-0", p["id"].(string)} {
			b.Do("GET", "/jmap/download/"+account+"/"+blob+"/x", "", nil, http.StatusNotFound, nil)
		}
	}
	if o := get(t, a, "Transfer", transfer); o["recalledAt"] != nil || len(ids(a, "Photo", world.Args{"albumId": album})) != 1 {
		t.Errorf("something of ann's changed: %v", o)
	}
}

// RAPPELER by mail is felt by the owner's own program too, at the next request,
// on every node.
func TestARecallByMailEndsThePhotosOfTheOwnersProgramOnEveryNode(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, database := world.New(t), "sqlite"
			if engine == "postgres" {
				database = storetest.Postgres(t)
			}
			home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
			nodes := []*world.Server{home}
			if engine == "postgres" {
				nodes = append(nodes, home.Node())
			}
			ann := home.Member("ann")
			ann.Send("album+vacances@home.test", world.Attach("un.jpg", "image/jpeg", photo(800, 600)), world.Attach("deux.jpg", "image/jpeg", photo(600, 800)))
			w.Settle()
			receipt := ann.Inbox().One()
			c := sharer(ann)
			album := one(t, c, "Album", nil)["id"].(string)
			list := ids(c, "Photo", world.Args{"albumId": album})
			b := newBrowser(t).enter(home, ann)
			everywhere := func(want int, when string) {
				t.Helper()
				for i, n := range nodes {
					for _, id := range list {
						for _, form := range []string{"400.jpg", "1024.jpg", "2048.jpg", "400.webp", "clean", "source"} {
							path := "/jmap/photo/" + c.Account + "/" + id + "/" + form
							if code, _, _ := b.do(n, "GET", path, nil); code != want {
								t.Errorf("%s, host %d: %s is %d, want %d", when, i, form, code, want)
							}
						}
						if code, _, _ := b.do(n, "GET", "/jmap/download/"+c.Account+"/"+id+"/x", nil); code != want {
							t.Errorf("%s, host %d: the source is %d, want %d", when, i, code, want)
						}
					}
				}
			}
			everywhere(http.StatusOK, "before")
			ann.Send(receipt.ReplyTo(), world.Subject("Re: album"), world.Text("rappeler\r\n"))
			w.Settle()
			if o := get(t, c, "Album", album); o["recalledAt"] == nil || o["graceUntil"] == nil || o["url"] != nil {
				t.Errorf("Album/get does not say it: %v", o)
			}
			everywhere(http.StatusGone, "recalled")
			if why := set(c, "Album", album, world.Args{"recalled": false}); why != "" {
				t.Fatalf("brought back: %s", why)
			}
			everywhere(http.StatusOK, "brought back")
			if err := home.Accounts.Suspend(t.Context(), ann.Account.ID); err != nil {
				t.Fatal(err)
			}
			everywhere(http.StatusUnauthorized, "suspended")
		})
	}
}

func TestAMemberSeesWhatBecameOfAMailTheySent(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie := home.Member("ann"), far.Member("mamie")
	ann.Send(mamie.Address, world.Subject("Bonjour"), world.Cc(ann))
	mamie.Send(ann.Address, world.Subject("Bonjour aussi"))
	w.Settle()
	stories, _, err := home.Trace.Find(t.Context(), mamie.Address, 10)
	if err != nil {
		t.Fatal(err)
	}
	c := sharer(ann)
	found := 0
	for _, s := range stories {
		list := ids(c, "Trace", world.Args{"messageId": s[0].MessageID})
		if s[0].Member != ann.Address {
			if len(list) != 0 {
				t.Errorf("ann traces what she did not send: %v", list)
			}
			continue
		}
		found++
		own := false
		for _, email := range ids(c, "Email", nil) {
			if by := ids(c, "Trace", world.Args{"emailId": email}); len(by) > 0 {
				own = slices.Equal(by, list)
			}
		}
		if !own {
			t.Errorf("by her own copy it is not found: %v", list)
		}
		o := get(t, c, "Trace", list[0])
		lines := o["lines"].([]any)
		last := lines[len(lines)-1].(map[string]any)
		text := fmt.Sprint(lines)
		if o["messageId"] != s[0].MessageID || last["at"] == nil || !strings.Contains(text, mamie.Address) || !strings.Contains(text, "mail.far.test") {
			t.Errorf("the trace: %v", o)
		}
		addressed := false
		for _, l := range lines {
			l := l.(map[string]any)
			addressed = addressed || l["address"] == mamie.Address && l["verdict"] == "done"
		}
		if !addressed {
			t.Errorf("no line is about %s: %v", mamie.Address, lines)
		}
		if get(t, sharer(home.Member("cec")), "Trace", list[0]) != nil {
			t.Error("another member reads it")
		}
	}
	if found != 1 {
		t.Errorf("%d mails of ann's in %v", found, stories)
	}
}

// What is shared is told to programs that listen as it changes, by whoever does it.
func TestNewsOfWhatIsSharedComeToProgramsThatListen(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie := home.Member("ann"), far.Member("mamie")
	ann.Send("album+vacances@home.test", world.Cc(mamie), world.Attach("un.jpg", "image/jpeg", photo(80, 60)))
	w.Settle()
	c := sharer(ann)
	album := one(t, c, "Album", nil)["id"].(string)
	p := ids(c, "Photo", world.Args{"albumId": album})[0]
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for _, one := range []struct {
		what    string
		types   string
		another []string
		do      func()
	}{
		{"a caption", "Photo,Comment", []string{"Photo"}, func() { set(c, "Photo", p, world.Args{"caption": "la mer"}) }},
		{"a rule", "Album,Photo,Comment", []string{"Album"}, func() { set(c, "Album", album, world.Args{"guestsMayAdd": false}) }},
		{"a guest's words", "Album,Photo,Comment,Transfer", []string{"Comment"}, func() {
			home.Press(mamie.Inbox().One().Link()+"/word", url.Values{"text": {"bravo"}})
		}},
		{"a transfer", "Transfer,Guest,Comment", []string{"Guest", "Transfer"}, func() {
			create(t, c, "Transfer", world.Args{"files": []any{world.Args{"blobId": uploads(c, "text/plain", []byte("a")), "name": "a.txt"}}})
		}},
	} {
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+home.Addr("http")+"/jmap/events?closeafter=state&ping=0&types="+one.types, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(ann.Address, ann.Password)
		resp, err := http.DefaultClient.Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", resp, err)
		}
		in := bufio.NewScanner(resp.Body)
		for in.Scan() && in.Text() != "" { // it is there
		}
		one.do()
		var news struct{ Changed map[string]map[string]string }
		for in.Scan() {
			if data, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &news); err != nil {
					t.Fatal(err)
				}
			}
		}
		resp.Body.Close()
		told := news.Changed[c.Account]
		if got := slices.Sorted(maps.Keys(told)); !slices.Equal(got, one.another) {
			t.Errorf("%s: told of %v, want %v", one.what, got, one.another)
		}
		for name, state := range told {
			if now := c.Call(name+"/get", world.Args{"ids": []string{}}).Text("state"); now != state {
				t.Errorf("%s: told %s %s, it is %s", one.what, name, state, now)
			}
		}
	}
}
