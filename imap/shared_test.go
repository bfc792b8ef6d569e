package imap

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// neighbours are ann (account 11), bob (12), and the club that bob is in.
type neighbours struct{}

const clubAccount = 20

var neighbourhood = map[mail.AccountID]mail.Address{
	11: mail.MustAddress("ann@home.test"), 12: mail.MustAddress("bob@home.test"), clubAccount: mail.MustAddress("club@home.test"),
}

func (neighbours) Groups(_ context.Context, u mail.UserID) ([]mail.AccountID, error) {
	if u == 2 {
		return []mail.AccountID{clubAccount}, nil
	}
	return nil, nil
}

func (neighbours) AccountOf(_ context.Context, a mail.Address) (mail.AccountID, error) {
	for id, have := range neighbourhood {
		if have.Key() == a.Key() {
			return id, nil
		}
	}
	return 0, mail.Refuse(mail.NotFound, "accounts-no-such-user")
}

func (neighbours) AddressesOf(context.Context, []mail.AccountID) (map[mail.AccountID]mail.Address, error) {
	return neighbourhood, nil
}

func TestAGuestLosesAMailboxWithTheRightToReadIt(t *testing.T) {
	h := newHost(t)
	ann, bob := h.login("ann"), h.login("bob")
	ann.ok("CREATE Open")
	h.fill("Open", 3)
	ann.ok("SETACL Open bob@home.test lrs")
	bob.ok("SELECT Shared/ann@home.test/Open")
	ann.ok("SETACL Open bob@home.test l")
	if got := fmt.Sprint(bob.ok("NOOP")); strings.Count(got, "EXPUNGE") != 3 {
		t.Errorf("bob is told %s", got)
	}
	if _, tagged := bob.do("SELECT Shared/ann@home.test/Open"); !strings.HasPrefix(tagged, "NO [NOPERM]") {
		t.Errorf("got %s", tagged)
	}
	ann.ok("DELETEACL Open bob@home.test")
	if _, tagged := bob.do("SELECT Shared/ann@home.test/Open"); !strings.HasPrefix(tagged, "NO [NONEXISTENT]") {
		t.Errorf("got %s", tagged)
	}
}

func TestAGuestSeesTheirOwnSeenFlags(t *testing.T) {
	h := newHost(t)
	ann, bob, again := h.login("ann"), h.login("bob"), h.login("bob")
	h.fill("INBOX", 3)
	ann.ok("SETACL INBOX bob@home.test lrs")
	bob.ok("SELECT Shared/ann@home.test/INBOX")
	again.ok("SELECT Shared/ann@home.test/INBOX")
	ann.ok("SELECT INBOX")
	box, err := h.Mailboxes.Get(t.Context(), 11, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Mailboxes.SetSeen(t.Context(), box.ID, 12, []mailbox.UID{2}, true, 0); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*raw{"bob": bob, "bob again": again} {
		if got := strings.Join(c.ok("NOOP"), "\n"); got != `* 2 FETCH (FLAGS (\Seen))` {
			t.Errorf("%s is told %s", name, got)
		}
	}
	if got := strings.Join(ann.ok("NOOP"), "\n"); got != "* 2 FETCH (FLAGS ())" {
		t.Errorf("ann is told %s", got)
	}
	for c, want := range map[*raw]string{ann: "* STATUS INBOX (UNSEEN 3)", bob: "* STATUS Shared/ann@home.test/INBOX (UNSEEN 2)"} {
		name := strings.Fields(want)[2]
		if got := strings.Join(c.ok("STATUS "+name+" (UNSEEN)"), "\n"); strings.ReplaceAll(got, `"`, "") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := strings.Join(bob.ok("EXAMINE Shared/ann@home.test/INBOX"), "\n"); !strings.Contains(got, "[UNSEEN 1]") {
		t.Errorf("got %s", got)
	}
}

// fill puts n small mails into a mailbox of ann's.
func (h *host) fill(box string, n int) {
	h.t.Helper()
	ann := h.Accounts.(people)["ann@home.test"]
	m, err := h.Mailboxes.Get(h.t.Context(), ann.Account, box)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range n {
		h.file(ann, m.ID, i)
	}
}
