package imap

import (
	"strings"
	"testing"
)

func TestSelectSaysWhatAMailboxIsLike(t *testing.T) {
	h := newHost(t)
	c := h.login("ann")
	got := strings.Join(c.ok("SELECT inbox"), "\n")
	for _, want := range []string{"* 0 EXISTS", "* OK [UIDVALIDITY ", "* OK [UIDNEXT 1]", "* OK [HIGHESTMODSEQ ", "* OK [MAILBOXID (m"} {
		if !strings.Contains(got, want) {
			t.Errorf("SELECT says\n%s\nwithout %q", got, want)
		}
	}
}

func TestLogoutIsAnsweredAndEndsTheConnection(t *testing.T) {
	h := newHost(t)
	c := h.login("ann")
	c.send("x LOGOUT\r\n")
	if got := c.rest(); got != "* BYE Logging out\r\nx OK LOGOUT completed\r\n" {
		t.Errorf("got %q", got)
	}
}
