package imap

import (
	"strings"
	"testing"
)

func TestAnnouncedLiterals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want literal
		ok   bool
	}{
		{"a APPEND INBOX {12}\r\n", literal{12, true}, true},
		{"a APPEND INBOX {12+}\r\n", literal{12, false}, true},
		{"a APPEND INBOX ~{3}\r\n", literal{3, true}, true},
		{"a LOGIN {0}\r\n", literal{0, true}, true},
		{"a LOGIN {5} \r\n", literal{5, true}, true}, // the library takes it for one
		{"a LOGIN {99999999999999999999+}\r\n", literal{-1, false}, true},
		{"a LOGIN {}\r\n", literal{}, false},
		{"a LOGIN {+}\r\n", literal{}, false},
		{"a LOGIN {-5}\r\n", literal{}, false},
		{"a LOGIN {5}x\r\n", literal{}, false},
		{`a SEARCH SUBJECT "{5}"` + "\r\n", literal{}, false},
		{"\r\n", literal{}, false},
	} {
		if got, ok := announced([]byte(c.line)); got != c.want || ok != c.ok {
			t.Errorf("announced(%q) = %v %v, want %v %v", c.line, got, ok, c.want, c.ok)
		}
	}
}

func TestLinesThatCannotBeCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		ok   bool
	}{
		{"a NOOP\r\n", true},
		{"a NOOP\n", false},
		{"a NO\rOP\r\n", false},
		{"a NO\x00OP\r\n", false},
		{`a LOGIN "ann \" \\" "x"` + "\r\n", true},
		{`a LOGIN "ann` + "\r\n", false},
		{`a LOGIN "ann\"` + "\r\n", false},
		{"a SEARCH " + strings.Repeat("(", 40) + "ALL" + strings.Repeat(")", 40) + "\r\n", true},
		{"a SEARCH " + strings.Repeat("(", 60) + "ALL" + strings.Repeat(")", 60) + "\r\n", false},
		{"a SEARCH " + strings.Repeat("NOT ", 900) + "ALL\r\n", true},
		{"a SEARCH " + strings.Repeat("NOT ", 5000) + "ALL\r\n", false},
		{"a SEARCH " + strings.Repeat("or ", 5000) + "ALL\r\n", false},
		{`a SEARCH SUBJECT "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("` + "\r\n", true},
	} {
		if why := flaw([]byte(c.line)); (why == "") != c.ok {
			t.Errorf("flaw(%.60q) = %q, want ok %v", c.line, why, c.ok)
		}
	}
}

func TestCommandWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"a1 uid fetch 1 FLAGS\r\n": {"a1", "UID FETCH"},
		"a1 noop\r\n":              {"a1", "NOOP"},
		"DONE\r\n":                 {"DONE", ""},
		"* NOOP\r\n":               {"*", "NOOP"},
		"{5}\r\n":                  {"*", ""},
		"\r\n":                     {"*", ""},
	} {
		if tag, name := words([]byte(line)); tag != want[0] || name != want[1] {
			t.Errorf("words(%q) = %q %q, want %q", line, tag, name, want)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("a LOGIN {5+}\r\n"))
	f.Add([]byte("a UID FETCH 1 (BODY[HEADER.FIELDS (\"x\")])\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if lit, ok := announced(line); ok && lit.size < -1 {
			t.Errorf("announced(%q) = %d", line, lit.size)
		}
		flaw(line)
		if tag, _ := words(line); tag != "*" && !isTag(tag) {
			t.Errorf("words(%q) gives tag %q", line, tag)
		}
	})
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ref, pattern, name string
		want               bool
	}{
		{"", "*", "Clients/2026", true},
		{"", "%", "Clients", true},
		{"", "%", "Clients/2026", false},
		{"", "Clients/%", "Clients/2026", true},
		{"", "Clients/%", "Clients/2026/mai", false},
		{"", "%/%", "Clients/2026", true},
		{"", "inbox", "INBOX", true},
		{"", "InB%", "INBOX", true},
		{"", "sent", "Sent", false},
		{"Clients/", "*", "Clients/2026", true},
		{"Clients/", "*", "Clients", false},
		{"", "*%*", "Clients/2026", true},
		{"", "%*", "a/b", true},
		{"", "Cl*6", "Clients/2026", true},
		{"", "Cl%6", "Clients/2026", false},
		{"", "", "INBOX", false},
		{"", "e\u0301t\u00e9", "\u00e9t\u00e9", true}, // NFD and NFC are one name
	} {
		p, ok := parsePattern(c.ref, c.pattern)
		if got := ok && p.match(c.name); got != c.want {
			t.Errorf("%q %q matches %q: %v, want %v", c.ref, c.pattern, c.name, got, c.want)
		}
	}
}

func TestPatternsOfWildcardsEndSoon(t *testing.T) {
	t.Parallel()
	p, ok := parsePattern("", strings.Repeat("*a%", 300)+"c")
	if !ok {
		t.Fatal("refused")
	}
	if p.match(strings.Repeat("a", 1000) + "b") { // a matcher that backtracks never comes back
		t.Error("matches")
	}
	if _, ok := parsePattern("", strings.Repeat("a", 2000)); ok {
		t.Error("no limit")
	}
}
