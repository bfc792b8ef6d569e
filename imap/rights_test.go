package imap

import (
	"fmt"
	"strings"
	"testing"

	"colporteur/store/mailbox"
)

// TestARightIsWhatItTakes asks for everything there is with every right but one,
// and with nothing but the rights that it takes (RFC 4314 §4).
func TestARightIsWhatItTakes(t *testing.T) {
	h := newHost(t)
	ann, bob := h.login("ann"), h.login("bob")
	ann.ok("CREATE Target")
	ann.ok("SETACL Target bob@home.test li")
	box, n := "", 0
	// begin makes a mailbox of ann's in which bob has these rights, with three
	// mails in it, the second of which has \Deleted.
	begin := func(rights string) {
		t.Helper()
		n++
		box = fmt.Sprintf("Box%d", n)
		ann.ok("CREATE " + box)
		h.fill(box, 3)
		m, err := h.Mailboxes.Get(t.Context(), 11, box)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Mailboxes.SetFlags(t.Context(), m.ID, []mailbox.UID{2}, mailbox.AddFlags, []string{`\Deleted`}, 0); err != nil {
			t.Fatal(err)
		}
		ann.ok("SETACL " + box + " bob@home.test " + rights)
	}
	const all = "lrswipkxtea"
	for _, c := range []struct {
		cmd, takes string
		selected   bool
	}{
		{"SELECT BOX", "lr", false},
		{"STATUS BOX (MESSAGES)", "lr", false},
		{"MYRIGHTS BOX", "l", false},
		{"SUBSCRIBE BOX", "l", false},
		{"CREATE BOX/below", "lk", false},
		{"DELETE BOX", "lx", false},
		{"RENAME BOX Shared/ann@home.test/BOX", "lx", false},
		{"GETACL BOX", "la", false},
		{"SETACL BOX club@home.test lr", "la", false},
		{"DELETEACL BOX club@home.test", "la", false},
		{"LISTRIGHTS BOX club@home.test", "la", false},
		{"GETQUOTAROOT BOX", "lr", false},
		{"GETMETADATA BOX /private/x", "lr", false},
		{`SETMETADATA BOX (/private/x "x")`, "lr", false},
		{`SETMETADATA BOX (/shared/x "x")`, "lrw", false},
		{"APPEND BOX {20+}\r\nSubject: x\r\n\r\nbody\r\n", "li", false},
		{`STORE 1 +FLAGS (\Seen)`, "lrs", true},
		{`STORE 1 +FLAGS (\Flagged)`, "lrw", true},
		{`STORE 1 +FLAGS (\Deleted)`, "lrt", true},
		{`EXPUNGE`, "lre", true},
		{`MOVE 1 Shared/ann@home.test/Target`, "lrte", true},
		{`COPY 1 Shared/ann@home.test/Target`, "lr", true},
	} {
		try := func(rights string) string {
			t.Helper()
			begin(rights)
			shared := "Shared/ann@home.test/" + box
			cmd := strings.Replace(c.cmd, "BOX Shared/ann@home.test/BOX", shared+" "+shared+"/x", 1)
			cmd = strings.Replace(cmd, "BOX", shared, 1)
			if c.selected {
				if _, tagged := bob.do("SELECT " + shared); !strings.HasPrefix(tagged, "OK") {
					return tagged
				}
			}
			_, tagged := bob.do(cmd)
			return tagged
		}
		if c.cmd[:3] == "REN" { // the new name is made in the account, where bob may make none
			continue
		}
		if got := try(c.takes); !strings.HasPrefix(got, "OK") {
			t.Errorf("%s with %q: %s", c.cmd, c.takes, got)
		}
		for _, without := range c.takes {
			got := try(strings.ReplaceAll(all, string(without), ""))
			want := "NO [NOPERM]"
			if without == 'l' {
				want = "NO [NONEXISTENT]"
				if c.cmd[:3] == "APP" {
					want = "NO [TRYCREATE]"
				}
				if c.cmd[:3] == "CRE" {
					want = "NO [N" // whether there is something that bob does not see is not said
				}
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s without %q: %s, want %s", c.cmd, without, got, want)
			}
		}
	}
}

func TestAMailIsFiledWithTheFlagsThatOneMaySet(t *testing.T) {
	h := newHost(t)
	ann, bob := h.login("ann"), h.login("bob")
	ann.ok("CREATE Box")
	ann.ok("SETACL Box bob@home.test lrsi")
	bob.append("Shared/ann@home.test/Box", `\Seen \Flagged \Deleted x`, "Subject: x\n\nbody\n")
	ann.ok("SELECT Box")
	bob.ok("SELECT Shared/ann@home.test/Box")
	for c, want := range map[*raw]string{ann: "* 1 FETCH (FLAGS ())", bob: `* 1 FETCH (FLAGS (\Seen))`} {
		if got := strings.Join(c.ok("FETCH 1 FLAGS"), "\n"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
