package world_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"colporteur/world"
)

const usingBlobs = "urn:ietf:params:jmap:blob"

func TestBlobsAreMadeAndReadWithinARequest(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann", "fr")
	c := ann.JMAP()
	c.Using = append(c.Using, usingBlobs)
	b64 := base64.StdEncoding.EncodeToString
	// One is made of another of the same call, whatever their order.
	out := c.Call("Blob/upload", world.Args{"create": map[string]any{
		"a-whole": map[string]any{"type": "text/plain", "data": []any{
			map[string]any{"blobId": "#b-part", "offset": 4, "length": 5}, map[string]any{"data:asBase64": b64([]byte(" brown"))}, map[string]any{"data:asText": " fox é"}}},
		"b-part":     map[string]any{"data": []any{map[string]any{"data:asText": "The quick dog"}}},
		"empty":      map[string]any{"data": []any{}},
		"past-end":   map[string]any{"data": []any{map[string]any{"blobId": "#b-part", "offset": 4, "length": 500}}},
		"no-blob":    map[string]any{"data": []any{map[string]any{"blobId": "uaaaaaaaaaaaaa"}}},
		"two":        map[string]any{"data": []any{map[string]any{"data:asText": "x", "data:asBase64": "eA=="}}},
		"no-base64":  map[string]any{"data": []any{map[string]any{"data:asBase64": "é"}}},
		"round-a":    map[string]any{"data": []any{map[string]any{"blobId": "#round-b"}}},
		"round-b":    map[string]any{"data": []any{map[string]any{"blobId": "#round-a"}}},
		"many":       map[string]any{"data": slicesRepeat(map[string]any{"data:asText": "x"}, 65)},
		"other-type": map[string]any{"type": "no type", "data": []any{}},
	}})
	created, refused := out.Args["created"].(map[string]any), out.Args["notCreated"].(map[string]any)
	for key, want := range map[string]string{"past-end": "invalidProperties", "no-blob": "blobNotFound", "two": "invalidProperties", "no-base64": "invalidProperties",
		"round-a": "blobNotFound", "round-b": "blobNotFound", "many": "invalidProperties", "other-type": "invalidProperties"} {
		if e, _ := refused[key].(map[string]any); e["type"] != want {
			t.Errorf("%s: %v, want %s", key, refused[key], want)
		}
	}
	whole, _ := created["a-whole"].(map[string]any)
	if whole["type"] != "text/plain" || whole["size"] != float64(len("quick brown fox é")) || created["empty"] == nil || len(created) != 3 {
		t.Fatalf("%v", created)
	}
	id := whole["id"].(string)
	var got []byte
	if c.Do("GET", "/jmap/download/"+c.Account+"/"+id+"/x", "", nil, 200, &got); string(got) != "quick brown fox é" {
		t.Errorf("downloaded: %q", got)
	}

	get := func(more map[string]any) map[string]any {
		t.Helper()
		args := world.Args{"ids": []string{id}}
		for k, v := range more {
			args[k] = v
		}
		list := c.Call("Blob/get", args).Args["list"].([]any)
		return list[0].(map[string]any)
	}
	if o := get(nil); o["data:asText"] != "quick brown fox é" || o["size"] != 18.0 || o["isTruncated"] != nil || o["isEncodingProblem"] != nil {
		t.Errorf("%v", o)
	}
	s1, s256 := sha1.Sum([]byte("brown")), sha256.Sum256([]byte("brown"))
	if o := get(map[string]any{"offset": 6, "length": 5, "properties": []string{"data:asBase64", "digest:sha", "digest:sha-256"}}); o["data:asBase64"] != b64([]byte("brown")) || o["digest:sha"] != b64(s1[:]) || o["digest:sha-256"] != b64(s256[:]) || o["size"] != nil {
		t.Errorf("%v", o)
	}
	// Half a letter is no text; what is beyond the end is not there.
	if o := get(map[string]any{"length": 17}); o["data:asBase64"] != b64([]byte("quick brown fox é")[:17]) || o["isEncodingProblem"] != true || o["data:asText"] != nil {
		t.Errorf("%v", o)
	}
	if o := get(map[string]any{"length": 17, "properties": []string{"data:asText"}}); o["isEncodingProblem"] != true || o["data:asText"] != nil {
		t.Errorf("%v", o)
	}
	if o := get(map[string]any{"offset": 10, "length": 100}); o["isTruncated"] != true || !strings.HasSuffix(o["data:asText"].(string), "é") {
		t.Errorf("%v", o)
	}
	if o := get(map[string]any{"offset": 1000}); o["isTruncated"] != true || o["data:asText"] != nil {
		t.Errorf("%v", o)
	}
	if o := get(map[string]any{"properties": []string{"size"}}); len(o) != 2 || o["size"] != 18.0 {
		t.Errorf("%v", o)
	}
	for _, args := range []world.Args{{"ids": nil}, {"ids": []string{id}, "offset": -1}, {"ids": []string{id}, "properties": []string{"digest:crc"}}} {
		if got := c.Fails("Blob/get", args); got != "invalidArguments" {
			t.Errorf("%v: %s", args, got)
		}
	}

	// What is another member's is not there.
	bob := home.Member("bob").JMAP()
	bob.Using = append(bob.Using, usingBlobs)
	if out := bob.Call("Blob/get", world.Args{"ids": []string{id}}); len(out.Args["notFound"].([]any)) != 1 || len(out.Args["list"].([]any)) != 0 {
		t.Errorf("another member reads it: %v", out)
	}
	if out := bob.Call("Blob/upload", world.Args{"create": map[string]any{"x": map[string]any{"data": []any{map[string]any{"blobId": id}}}}}); len(out.Args["created"].(map[string]any)) != 0 {
		t.Errorf("another member takes it: %v", out)
	}
}

