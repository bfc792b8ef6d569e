package imap

import (
	"slices"
	"testing"
)

func TestOneCommandWorksOnSoManyMessages(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(s *Server) { s.MessageLimit = 3 })
	ann := h.Accounts.(people)["ann@home.test"]
	m, err := h.Mailboxes.Get(t.Context(), ann.Account, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		h.file(ann, m.ID, n)
	}
	c := h.login("ann")
	c.ok("SELECT INBOX")
	for _, x := range []struct {
		name, cmd string
		says      []string
		ends      string
	}{
		{"fetch", "UID FETCH 1:* (UID)", []string{"* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)", "* 5 FETCH (UID 5)"}, "OK [MESSAGELIMIT 3 3] UID FETCH completed"},
		{"within the limit", "UID FETCH 1:3 (UID)", []string{"* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"}, "OK UID FETCH completed"},
		{"store", `UID STORE 1:* +FLAGS.SILENT (\Deleted)`, nil, "OK [MESSAGELIMIT 3 3] UID STORE completed"},
		{"what store left out", `UID SEARCH UNDELETED`, []string{"* SEARCH 1 2"}, "OK UID SEARCH completed"},
		{"copy, all or none", `UID COPY 1:* Archive`, nil, "NO [MESSAGELIMIT 3] Too many messages at once"},
		{"move, all or none", `MOVE 1:4 Archive`, nil, "NO [MESSAGELIMIT 3] Too many messages at once"},
		{"nothing was copied", `STATUS Archive (MESSAGES)`, []string{`* STATUS "Archive" (MESSAGES 0)`}, "OK STATUS completed"},
		{"the rest", `UID STORE 1:2 +FLAGS.SILENT (\Deleted)`, nil, "OK UID STORE completed"},
		{"expunge", "UID EXPUNGE 1:*", []string{"* 5 EXPUNGE", "* 4 EXPUNGE", "* 3 EXPUNGE"}, "OK [MESSAGELIMIT 3 3] UID EXPUNGE completed"},
	} {
		says, ends := c.do(x.cmd)
		if !slices.Equal(says, x.says) || ends != x.ends {
			t.Errorf("%s: %q %q, want %q %q", x.name, says, ends, x.says, x.ends)
		}
	}
}
