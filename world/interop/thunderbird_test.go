package interop

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"colporteur/world"
)

// thunderbird is a running Thunderbird without a screen, and the connection by
// which Mozilla's own tests drive it (Marionette: JSON with its length before it).
type thunderbird struct {
	t       *testing.T
	profile string
	log     string // the dialogue with the server
	conn    net.Conn
	r       *bufio.Reader
	n       int
}

// startThunderbird starts it with a profile of its own, which has ann's account
// and downloads everything.
func startThunderbird(t *testing.T, p *world.Process) *thunderbird {
	t.Helper()
	bin := tool(t, "thunderbird", "thunderbird")
	home := t.TempDir()
	tb := &thunderbird{t: t, profile: filepath.Join(home, "profile"), log: filepath.Join(home, "dialogue.moz_log")}
	if err := os.Mkdir(tb.profile, 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	driver := ln.Addr().String()
	ln.Close()
	var prefs strings.Builder
	for k, v := range map[string]any{
		"marionette.port":                             json.Number(port(driver)),
		"mail.accountmanager.accounts":                "account1",
		"mail.accountmanager.defaultaccount":          "account1",
		"mail.account.account1.server":                "server1",
		"mail.account.account1.identities":            "id1",
		"mail.identity.id1.useremail":                 "ann@home.test",
		"mail.identity.id1.fullName":                  "Ann",
		"mail.identity.id1.valid":                     true,
		"mail.server.server1.type":                    "imap",
		"mail.server.server1.hostname":                "localhost",
		"mail.server.server1.port":                    json.Number(port(p.Ports["imaps"])),
		"mail.server.server1.userName":                "ann@home.test",
		"mail.server.server1.name":                    "home",
		"mail.server.server1.socketType":              3,     // TLS
		"mail.server.server1.authMethod":              3,     // a password
		"mail.server.server1.login_at_startup":        false, // not before it has the password
		"mail.server.server1.check_new_mail":          false, // only what is pushed comes
		"mail.server.server1.use_idle":                true,
		"mail.server.server1.use_condstore":           true,
		"mail.server.server1.offline_download":        true,
		"mail.server.server1.autosync_offline_stores": false,
		"mail.biff.show_alert":                        false, // it fetches words for it, and does not IDLE again afterwards
		"mail.biff.alert.show_preview":                false,
		"mail.biff.play_sound":                        false,
		"mail.server.server1.delete_model":            1, // to the bin
		"mail.provider.suppress_dialog_on_startup":    true,
		"mail.rights.version":                         1,
		"mail.shell.checkDefaultClient":               false,
		"mailnews.start_page.enabled":                 false,
		"app.donation.eoy.version.viewed":             999,
		"datareporting.policy.dataSubmissionEnabled":  false,
		"datareporting.healthreport.uploadEnabled":    false,
		"toolkit.telemetry.enabled":                   false,
		"extensions.update.enabled":                   false,
		"services.settings.server":                    "data:,#remote-settings-dummy/v1",
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&prefs, "user_pref(%q, %s);\n", k, text)
	}
	if err := os.WriteFile(filepath.Join(tb.profile, "user.js"), []byte(prefs.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", tb.profile)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "LANG=C.UTF-8", "MOZ_HEADLESS=1", "MOZ_CRASHREPORTER_DISABLE=1",
		"MOZ_LOG=timestamp,sync,IMAP:4", "MOZ_LOG_FILE="+filepath.Join(home, "dialogue"))
	// Debian's is a script around the program: all of them end together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := os.Create(filepath.Join(home, "out"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		if !t.Failed() {
			return
		}
		dialogue, _ := os.ReadFile(tb.log)
		for line := range strings.Lines(string(dialogue)) {
			if _, said, ok := strings.Cut(line, "S-INBOX:"); ok && (strings.HasPrefix(said, "SendData") || strings.HasPrefix(said, "CreateNewLine")) {
				t.Logf("of the inbox: %s", line)
			}
		}
		if said, err := os.ReadFile(out.Name()); err == nil {
			for line := range strings.Lines(string(said)) {
				if !strings.Contains(line, "gtk_") && strings.TrimSpace(line) != "" { // a screen is missing, it says, 100 times
					t.Logf("thunderbird said: %s", line)
				}
			}
		}
	})
	eventually(t, "the start of Thunderbird", func() bool {
		tb.conn, err = net.Dial("tcp", driver)
		return err == nil
	})
	t.Cleanup(func() { tb.conn.Close() })
	tb.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	tb.r = bufio.NewReader(tb.conn)
	tb.read() // its greeting
	tb.command("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{}}})
	tb.command("Marionette:SetContext", map[string]any{"value": "chrome"})
	ca, err := os.ReadFile(filepath.Join(p.Data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca)
	tb.do(`
		Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(arguments[0], "CT,,");
		const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
		login.init("imap://localhost", null, "imap://localhost", "ann@home.test", "ann pass word", "", "");
		await Services.logins.addLoginAsync(login);
		return true;`, base64.StdEncoding.EncodeToString(block.Bytes))
	return tb
}

// read reads one message of Marionette.
func (tb *thunderbird) read() []byte {
	tb.t.Helper()
	size, err := tb.r.ReadString(':')
	n, aerr := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil || aerr != nil {
		tb.t.Fatalf("marionette: %q %v %v", size, err, aerr)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(tb.r, b); err != nil {
		tb.t.Fatal(err)
	}
	return b
}

func (tb *thunderbird) command(name string, params any) json.RawMessage {
	tb.t.Helper()
	tb.n++
	b, err := json.Marshal([]any{0, tb.n, name, params})
	if err != nil {
		tb.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(tb.conn, "%d:%s", len(b), b); err != nil {
		tb.t.Fatal(err)
	}
	var answer [4]json.RawMessage
	if err := json.Unmarshal(tb.read(), &answer); err != nil {
		tb.t.Fatal(err)
	}
	if string(answer[2]) != "null" {
		tb.t.Fatalf("%s: %s", name, answer[2])
	}
	return answer[3]
}

// do runs a script in Thunderbird, with its account at hand, and returns what
// it returned, as JSON.
func (tb *thunderbird) do(script string, args ...any) string {
	tb.t.Helper()
	if args == nil {
		args = []any{}
	}
	var value struct{ Value json.RawMessage }
	result := tb.command("WebDriver:ExecuteScript", map[string]any{"args": args, "scriptTimeout": 60_000, "sandbox": "system", "script": `
		const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
		const server = MailServices.accounts.getIncomingServer("server1");
		const inbox = () => server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
		// ends is a listener for one of its old-fashioned jobs.
		const ends = () => {
			const { promise, resolve, reject } = Promise.withResolvers();
			return { promise, QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]), OnStartRunningUrl() {},
				OnStopRunningUrl(url, code) { code ? reject(new Error("job: " + code.toString(16))) : resolve(true); } };
		};
		return (async (...arguments) => {` + script + `})(...arguments);`})
	if err := json.Unmarshal(result, &value); err != nil {
		tb.t.Fatalf("%v: %s", err, result)
	}
	return string(value.Value)
}

// inbox are the subjects of the mails that it shows.
func (tb *thunderbird) inbox() (out []string) {
	tb.t.Helper()
	got := tb.do(`return inbox() ? [...inbox().messages].map(m => m.mime2DecodedSubject + (m.isRead ? " \\Seen" : "") + (m.isFlagged ? " \\Flagged" : "")) : [];`)
	if err := json.Unmarshal([]byte(got), &out); err != nil {
		tb.t.Fatalf("%v: %s", err, got)
	}
	return out
}

// asked is its last command about the inbox.
func (tb *thunderbird) asked() (command string) {
	tb.t.Helper()
	log, err := os.ReadFile(tb.log)
	if err != nil {
		tb.t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if _, said, ok := strings.Cut(line, "S-INBOX:SendData: "); ok {
			command = strings.TrimSpace(said)
		}
	}
	return command
}

func TestThunderbirdDownloadsAndHearsWhatIsNew(t *testing.T) {
	p := server(t)
	c := ann(t, p)
	for i := range 12 {
		appendTo(t, c, "INBOX", letter(fmt.Sprintf("lettre %02d", i), strings.Repeat("ligne\r\n", 1+i*500)))
	}
	tb := startThunderbird(t, p)
	tb.do(`server.performExpand(null); return true;`)
	eventually(t, "the list of folders", func() bool { return tb.do(`return inbox() != null;`) == "true" })
	tb.do(`const end = ends(); inbox().QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, end); return await end.promise;`)
	eventually(t, "the list of mails", func() bool { return len(tb.inbox()) == 12 })
	tb.do(`const end = ends(); inbox().downloadAllForOffline(end, null); return await end.promise;`)
	var box []byte
	eventually(t, "the download", func() bool {
		box, _ = os.ReadFile(filepath.Join(tb.profile, "ImapMail", "localhost", "INBOX"))
		return strings.Count(string(box), "\nSubject: lettre ") == 12
	})
	if n := strings.Count(string(box), "\nligne"); n != 12+500*66 {
		t.Errorf("its offline mails have %d lines, want %d", n, 12+500*66)
	}

	// It idles: nothing asks it to look.
	// (It does so a moment after it looked for mail, not after it read one.)
	tb.do(`const end = ends(); inbox().QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, end); return await end.promise;`)
	idles := func() {
		t.Helper()
		eventually(t, "IDLE", func() bool { return strings.HasSuffix(tb.asked(), " IDLE") })
	}
	// What it is told while it fetches something else, a new mail or a flag, it does
	// not show before it looks again: so each change waits until it listens.
	idles()
	deliver(t, p, "par smtp", "Bonjour.")
	eventually(t, "the first new mail", func() bool { return len(tb.inbox()) == 13 })
	idles()
	appendTo(t, c, "INBOX", letter("par append", "Bonjour."))
	eventually(t, "the second", func() bool { return len(tb.inbox()) == 14 })
	idles()
	change(t, c, "INBOX", imap.FlagFlagged, "lettre 03")
	eventually(t, "the flag", func() bool { return slices.Contains(tb.inbox(), `lettre 03 \Flagged`) })
	idles()
	change(t, c, "INBOX", imap.FlagDeleted, "lettre 04")
	want := []string{"lettre 00", "lettre 01", "lettre 02", `lettre 03 \Flagged`}
	for i := 5; i < 12; i++ {
		want = append(want, fmt.Sprintf("lettre %02d", i))
	}
	want = append(want, "par append", "par smtp")
	var shown []string
	eventually(t, "what is pushed", func() bool {
		shown = tb.inbox()
		return len(shown) == len(want) && slices.Contains(shown, want[3])
	})
	is(t, "it shows", shown, want...)
	log, err := os.ReadFile(tb.log)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{" COMPRESS DEFLATE\r", " ENABLE UTF8=ACCEPT\r"} {
		if !strings.Contains(string(log), said) {
			t.Errorf("no %q in the dialogue", said)
		}
	}

	// And the other way: read, marked, moved away, thrown away.
	tb.do(`
		const all = [...inbox().messages], by = s => all.filter(m => m.mime2DecodedSubject == s);
		inbox().markMessagesRead(by("lettre 00"), true);
		inbox().markMessagesFlagged(by("lettre 01"), true);
		inbox().QueryInterface(Ci.nsIMsgImapMailFolder);
		const copied = { QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]), onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; } };
		const job = f => new Promise((resolve, reject) => f({ ...copied, onStopCopy: code => code ? reject(new Error("copy: " + code.toString(16))) : resolve() }));
		const archive = server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Archive);
		await job(l => MailServices.copy.copyMessages(inbox(), by("lettre 02"), archive, true, l, null, false));
		await job(l => inbox().deleteMessages(by("lettre 05"), null, false, true, l, false));
		return true;`)
	want = slices.DeleteFunc(want, func(s string) bool { return s == "lettre 02" || s == "lettre 05" })
	want[0], want[1] = `lettre 00 \Seen`, `lettre 01 \Flagged`
	var there []string
	eventually(t, "what it did", func() bool {
		there = subjects(t, c, "INBOX")
		return len(there) == len(want) && slices.Contains(there, want[1]) && slices.Contains(there, want[0])
	})
	is(t, "the inbox", there, want...)
	is(t, "the archive", subjects(t, c, "Archives"), "lettre 02")
	is(t, "the bin", subjects(t, c, "Corbeille"), "lettre 05")
}