func TestABlobIsFoundWhereItIsUsed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	bob.Send(ann.Address, world.Subject("Le plan"), world.Attach("plan.bin", "application/octet-stream", []byte{0, 1, 2, 0xff}))
	w.Settle()
	c := ann.JMAP()
	c.Using = append(c.Using, usingBlobs)
	q := c.Call("Email/query", world.Args{}).Args["ids"].([]any)
	m := c.Call("Email/get", world.Args{"ids": q, "properties": []string{"blobId", "threadId", "mailboxIds", "attachments"}}).Args["list"].([]any)[0].(map[string]any)
	part := m["attachments"].([]any)[0].(map[string]any)["blobId"].(string)
	loose := c.Call("Blob/upload", world.Args{"create": map[string]any{"x": map[string]any{"data": []any{map[string]any{"data:asText": "x"}}}}}).Args["created"].(map[string]any)["x"].(map[string]any)["id"].(string)
	out := c.Call("Blob/lookup", world.Args{"typeNames": []string{"Email", "Thread", "Mailbox"}, "ids": []string{part, m["blobId"].(string), loose, "Mnothing"}})
	if missing := out.Args["notFound"].([]any); len(missing) != 1 || missing[0] != "Mnothing" {
		t.Errorf("not found: %v", missing)
	}
	for i, o := range out.Args["list"].([]any) {
		of := o.(map[string]any)["matchedIds"].(map[string]any)
		want := []any{m["id"]}
		if i == 2 {
			want = nil
		}
		if got := of["Email"].([]any); len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
			t.Errorf("%v is of the emails %v, want %v", o, got, want)
		}
		if i < 2 && (of["Thread"].([]any)[0] != m["threadId"] || m["mailboxIds"].(map[string]any)[of["Mailbox"].([]any)[0].(string)] != true) {
			t.Errorf("%v", of)
		}
	}
	if got := c.Fails("Blob/lookup", world.Args{"typeNames": []string{"Todo"}, "ids": []string{}}); got != "unknownDataType" {
		t.Errorf("an unknown type: %s", got)
	}
	// What is only known when it was read has a size all the same, and its octets are exact.
	o := c.Call("Blob/get", world.Args{"ids": []string{part}, "properties": []string{"data", "size"}}).Args["list"].([]any)[0].(map[string]any)
	if o["size"] != 4.0 || o["data:asBase64"] != "AAEC/w==" || o["isEncodingProblem"] != true {
		t.Errorf("%v", o)
	}
	// A file of a mail goes into another without being sent up again.
	made := c.Call("Blob/upload", world.Args{"create": map[string]any{"x": map[string]any{"data": []any{map[string]any{"blobId": part}, map[string]any{"blobId": part, "offset": 3}}}}})
	if x, _ := made.Args["created"].(map[string]any)["x"].(map[string]any); x["size"] != 5.0 {
		t.Errorf("%v", made)
	}
}

func slicesRepeat(v any, n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = v
	}
	return out
}
