package imap

import (
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
)

// IDLE (RFC 2177): changes are told as they happen.

var (
	idleCommands     = commands{"IDLE": {in: member, run: (*session).idle}}
	idleCapabilities = []string{"IDLE"}
)

func (s *session) idle(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	changed, end := s.srv.Mailboxes.Watch(s.watched()...)
	defer end()
	if err := d.Continue("idling"); err != nil {
		return err
	}
	s.conn.waiting(true)
	var input <-chan error
	for {
		// Watching began before this look: nothing falls between the two.
		if s.view != nil {
			s.sync(true)
		}
		if err := s.e.Flush(); err != nil {
			s.conn.leave("imap-session-ended") // wakes the goroutine that reads
			if input != nil {
				<-input
			}
			return err
		}
		said, err := s.await(&input, changed)
		if err != nil {
			return err
		}
		if said {
			break
		}
	}
	s.conn.waiting(false)
	line, err := d.Line()
	if err != nil {
		return err
	}
	if !strings.EqualFold(line, "DONE") {
		return bad("Expected DONE")
	}
	return nil
}

// watched are the accounts whose changes this session may have to tell of.
func (s *session) watched() []mail.AccountID {
	if s.view != nil && s.view.box.Account != s.user.Account {
		return []mail.AccountID{s.user.Account, s.view.box.Account}
	}
	return []mail.AccountID{s.user.Account}
}
