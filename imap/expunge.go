package imap

var expungeCommands = commands{}

// expungeDeleted removes all that have \Deleted and says nothing.
func (s *session) expungeDeleted() error {
	_, err := s.srv.Mailboxes.Expunge(s.ctx, s.view.box.ID, nil, true)
	return err
}
