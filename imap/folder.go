package imap

import (
	"errors"
	"slices"
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

var folderCommands = commands{
	"CREATE":      {in: member, run: (*session).create},
	"DELETE":      {in: member, run: (*session).delete},
	"RENAME":      {in: member, run: (*session).rename},
	"SUBSCRIBE":   {in: member, run: (*session).subscribe},
	"UNSUBSCRIBE": {in: member, run: (*session).unsubscribe},
}

var folderCapabilities = []string{"CREATE-SPECIAL-USE"}

// oneMailbox reads a name that is all there is to a command.
func oneMailbox(d *wire.Decoder) (string, error) {
	if err := d.SP(); err != nil {
		return "", err
	}
	name, err := d.Mailbox()
	if err != nil {
		return "", err
	}
	return name, d.End()
}

// parseUse reads "(USE (\Sent))" of CREATE (RFC 6154 §3).
func parseUse(d *wire.Decoder) (roles []mailbox.Role, err error) {
	err = d.List(func() error {
		word, err := d.Word()
		if err != nil {
			return err
		}
		if word != "USE" {
			return bad("Unknown parameter of CREATE")
		}
		if err := d.SP(); err != nil {
			return err
		}
		return d.List(func() error {
			flag, err := d.Flag()
			if err != nil {
				return err
			}
			role := mailbox.Role("")
			for r, use := range uses {
				if strings.EqualFold(use, flag) {
					role = r
				}
			}
			roles = append(roles, role)
			return nil
		})
	})
	return roles, err
}

func (s *session) create(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	var roles []mailbox.Role
	if d.Is(' ') {
		if roles, err = parseUse(d); err != nil {
			return err
		}
	}
	if err := d.End(); err != nil {
		return err
	}
	account, local, err := s.srv.Mailboxes.MayCreate(s.ctx, s.user, name)
	if err != nil {
		return err
	}
	// One role for a mailbox, and only among one's own: whose Sent would it be?
	if len(roles) > 1 || slices.Contains(roles, "") || len(roles) > 0 && account != s.user.Account {
		return s.refuse("USEATTR", "imap-folder-use")
	}
	role := mailbox.Role("")
	if len(roles) > 0 {
		role = roles[0]
	}
	m, err := s.srv.Mailboxes.CreateAs(s.ctx, account, local, role)
	if err != nil {
		return err
	}
	s.sayName(mailbox.Name(name), strings.TrimSuffix(name, "/"))
	s.code = "MAILBOXID (" + mailbox.ObjectID('m', int64(m.ID)) + ")" // RFC 8474 §4.1
	return nil
}

// sayName tells who knows IMAP4rev2 that a mailbox is called otherwise than they
// say (RFC 9051 §6.3.9.7).
func (s *session) sayName(now, old string) {
	if s.on.rev2 && now != old {
		s.e.Raw(`* LIST () "/" `).Mailbox(now).Raw(` ("OLDNAME" (`).Mailbox(old).Raw("))").CRLF()
	}
}

func (s *session) delete(d *wire.Decoder) error {
	name, err := oneMailbox(d)
	if err != nil {
		return err
	}
	m, _, err := s.box(name, mailbox.RightDelete, false)
	if err != nil {
		return err
	}
	err = s.srv.Mailboxes.Remove(s.ctx, m.Account, m.Name)
	var e *mail.Error
	if errors.As(err, &e) && e.Text.ID == "mailbox-has-children" {
		return s.refuse("HASCHILDREN", e.Text.ID)
	}
	return err
}

func (s *session) rename(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	from, err := d.Mailbox()
	if err != nil {
		return err
	}
	to, err := oneMailbox(d)
	if err != nil {
		return err
	}
	m, _, err := s.box(from, mailbox.RightDelete, false)
	if err != nil {
		return err
	}
	account, local, err := s.srv.Mailboxes.MayCreate(s.ctx, s.user, to)
	if err != nil {
		return err
	}
	if account != m.Account {
		return s.refuse("CANNOT", "imap-rename-away")
	}
	if err := s.srv.Mailboxes.Rename(s.ctx, account, m.Name, local); err != nil {
		return err
	}
	s.sayName(mailbox.Name(to), mailbox.Name(from))
	return nil
}

func (s *session) subscribe(d *wire.Decoder) error {
	name, err := oneMailbox(d)
	if err != nil {
		return err
	}
	if _, _, err := s.box(name, mailbox.RightLookup, false); err != nil {
		return err
	}
	return s.srv.Mailboxes.Subscribe(s.ctx, s.user.Account, name, true)
}

// unsubscribe takes names of what is gone too.
func (s *session) unsubscribe(d *wire.Decoder) error {
	name, err := oneMailbox(d)
	if err != nil {
		return err
	}
	return s.srv.Mailboxes.Subscribe(s.ctx, s.user.Account, name, false)
}
