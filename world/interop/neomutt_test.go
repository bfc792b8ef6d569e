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

// neomutt opens the inbox with every extension that it knows, types keys, and
// returns its log of the dialogue. Debian builds it without zlib: of those who
// ask for COMPRESS, mbsync and offlineimap are tested.
func neomutt(t *testing.T, p *world.Process, home, keys string) string {
	t.Helper()
	rc := filepath.Join(home, "rc")
	os.WriteFile(rc, fmt.Appendf(nil, `set folder="imaps://ann%%40home.test@localhost:%s/"
set imap_user="ann@home.test"
set imap_pass="ann pass word"
set ssl_ca_certificates_file="%s"
set certificate_file="%[2]s"
set spoolfile="+INBOX"
set header_cache="%[3]s/cache"
set message_cachedir="%[3]s/bodies"
set imap_condstore=yes
set imap_qresync=yes
set imap_idle=yes
set mail_check=1
set delete=yes
set confirmappend=no
set confirmcreate=no
set quit=yes
set wait_key=no
set sleep_time=0
push "%[4]s"
`, port(p.Ports["imaps"]), filepath.Join(p.Data, "ca.pem"), home, keys), 0o600)
	os.MkdirAll(filepath.Join(home, "cache"), 0o700)
	os.MkdirAll(filepath.Join(home, "bodies"), 0o700)
	log := filepath.Join(home, "log")
	os.Remove(log + "0")
	os.Remove(log)
	// It wants a terminal: script(1) gives it one.
	out, err := try(home, "", tool(t, "script", "bsdutils"), "-qec", tool(t, "neomutt", "neomutt")+" -d 5 -l "+log+" -F "+rc, "/dev/null")
	b, rerr := os.ReadFile(log + "0")
	if rerr != nil {
		b, rerr = os.ReadFile(log)
	}
	if err != nil || rerr != nil {
		t.Fatalf("neomutt: %v %v\n%s", err, rerr, out)
	}
	return string(b)
}

func TestNeomuttComesBackWithQresync(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	c := ann(t, p)
	for i := range 30 {
		appendTo(t, c, "INBOX", letter(fmt.Sprintf("lettre %02d", i), "Bonjour."))
	}
	said := neomutt(t, p, home, "<tag-pattern>~s 'lettre 03'<enter><tag-prefix><set-flag>!<sync-mailbox><quit>")
	if !strings.Contains(said, "* ENABLED QRESYNC") {
		t.Errorf("it did not enable QRESYNC:\n%s", wire(said))
	}
	change(t, c, "INBOX", imap.FlagDeleted, "lettre 05", "lettre 06", "lettre 20")
	change(t, c, "INBOX", imap.FlagSeen, "lettre 07")
	appendTo(t, c, "INBOX", letter("la nouvelle", "Bonsoir."))

	// What its cache says of the old mails is right again after one command, and
	// its keys meet the mails that they name.
	said = neomutt(t, p, home, "<delete-pattern>~s 'lettre 0[4-7]'<enter><delete-pattern>~s 'la nouvelle'<enter><sync-mailbox><quit>")
	if !strings.Contains(said, " VANISHED)") || !strings.Contains(said, "* VANISHED (EARLIER) 6:7,21") {
		t.Errorf("the second time it did not ask for what changed:\n%s", wire(said))
	}
	var want []string
	for i := range 30 {
		s := fmt.Sprintf("lettre %02d", i)
		switch i {
		case 4, 5, 6, 7, 20:
			continue
		case 3:
			s += ` \Flagged`
		}
		want = append(want, s)
	}
	is(t, "the inbox", bare(subjects(t, c, "INBOX")), want...)
}

// bare leaves out the flag that neomutt sets on mails it saw in the index.
func bare(all []string) []string {
	for i := range all {
		all[i] = strings.Join(strings.Fields(strings.ReplaceAll(strings.ReplaceAll(all[i], `\Seen`, ""), "Old", "")), " ")
	}
	return all
}

// wire is the dialogue alone.
func wire(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "mutt_socket_") || strings.HasPrefix(line, "a0") {
			b.WriteString(line)
		}
	}
	return b.String()
}
