package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"colporteur/mail"
)

// space is how much each account may keep.
type space map[mail.AccountID]int64

func (s space) Quota(_ context.Context, a mail.AccountID) (int64, error) { return s[a], nil }

func TestMailsOfOthersAreCopiedWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.Quotas = space{12: 100} }) // bob's
	ann, bob := h.login("ann"), h.login("bob")
	ann.ok("SETACL INBOX bob@home.test lrste")
	ann.ok("SETACL Archive bob@home.test lrsi")
	mails := strings.Repeat(fmt.Sprintf(" (\\Seen \\Flagged) {40+}\r\n%-38s\r\n", "Subject: forty octets"), 3)
	ann.ok("APPEND INBOX" + mails)
	bob.ok("SELECT Shared/ann@home.test/INBOX")
	bob.ok(`STORE 1 +FLAGS.SILENT (\Seen)`)
	if _, got := bob.do("COPY 1:3 INBOX"); got != "NO [OVERQUOTA] kind-over-quota" {
		t.Error(got)
	}
	if _, got := bob.do("MOVE 1:3 INBOX"); got != "NO [OVERQUOTA] kind-over-quota" {
		t.Error(got)
	}
	if _, got := bob.do("COPY 1:2 INBOX"); !strings.HasPrefix(got, "OK [COPYUID ") || !strings.HasSuffix(got, " 1:2 1:2] COPY completed") {
		t.Error(got)
	}
	// Within ann's account it takes no space of anybody's.
	if got, end := bob.do("MOVE 3 Shared/ann@home.test/Archive"); len(got) != 2 || !strings.HasSuffix(got[0], " 3 1] Moved") || got[1] != "* 3 EXPUNGE" || end != "OK MOVE completed" {
		t.Errorf("%q %s", got, end)
	}
	bob.ok("EXAMINE INBOX")
	if got := bob.ok("FETCH 1:* (FLAGS RFC822.SIZE)"); !slices.Equal(got, []string{`* 1 FETCH (FLAGS (\Flagged \Seen) RFC822.SIZE 40)`, `* 2 FETCH (FLAGS (\Flagged) RFC822.SIZE 40)`}) {
		t.Errorf("bob has %q", got)
	}
	ann.ok("EXAMINE Archive")
	if got := ann.ok("FETCH 1:* (FLAGS)"); !slices.Equal(got, []string{`* 1 FETCH (FLAGS ())`}) {
		t.Errorf("ann's archive has %q", got)
	}
}
