package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/office"
	"colporteur/world"
)

// desk is what the script in Node is told.
type desk struct {
	Chromium string            `json:"chromium"`
	Base     string            `json:"base"`
	Shots    string            `json:"shots"`
	Address  string            `json:"address"`
	Password string            `json:"password"`
	Pages    map[string]string `json:"pages"`
}

// TestTheOfficeInARealBrowser keeps its screenshots in $COLPORTEUR_SHOTS, if that is set.
func TestTheOfficeInARealBrowser(t *testing.T) {
	t.Parallel()
	ready(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install Debian's package chromium (make deps does)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	w := world.New(t)
	home := w.Server("home.test")
	ann, bob := home.Member("ann"), home.Member("bob")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(home.Accounts.AddAlias(ctx, mail.MustAddress("postmaster@home.test"), mail.MustAddress(ann.Address)))
	must(home.Accounts.AddAlias(ctx, mail.MustAddress("contact@home.test"), mail.MustAddress(ann.Address), mail.MustAddress(bob.Address)))
	must(home.Office.Change(ctx, office.Act{Who: ann.Address, What: office.Settled}, func(c *office.Settings) {
		c.Name, c.Contact, c.Step = "Les Amis de la Combe", "Marie, 03 29 00 00 00", office.Steps+1
		c.Front.FR = "# Bienvenue\n\nLe courrier des membres.\n\n- Réunion le jeudi\n- https://combe.example/programme"
	}))
	must(home.Office.Note(ctx, office.Act{Who: ann.Address, What: office.Suspended, About: bob.Address}))
	must(home.Office.Refused(ctx, office.Refusing{Who: "Orange", Scope: "ip", Server: "smtp-in.orange.fr", Form: "https://postmaster.orange.fr/"}))
	must(home.Accounts.Suspend(ctx, bob.Account.ID))
	w.Server("nowhere.test").Stop()
	ann.Send("somebody@nowhere.test", world.Subject("x"), world.Text("x"))
	ann.Send("envoi@home.test", world.Subject("Le film de la fête"), world.Text("x"), world.Attach("film.mp4", "video/mp4", []byte("film")))
	must(home.Queue.Idle(ctx, "program"))
	s := desk{Chromium: chromium, Base: "http://" + home.Addr("http"), Shots: os.Getenv("COLPORTEUR_SHOTS"), Address: ann.Address, Password: ann.Password, Pages: map[string]string{
		"overview": "/admin", "members": "/admin/members", "new": "/admin/members/new", "member": "/admin/members/bob@home.test", "directory": "/admin/directory",
		"queue": "/admin/queue", "trace": "/admin/trace", "links": "/admin/links", "settings": "/admin/settings", "acts": "/admin/acts",
		"start1": "/admin/start?step=1", "start2": "/admin/start?step=2", "start3": "/admin/start?step=3", "start4": "/admin/start?step=4", "front": "/"}}
	if s.Shots == "" {
		s.Shots = t.TempDir()
	}
	told, err := json.Marshal(s)
	must(err)
	node := exec.CommandContext(ctx, "node", "office.mjs")
	node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Chromium goes with it
	node.Cancel = func() error { return syscall.Kill(-node.Process.Pid, syscall.SIGKILL) }
	node.Stdin, node.Stderr = bytes.NewReader(told), os.Stderr
	out, err := node.Output()
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "ok ") {
			t.Log(line)
		} else {
			t.Error(line)
		}
	}
	must(err)
}
