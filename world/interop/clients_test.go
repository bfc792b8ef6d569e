// Package interop runs the mail programs people have against the real server.
package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"colporteur/world"
)

// tool finds a program, and fails the test in words when it is missing.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: install Debian's package %s (make deps does)", name, pkg)
	}
	return p
}

// run runs a program in a folder of its own, and fails the test when it fails.
func run(t *testing.T, home string, name string, args ...string) string {
	t.Helper()
	out, err := try(home, "", name, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
	return out
}

func try(home, input, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "LANG=C.UTF-8", "TERM=xterm")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func server(t *testing.T) *world.Process {
	t.Helper()
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"))
	p.Member("ann@home.test", "ann pass word")
	p.Member("bob@home.test", "bob pass word")
	p.Start()
	t.Cleanup(func() {
		if strings.Contains(p.Log(), "panic") {
			t.Errorf("a panic in the log:\n%s", p.Log())
		}
	})
	return p
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// eventually asks until f says yes: a program of somebody else has no event to wait for.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if f() {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("%s did not happen", what)
		case <-tick.C:
		}
	}
}

// curlInbox reads a mail with curl: 0 is the newest.
func curlInbox(t *testing.T, p *world.Process, who, pass, index string) string {
	t.Helper()
	out, _ := try(t.TempDir(), "", tool(t, "curl", "curl"), "-s", "--cacert", filepath.Join(p.Data, "ca.pem"),
		"imaps://localhost:"+port(p.Ports["imaps"])+"/INBOX;MAILINDEX="+index, "-u", who+"@home.test:"+pass)
	return strings.ReplaceAll(out, "\r\n", "\n")
}

var link = regexp.MustCompile(`http://localhost:\d+/t/[a-z2-7]{26}`)

