package imap

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"colporteur/mail"
)

// Every capability that is announced, to strangers or to members, stands in the
// table of doc.go once, with a file and a test that exist; and nothing else does.
func TestEveryCapabilityIsInTheTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := ""
	for _, glob := range []string{"*_test.go", "*/*_test.go"} {
		files, _ := filepath.Glob(glob)
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			tests += string(b)
		}
	}
	table := map[string]bool{}
	row := regexp.MustCompile(`(?m)^//\t(\S+) +(RFC \d+) +(\S+) +(\S+)$`)
	for _, m := range row.FindAllStringSubmatch(string(doc), -1) {
		name, file, test := m[1], m[3], m[4]
		if table[name] {
			t.Errorf("%s stands there twice", name)
		}
		table[name] = true
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasPrefix(test, "testdata/") {
			if _, err := os.Stat(test); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if !strings.Contains(tests, "func "+test+"(") {
			t.Errorf("%s: there is no test %s", name, test)
		}
	}
	srv := &Server{JMAP: "https://mail.home.test", OfferSCRAM: true, Verifiers: proofs{}, Bearer: tokens{}}
	cfg, _ := testTLS(t)
	srv.TLS = cfg
	stranger := &session{srv: srv, conn: &conn{}}
	announced := strings.Fields(stranger.capability() + " AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS AUTH=OAUTHBEARER")
	member := (&session{srv: srv, conn: &conn{}, user: mail.User{ID: 1}}).capabilities()
	for i, c := range member {
		if slices.Contains(member[:i], c) {
			t.Errorf("%s is announced twice", c)
		}
	}
	for _, c := range append(announced, member...) {
		name, value, _ := strings.Cut(c, "=")
		if value != "" && value[0] >= '0' && value[0] <= '9' {
			c = name // APPENDLIMIT=…
		}
		if !table[c] {
			t.Errorf("%s is announced and not in the table", c)
		}
		delete(table, c)
		table["seen "+c] = true
		table[c] = true
	}
	for c := range table {
		if !strings.HasPrefix(c, "seen ") && !table["seen "+c] {
			t.Errorf("%s is in the table and not announced", c)
		}
	}
}
