package world_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"colporteur/world"
)

// post sends a body as it is and returns the status and what came back.
func post(t *testing.T, home *world.Server, m *world.Member, mediaType, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+home.Addr("http")+"/jmap/api", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaType)
	if m != nil {
		r.SetBasicAuth(m.Address, m.Password)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%d %.300s", resp.StatusCode, b)
	}
	return resp.StatusCode, out
}

func TestJMAPRefusesWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	const core = `"using":["urn:ietf:params:jmap:core"],`
	calls := func(n int) string {
		return `{` + core + `"methodCalls":[` + strings.TrimSuffix(strings.Repeat(`["Core/echo",{},"x"],`, n), ",") + `]}`
	}
	for name, c := range map[string]struct {
		mediaType, body string
		status          int
		kind, limit     string
	}{
		"text":            {"text/plain", calls(1), 400, "notJSON", ""},
		"broken":          {"application/json", `{` + core, 400, "notJSON", ""},
		"twice":           {"application/json", `{` + core + core + `"methodCalls":[]}`, 400, "notJSON", ""},
		"twice below":     {"application/json", `{` + core + `"methodCalls":[["Core/echo",{"a":1,"a":2},"x"]]}`, 400, "notJSON", ""},
		"not UTF-8":       {"application/json", `{` + core + `"methodCalls":[["Core/echo",{"a":"` + "\xff" + `"},"x"]]}`, 400, "notJSON", ""},
		"half surrogate":  {"application/json", `{` + core + `"methodCalls":[["Core/echo",{"a":"\ud800"},"x"]]}`, 400, "notJSON", ""},
		"deep":            {"application/json", `{` + core + `"methodCalls":[["Core/echo",{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `},"x"]]}`, 400, "notJSON", ""},
		"open":            {"application/json", strings.Repeat("[", 1_000_000), 400, "notJSON", ""},
		"list":            {"application/json", `[]`, 400, "notRequest", ""},
		"nothing":         {"application/json", `{}`, 400, "notRequest", ""},
		"no calls":        {"application/json", `{"using":[]}`, 400, "notRequest", ""},
		"short call":      {"application/json", `{` + core + `"methodCalls":[["Core/echo",{}]]}`, 400, "notRequest", ""},
		"call with list":  {"application/json", `{` + core + `"methodCalls":[["Core/echo",[],"x"]]}`, 400, "notRequest", ""},
		"unknown":         {"application/json", `{"using":["urn:x"],"methodCalls":[]}`, 400, "unknownCapability", ""},
		"too many calls":  {"application/json", calls(65), 400, "limit", "maxCallsInRequest"},
		"too many octets": {"application/json", `{` + core + `"methodCalls":[["Core/echo",{"a":"` + strings.Repeat("x", 11<<20) + `"},"x"]]}`, 413, "limit", "maxSizeRequest"},
	} {
		status, out := post(t, home, ann, c.mediaType, c.body)
		if status != c.status || out["type"] != "urn:ietf:params:jmap:error:"+c.kind || c.limit != "" && out["limit"] != c.limit {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	if status, out := post(t, home, ann, "application/json; charset=utf-8", calls(64)); status != 200 || len(out["methodResponses"].([]any)) != 64 {
		t.Errorf("sixty-four calls: %d", status)
	}
	if status, _ := post(t, home, nil, "application/json", calls(1)); status != http.StatusUnauthorized {
		t.Errorf("a stranger: %d", status)
	}
	wrong := *ann
	wrong.Password = "wrong"
	if status, _ := post(t, home, &wrong, "application/json", calls(1)); status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", status)
	}
}

func TestJMAPCallsAreAnsweredOneByOne(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	c := ann.JMAP()
	ref := func(of, name, path string) world.Args { return world.Args{"resultOf": of, "name": name, "path": path} }
	echo := world.Args{"list": []any{world.Args{"id": "a", "in": []any{1, 2}}, world.Args{"id": "b", "in": []any{3}}}, "a/b~c": "odd"}
	got := c.Calls(
		world.Step{Name: "Core/echo", Args: echo},
		world.Step{Name: "Core/echo", Args: world.Args{"#ids": ref("0", "Core/echo", "/list/*/id"), "#flat": ref("0", "Core/echo", "/list/*/in"), "#second": ref("0", "Core/echo", "/list/1/id"), "#odd": ref("0", "Core/echo", "/a~1b~0c")}},
		world.Step{Name: "Nonsense/get"},
		world.Step{Name: "EmailSubmission/get"}, // its capability is not used
		world.Step{Name: "Email/get", Args: world.Args{"accountId": "anobody", "ids": []string{}}},
		world.Step{Name: "Email/get", Args: world.Args{"ids": []string{}, "nonsense": 1}},
		world.Step{Name: "Email/get", Args: world.Args{"ids": "all"}},
		world.Step{Name: "Email/get", Args: world.Args{"ids": []string{}, "properties": []string{"nonsense"}}},
		world.Step{Name: "Mailbox/set", Args: world.Args{"ifInState": "never"}},
		world.Step{Name: "Email/get", Args: world.Args{"ids": []string{}, "#ids": ref("0", "Core/echo", "/list/*/id")}},
		world.Step{Name: "Core/echo", Args: world.Args{"#a": ref("99", "Core/echo", "/list")}},
		world.Step{Name: "Core/echo", Args: world.Args{"#a": ref("11", "Core/echo", "/list")}}, // itself
		world.Step{Name: "Core/echo", Args: world.Args{"#a": ref("0", "Email/get", "/list")}},
		world.Step{Name: "Core/echo", Args: world.Args{"#a": ref("0", "Core/echo", "/list/7")}},
		world.Step{Name: "Core/echo", Args: world.Args{"#a": ref("0", "Core/echo", "/list/-1")}},
		world.Step{Name: "Core/echo", Args: world.Args{"#a": ref("0", "Core/echo", "list")}},
		world.Step{Name: "Core/echo", Args: world.Args{"#a": "no reference"}},
		world.Step{Name: "Email/changes", Args: world.Args{"sinceState": "x"}},
		world.Step{Name: "Email/query", Args: world.Args{"filter": world.Args{"nonsense": 1}}},
		world.Step{Name: "Email/query", Args: world.Args{"sort": []any{world.Args{"property": "nonsense"}}}},
		world.Step{Name: "Email/query", Args: world.Args{"anchor": "enothing"}},
		world.Step{Name: "Email/get"},
		world.Step{Name: "Core/echo", Args: world.Args{"last": true}},
	)
	if len(got) != 23 {
		t.Fatalf("%d answers", len(got))
	}
	if s := fmt.Sprint(got[1].Args["ids"], got[1].Args["flat"], got[1].Args["second"], got[1].Args["odd"]); s != "[a b] [1 2 3]bodd" {
		t.Errorf("references stand for %s", s)
	}
	for i, want := range map[int]string{2: "unknownMethod", 3: "unknownMethod", 4: "accountNotFound", 5: "invalidArguments", 6: "invalidArguments", 7: "invalidArguments", 8: "stateMismatch",
		9: "invalidArguments", 10: "invalidResultReference", 11: "invalidResultReference", 12: "invalidResultReference", 13: "invalidResultReference", 14: "invalidResultReference", 15: "invalidResultReference",
		16: "invalidResultReference", 17: "cannotCalculateChanges", 18: "unsupportedFilter", 19: "unsupportedSort", 20: "anchorNotFound", 21: "requestTooLarge"} {
		if got[i].Name != "error" || got[i].Text("type") != want {
			t.Errorf("call %d: %s %v, want %s", i, got[i].Name, got[i].Args, want)
		}
	}
	if got[22].At("last") != true {
		t.Errorf("the last call was answered %v", got[22].Args)
	}
	// Made by one call, used by the next.
	boxes := c.Calls(
		world.Step{Name: "Mailbox/set", Args: world.Args{"create": world.Args{"below": world.Args{"name": "Été", "parentId": "#above"}, "above": world.Args{"name": "Vacances"}, "loop": world.Args{"name": "x", "parentId": "#loop2"}, "loop2": world.Args{"name": "y", "parentId": "#loop"}}}},
		world.Step{Name: "Mailbox/get", Args: world.Args{"ids": []string{"#below"}}},
	)
	if boxes[1].Text("list/0/name") != "Été" || boxes[1].Text("list/0/parentId") != boxes[0].Text("created/above/id") || boxes[0].Text("notCreated/loop/type") != "invalidProperties" {
		t.Errorf("%v", boxes)
	}
	since := boxes[0].Text("oldState")
	above, below := boxes[0].Text("created/above/id"), boxes[0].Text("created/below/id")
	set := c.Call("Mailbox/set", world.Args{"update": world.Args{above: world.Args{"name": "Voyages"}}, "destroy": []string{above}})
	if set.Text("notUpdated/"+above+"/type") != "willDestroy" || set.Text("notDestroyed/"+above+"/type") != "mailboxHasChild" {
		t.Errorf("%v", set.Args)
	}
	set = c.Call("Mailbox/set", world.Args{"update": world.Args{above: world.Args{"name": "Voyages"}, below: world.Args{"parentId": below}}, "destroy": []string{c.Mailbox("inbox")}})
	if set.Text("notUpdated/"+below+"/type") != "invalidProperties" || set.At("notDestroyed") == nil {
		t.Errorf("%v", set.Args)
	}
	if n := ann.Folder("Voyages/Été"); len(n.All) != 0 {
		t.Error("it has mails")
	}
	set = c.Call("Mailbox/set", world.Args{"destroy": []string{above, below}})
	if len(set.At("destroyed").([]any)) != 2 {
		t.Errorf("a tree is not destroyed by one call: %v", set.Args)
	}
	if ch := c.Call("Mailbox/changes", world.Args{"sinceState": since}); len(ch.At("created").([]any))+len(ch.At("updated").([]any)) != 0 {
		t.Errorf("what came and went is told: %v", ch.Args)
	}
}

// One call with a thousand references to ten thousand ids would be a gigabyte.
// It runs alone: what is allocated is counted.
func TestJMAPReferencesCannotGrowWithoutBound(t *testing.T) {
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	var many, few strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, `"#a%d":{"resultOf":"0","name":"Core/echo","path":"/ids"},`, i)
		if i < 10 {
			fmt.Fprintf(&few, `"#a%d":{"resultOf":"0","name":"Core/echo","path":"/ids"},`, i)
		}
	}
	ids := strings.Repeat(`"m1234567890abcdef",`, 100_000)
	var before, after runtime.MemStats
	for name, refs := range map[string]string{"in one call": many.String(), "in many": few.String()} {
		body := `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{"ids":[` + strings.TrimSuffix(ids, ",") + `]},"0"]`
		for range 60 {
			body += `,["Core/echo",{` + strings.TrimSuffix(refs, ",") + `},"1"]`
		}
		runtime.ReadMemStats(&before)
		status, out := post(t, home, ann, "application/json", body+`]}`)
		runtime.ReadMemStats(&after)
		if status != 200 {
			t.Fatalf("%s: %d %v", name, status, out)
		}
		last := out["methodResponses"].([]any)[60].([]any)
		if last[0] != "error" || last[1].(map[string]any)["type"] != "invalidResultReference" {
			t.Errorf("%s: %.200v", name, last)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<30 {
			t.Errorf("%s: %d MB were allocated", name, grown>>20)
		}
	}
}

func TestJMAPWorksForOneMemberSoManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	// Bodies that do not end hold their turns.
	var holding []*io.PipeWriter
	var all sync.WaitGroup
	for range 20 { // those that find no turn end by themselves
		r, pipe := io.Pipe()
		holding = append(holding, pipe)
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+home.Addr("http")+"/jmap/api", r)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.SetBasicAuth(ann.Address, ann.Password)
		all.Go(func() {
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		})
		pipe.Write([]byte(`{"using":`)) // read: so it is there, or about to be
	}
	const echo = `{"using":["urn:ietf:params:jmap:core"],"methodCalls":[["Core/echo",{},"x"]]}`
	for try := 0; ; try++ {
		if try == 1000 {
			t.Fatal("a thousand requests all found a turn")
		}
		if status, out := post(t, home, ann, "application/json", echo); status == http.StatusTooManyRequests {
			if out["limit"] != "maxConcurrentRequests" {
				t.Errorf("%v", out)
			}
			break
		}
	}
	if status, _ := post(t, home, bob, "application/json", echo); status != 200 {
		t.Errorf("another member: %d", status)
	}
	for _, p := range holding {
		p.Close()
	}
	all.Wait()
	if status, _ := post(t, home, ann, "application/json", echo); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}