func TestSwaksMailsAFileAndCurlFetchesIt(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	film := make([]byte, 700_000)
	for i := range film {
		film[i] = byte(i * i >> 3)
	}
	file := filepath.Join(home, "vacances à la mer.mp4")
	if err := os.WriteFile(file, film, 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, home, tool(t, "swaks", "swaks"), "--server", "localhost", "--port", port(p.Ports["submission"]), "--tls",
		"--auth", "PLAIN", "--auth-user", "ann@home.test", "--auth-password", "ann pass word",
		"--from", "ann@home.test", "--to", "envoi@home.test,bob@home.test", "--header", "Subject: Les vacances", "--attach", "@"+file, "--suppress-data")
	if !strings.Contains(out, "250 2.0.0") {
		t.Errorf("no enhanced 250:\n%s", out)
	}
	var receipt string
	eventually(t, "the receipt", func() bool {
		receipt = curlInbox(t, p, "ann", "ann pass word", "*")
		return link.MatchString(receipt)
	})
	url := link.FindString(receipt)
	url = strings.Replace(url, "localhost:"+port(p.Ports["http"]), p.Ports["http"], 1)
	page := run(t, home, tool(t, "curl", "curl"), "-s", url)
	m := regexp.MustCompile(`href="(/t/[^"]+/f/0/[^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no download on the page:\n%s", page)
	}
	// In two halves, as after a broken line.
	got := filepath.Join(home, "got")
	at := "http://" + p.Ports["http"] + m[1]
	run(t, home, "curl", "-s", "-r", "0-299999", "-o", got, at)
	run(t, home, "curl", "-s", "-C", "-", "-o", got, at)
	b, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(b) != sha256.Sum256(film) {
		t.Errorf("%d bytes came, not the %d that were sent", len(b), len(film))
	}
	h := sha256.Sum256(film)
	if !strings.Contains(strings.ReplaceAll(receipt, "=\n", ""), hex.EncodeToString(h[:])) {
		t.Error("the receipt lacks the checksum")
	}
	invitation := curlInbox(t, p, "bob", "bob pass word", "*")
	if !link.MatchString(invitation) || link.FindString(invitation) == link.FindString(receipt) {
		t.Errorf("bob has no link of his own:\n%s", invitation)
	}
}

func TestSwaksIsRefusedInWords(t *testing.T) {
	p := server(t)
	swaks := tool(t, "swaks", "swaks")
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"a stranger at the drop", "550", []string{"--port", port(p.Ports["mx"]), "--from", "x@elsewhere.invalid", "--to", "envoi@home.test"}},
		{"a forged member at the drop", "550", []string{"--port", port(p.Ports["mx"]), "--from", "ann@home.test", "--to", "envoi@home.test"}},
		{"a relay", "550", []string{"--port", port(p.Ports["mx"]), "--from", "x@elsewhere.invalid", "--to", "y@elsewhere.invalid"}},
		{"no login", "530", []string{"--port", port(p.Ports["submission"]), "--from", "ann@home.test", "--to", "bob@home.test"}},
		{"a wrong password", "535", []string{"--port", port(p.Ports["submission"]), "--tls", "--auth", "PLAIN", "--auth-user", "ann@home.test", "--auth-password", "no", "--from", "ann@home.test", "--to", "bob@home.test"}},
		{"another's address", "553", []string{"--port", port(p.Ports["submission"]), "--tls", "--auth", "LOGIN", "--auth-user", "ann@home.test", "--auth-password", "ann pass word", "--from", "bob@home.test", "--to", "bob@home.test"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := try(t.TempDir(), "", swaks, append([]string{"--server", "localhost"}, c.args...)...)
			if err == nil || !regexp.MustCompile(`<[-~*]\* +`+c.want+`[ -]`).MatchString(out) {
				t.Errorf("%v, want %s:\n%s", err, c.want, out)
			}
		})
	}
}

func TestMsmtpSends(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	for i, c := range []string{
		fmt.Sprintf("port %s\ntls on\ntls_starttls on", port(p.Ports["submission"])),
		fmt.Sprintf("port %s\ntls on\ntls_starttls off", port(p.Ports["submissions"])),
	} {
		rc := filepath.Join(home, "msmtprc")
		os.WriteFile(rc, []byte(fmt.Sprintf("account default\nhost localhost\n%s\ntls_trust_file %s\nauth on\nuser ann@home.test\npassword ann pass word\nfrom ann@home.test\n",
			c, filepath.Join(p.Data, "ca.pem"))), 0o600)
		out, err := try(home, fmt.Sprintf("From: ann@home.test\nTo: bob@home.test\nSubject: par msmtp %d\n\nBonjour.\n", i), tool(t, "msmtp", "msmtp"), "-C", rc, "bob@home.test")
		if err != nil {
			t.Fatalf("msmtp: %v\n%s", err, out)
		}
		if got := curlInbox(t, p, "bob", "bob pass word", "*"); !strings.Contains(got, fmt.Sprintf("par msmtp %d", i)) {
			t.Errorf("bob reads:\n%s", got)
		}
	}
}

func TestMbsyncAgreesInBothDirections(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	mbsync := tool(t, "mbsync", "isync")
	rc := filepath.Join(home, "mbsyncrc")
	maildir := filepath.Join(home, "mail")
	os.MkdirAll(maildir, 0o700)
	os.WriteFile(rc, []byte(fmt.Sprintf(`IMAPAccount home
Host localhost
Port %s
User ann@home.test
Pass "ann pass word"
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account home

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
`, port(p.Ports["imaps"]), filepath.Join(p.Data, "ca.pem"), maildir, maildir)), 0o600)
	sync := func() { t.Helper(); run(t, home, mbsync, "-c", rc, "-a") }
	for i := range 20 {
		out, err := try(home, fmt.Sprintf("From: bob@elsewhere.invalid\nTo: ann@home.test\nSubject: numero %d\n\n%s\n", i, strings.Repeat("ligne\n", i*200)),
			tool(t, "curl", "curl"), "-s", "--url", "smtp://"+p.Ports["mx"], "--mail-from", "x@elsewhere.invalid", "--mail-rcpt", "ann@home.test", "--crlf", "-T", "-")
		if err != nil {
			t.Fatalf("curl: %v\n%s", err, out)
		}
	}
	sync()
	local, _ := filepath.Glob(filepath.Join(maildir, "INBOX", "*", "*"))
	if len(local) != 20 {
		t.Fatalf("%d mails came down, want 20", len(local))
	}
	// Read one, delete one, write one, make a folder: here; then see it there.
	// mbsync keeps names in the modified UTF-7 of the wire.
	os.Rename(local[0], filepath.Join(maildir, "INBOX", "cur", strings.Split(filepath.Base(local[0]), ":")[0]+":2,S"))
	os.Remove(local[1])
	os.MkdirAll(filepath.Join(maildir, "Ann&AOk-e", "new"), 0o700)
	os.MkdirAll(filepath.Join(maildir, "Ann&AOk-e", "cur"), 0o700)
	os.MkdirAll(filepath.Join(maildir, "Ann&AOk-e", "tmp"), 0o700)
	os.WriteFile(filepath.Join(maildir, "Ann&AOk-e", "new", "1.local"), []byte("From: ann@home.test\nSubject: local\n\nlocal\n"), 0o600)
	sync()
	status := run(t, home, "curl", "-s", "imap://"+p.Ports["imap"]+"/", "-u", "ann@home.test:ann pass word", "-X", "STATUS INBOX (MESSAGES UNSEEN)")
	if !strings.Contains(status, "MESSAGES 19") || !strings.Contains(status, "UNSEEN 18") {
		t.Errorf("the server has %s", status)
	}
	status = run(t, home, "curl", "-s", "imap://"+p.Ports["imap"]+"/", "-u", "ann@home.test:ann pass word", "-X", `STATUS "Ann&AOk-e" (MESSAGES)`)
	if !strings.Contains(status, "MESSAGES 1") {
		t.Errorf("the server has %s", status)
	}
	// And nothing moves when nothing changed.
	before, _ := filepath.Glob(filepath.Join(maildir, "*", "*", "*"))
	sync()
	after, _ := filepath.Glob(filepath.Join(maildir, "*", "*", "*"))
	if b, a := strings.Join(before, "\n"), strings.Join(after, "\n"); b != a {
		t.Errorf("a sync without changes changed something: before\n%s\nafter\n%s", b, a)
	}
}

func TestNeomuttReadsAndFiles(t *testing.T) {
	p := server(t)
	home := t.TempDir()
	for i := range 3 {
		out, err := try(home, fmt.Sprintf("From: Bob <bob@elsewhere.invalid>\nTo: ann@home.test\nSubject: lettre %d\n\nBonjour %d.\n", i, i),
			tool(t, "curl", "curl"), "-s", "--url", "smtp://"+p.Ports["mx"], "--mail-from", "x@elsewhere.invalid", "--mail-rcpt", "ann@home.test", "--crlf", "-T", "-")
		if err != nil {
			t.Fatalf("curl: %v\n%s", err, out)
		}
	}
	rc := filepath.Join(home, "rc")
	os.WriteFile(rc, []byte(fmt.Sprintf(`set folder="imap://ann%%40home.test@%s/"
set imap_user="ann@home.test"
set imap_pass="ann pass word"
set ssl_starttls=no
set ssl_force_tls=no
set spoolfile="+INBOX"
set mbox_type=Maildir
set confirmappend=no
set confirmcreate=no
set delete=yes
set quit=yes
set wait_key=no
set header_cache=
push "<tag-pattern>~s 'lettre 1'<enter><tag-prefix><save-message>=Archives<enter><sync-mailbox><quit>"
`, p.Ports["imap"])), 0o600)
	// It wants a terminal: script(1) gives it one.
	out, err := try(home, "", tool(t, "script", "bsdutils"), "-qec", tool(t, "neomutt", "neomutt")+" -F "+rc, "/dev/null")
	if err != nil {
		t.Logf("neomutt: %v\n%s", err, out)
	}
	status := func(box string) string {
		out, _ := try(home, "", "curl", "-s", "imap://"+p.Ports["imap"]+"/", "-u", "ann@home.test:ann pass word", "-X", "STATUS "+box+" (MESSAGES)")
		return out
	}
	if s := status("Archives"); !strings.Contains(s, "MESSAGES 1") {
		t.Errorf("Archives: %q\n%s", s, out)
	}
	if s := status("INBOX"); !strings.Contains(s, "MESSAGES 2") {
		t.Errorf("INBOX: %q\n%s", s, out)
	}
}
