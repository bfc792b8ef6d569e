package imap

import (
	"slices"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3 and §6.4.9).

var expungeCommands = commands{
	"EXPUNGE":     {in: selected, run: (*session).expunge},
	"UID EXPUNGE": {in: selected, run: (*session).expunge},
}

func (s *session) expunge(d *wire.Decoder) error {
	var uids []mailbox.UID // nil: all that are \Deleted
	if s.byUID {
		if err := d.SP(); err != nil {
			return err
		}
		set, err := d.NumSet()
		if err != nil {
			return err
		}
		some, err := s.set(set)
		if err != nil {
			return err
		}
		some, s.code = s.limit(some)
		uids = append([]mailbox.UID{}, slices.Collect(some.All)...)
	}
	if err := d.End(); err != nil {
		return err
	}
	v := s.view
	if v.readOnly {
		return s.refuse("", "imap-read-only")
	}
	if !v.rights.Has(mailbox.RightExpunge) {
		return mail.Refuse(mail.Forbidden, "kind-forbidden")
	}
	gone, err := s.srv.Mailboxes.Expunge(s.ctx, v.box.ID, uids, true)
	if err != nil {
		return err
	}
	if set := mailbox.MakeUIDSet(gone...).And(v.uids); set.Len() > 0 {
		s.tellGone(set)
	}
	if s.on.qresync && len(gone) > 0 {
		// What others did meanwhile is told first: the code says that all is known.
		s.sync(true)
		if s.code != "" { // there is room for one code only
			s.untagged(s.code, "The others were not looked at")
		}
		s.code = s.highest(v.mod)
	}
	return nil
}

// expungeDeleted removes all that have \Deleted and says nothing, but for a
// warning when a program keeps them: CLOSE has no NO (RFC 9051 §6.4.1).
func (s *session) expungeDeleted() error {
	_, err := s.srv.Mailboxes.Expunge(s.ctx, s.view.box.ID, nil, true)
	if mail.Is(err, mail.Policy) {
		no := s.srv.reply(s.user.Lang, err)
		s.e.Raw("* NO [" + no.code + "] " + no.text).CRLF()
		return nil
	}
	return err
}
