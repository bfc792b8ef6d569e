package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

func TestFetchmailKeepsOrDeletesWhatItFetched(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	c := ann(t, p)
	want := []string{}
	for i := range 4 {
		s := fmt.Sprintf("lettre %d", i)
		deliver(t, p, s, strings.Repeat("0123456789\r\n", 1+i*9000))
		want = append(want, s)
	}
	box := filepath.Join(home, "box")
	fetched := func() (out []string) {
		all, _ := filepath.Glob(filepath.Join(box, "*"))
		for _, f := range all {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s := subject(string(raw))
			out = append(out, s)
			if i := slices.Index(want, s); i >= 0 && strings.Count(string(raw), "0123456789") != 1+i*9000 {
				t.Errorf("%q came with %d lines of %d", s, strings.Count(string(raw), "0123456789"), 1+i*9000)
			}
			os.Remove(f)
		}
		return out
	}
	if err := os.Mkdir(box, 0o700); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(home, "fetchmailrc")
	fetch := func(options string) {
		t.Helper()
		os.WriteFile(rc, fmt.Appendf(nil, `poll localhost protocol IMAP service %s
user "ann@home.test" password "ann pass word" %s
sslproto "TLS1.2+" sslcertck sslcertfile %s
mda "cat >$(mktemp %s/XXXXXXXX)"
`, port(p.Ports["imap"]), options, filepath.Join(p.Data, "ca.pem"), box), 0o600)
		// 1 is "there was nothing".
		out, err := try(home, "", tool(t, "fetchmail", "fetchmail"), "-v", "-f", rc, "-i", filepath.Join(home, "ids"), "--pidfile", filepath.Join(home, "pid"))
		if err != nil && !strings.Contains(out, "normal termination, status 1") {
			t.Fatalf("fetchmail: %v\n%s", err, out)
		}
		if strings.Contains(out, "ann pass word") {
			t.Error("the password is in the dialogue")
		}
		if !strings.Contains(out, "STARTTLS") {
			t.Errorf("it went without TLS:\n%s", out)
		}
	}

	fetch(`keep fetchlimit 2`)
	is(t, "the first two", fetched(), want[:2]...)
	is(t, "are kept and seen", subjects(t, c, "INBOX"), want[0]+` \Seen`, want[1]+` \Seen`, want[2], want[3])
	fetch(`keep`)
	is(t, "the others", fetched(), want[2:]...)
	fetch(`keep`)
	is(t, "nothing is new", fetched())

	deliver(t, p, "lettre 4", "La dernière.")
	fetch(`nokeep`)
	is(t, "the new one", fetched(), "lettre 4")
	is(t, "is deleted, the seen are not", subjects(t, c, "INBOX"), want[0]+` \Seen`, want[1]+` \Seen`, want[2]+` \Seen`, want[3]+` \Seen`)
	fetch(`nokeep fetchall expunge 1`)
	is(t, "all", fetched(), want...)
	is(t, "nothing is left", subjects(t, c, "INBOX"))
}

func TestCurlUsesAMailboxAsFiles(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	curl := tool(t, "curl", "curl")
	at := "imaps://localhost:" + port(p.Ports["imaps"])
	do := func(args ...string) string {
		t.Helper()
		return strings.ReplaceAll(run(t, home, curl, append([]string{"-sS", "--cacert", filepath.Join(p.Data, "ca.pem"), "-u", "ann@home.test:ann pass word"}, args...)...), "\r\n", "\n")
	}
	do(at+"/", "-X", `CREATE "Projets/2026"`)
	if list := do(at + "/"); !strings.Contains(list, `"/" "Projets/2026"`) && !strings.Contains(list, `"/" Projets/2026`) {
		t.Errorf("the folder is not in the list:\n%s", list)
	}
	var sizes []int
	for i := range 3 {
		raw := letter(fmt.Sprintf("fichier %d", i), strings.Repeat("ligne\r\n", 1+i*20_000))
		sizes = append(sizes, len(raw))
		f := filepath.Join(home, fmt.Sprint(i))
		if err := os.WriteFile(f, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		do(at+"/Projets%2F2026", "-T", f)
		got := filepath.Join(home, "got")
		do(at+fmt.Sprintf("/Projets%%2F2026;UID=%d", i+1), "-o", got)
		if b, err := os.ReadFile(got); err != nil || string(b) != raw {
			t.Errorf("%d octets came back of %d: %v", len(b), len(raw), err)
		}
	}
	if s := do(at + "/Projets%2F2026;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)"); !strings.Contains(s, "Subject: fichier 1") {
		t.Errorf("a section: %q", s)
	}
	if s := do(at+"/Projets%2F2026", "-X", "UID FETCH 2:* (FLAGS RFC822.SIZE)"); !strings.Contains(s, fmt.Sprintf("RFC822.SIZE %d", sizes[2])) || strings.Count(s, "FETCH (") != 2 {
		t.Errorf("UID FETCH: %q", s)
	}
	if s := do(at + "/Projets%2F2026?SUBJECT%20fichier%20LARGER%201000"); strings.TrimSpace(s) != "* SEARCH 2 3" {
		t.Errorf("a search: %q", s)
	}
	do(at+"/Projets%2F2026;UID=1", "-X", `UID STORE 1 +FLAGS.SILENT (\Deleted)`)
	do(at+"/Projets%2F2026", "-X", "EXPUNGE")
	do(at+"/Projets%2F2026", "-X", "UID MOVE 3 INBOX")
	c := ann(t, p)
	is(t, "the folder", subjects(t, c, "Projets/2026"), `fichier 1 \Seen`)
	is(t, "the inbox", subjects(t, c, "INBOX"), `fichier 2 \Seen`)
	if got := mails(t, c, "INBOX"); len(got) != 1 || len(got[0].body) != sizes[2] {
		t.Errorf("the moved mail is not the one that was put there")
	}
	change(t, c, "INBOX", imap.FlagDeleted, "fichier 2")
	do(at+"/", "-X", `DELETE "Projets/2026"`)
	if list := do(at + "/"); strings.Contains(list, "2026") {
		t.Errorf("the folder is still there:\n%s", list)
	}
}
