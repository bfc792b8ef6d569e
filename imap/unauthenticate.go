package imap

import (
	"time"

	"colporteur/imap/wire"
	"colporteur/mail"
)

// unauthenticate makes the connection a stranger's again (RFC 8437): a web mail
// keeps it for the next member. TLS and compression stay.
func (s *session) unauthenticate(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	s.leaveBox()
	s.srv.exit(s.conn)
	s.conn.signedIn(false, time.Now().Add(or(s.srv.LoginTime, time.Minute)))
	s.user, s.hidden, s.on, s.notifies = mail.User{}, nil, enabled{}, nil
	s.d.UTF8, s.e.UTF8 = false, false
	s.d.Limits = wire.Before
	return nil
}
