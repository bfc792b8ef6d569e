package interop

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/world"
)

// otherHost is Debian's Dovecot as the host that somebody leaves, with names
// below INBOX as Courier had them.
type otherHost struct {
	t    *testing.T
	addr string
	ca   string
}

func startDovecot(t *testing.T) *otherHost {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("Dovecot can only be started by root")
	}
	bin := tool(t, "/usr/sbin/dovecot", "dovecot-imapd")
	dir, err := os.MkdirTemp("/tmp", "dovecot") // its users must be able to walk there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &otherHost{t: t, addr: "localhost:" + port(ln.Addr().String()), ca: filepath.Join(dir, "cert.pem")}
	run(t, dir, tool(t, "openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", "key.pem", "-out", "cert.pem", "-days", "10", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
	run(t, dir, "sh", "-c", "mkdir run state mail && chown mail:mail mail && chmod 644 *.pem && printf 'ann:{PLAIN}ancien mot\\n' >users && chmod 644 users")
	conf := fmt.Sprintf(`instance_name = import
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
mail_location = maildir:%[1]s/mail/%%n
mail_fsync = never
mail_uid = mail
mail_gid = mail
first_valid_uid = 8
first_valid_gid = 8
passdb {
  driver = passwd-file
  args = username_format=%%u %[1]s/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=%[1]s/mail/%%n
}
namespace inbox {
  inbox = yes
  prefix = INBOX.
  separator = .
  mailbox "Sent Things" {
    special_use = \Sent
  }
}
service imap-login {
  inet_listener imap {
    port = %[2]s
  }
  inet_listener imaps {
    port = 0
  }
}
`, dir, port(h.addr))
	if err := os.WriteFile(filepath.Join(dir, "dovecot.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	ln.Close()
	cmd := exec.Command(bin, "-F", "-c", filepath.Join(dir, "dovecot.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	eventually(t, "Dovecot's start", func() bool {
		c, err := net.Dial("tcp", h.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return h
}

func login(t *testing.T, addr, ca, user, pass string) *imapclient.Client {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	conf.RootCAs.AppendCertsFromPEM(pem)
	c, err := imapclient.DialStartTLS(addr, &imapclient.Options{TLSConfig: conf})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(user, pass).Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// fill makes 2,000 mails in folders of all kinds of names.
func (h *otherHost) fill() {
	h.t.Helper()
	c := login(h.t, h.addr, h.ca, "ann", "ancien mot")
	rnd := rand.New(rand.NewPCG(1, 2))
	junk := make([]byte, 3000)
	for i := range junk {
		if junk[i] = byte(1 + rnd.IntN(255)); junk[i] == '\r' || junk[i] == '\n' {
			junk[i] = ' '
		}
	}
	n := 0
	add := func(folder, body string, flags ...imap.Flag) {
		h.t.Helper()
		n++
		cmd := c.Append(folder, int64(len(body)), &imap.AppendOptions{Flags: flags, Time: time.Date(2001, 2, 3, 4, 5, n%60, 0, time.FixedZone("", 3600)).AddDate(0, 0, n)})
		io.WriteString(cmd, body)
		cmd.Close()
		if _, err := cmd.Wait(); err != nil {
			h.t.Fatalf("append to %s: %v", folder, err)
		}
	}
	for folder, count := range map[string]int{"INBOX": 700, "INBOX.Sent Things": 300, "INBOX.Sent Things.Été & Noël": 250, "INBOX.Projets.2026.Größe": 400,
		"INBOX.Spam": 200, "INBOX.日本語": 149, "INBOX.Leer": 0} {
		if folder != "INBOX" {
			if err := c.Create(folder, nil).Wait(); err != nil {
				h.t.Fatal(err)
			}
		}
		for i := range count {
			flags := [][]imap.Flag{{}, {imap.FlagSeen}, {imap.FlagSeen, imap.FlagAnswered, "$Label1"}, {imap.FlagFlagged, "Été", "work"}, {imap.FlagDeleted}}[i%5]
			if i%5 == 3 {
				flags = []imap.Flag{imap.FlagFlagged, "work"}
			}
			body := fmt.Sprintf("From: <zoe@far.test>\r\nMessage-ID: <%d.%d@far.test>\r\nSubject: =?utf-8?q?Num=C3=A9ro?= %d\r\n\r\n%s\r\n", n, i, i, strings.Repeat("Bonjour. ", 1+rnd.IntN(900)))
			switch i {
			case 3: // the same mail as another of the folder, without a Message-ID
				body = "Subject: twice\r\n\r\nSame.\r\n"
			case 4:
				body = "Subject: twice\r\n\r\nSame.\r\n"
			case 5:
				body = "\r\n"
			case 6:
				body = "no header at all"
			case 7:
				body = "Subject: junk\r\nX-\xff\xfe: \x80\r\n\r\n" + string(junk)
			case 8:
				body += strings.Repeat("A large attachment, more than a batch may have.\r\n", 60_000)
			}
			add(folder, body, flags...)
		}
	}
	add("INBOX.Leer", "From: <zoe@far.test>\r\nSubject: alone\r\n\r\nHere.\r\n")
	if err := c.Subscribe("INBOX.Leer").Wait(); err != nil {
		h.t.Fatal(err)
	}
}

// kept is a mail as a member sees it.
type kept struct {
	date  time.Time
	flags string
	body  []byte
}

func mails(t *testing.T, c *imapclient.Client, folder string) (out []kept) {
	t.Helper()
	if _, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	got, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{Flags: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	for _, m := range got {
		var flags []string
		for _, f := range m.Flags {
			if f != `\Recent` {
				flags = append(flags, string(f))
			}
		}
		slices.Sort(flags)
		out = append(out, kept{m.InternalDate.UTC(), strings.Join(flags, " "), m.BodySection[0].Bytes})
	}
	return out
}

// ours are their folders and what we call them.
var ours = map[string]string{"INBOX": "INBOX", "INBOX.Sent Things": "Envoyés", "INBOX.Sent Things.Été & Noël": "Envoyés/Été & Noël",
	"INBOX.Projets.2026.Größe": "Projets/2026/Größe", "INBOX.Spam": "Indésirables", "INBOX.日本語": "日本語", "INBOX.Leer": "Leer"}

// same says whether everything that is there is here, in its order.
func same(t *testing.T, h *otherHost, p *world.Process) {
	t.Helper()
	there := login(t, h.addr, h.ca, "ann", "ancien mot")
	here := login(t, strings.Replace(p.Ports["imap"], "127.0.0.1", "localhost", 1), filepath.Join(p.Data, "ca.pem"), "ann@home.test", "ann pass word")
	for theirs, our := range ours {
		want, got := mails(t, there, theirs), mails(t, here, our)
		if len(got) != len(want) {
			t.Errorf("%s has %d mails, %s %d", our, len(got), theirs, len(want))
			continue
		}
		for i, w := range want {
			if g := got[i]; !g.date.Equal(w.date) || g.flags != w.flags || !bytes.Equal(g.body, w.body) {
				t.Fatalf("%s: mail %d is %v %q and %d octets, want %v %q and %d", our, i+1, g.date, g.flags, len(g.body), w.date, w.flags, len(w.body))
			}
		}
	}
}

func TestAMailboxIsCopiedFromDovecotWhateverIsKilled(t *testing.T) {
	h := startDovecot(t)
	h.fill()
	p := server(t)
	args := []string{"import", "--imap", h.addr, "--starttls", "--ca", h.ca, "--user", "ann", "--member", "ann@home.test", "--password-stdin", "--lang", "en", "--config", p.Config}
	imports := func(wantCode int, more ...string) string {
		t.Helper()
		out, err := p.Try("ancien mot\n", append(args, more...)...)
		code := 0
		if err != nil {
			code = err.(*exec.ExitError).ExitCode()
		}
		if code != wantCode {
			t.Fatalf("exit %d, want %d:\n%s", code, wantCode, out)
		}
		return out
	}
	says := func(out string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("does not say %q:\n%s", w, out)
			}
		}
	}

	says(imports(0, "--dry-run"), "2000 mails", "would be copied", "INBOX.Sent Things → Envoyés: 300 mails to copy", "INBOX.日本語 → 日本語")
	if boxes := curlList(t, p); strings.Contains(boxes, "Projets") {
		t.Errorf("a dry run makes folders:\n%s", boxes)
	}

	// Killed as soon as it has said something about a folder, each time later.
	for lines := range 3 {
		cmd := exec.Command(world.Binary(t), args...)
		cmd.Stdin = strings.NewReader("ancien mot\n")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		for said := ""; strings.Count(said, "\n") <= lines; {
			n, err := out.Read(b)
			if err != nil {
				t.Fatalf("it was over before it was killed: %q", said)
			}
			said += string(b[:n])
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	// The server is killed under it; then it runs without one, and killed again.
	half := exec.Command(world.Binary(t), args...)
	half.Stdin = strings.NewReader("ancien mot\n")
	var said bytes.Buffer
	half.Stderr = &said
	out, err := half.StdoutPipe()
	if err == nil {
		err = half.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, 20)) // the plan
	p.Kill()
	io.Copy(io.Discard, out)
	if err := half.Wait(); err == nil || !strings.Contains(said.String(), "begin again") {
		t.Errorf("without its server: %v, %s", err, said.String())
	}
	imports(0)
	p.Start()
	same(t, h, p)
	says(imports(0), "0 mails copied; 2000 here already")
	same(t, h, p)

	// What the member removes here does not come back, and what is new there comes.
	here := login(t, strings.Replace(p.Ports["imap"], "127.0.0.1", "localhost", 1), filepath.Join(p.Data, "ca.pem"), "ann@home.test", "ann pass word")
	if err := here.Rename("日本語", "Voyages/Japon", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Select("Leer", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Collect(); err != nil {
		t.Fatal(err)
	}
	if err := here.Expunge().Close(); err != nil {
		t.Fatal(err)
	}
	there := login(t, h.addr, h.ca, "ann", "ancien mot")
	cmd := there.Append("INBOX.日本語", 6, nil)
	io.WriteString(cmd, "A: b\r\n")
	cmd.Close()
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	says(imports(0, "--folder", "INBOX.日本語", "--folder", "INBOX.Leer"), "1 mail copied; 150 here already", "INBOX.日本語 → Voyages/Japon: 1 mail")

	// Another member has the whole of it, and in one go.
	args[slices.Index(args, "ann@home.test")] = "bob@home.test"
	says(imports(0), "2001 mails copied; 0 here already", "INBOX → INBOX: 700 mails")

	says(imports(1, "--folder", "Nowhere"), "has no folder of the name Nowhere")
	if out, err := p.Try("wrong\n", args...); err == nil || !strings.Contains(out, "does not let ann in") {
		t.Errorf("a wrong password: %v\n%s", err, out)
	}
	if out, err := p.Try("ancien mot\n", append(args, "--tls")...); err == nil || err.(*exec.ExitError).ExitCode() != 2 {
		t.Errorf("two ways to protect it: %v\n%s", err, out)
	}
}

// curlList is the member's folders here.
func curlList(t *testing.T, p *world.Process) string {
	t.Helper()
	return run(t, t.TempDir(), tool(t, "curl", "curl"), "-s", "--cacert", filepath.Join(p.Data, "ca.pem"), "imaps://localhost:"+port(p.Ports["imaps"])+"/", "-u", "ann@home.test:ann pass word")
}
