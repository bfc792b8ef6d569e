package colporteur

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which packages of ours a package may import. A name ending in
// "/..." stands for a package and those below it. What is not listed here may
// import nothing of ours; cmd, host, world and tests may import everything.
var arrows = map[string][]string{
	"mail":              {},
	"config":            {},
	"store":             {},
	"store/storetest":   {"store"},
	"store/blob":        {"store", "mail"},
	"store/queue":       {"store", "mail"},
	"store/message":     {"store", "mail", "store/blob"},
	"store/loose":       {"store", "mail", "store/blob"},
	"store/contact":     {"store", "mail", "store/blob"},
	"store/mailbox":     {"store", "mail", "store/blob", "store/queue", "store/message"},
	"locale":            {"mail"},
	"accounts":          {"store", "mail"},
	"dns":               {"mail"},
	"outward":           {},
	"dns/dnstest":       {"dns"},
	"dkim":              {"mail"},
	"dkim/...":          {"mail", "dns", "store", "locale/...", "dkim/..."},
	"delivery":          {"store/...", "mail"},
	"delivery/timeline": {"delivery", "mail", "locale"},
	"smtp":              {"mail"},
	"smtp/relay":        {"delivery", "store/...", "mail", "locale/...", "outward", "smtp/relay/..."},
	"smtp/relay/...":    {"store", "mail", "dns", "locale/...", "outward"},
	"imap":              {"store/mailbox", "mail", "imap/..."},
	"imap/wire":         {},
	"importer":          {"delivery", "store/mailbox", "mail"},
	"workflow":          {"delivery", "store/...", "mail", "locale/...", "workflow/..."},
	"workflow/...":      {"delivery", "store/...", "mail", "locale/...", "workflow/..."},
	"workflow/verify":   {"dkim/..."},
	"office":            {"store", "mail"},
	"webgateway/admin":  {"delivery/timeline"},
	"webgateway/jmap":   {"dkim/authres", "delivery/timeline"},
	"webgateway/...":    {"accounts", "office", "store/...", "delivery", "workflow/...", "mail", "locale/...", "outward", "webgateway/..."},
}

// forbidden rooms say nothing about what lives in them.
var forbidden = []string{"internal", "pkg", "util", "utils", "common", "models", "helpers", "misc"}

func TestArrowsOfTheHouseHold(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
				return fs.SkipDir
			}
			if slices.Contains(forbidden, d.Name()) {
				t.Errorf("%s: a folder of that name says nothing about what is in it", path)
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." || strings.HasPrefix(pkg, "cmd/") || pkg == "host" || pkg == "world" || strings.HasPrefix(pkg, "world/") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			ours, ok := strings.CutPrefix(p, "colporteur/")
			if !ok {
				continue
			}
			checked++
			if !allowed(pkg, ours) {
				t.Errorf("%s imports %s: no arrow leads there (see ARCHITECTURE.md)", path, ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Fatal("no import was checked: is the test in the right folder?")
	}
}

func allowed(pkg, imported string) bool {
	for from, to := range arrows {
		if !matches(from, pkg) {
			continue
		}
		for _, pattern := range to {
			if matches(pattern, imported) {
				return true
			}
		}
	}
	return false
}

func matches(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}
