package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// JMAP is a program that a member uses over JMAP.
type JMAP struct {
	t       testing.TB
	member  *Member
	base    string
	Account string
	Using   []string
}

// JMAP signs the member in.
func (m *Member) JMAP() *JMAP {
	t := m.Server.World.T
	t.Helper()
	c := &JMAP{t: t, member: m, base: "http://" + m.Server.Addr("http"),
		Using: []string{"urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"}}
	var s struct{ PrimaryAccounts map[string]string }
	c.Do("GET", "/.well-known/jmap", "", nil, http.StatusOK, &s)
	if c.Account = s.PrimaryAccounts["urn:ietf:params:jmap:mail"]; c.Account == "" {
		t.Fatalf("no account for mail in the session of %s", m.Address)
	}
	return c
}

// Do is one HTTP request; into is nil, a *[]byte, or what the JSON is decoded into.
func (c *JMAP) Do(method, path, mediaType string, body []byte, want int, into any) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth(c.member.Address, c.member.Password)
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode != want {
		c.t.Fatalf("%s %s: %s, want %d\n%s", method, path, resp.Status, want, b)
	}
	switch to := into.(type) {
	case nil:
	case *[]byte:
		*to = b
	default:
		if err := json.Unmarshal(b, into); err != nil {
			c.t.Fatalf("%s %s: %v\n%s", method, path, err, b)
		}
	}
	return resp
}

// Args are the arguments of a call; accountId is added.
type Args map[string]any

// Step is a call of a request.
type Step struct {
	Name string
	Args Args
}

// Answer is an answer to a call.
type Answer struct {
	Name string
	Args map[string]any
}

// Calls sends calls as one request; their ids are "0", "1", ….
func (c *JMAP) Calls(steps ...Step) []Answer {
	c.t.Helper()
	var calls []any
	for i, s := range steps {
		args := Args{"accountId": c.Account}
		for k, v := range s.Args {
			args[k] = v
		}
		calls = append(calls, []any{s.Name, args, fmt.Sprint(i)})
	}
	body, err := json.Marshal(map[string]any{"using": c.Using, "methodCalls": calls})
	if err != nil {
		c.t.Fatal(err)
	}
	var out struct{ MethodResponses [][3]json.RawMessage }
	c.Do("POST", "/jmap/api", "application/json", body, http.StatusOK, &out)
	var list []Answer
	for _, r := range out.MethodResponses {
		var a Answer
		if err := json.Unmarshal(r[0], &a.Name); err != nil {
			c.t.Fatal(err)
		}
		if err := json.Unmarshal(r[1], &a.Args); err != nil {
			c.t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

// Call is Calls of one, which must not fail.
func (c *JMAP) Call(name string, args Args) Answer {
	c.t.Helper()
	list := c.Calls(Step{name, args})
	if len(list) == 0 || list[0].Name != name {
		c.t.Fatalf("%s %v: %v", name, args, list)
	}
	return list[0]
}

// Fails is Call of what must fail; it returns the error's type.
func (c *JMAP) Fails(name string, args Args) string {
	c.t.Helper()
	list := c.Calls(Step{name, args})
	if len(list) != 1 || list[0].Name != "error" {
		c.t.Fatalf("%s %v: %v, want an error", name, args, list)
	}
	return list[0].Args["type"].(string)
}

// At finds a value by a path of names and numbers, such as "list/0/id".
func (a Answer) At(path string) any {
	var v any = a.Args
	for step := range strings.SplitSeq(path, "/") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i := 0
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// Text is At for text, "" when there is none.
func (a Answer) Text(path string) string {
	s, _ := a.At(path).(string)
	return s
}

// Mailbox is the id of a mailbox by its role or, without one, its name.
func (c *JMAP) Mailbox(name string) string {
	c.t.Helper()
	for _, m := range c.Call("Mailbox/get", Args{}).At("list").([]any) {
		m := m.(map[string]any)
		if m["role"] == name || m["name"] == name {
			return m["id"].(string)
		}
	}
	c.t.Fatalf("no mailbox %s", name)
	return ""
}
