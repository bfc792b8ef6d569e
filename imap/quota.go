package imap

import (
	"context"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

var quotaCommands = commands{
	"GETQUOTA":     {in: member, run: (*session).getQuota},
	"GETQUOTAROOT": {in: member, run: (*session).getQuotaRoot},
	"SETQUOTA":     {in: member, run: (*session).setQuota},
}

var quotaCapabilities = []string{"QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MAILBOX"}

// Quotas says how much an account may keep.
type Quotas interface {
	// Quota is in octets; 0 is no limit.
	Quota(ctx context.Context, account mail.AccountID) (int64, error)
}

// A quota root is an account, named by its address (RFC 9208 §3.2).

func (s *session) getQuota(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	root, err := d.AString()
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	account, ok, err := s.root(root)
	if err != nil {
		return err
	}
	if !ok {
		return s.refuse("NONEXISTENT", "imap-no-quota-root")
	}
	return s.showQuota(root, account)
}

// root finds the account of a root: one's own, or one of which this member sees
// a mailbox.
func (s *session) root(name string) (mail.AccountID, bool, error) {
	a, err := mail.ParseAddress(name)
	if err != nil {
		return 0, false, nil
	}
	if a.Key() == s.user.Address.Key() {
		return s.user.Account, true, nil
	}
	people := s.srv.Mailboxes.People
	if people == nil {
		return 0, false, nil
	}
	account, err := people.AccountOf(s.ctx, a)
	if err != nil {
		return 0, false, quiet(err)
	}
	folders, err := s.srv.Mailboxes.Folders(s.ctx, s.user)
	for _, f := range folders {
		if f.Exists && f.Account == account {
			return account, true, nil
		}
	}
	return 0, false, err
}

// quiet is nil for what is only not there.
func quiet(err error) error {
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	return err
}

func (s *session) getQuotaRoot(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	m, _, err := s.box(name, mailbox.RightRead, false)
	if err != nil {
		return err
	}
	root := s.user.Address.String()
	if m.Account != s.user.Account {
		names, err := s.srv.Mailboxes.People.AddressesOf(s.ctx, []mail.AccountID{m.Account})
		if err != nil {
			return err
		}
		root = names[m.Account].String()
	}
	s.e.Raw("* QUOTAROOT ").Mailbox(mailbox.Name(name)).SP().String(root).CRLF()
	return s.showQuota(root, m.Account)
}

// showQuota is the QUOTA response. Only what has a limit is a resource of a root.
func (s *session) showQuota(root string, account mail.AccountID) error {
	limit := int64(0)
	if s.srv.Quotas != nil {
		var err error
		if limit, err = s.srv.Quotas.Quota(s.ctx, account); err != nil {
			return err
		}
	}
	used, boxes, err := s.srv.Mailboxes.Load(s.ctx, account)
	if err != nil {
		return err
	}
	s.e.Raw("* QUOTA ").String(root).Raw(" (")
	if limit > 0 {
		const unit = 1024 // RFC 9208 §5.1
		s.e.Raw("STORAGE ").Num64((used + unit - 1) / unit).SP().Num64(limit / unit).SP()
	}
	s.e.Raw("MAILBOX ").Num64(int64(boxes)).SP().Num64(mailbox.MaxBoxes).Raw(")").CRLF()
	return nil
}

// setQuota: limits are the operator's.
func (s *session) setQuota(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	if _, err := d.AString(); err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	err := d.List(func() error {
		if _, err := d.Word(); err != nil {
			return err
		}
		if err := d.SP(); err != nil {
			return err
		}
		_, err := d.Number64()
		return err
	})
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	return mail.Refuse(mail.Forbidden, "kind-forbidden")
}
