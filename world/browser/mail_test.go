package browser_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"colporteur/config"
	"colporteur/world"
)

// reading is what the script in Node is told.
type reading struct {
	Chromium string `json:"chromium"`
	Base     string `json:"base"`
	Shots    string `json:"shots"`
	Photo    []byte `json:"photo"`
	Ann      reader `json:"ann"`
	Bob      reader `json:"bob"`
	Many     int    `json:"many"` // conversations that Bob has
}

type reader struct {
	Address  string `json:"address"`
	Password string `json:"password"`
	Lang     string `json:"lang"`
}

// hostile is a mail with one of everything that must not run or load.
const hostile = "From: Bob <bob@home.test>\r\nTo: ann@home.test\r\nSubject: =?utf-8?q?M=C3=A9chant?= <script>window.stolen=1</script>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" +
	`<html><head><base href="https://evil.test/"><meta http-equiv="refresh" content="0;url=https://evil.test/"><style>@import url(https://evil.test/x.css); p { background: url(https://evil.test/p.png); color: red }</style>
<script>parent.stolen = 1</script></head><body onload="parent.stolen=1"><p onclick="parent.stolen=1">Des mots innocents</p>
<img src="https://evil.test/pixel.gif" width="1" height="1"><img src="x" onerror="parent.stolen=1"><img src="cid:photo@x" alt="la photo">
<svg onload="parent.stolen=1"><script>parent.stolen=1</script></svg><math><mtext><style><img src onerror=parent.stolen=1></style></mtext></math>
<a href="javascript:parent.stolen=1">lien</a><iframe src="https://evil.test/"></iframe><form action="https://evil.test/"><input name=password><button>Continuer</button></form>
<div style="position:fixed;background:url(https://evil.test/b.png);color:green">fin</div></body></html>` +
	"\r\n--r\r\nContent-Type: image/jpeg\r\nContent-ID: <photo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"

const meeting = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@home.test\r\nSUMMARY:Réunion du bureau\\, puis repas\r\nDTSTART:20261205T130000Z\r\nDURATION:PT1H30M\r\n" +
	"LOCATION:Salle des fêtes\r\nORGANIZER;CN=Bob:mailto:bob@home.test\r\nATTENDEE;CN=\"Petit, Ann\";PARTSTAT=ACCEPTED:mailto:ann@home.test\r\nBEGIN:VALARM\r\nDESCRIPTION:dans\r\n  une heure\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

