package smtp

import (
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"colporteur/mail"
)

func TestPathsAreCutWhereTheyEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, path, params string
		bad                bool
	}{
		{"MAIL FROM:<a@b.test>", "a@b.test", "", false},
		{"mail from:<a@b.test> BODY=8BITMIME", "a@b.test", "BODY=8BITMIME", false},
		{"MAIL FROM: <a@b.test>", "a@b.test", "", false},
		{"MAIL FROM:<>", "", "", false},
		{"MAIL FROM:", "", "", true},
		{"MAIL FROM", "", "", true},
		{"MAIL", "", "", true},
		{"MAIL TO:<a@b.test>", "", "", true},
		{`MAIL FROM:<"a>b"@c.test>`, `"a>b"@c.test`, "", false},
		{`MAIL FROM:<"a\">b"@c.test> X`, `"a\">b"@c.test`, "X", false},
		{`MAIL FROM:<"a>b@c.test>`, "", "", true},
		{"MAIL FROM:<a@b.test>X", "", "", true},
		{"MAIL FROM:<a@b.test><c@d.test>", "", "", true},
		{"MAIL FROM:<@x.test,@y.test:a@b.test>", "a@b.test", "", false},
		{"MAIL FROM:<@x.test>", "", "", true},
		{`MAIL FROM:<@"x:a@b.test>`, "", "", true},
		{"MAIL FROM:a@b.test SIZE=3", "a@b.test", "", false},
	} {
		c := parseCommand(tt.line)
		if c.bad != tt.bad || !c.bad && (c.path != tt.path || strings.TrimSpace(c.params) != tt.params) {
			t.Errorf("%s: path %q, params %q, bad %v", tt.line, c.path, c.params, c.bad)
		}
	}
}

func TestChunkSizesAreReadStrictly(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]int64{
		"0": 0, "12 LAST": 12, "12 last": 12, "4294967295": 4294967295,
		"": -1, "-1": -1, "+1": -1, "1 FIRST": -1, "1  LAST": -1, "1 LAST x": -1, "0x10": -1, "4294967296": -1, "99999999999": -1, "LAST": -1, "1_0": -1,
	} {
		n, ok := parseChunk(arg)
		if ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: got %d, %v; want %d", arg, n, ok, want)
		}
	}
}

type isemail struct {
	Tests []struct {
		ID       string `xml:"id,attr"`
		Address  string `xml:"address"`
		Category string `xml:"category"`
	} `xml:"test"`
}

// TestAddressesOfTheIsemailCorpus: what is an error gets 501 or 553, what RFC
// 5321 allows 250 or 550; nothing breaks, and the next command is answered.
func TestAddressesOfTheIsemailCorpus(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../shared/corpora/addr/isemail/test/tests.xml")
	if err != nil {
		t.Skip("the corpus is not here: ", err)
	}
	var corpus isemail
	if err := xml.Unmarshal(text, &corpus); err != nil || len(corpus.Tests) != 164 {
		t.Fatalf("%d addresses, %v", len(corpus.Tests), err)
	}
	limits := func(s *Server) { s.Limits = Limits{BadCommands: 1e6, Unknown: 1e6, UnknownPerIP: 1e6, Messages: 1e6} }
	h := start(t, MX, limits)
	p := h.session(t)
	wraps := []struct{ name, before, after string }{{"", "", ""}, {" in a source route", "@relay.test:", ""}, {" in brackets", "<", ">"}, {" before CR", "", "\r"}, {" before LF", "", "\n"}}
	for _, tt := range corpus.Tests {
		addr := strings.Map(func(r rune) rune { // the corpus writes controls as pictures
			if r >= 0x2400 && r <= 0x2420 {
				return r - 0x2400
			}
			return r
		}, tt.Address)
		for _, w := range wraps {
			path := "<" + w.before + addr + w.after + ">"
			first := p.codes(t, "RSET\r\nMAIL FROM:"+path)[1]
			second := p.codes(t, "RSET\r\nMAIL FROM:<s@far.test>\r\nRCPT TO:"+path)[2]
			replies := []string{first, second}
			for i, got := range replies {
				ok := false
				switch {
				case w.name == " before CR" || w.name == " before LF" || w.name == " in brackets":
					ok = got == "500" || got == "501" || got == "553"
				case tt.Category == "ISEMAIL_ERR" && tt.Address != "":
					ok = got == "501" || got == "553"
				case tt.Category == "ISEMAIL_ERR": // <> is the null sender, and no recipient
					ok = got == "501" || got == "553" || i == 0 && got == "250"
				case tt.Category == "ISEMAIL_RFC5321", tt.Category == "ISEMAIL_VALID_CATEGORY":
					ok = got == "250" || got == "550"
				default:
					ok = got == "250" || got[0] == '5'
				}
				if !ok {
					t.Errorf("%s %q%s (%s): %s to %s", tt.ID, addr, w.name, tt.Category, got, []string{"MAIL", "RCPT"}[i])
				}
			}
		}
	}
	p.say("NOOP", "250")
}

// codes sends lines, and VRFY to find the end of their replies.
func (p *peer) codes(t *testing.T, lines string) (codes []string) {
	t.Helper()
	p.send(lines + "\r\nVRFY x\r\n")
	for {
		got, err := p.reply()
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		if strings.HasPrefix(got, "252") {
			return codes
		}
		codes = append(codes, got[:3])
	}
}

func FuzzCommandLines(f *testing.F) {
	for _, s := range []string{"MAIL FROM:<a@b.test> SIZE=1\r\n", "RCPT TO:<\"a\\\"b\"@c.test>\r\n", "BDAT 1 LAST\r\n", "EHLO x\n", "MAIL FROM:<@a:b@c>\r\n", "x\r\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		text, r := clean(line)
		if r != nil {
			return
		}
		if strings.ContainsAny(text, "\r\n\x00") {
			t.Fatalf("%q passed", line)
		}
		c := parseCommand(text)
		if a, err := address(c.path, true); err == nil {
			if again, err := mail.ParseAddress(a.String()); err != nil || again != a {
				t.Fatalf("%q became %q, which reads as %q (%v)", c.path, a, again, err)
			}
		}
	})
}
