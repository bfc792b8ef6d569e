package imap

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

func TestRev2IsToldTheNameThatIsKept(t *testing.T) {
	h := newHost(t)
	c := h.login("ann")
	c.ok("ENABLE IMAP4rev2")
	if got := strings.Join(c.ok("CREATE \"e\u0301te\u0301\""), "\n"); got != "* LIST () \"/\" \"été\" (\"OLDNAME\" (\"e\u0301te\u0301\"))" {
		t.Errorf("got %s", got)
	}
	if got := c.ok(`CREATE Plain/`); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if got := strings.Join(c.ok(`RENAME "été" hiver`), "\n"); got != `* LIST () "/" "hiver" ("OLDNAME" ("été"))` {
		t.Errorf("got %s", got)
	}
}

type quotas map[mail.AccountID]int64

func (q quotas) Quota(_ context.Context, a mail.AccountID) (int64, error) { return q[a], nil }

func TestAQuotaIsToldInUnitsOf1024(t *testing.T) {
	h := newHost(t, func(s *Server) { s.Quotas = quotas{11: 5 << 20} })
	c := h.login("ann")
	h.fill("INBOX", 1)
	used, err := h.Mailboxes.Usage(t.Context(), 11)
	if err != nil || used == 0 || used > 1024 {
		t.Fatalf("%d used, %v", used, err)
	}
	if got := strings.Join(c.ok("GETQUOTA ANN@home.test"), "\n"); got != `* QUOTA "ANN@home.test" (STORAGE 1 5120 MAILBOX 6 10000)` {
		t.Errorf("got %s", got)
	}
}

func TestJMAPIsToldWhereThereIsOne(t *testing.T) {
	h := newHost(t, func(s *Server) { s.JMAP = "https://mail.home.test/jmap/session" })
	c := h.login("ann")
	if got := strings.Join(c.ok("GETJMAPACCESS"), "\n"); got != `* JMAPACCESS "https://mail.home.test/jmap/session"` {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(c.ok("CAPABILITY"), "\n"); !strings.Contains(got, " JMAPACCESS") {
		t.Errorf("got %s", got)
	}
}

func TestPatternsMatchWholeNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"%", "a", true}, {"%", "a/b", false}, {"a/%", "a/b", true}, {"a/%", "a/b/c", false}, {"a*c", "a/b/c", true},
		{"%/%", "a/b", true}, {"inbox", "INBOX", true}, {"InBox/x", "INBOX/x", true}, {"INBOX/X", "INBOX/x", false}, {"i%", "INBOX", true},
		{"inbox*", "INBOX2", false}, {"sent", "Sent", false}, {"", "a", false}, {"a", "", false}, {"*é", "été", true}, {"%%", "a", true}, {"*a*b", "xxayyb", true},
	} {
		if got := matches(simplified(c.pattern), c.name); got != c.want {
			t.Errorf("%q and %q: %v", c.pattern, c.name, got)
		}
	}
}

func TestAnEvilPatternIsQuick(t *testing.T) {
	t.Parallel()
	began := time.Now()
	matches(simplified(strings.Repeat("*a", 500)), strings.Repeat("a", 1000)+"b")
	if d := time.Since(began); d > time.Second {
		t.Errorf("took %v", d)
	}
}

// BenchmarkListOfManyFolders is LIST "" * RETURN (STATUS …) of 2,000 mailboxes.
func BenchmarkListOfManyFolders(b *testing.B) {
	h := newHost(b)
	err := h.files.db.Write(b.Context(), func(tx *store.Tx) error { return nil })
	for i := range 2000 {
		if err == nil {
			_, err = h.Mailboxes.Create(b.Context(), 11, fmt.Sprintf("Folder %d/%d", i%50, i))
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	c := h.login("ann")
	for _, cmd := range []string{`LIST "" *`, `LIST "" * RETURN (STATUS (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ))`} {
		b.Run(strings.Fields(cmd)[len(strings.Fields(cmd))-1], func(b *testing.B) {
			for b.Loop() {
				if got := c.ok(cmd); len(got) < 2000 {
					b.Fatalf("%d lines", len(got))
				}
			}
		})
	}
}
