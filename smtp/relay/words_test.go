package relay

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"colporteur/locale"
)

func TestEverySentenceExistsInBothLanguages(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`"(relay-[a-z0-9-]*[a-z0-9])"`)
	ids := map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllSubmatch(b, -1) {
			ids[string(m[1])] = true
		}
	}
	for _, action := range []string{failed, delayed, relayed} {
		for _, what := range []string{"-subject", "-intro", "-end"} {
			ids["relay-"+action+what] = true
		}
	}
	if len(ids) < 25 {
		t.Fatalf("found only %d ids", len(ids))
	}
	for _, lang := range locale.Langs {
		for id := range ids {
			args := []any{"Address", "a@b.test", "Domain", "b.test", "Subject", "s", "Date", "d", "Until", "u",
				"Host", "h", "Reply", "r", "Hostname", "m"}
			if strings.HasSuffix(id, "-subject") || strings.HasSuffix(id, "-intro") {
				args = append(args, "Count", 2)
			}
			if s := locale.For(lang).T(id, args...); s == id || strings.Contains(s, "<no value>") {
				t.Errorf("%s %s: got %q", lang, id, s)
			}
		}
	}
}
