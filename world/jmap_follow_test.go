package world_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"

	"colporteur/config"
	"colporteur/store/storetest"
	"colporteur/world"
)

// follower is a program that looks at everything once, and from then on asks only
// what changed (RFC 8620 §5.2, §5.6).
type follower struct {
	t       *testing.T
	c       *world.JMAP
	r       *rand.Rand
	things  map[string]map[string]string // by type and id, what the program knows
	states  map[string]string
	queries []*followed
}

// followed is a list that the program shows.
type followed struct {
	args  world.Args
	ids   []string
	state string
	lost  int // how often it had to begin again
}

// keptOf is what a program keeps of each type.
var keptOf = map[string][]string{"Mailbox": {"name", "parentId", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}, "Thread": {"emailIds"}, "Email": {"mailboxIds", "keywords"}}

func listed(v any) []string {
	out := []string{}
	for _, x := range v.([]any) {
		out = append(out, x.(string))
	}
	return out
}

// fetch reads things of a type; ids nil is all.
func (f *follower) fetch(kind string, ids any) (map[string]string, string) {
	f.t.Helper()
	a := f.c.Call(kind+"/get", world.Args{"ids": ids, "properties": keptOf[kind]})
	out := map[string]string{}
	for _, o := range a.At("list").([]any) {
		o := o.(map[string]any)
		out[o["id"].(string)] = fmt.Sprint(o) // maps are printed in order
	}
	return out, a.Text("state")
}

// begin looks at everything.
func (f *follower) begin() {
	f.things, f.states = map[string]map[string]string{}, map[string]string{}
	f.things["Mailbox"], f.states["Mailbox"] = f.fetch("Mailbox", nil)
	all := listed(f.c.Call("Email/query", world.Args{}).At("ids"))
	f.things["Email"], f.states["Email"] = f.fetch("Email", all)
	f.things["Thread"], f.states["Thread"] = f.fetch("Thread", f.threads(all))
	for _, q := range f.queries {
		f.ask(q)
	}
}

