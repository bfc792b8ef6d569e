package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
)

// closed is a program that takes nothing and gives nothing away, with the
// sentence it is given; a mail that comes while it has none is filed.
type closed struct{ no error }

func (c *closed) Arrive(context.Context, *store.Tx, mailbox.Mailbox, mailbox.How, []mailbox.Entry) error {
	return c.no
}

func (c *closed) Leave(context.Context, *store.Tx, mailbox.Mailbox, mailbox.How, []mailbox.Entry, mailbox.ID) error {
	return c.no
}

func (c *closed) Mark(context.Context, *store.Tx, mailbox.Mailbox, []mailbox.Entry, bool) error {
	return c.no
}
func (c *closed) Rename(context.Context, *store.Tx, mailbox.Mailbox, string) error { return c.no }
func (c *closed) Delete(context.Context, *store.Tx, mailbox.Mailbox) error         { return c.no }

// album makes a mailbox with a program behind it for ann and one for bob, whose
// language is French, each with three mails of which the second has \Deleted,
// and three mails in their INBOX.
func album(h *host) *closed {
	h.t.Helper()
	c := &closed{}
	h.Mailboxes.Programs = map[string]mailbox.Program{"album": c}
	err := h.files.db.Write(h.t.Context(), func(tx *store.Tx) error {
		_, one := h.Mailboxes.CreateProgram(h.t.Context(), tx, 11, "Albums/Sea", "album", 1)
		_, two := h.Mailboxes.CreateProgram(h.t.Context(), tx, 12, "Albums/Sea", "album", 2)
		return errors.Join(one, two)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range []string{"ann", "bob"} {
		who := h.login(name)
		for i := range 3 {
			who.append("Albums/Sea", map[int]string{1: `\Deleted`}[i], "Subject: photo\n\nbody\n")
			who.append("INBOX", "", "Subject: mail\n\nbody\n")
		}
	}
	return c
}

func inWords(s *Server) {
	s.Render = func(lang string, t mail.Text) string { return locale.For(lang).Text(t) }
}

// changes are the commands that a program hears of, with the mailbox that is selected.
var changes = []struct{ box, cmd string }{
	{"", "APPEND Albums/Sea {20+}\r\nSubject: x\r\n\r\nbody\r\n"},
	{"INBOX", "COPY 1:* Albums/Sea"},
	{"INBOX", "UID COPY 2 Albums/Sea"},
	{"INBOX", "MOVE 1:2 Albums/Sea"},
	{"Albums/Sea", "MOVE 1:2 INBOX"},
	{"Albums/Sea", "MOVE 1 Albums/Sea"},
	{"Albums/Sea", "UID MOVE 3 INBOX"},
	{"Albums/Sea", "EXPUNGE"},
	{"Albums/Sea", "UID EXPUNGE 1:*"},
	{"Albums/Sea", `STORE 1 +FLAGS (\Deleted)`},
	{"Albums/Sea", `UID STORE 1:* FLAGS.SILENT (\Seen)`},
	{"", "RENAME Albums/Sea Albums/Ocean"},
	{"", "RENAME Albums Photos"},
	{"", "DELETE Albums/Sea"},
}

func TestARefusalOfAProgramIsReadInOnesLanguage(t *testing.T) {
	h := newHost(t, inWords)
	c := album(h)
	tell := func(who *raw) string {
		who.t.Helper()
		said := who.ok(`LIST "" * RETURN (STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ SIZE DELETED))`)
		for _, box := range []string{"Albums/Sea", "INBOX"} {
			who.ok("EXAMINE " + box)
			said = append(said, who.ok("UID FETCH 1:* (FLAGS MODSEQ EMAILID)")...)
		}
		return strings.Join(said, "\n")
	}
	for name, sentence := range map[string]string{
		"ann": "There are mailboxes inside this one. Remove those first.",
		"bob": "Il y a deja un dossier de ce nom.",
	} {
		who, other := h.login(name), h.login(name)
		id := map[string]string{"ann": "mailbox-has-children", "bob": "mailbox-exists"}[name]
		for _, kind := range []mail.Kind{mail.Policy, mail.Forbidden, mail.NotFound} {
			for _, change := range changes {
				if id == "mailbox-has-children" && strings.HasPrefix(change.cmd, "DELETE") {
					continue // that sentence has a code of its own there
				}
				before := tell(other)
				if change.box != "" {
					who.ok("SELECT " + change.box)
				}
				c.no = mail.Refuse(kind, id)
				said, tagged := who.do(change.cmd)
				if want := "NO [CANNOT] " + sentence; tagged != want {
					t.Errorf("%s: %s: got %s, want %s", name, change.cmd, tagged, want)
				}
				if len(said) > 0 {
					t.Errorf("%s: %s was refused after %q", name, change.cmd, said)
				}
				c.no = nil
				if after := tell(other); after != before {
					t.Errorf("%s: after %s was refused there is\n%s\nthere was\n%s", name, change.cmd, after, before)
				}
			}
		}
	}
}

func TestClosingAMailboxWhoseProgramKeepsItsMailsIsAWarning(t *testing.T) {
	h := newHost(t, inWords)
	c := album(h)
	c.no = mail.Refuse(mail.Policy, "mailbox-exists")
	who := h.login("bob")
	who.ok("SELECT Albums/Sea")
	if got := fmt.Sprint(who.ok("CLOSE")); got != "[* NO [CANNOT] Il y a deja un dossier de ce nom.]" {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(who.ok("STATUS Albums/Sea (MESSAGES DELETED)")); !strings.Contains(got, "MESSAGES 3 DELETED 1") {
		t.Errorf("got %s", got)
	}
}

func TestAMailboxWhoseProgramIsAwayIsReadAndNotChanged(t *testing.T) {
	h := newHost(t, inWords)
	album(h)
	h.Mailboxes.Programs = nil
	who := h.login("bob")
	for _, change := range changes {
		if change.box != "" {
			who.ok("SELECT " + change.box)
			who.ok("FETCH 1:* (FLAGS BODY.PEEK[])")
			who.ok(`STORE 1 +FLAGS (\Flagged)`) // which is none of the program's business
		}
		_, tagged := who.do(change.cmd)
		if !strings.HasPrefix(tagged, "NO [UNAVAILABLE] Ce dossier depend d'un service") {
			t.Errorf("%s: %s", change.cmd, tagged)
		}
	}
}

// TestASessionSeesWhatAProgramMakesOfAMail has an album put two mails in place
// of each that comes.
func TestASessionSeesWhatAProgramMakesOfAMail(t *testing.T) {
	h := newHost(t)
	album(h)
	h.Mailboxes.Programs["album"] = splitter{h.Mailboxes}
	ann := h.login("ann")
	ann.ok("SELECT Albums/Sea")
	_, tagged := ann.do("APPEND Albums/Sea {20+}\r\nSubject: x\r\n\r\nbody\r\n")
	if !strings.HasPrefix(tagged, "OK [APPENDUID ") || !strings.Contains(tagged, " 4] ") {
		t.Errorf("got %s", tagged)
	}
	ann.ok("NOOP")
	if got := fmt.Sprint(ann.ok("FETCH 1:* UID")); got != "[* 1 FETCH (UID 1) * 2 FETCH (UID 2) * 3 FETCH (UID 3) * 4 FETCH (UID 5) * 5 FETCH (UID 6)]" {
		t.Errorf("got %s", got)
	}
	ann.ok("SELECT INBOX")
	if said, tagged := ann.do("MOVE 1:2 Albums/Sea"); !strings.HasPrefix(tagged, "OK") || !strings.Contains(fmt.Sprint(said), " 1:2 7:8]") {
		t.Errorf("got %s %s", said, tagged)
	}
	if got := fmt.Sprint(ann.ok("STATUS Albums/Sea (MESSAGES UIDNEXT)")); got != "[* STATUS \"Albums/Sea\" (MESSAGES 9 UIDNEXT 13)]" {
		t.Errorf("got %s", got)
	}
}

type splitter struct{ *mailbox.Store }

func (p splitter) Arrive(ctx context.Context, tx *store.Tx, box mailbox.Mailbox, _ mailbox.How, mails []mailbox.Entry) error {
	for _, m := range mails {
		if err := p.Withdraw(ctx, tx, box.ID, []mailbox.UID{m.UID}); err != nil {
			return err
		}
		for range 2 {
			if _, err := p.Append(ctx, tx, box.Account, box.ID, &mailbox.Incoming{Message: m.Message, Size: m.Size}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (splitter) Leave(context.Context, *store.Tx, mailbox.Mailbox, mailbox.How, []mailbox.Entry, mailbox.ID) error {
	return nil
}

func (splitter) Mark(context.Context, *store.Tx, mailbox.Mailbox, []mailbox.Entry, bool) error {
	return nil
}
func (splitter) Rename(context.Context, *store.Tx, mailbox.Mailbox, string) error { return nil }
func (splitter) Delete(context.Context, *store.Tx, mailbox.Mailbox) error         { return nil }
