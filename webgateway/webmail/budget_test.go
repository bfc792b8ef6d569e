package webmail

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"
)

// A member on a slow line waits for what the page loads first: all of it, packed,
// stays small, and the editor comes when somebody writes.
func TestTheFirstLoadOfTheApplicationIsSmall(t *testing.T) {
	if !Built() {
		t.Skip("the application is not built: make build")
	}
	raw, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]struct {
		File    string   `json:"file"`
		Imports []string `json:"imports"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	size := 0
	var load func(name string)
	load = func(name string) {
		p, ok := parts[name]
		if !ok {
			t.Fatalf("the manifest has no %s", name)
		}
		if seen[name] {
			return
		}
		seen[name] = true
		b, err := dist.ReadFile("dist/" + p.File)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		z.Write(b)
		z.Close()
		size += packed.Len()
		if strings.Contains(p.File, "squire") || strings.Contains(p.File, "purify") {
			t.Errorf("%s is loaded before it is needed", p.File)
		}
		for _, other := range p.Imports {
			load(other)
		}
	}
	load("src/main.ts")
	t.Logf("%d octets of script, packed", size)
	if size > 80<<10 {
		t.Errorf("the first load has %d octets of script, packed", size)
	}
}