func (f *follower) threads(emails []string) []string {
	ids := []string{}
	for _, o := range f.c.Call("Email/get", world.Args{"ids": emails, "properties": []string{"threadId"}}).At("list").([]any) {
		if id := o.(map[string]any)["threadId"].(string); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (f *follower) ask(q *followed) {
	a := f.c.Call("Email/query", q.args)
	q.ids, q.state = listed(a.At("ids")), a.Text("queryState")
}

// follow asks what changed, a few things at a time, until there is no more.
func (f *follower) follow() {
	f.t.Helper()
	for _, kind := range []string{"Mailbox", "Email", "Thread"} {
		for more := true; more; {
			args := world.Args{"sinceState": f.states[kind]}
			if f.r.IntN(2) == 0 {
				args["maxChanges"] = 1 + f.r.IntN(3)
			}
			a := f.c.Calls(world.Step{Name: kind + "/changes", Args: args})[0]
			if a.Name == "error" && a.Text("type") == "cannotCalculateChanges" && args["maxChanges"] != nil {
				delete(args, "maxChanges") // one step changed more than that
				a = f.c.Call(kind+"/changes", args)
			}
			created, updated, destroyed := listed(a.At("created")), listed(a.At("updated")), listed(a.At("destroyed"))
			if n := len(created) + len(updated) + len(destroyed); args["maxChanges"] != nil && n > args["maxChanges"].(int) {
				f.t.Fatalf("%s: %d changes, asked for %v", kind, n, args["maxChanges"])
			}
			more, _ = a.At("hasMoreChanges").(bool)
			if more && a.Text("newState") == f.states[kind] {
				f.t.Fatalf("%s: more changes, and no step on", kind)
			}
			f.states[kind] = a.Text("newState")
			fresh, _ := f.fetch(kind, append(created, updated...))
			maps.Copy(f.things[kind], fresh)
			for _, id := range destroyed {
				delete(f.things[kind], id)
			}
		}
	}
	for _, q := range f.queries {
		f.change(q)
	}
}

// change splices what a query says into the list (RFC 8620 §5.6).
func (f *follower) change(q *followed) {
	f.t.Helper()
	args := maps.Clone(q.args)
	args["sinceQueryState"] = q.state
	a := f.c.Calls(world.Step{Name: "Email/queryChanges", Args: args})[0]
	if a.Name == "error" {
		if a.Text("type") != "cannotCalculateChanges" {
			f.t.Fatalf("%v: %v", q.args, a)
		}
		q.lost++
		f.ask(q)
		return
	}
	removed := listed(a.At("removed"))
	q.ids = slices.DeleteFunc(q.ids, func(id string) bool { return slices.Contains(removed, id) })
	for _, o := range a.At("added").([]any) {
		o := o.(map[string]any)
		at := int(o["index"].(float64))
		if at > len(q.ids) {
			f.t.Fatalf("%v: something is added at %d of %d", q.args, at, len(q.ids))
		}
		q.ids = slices.Insert(q.ids, at, o["id"].(string))
	}
	q.state = a.Text("newQueryState")
}

// Whoever follows /changes and /queryChanges always has what whoever looks anew has.
func TestAProgramThatFollowsChangesKnowsWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, database := world.New(t), "sqlite"
			if engine == "postgres" {
				database = storetest.Postgres(t)
			}
			home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
			ann := home.Member("ann")
			c, r := ann.JMAP(), rand.New(rand.NewPCG(8620, 8621))
			inbox := c.Mailbox("inbox")
			newest := []any{world.Args{"property": "receivedAt", "isAscending": false}}
			f := &follower{t: t, c: c, r: r, queries: []*followed{
				{args: world.Args{"filter": world.Args{"inMailbox": inbox}, "sort": newest}},
				{args: world.Args{"filter": world.Args{"inMailbox": inbox}, "sort": newest, "collapseThreads": true}},
				{args: world.Args{"filter": world.Args{"inMailbox": inbox, "notKeyword": "$muted"}, "collapseThreads": true,
					"sort": []any{world.Args{"property": "hasKeyword", "keyword": "$pinned", "isAscending": false}, newest[0]}}},
				{args: world.Args{"filter": world.Args{"someInThreadHaveKeyword": "$flagged"}, "sort": newest}},
				{args: world.Args{"filter": world.Args{"operator": "NOT", "conditions": []any{world.Args{"hasKeyword": "$seen"}}}, "sort": []any{world.Args{"property": "subject"}}}},
			}}
			f.begin()
			boxes, mails := []string{inbox, c.Mailbox("archive"), c.Mailbox("trash")}, []string{}
			made := 0
			pick := func(list []string) string { return list[r.IntN(len(list))] }
			act := func() {
				switch n := r.IntN(12); {
				case n < 3 || len(mails) == 0:
					made++
					head := fmt.Sprintf("From: p@far.test\r\nSubject: Sujet %d\r\nMessage-ID: <f%d@x>\r\n", made%4, made)
					if made > 1 && r.IntN(2) == 0 {
						head += fmt.Sprintf("In-Reply-To: <f%d@x>\r\nReferences: <f%d@x>\r\n", 1+r.IntN(made-1), 1+r.IntN(made-1))
					}
					var up struct{ BlobID string }
					c.Do("POST", "/jmap/upload/"+c.Account+"/", "message/rfc822", []byte(head+"\r\nx\r\n"), http.StatusCreated, &up)
					a := c.Call("Email/import", world.Args{"emails": world.Args{"m": world.Args{"blobId": up.BlobID, "mailboxIds": world.Args{pick(boxes): true},
						"keywords": world.Args{pick([]string{"$seen", "$flagged", "$pinned"}): true}, "receivedAt": fmt.Sprintf("2026-01-%02dT00:00:00Z", 1+r.IntN(28))}}})
					mails = append(mails, a.Text("created/m/id"))
				case n < 7:
					on := []any{true, nil}[r.IntN(2)]
					c.Call("Email/set", world.Args{"update": world.Args{pick(mails): world.Args{"keywords/" + pick([]string{"$seen", "$flagged", "$pinned", "$muted"}): on}}})
				case n < 9:
					c.Call("Email/set", world.Args{"update": world.Args{pick(mails): world.Args{"mailboxIds": world.Args{pick(boxes): true, pick(boxes): true}}}})
				case n == 9:
					id := pick(mails)
					c.Call("Email/set", world.Args{"destroy": []string{id}})
					mails = slices.DeleteFunc(mails, func(m string) bool { return m == id })
				case n == 10:
					a := c.Call("Mailbox/set", world.Args{"create": world.Args{"b": world.Args{"name": fmt.Sprintf("Dossier %d", made+r.IntN(1e6))}}})
					boxes = append(boxes, a.Text("created/b/id"))
				case len(boxes) > 3:
					id := boxes[len(boxes)-1]
					if r.IntN(2) == 0 {
						c.Call("Mailbox/set", world.Args{"update": world.Args{id: world.Args{"name": fmt.Sprintf("Autre %d", r.IntN(1e6))}}})
						return
					}
					c.Call("Mailbox/set", world.Args{"destroy": []string{id}, "onDestroyRemoveEmails": true})
					boxes = boxes[:len(boxes)-1]
					have := listed(c.Call("Email/query", world.Args{}).At("ids"))
					mails = slices.DeleteFunc(mails, func(m string) bool { return !slices.Contains(have, m) })
				}
			}
			for round := range 60 {
				for range 1 + r.IntN(5) {
					act()
				}
				f.follow()
				anew := &follower{t: t, c: c, r: r}
				for _, q := range f.queries {
					anew.queries = append(anew.queries, &followed{args: q.args})
				}
				anew.begin()
				for kind := range keptOf {
					if !maps.Equal(f.things[kind], anew.things[kind]) {
						t.Fatalf("round %d: of %s it knows\n%v\nthere is\n%v", round, kind, f.things[kind], anew.things[kind])
					}
				}
				for i, q := range anew.queries {
					if !slices.Equal(f.queries[i].ids, q.ids) {
						t.Fatalf("round %d: the list %v is\n%v, it has\n%v", round, q.args, q.ids, f.queries[i].ids)
					}
				}
			}
			for _, q := range f.queries {
				if q.lost > 5 {
					t.Errorf("%v began anew %d times", q.args, q.lost)
				}
			}
			if len(f.things["Email"]) < 20 {
				t.Errorf("only %d mails were left", len(f.things["Email"]))
			}
		})
	}
}
