package browser_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"colporteur/accounts"
	"colporteur/world"
)

// A program by others, jmap-jam, knows nothing of ours: it reads, searches, sets,
// listens, sends a file up and in a letter, and is refused as the RFCs say.
func TestAForeignJMAPProgramFindsWhatTheRFCsPromise(t *testing.T) {
	t.Parallel()
	ready(t)
	w := world.New(t)
	home := w.Server("home.test")
	home.JMAP.URL = "http://" + home.Addr("http")
	ann, bob := home.Member("ann", "fr"), home.Member("bob")
	bob.Send(ann.Address, world.Subject("La réunion de jeudi"), world.Text("Rendez-vous à huit heures.\r\n"))
	bob.Send(ann.Address, world.Subject("Autre chose"), world.Text("Rien.\r\n"))
	w.Settle()
	if err := home.Mailboxes.IndexAccount(t.Context(), ann.Account.Account); err != nil {
		t.Fatal(err)
	}
	password, err := home.Accounts.AddAppPassword(t.Context(), ann.Account.ID, "jam")
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(map[string]string{"base": home.JMAP.URL, "address": ann.Address, "from": bob.Address, "token": accounts.Token(ann.Address, password)})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "jam.mjs")
	node.Stdin, node.Stderr = bytes.NewReader(told), os.Stderr
	out, err := node.Output()
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "ok ") {
			t.Error(line)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := home.Queue.Idle(t.Context(), "relay"); err != nil {
		t.Fatal(err)
	}
	m := bob.Inbox().Last()
	if m.Subject != "Re: La réunion de jeudi" || !strings.Contains(m.Text, "accord") {
		t.Errorf("Bob got %q: %q", m.Subject, m.Text)
	}

	// A token ends with its password.
	apps, err := home.Accounts.AppPasswords(t.Context(), ann.Account.ID)
	if err != nil || len(apps) != 1 {
		t.Fatalf("%v %v", apps, err)
	}
	if err := home.Accounts.RevokeAppPassword(t.Context(), ann.Account.ID, apps[0].ID); err != nil {
		t.Fatal(err)
	}
	for token, why := range map[string]string{accounts.Token(ann.Address, password): "one that was revoked", accounts.Token(bob.Address, password): "another's name",
		"x": "none", "": "nothing"} {
		curl := exec.CommandContext(t.Context(), "curl", "-s", "-o", os.DevNull, "-w", "%{http_code}", "-H", "Authorization: Bearer "+token, home.JMAP.URL+"/jmap/session")
		if out, err := curl.Output(); err != nil || string(out) != "401" {
			t.Errorf("%s: %s %v", why, out, err)
		}
	}
}
