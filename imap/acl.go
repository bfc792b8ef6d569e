package imap

import (
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

var aclCommands = commands{
	"SETACL":     {in: member, run: (*session).setACL},
	"DELETEACL":  {in: member, run: (*session).deleteACL},
	"GETACL":     {in: member, run: (*session).getACL},
	"LISTRIGHTS": {in: member, run: (*session).listRights},
	"MYRIGHTS":   {in: member, run: (*session).myRights},
}

var aclCapabilities = []string{"ACL", "RIGHTS=kxte"} // RFC 4314 §2.2

// In an ACL members and groups are named by their addresses. There are no
// negative rights, and nobody is "anyone": whoever is to see a mailbox is named.

// aclNames reads a mailbox, and an identifier when who is asked for.
func aclNames(d *wire.Decoder, who bool) (name, id string, err error) {
	if err = d.SP(); err != nil {
		return
	}
	if name, err = d.Mailbox(); err != nil || !who {
		return
	}
	if err = d.SP(); err != nil {
		return
	}
	id, err = d.AString()
	return
}

// administered finds a mailbox whose ACL this member may see and change.
func (s *session) administered(name string) (mailbox.Mailbox, error) {
	m, _, err := s.box(name, mailbox.RightAdminister, false)
	return m, err
}

// grantee finds whom an identifier names, and whether it is the member whose
// mailbox m is: theirs are all rights always.
func (s *session) grantee(m mailbox.Mailbox, id string) (account mail.AccountID, owner bool, err error) {
	unknown := s.refuse("CANNOT", "imap-acl-nobody")
	a, err := mail.ParseAddress(id)
	people := s.srv.Mailboxes.People
	if err != nil || people == nil {
		return 0, false, unknown
	}
	account, err = people.AccountOf(s.ctx, a)
	if mail.Is(err, mail.NotFound) {
		return 0, false, unknown
	}
	if err != nil || account != m.Account {
		return account, false, err
	}
	// A group's entry among its own mailboxes is its members'.
	grants, err := s.srv.Mailboxes.Grants(s.ctx, m)
	for _, g := range grants {
		owner = owner || g.Account == account && g.Rights.Has(mailbox.AllRights)
	}
	return account, owner, err
}

func (s *session) setACL(d *wire.Decoder) error {
	name, id, err := aclNames(d, true)
	if err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	how, err := d.AString()
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	rights, err := mailbox.ParseRights(strings.TrimLeft(how[:min(1, len(how))], "+-") + how[min(1, len(how)):])
	if err != nil {
		return err
	}
	return s.changeACL(name, id, func(have mailbox.Rights) mailbox.Rights {
		switch {
		case strings.HasPrefix(how, "+"):
			return have.With(rights)
		case strings.HasPrefix(how, "-"):
			return have.Without(rights)
		}
		return rights
	})
}

func (s *session) deleteACL(d *wire.Decoder) error {
	name, id, err := aclNames(d, true)
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	return s.changeACL(name, id, func(mailbox.Rights) mailbox.Rights { return "" })
}

func (s *session) changeACL(name, id string, f func(have mailbox.Rights) mailbox.Rights) error {
	m, err := s.administered(name)
	if err != nil {
		return err
	}
	account, owner, err := s.grantee(m, id)
	if err != nil {
		return err
	}
	if owner {
		return s.refuse("CANNOT", "imap-acl-owner")
	}
	grants, err := s.srv.Mailboxes.Grants(s.ctx, m)
	if err != nil {
		return err
	}
	var have mailbox.Rights
	for _, g := range grants {
		if g.Account == account {
			have = g.Rights
		}
	}
	return s.srv.Mailboxes.Grant(s.ctx, m, account, f(have))
}

func (s *session) getACL(d *wire.Decoder) error {
	name, _, err := aclNames(d, false)
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	m, err := s.administered(name)
	if err != nil {
		return err
	}
	grants, err := s.srv.Mailboxes.Grants(s.ctx, m)
	if err != nil {
		return err
	}
	names := map[mail.AccountID]mail.Address{s.user.Account: s.user.Address}
	if people := s.srv.Mailboxes.People; people != nil {
		accounts := make([]mail.AccountID, len(grants))
		for i, g := range grants {
			accounts[i] = g.Account
		}
		if names, err = people.AddressesOf(s.ctx, accounts); err != nil {
			return err
		}
	}
	s.e.Raw("* ACL ").Mailbox(mailbox.Name(name))
	for _, g := range grants {
		if a, ok := names[g.Account]; ok {
			s.e.SP().String(a.String()).SP().Raw(g.Rights.Told())
		}
	}
	s.e.CRLF()
	return nil
}

// listRights: each right can be given by itself, but an owner has them all.
func (s *session) listRights(d *wire.Decoder) error {
	name, id, err := aclNames(d, true)
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	m, err := s.administered(name)
	if err != nil {
		return err
	}
	_, owner, err := s.grantee(m, id)
	if err != nil {
		return err
	}
	s.e.Raw("* LISTRIGHTS ").Mailbox(mailbox.Name(name)).SP().String(id)
	if owner {
		s.e.SP().Raw(mailbox.AllRights.Told()).CRLF()
		return nil
	}
	s.e.Raw(` ""`)
	for _, r := range mailbox.AllRights.Told() {
		s.e.SP().Raw(string(r))
	}
	s.e.CRLF()
	return nil
}

func (s *session) myRights(d *wire.Decoder) error {
	name, _, err := aclNames(d, false)
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	_, rights, err := s.box(name, mailbox.RightLookup, false)
	if err != nil {
		return err
	}
	s.e.Raw("* MYRIGHTS ").Mailbox(mailbox.Name(name)).SP().Raw(rights.Told()).CRLF()
	return nil
}
