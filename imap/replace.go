package imap

import (
	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// REPLACE and UID REPLACE (RFC 8508): what a program does with every draft that
// it saves again, as one step. There is never both, nor none.

var (
	replaceCommands = commands{
		"REPLACE":     {in: selected, run: (*session).replace, numbers: true},
		"UID REPLACE": {in: selected, run: (*session).replace},
	}
	replaceCapabilities = []string{"REPLACE"}
)

func (s *session) replace(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	set, err := d.NumSet()
	if err != nil {
		return err
	}
	if set.Saved || len(set.Ranges) != 1 || set.Ranges[0].Start != set.Ranges[0].Stop {
		return bad("REPLACE takes one message")
	}
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	uids, err := s.set(set)
	if err != nil {
		return err
	}
	v := s.view
	switch {
	case v.readOnly:
		return s.refuse("", "imap-read-only")
	case !v.rights.Has(mailbox.RightDeleteMails + mailbox.RightExpunge):
		return mail.Refuse(mail.Forbidden, "kind-forbidden")
	case uids.Len() != 1:
		return mail.Refuse(mail.Gone, "kind-gone") // RFC 8508 §3.3: nothing is kept that replaces nothing
	}
	a := &uploads{session: s, d: d, single: true}
	mb, placed, err := a.file(name, &mailbox.Spot{Mailbox: v.box.ID, UID: uids.At(1)})
	if err != nil {
		return err
	}
	s.untagged(appended(mb, placed), "Replacement is here") // before the EXPUNGE (RFC 8508 §4.3)
	if s.on.qresync {
		s.sync(true)
		s.code = s.highest(v.mod)
	}
	return nil
}
