package locale

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"colporteur/mail"

	"github.com/BurntSushi/toml"
)

// read is every message of one language: its forms by id.
func read(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	names, err := fs.Glob(catalogs, "catalog/*."+lang+".toml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no catalogs in %s: %v", lang, err)
	}
	for _, n := range names {
		b, err := fs.ReadFile(catalogs, n)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := toml.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		for id, v := range m {
			if all[id] != nil {
				t.Errorf("%s: %s is there twice", n, id)
			}
			all[id] = map[string]string{}
			switch v := v.(type) {
			case string:
				all[id]["other"] = v
			case map[string]any:
				for form, s := range v {
					all[id][form] = fmt.Sprint(s)
				}
			default:
				t.Errorf("%s: %s is a %T", n, id, v)
			}
		}
	}
	return all
}

var argument = regexp.MustCompile(`\{\{-?\s*\.(\w+)`)

// arguments of all forms together: a singular need not say its number.
func arguments(forms map[string]string) string {
	seen := map[string]bool{}
	for _, s := range forms {
		for _, m := range argument.FindAllStringSubmatch(s, -1) {
			seen[m[1]] = true
		}
	}
	var names []string
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, " ")
}

func TestBothLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	fr, en := read(t, "fr"), read(t, "en")
	for id, forms := range fr {
		if en[id] == nil {
			t.Errorf("%s is not in English", id)
			continue
		}
		if a, b := arguments(forms), arguments(en[id]); a != b {
			t.Errorf("%s takes %q in French and %q in English", id, a, b)
		}
		if (len(forms) > 1) != (len(en[id]) > 1) {
			t.Errorf("%s has a plural in one language only", id)
		}
	}
	for id := range en {
		if fr[id] == nil {
			t.Errorf("%s is not in French", id)
		}
	}
}

func TestFrenchMarksStayWithTheirWord(t *testing.T) {
	t.Parallel()
	for id := range read(t, "fr") {
		if s := For("fr").T(id); strings.ContainsAny(s, ":;?") && regexp.MustCompile(` [:;?»]|« `).MatchString(s) {
			t.Errorf("%s may break before its mark: %q", id, s)
		}
	}
}

func TestFrenchIsCalmAndWellSet(t *testing.T) {
	t.Parallel()
	for id, forms := range read(t, "fr") {
		for _, s := range forms {
			if strings.Contains(s, "!") {
				t.Errorf("%s shouts: %q", id, s)
			}
			if regexp.MustCompile(`[^\s\x{a0}\x{202f}.}]\s?[?;]($|\s)`).MatchString(s) && !regexp.MustCompile(`[\s\x{a0}\x{202f}][?;]`).MatchString(s) {
				t.Errorf("%s lacks the space before its mark: %q", id, s)
			}
		}
	}
}

// used finds ids that the code asks for by a constant.
var used = regexp.MustCompile(`(?:\.T|Refuse|MakeText|mail\.Refuse)\((?:mail\.\w+, |workflow\.)?"([a-z][a-z0-9]*(?:-[a-z0-9]+)+)"`)

func TestEverySentenceThatIsAskedForExists(t *testing.T) {
	t.Parallel()
	fr := read(t, "fr")
	n := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".html") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range used.FindAllStringSubmatch(string(b), -1) {
			n++
			if fr[m[1]] == nil {
				t.Errorf("%s asks for %q, which is in no catalog", path, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`\.T "([a-z0-9-]+)"`).FindAllStringSubmatch(string(b), -1) {
			n++
			if fr[m[1]] == nil {
				t.Errorf("%s asks for %q, which is in no catalog", path, m[1])
			}
		}
		return nil
	})
	if err != nil || n < 50 {
		t.Fatalf("%d sentences found: %v", n, err)
	}
}

func TestPeopleReadSizesAndDatesAsTheyWriteThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lang string
		n    int64
		want string
	}{
		{"fr", 0, "0 octet"}, {"fr", 1, "1 octet"}, {"fr", 2, "2 octets"}, {"fr", 999, "999 octets"}, {"fr", 312_000_000, "312 Mo"}, {"fr", 1_400_000_000, "1,4 Go"},
		{"en", 1_400_000_000, "1.4 GB"}, {"en", 999_600, "1 MB"}, {"en", 12_345, "12 kB"},
	} {
		if got := For(c.lang).Size(c.n); got != strings.ReplaceAll(c.want, " ", "\u00a0") {
			t.Errorf("%s %d: %q, want %q", c.lang, c.n, got, c.want)
		}
	}
	day := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	if got := For("fr").Date(day); got != "samedi 1er août 2026" {
		t.Errorf("%q", got)
	}
	if got := For("en").Date(day); got != "Saturday 1 August 2026" {
		t.Errorf("%q", got)
	}
}

func TestTheReadersLanguageIsChosen(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{"": "fr", "fr-CA,en;q=0.5": "fr", "de,en-GB;q=0.8,fr;q=0.3": "en", "de": "en", "*": "en", "\x00;;q": "fr", "en": "en"} {
		if got := Match(accept).Lang; got != want && !(accept == "*" && got != "") {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

func TestEveryKindHasASentence(t *testing.T) {
	t.Parallel()
	n := 0
	for id := range read(t, "fr") {
		if strings.HasPrefix(id, "kind-") {
			n++
		}
	}
	if n != mail.Kinds {
		t.Errorf("%d sentences for %d kinds", n, mail.Kinds)
	}
}