// TestMailInARealBrowser keeps its screenshots in $COLPORTEUR_SHOTS, if that is set.
func TestMailInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install Debian's package chromium (make deps does)")
	}
	w := world.New(t)
	home := w.Server("home.test", func(c *config.Config) { c.Limits.Message = 4 << 20 }) // beyond it files become links
	ann, bob := home.Member("ann", "fr"), home.Member("bob", "en")
	home.Member("carl", "fr")
	bob.Send(ann.Address, world.Subject("Été à la mer"), world.Text("Bonjour Ann,\r\nvoici la photo de la plage, et les autres viendront dimanche quand tout le monde sera rentré.\r\n-- \r\nBob\r\n"), world.Attach("mer.jpg", "image/jpeg", photo(3)))
	bob.Send(ann.Address, world.Subject("Assemblée générale du 28 novembre"), world.Text("Chers amis,\r\n\r\nl'ordre du jour est prêt : https://home.test/ordre.\r\nÀ bientôt.\r\n"))
	c := ann.IMAP()
	raw := hostile + base64Lines(photo(5)) + "\r\n--r--\r\n"
	cmd := c.Append("INBOX", int64(len(raw)), nil)
	cmd.Write([]byte(raw))
	cmd.Close()
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	const many = 400
	c = bob.IMAP()
	for i := range many {
		raw := fmt.Sprintf("From: Ann Petit <ann@home.test>\r\nTo: bob@home.test\r\nSubject: Message %d of many\r\nMessage-ID: <many%d@home.test>\r\n\r\nWords of mail %d.\r\n", i+1, i, i+1)
		cmd := c.Append("INBOX", int64(len(raw)), &imap.AppendOptions{Time: time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC)})
		cmd.Write([]byte(raw))
		cmd.Close()
		if _, err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	w.Settle()
	s := reading{Chromium: chromium, Base: "http://" + home.Addr("http"), Shots: os.Getenv("COLPORTEUR_SHOTS"), Many: many, Photo: photo(11),
		Ann: reader{ann.Address, ann.Password, "fr"}, Bob: reader{bob.Address, bob.Password, "en"}}
	if s.Shots == "" {
		s.Shots = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "mail.mjs")
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Chromium goes with it
	node.Cancel = func() error { return syscall.Kill(-node.Process.Pid, syscall.SIGKILL) }
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	say := func(v string) { fmt.Fprintln(in, v) }
	told, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	say(string(told))
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch line := lines.Text(); {
		case line == "do mail":
			bob.Send(ann.Address, world.Subject("Une nouvelle toute fraîche"), world.Text("Elle est arrivée.\r\n> ce que tu disais\r\n> et encore\r\n"))
			say(fmt.Sprint(time.Now().UnixMilli())) // the 250
		case line == "do invite":
			bob.Send(ann.Address, world.Subject("La réunion du bureau"), world.Text("Pouvez-vous venir ?\r\n"), world.Attach("réunion.ics", "text/calendar", []byte(meeting)))
			say("")
		case line == "do formatted":
			w.Advance(11 * time.Second)
			w.Settle()
			say(formatted(bob))
		case line == "do drafts":
			got := ""
			for _, m := range ann.Folder("Brouillons").All {
				got += m.Text
			}
			if strings.Contains(got, "Ici.") && strings.Contains(got, "Là-bas.") {
				got = "ok"
			}
			say(strings.ReplaceAll(got, "\n", " "))
		case line == "do archived":
			if got := ann.Folder("Archives").One().Subject; !strings.HasPrefix(got, "Assemblée") {
				t.Errorf("archived: %s", got)
			}
			say("")
		case line == "do tomorrow":
			w.Advance(36 * time.Hour)
			w.Settle()
			say("")
		case line == "do sent":
			w.Advance(11 * time.Second) // the ten in which it can be taken back
			w.Settle()
			got := ""
			for _, m := range bob.Inbox().All {
				if strings.HasPrefix(m.Subject, "Une lettre") {
					got += m.Subject + "|" + strings.TrimSpace(m.Text)
					for _, f := range m.Files {
						got += "|" + f.Name
					}
				}
			}
			say(got)
		case strings.HasPrefix(line, "ok "):
			t.Log(line)
		default:
			t.Error(line)
		}
	}
	if err := node.Wait(); err != nil && !t.Failed() {
		t.Error(err)
	}
}

func base64Lines(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > 76 {
		out.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	out.WriteString(s)
	return out.String()
}

// formatted says "ok", or what the formatted letter that bob got is not.
func formatted(bob *world.Member) string {
	for _, m := range bob.Inbox().All {
		if m.Subject != "Une belle lettre" {
			continue
		}
		for _, part := range []string{"multipart/alternative", "multipart/related", "@picture>", "@signature>"} {
			if !strings.Contains(m.Raw, part) {
				return "no " + part
			}
		}
		for _, part := range []string{"<b>Bob</b>", "<li>", "pain", `href="https://home.test/ordre"`, `src="cid:`} {
			if !strings.Contains(m.HTML, part) {
				return "html without " + part + ": " + strings.ReplaceAll(m.HTML, "\n", " ")
			}
		}
		for _, part := range []string{"Bonjour Bob", "- pain", "- vin", "https://home.test/ordre", "-- ", "Trésorière"} {
			if !strings.Contains(m.Text, part) {
				return "text without " + part + ": " + strings.ReplaceAll(m.Text, "\n", " ")
			}
		}
		if strings.Contains(m.HTML, "blob:") || strings.Contains(m.HTML, "data:") || strings.Contains(m.HTML, "<script") {
			return "html with what nobody can show: " + m.HTML
		}
		return "ok"
	}
	return "nothing"
}
