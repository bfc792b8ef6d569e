package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"colporteur/world"
)

// maildir is the near side of a program that keeps two mailboxes the same.
type maildir struct {
	t    *testing.T
	path string
}

func (m maildir) files() []string {
	m.t.Helper()
	var all []string
	for _, sub := range []string{"cur", "new"} {
		got, _ := filepath.Glob(filepath.Join(m.path, sub, "*"))
		all = append(all, got...)
	}
	return all
}

// subjects of its mails, each followed by the letters of its flags.
func (m maildir) subjects() (out []string) {
	m.t.Helper()
	for _, f := range m.files() {
		raw, err := os.ReadFile(f)
		if err != nil {
			m.t.Fatal(err)
		}
		_, flags, _ := strings.Cut(filepath.Base(f), ":2,")
		out = append(out, strings.TrimSpace(subject(string(raw))+" "+flags))
	}
	return out
}

func (m maildir) file(which string) string {
	m.t.Helper()
	for _, f := range m.files() {
		if raw, err := os.ReadFile(f); err == nil && subject(string(raw)) == which {
			return f
		}
	}
	m.t.Fatalf("%s has no %q", m.path, which)
	return ""
}

func (m maildir) remove(which string) {
	m.t.Helper()
	if err := os.Remove(m.file(which)); err != nil {
		m.t.Fatal(err)
	}
}

// flag sets a mail's flags, as letters.
func (m maildir) flag(which, flags string) {
	m.t.Helper()
	f := m.file(which)
	base, _, _ := strings.Cut(filepath.Base(f), ":")
	if err := os.Rename(f, filepath.Join(m.path, "cur", base+":2,"+flags)); err != nil {
		m.t.Fatal(err)
	}
}

func (m maildir) add(name, raw string) {
	m.t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(m.path, sub), 0o700); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.path, "new", name), []byte(strings.ReplaceAll(raw, "\r\n", "\n")), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// agrees changes both sides at once between two runs of a program, and says
// whether the second run brought them together: mails and flags that are new on
// either side, and mails deleted on either side.
func agrees(t *testing.T, p *world.Process, near maildir, sync func()) {
	t.Helper()
	c := ann(t, p)
	for i := range 8 {
		deliver(t, p, fmt.Sprintf("numero %d", i), strings.Repeat("ligne\r\n", i*200))
	}
	sync()
	is(t, "first, near", near.subjects(), "numero 0", "numero 1", "numero 2", "numero 3", "numero 4", "numero 5", "numero 6", "numero 7")

	near.remove("numero 0")
	near.flag("numero 1", "RS")
	near.add("1.ici", letter("d'ici", "Écrit ici."))
	change(t, c, "INBOX", imap.FlagDeleted, "numero 2")
	change(t, c, "INBOX", imap.FlagFlagged, "numero 3")
	near.remove("numero 4") // on both sides
	change(t, c, "INBOX", imap.FlagDeleted, "numero 4")
	appendTo(t, c, "INBOX", letter("de la-bas", "Là."), imap.FlagSeen)
	sync()
	is(t, "then, near", near.subjects(), "numero 1 RS", "numero 3 F", "numero 5", "numero 6", "numero 7", "d'ici", "de la-bas S")
	is(t, "then, far", subjects(t, c, "INBOX"), `numero 1 \Answered \Seen`, `numero 3 \Flagged`, "numero 5", "numero 6", "numero 7", "d'ici", `de la-bas \Seen`)

	// Nothing is left, and nothing comes back.
	for _, s := range []string{"numero 5", "numero 6"} {
		near.remove(s)
	}
	change(t, c, "INBOX", imap.FlagDeleted, "numero 7", "numero 3", "numero 1", "d'ici", "de la-bas")
	sync()
	is(t, "at last, near", near.subjects())
	is(t, "at last, far", subjects(t, c, "INBOX"))
	sync()
	is(t, "and again, near", near.subjects())
	is(t, "and again, far", subjects(t, c, "INBOX"))
}

func TestMbsyncCarriesDeletionsBothWays(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	near := maildir{t, filepath.Join(home, "INBOX")}
	rc := filepath.Join(home, "mbsyncrc")
	os.WriteFile(rc, fmt.Appendf(nil, `IMAPAccount home
Host localhost
Port %s
User ann@home.test
Pass "ann pass word"
SSLType STARTTLS
CertificateFile %s

IMAPStore far
Account home

MaildirStore near
Path %s/
Inbox %s

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
SyncState *
`, port(p.Ports["imap"]), filepath.Join(p.Data, "ca.pem"), home, near.path), 0o600)
	agrees(t, p, near, func() {
		t.Helper()
		if said := run(t, home, tool(t, "mbsync", "isync"), "-Dn", "-c", rc, "-a"); !strings.Contains(said, "COMPRESS DEFLATE") {
			t.Errorf("it did not ask for compression:\n%s", said)
		}
	})
}

func TestOfflineimapCarriesChangesBothWays(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	near := maildir{t, filepath.Join(home, "mail", "INBOX")}
	rc := filepath.Join(home, "offlineimaprc")
	os.WriteFile(rc, fmt.Appendf(nil, `[general]
accounts = home
metadata = %[1]s/state
ui = basic

[Account home]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = %[1]s/mail

[Repository far]
type = IMAP
remotehost = localhost
remoteport = %[2]s
remoteuser = ann@home.test
remotepass = ann pass word
ssl = yes
starttls = no
sslcacertfile = %[3]s
usecompression = yes
maxconnections = 2
`, home, port(p.Ports["imaps"]), filepath.Join(p.Data, "ca.pem")), 0o600)
	agrees(t, p, near, func() { t.Helper(); run(t, home, tool(t, "offlineimap", "offlineimap3"), "-c", rc, "-o") })
	folders, _ := filepath.Glob(filepath.Join(home, "mail", "*"))
	if len(folders) < 5 {
		t.Errorf("it saw only the folders %q", folders)
	}
}
