package imap

import (
	"strconv"
	"strings"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

var selectCommands = commands{
	"SELECT":   {in: member, run: func(s *session, d *wire.Decoder) error { return s.selectBox(d, false) }},
	"EXAMINE":  {in: member, run: func(s *session, d *wire.Decoder) error { return s.selectBox(d, true) }},
	"UNSELECT": {in: selected, run: (*session).unselect},
	"CLOSE":    {in: selected, run: (*session).closeBox},
}

// box finds a mailbox by the name that this member uses, in which they have all
// the rights of need. Without the right to see it, it does not exist. create says which answer a
// client expects that would create it and try again (RFC 9051 §7.1 TRYCREATE).
func (s *session) box(name string, need mailbox.Rights, create bool) (mailbox.Mailbox, mailbox.Rights, error) {
	mb, have, err := s.srv.Mailboxes.Resolve(s.ctx, s.user, name)
	switch {
	case mail.Is(err, mail.NotFound) && create:
		return mb, have, s.refuse("TRYCREATE", "imap-no-folder")
	case mail.Is(err, mail.NotFound):
		return mb, have, s.refuse("NONEXISTENT", "imap-no-folder")
	case err != nil:
		return mb, have, err
	case !have.Has(need):
		return mb, have, mail.Refuse(mail.Forbidden, "kind-forbidden")
	}
	return mb, have, nil
}

// selecting is what a SELECT asks for beside the mailbox.
type selecting struct {
	condstore bool
	qresync   *resync // nil: not asked for
}

func (s *session) selectBox(d *wire.Decoder, readOnly bool) error {
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	var opt selecting
	if d.Is(' ') {
		err = d.List(func() error {
			word, err := d.Word()
			if err != nil {
				return err
			}
			switch word {
			case "CONDSTORE":
				opt.condstore = true
			case "QRESYNC":
				opt.qresync, err = s.parseResync(d)
			default:
				err = bad("Unknown parameter of SELECT")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := d.End(); err != nil {
		return err
	}
	if s.view != nil {
		// Also when the SELECT fails (RFC 9051 §6.3.2).
		s.leaveBox()
		if s.on.rev2 || s.on.qresync {
			s.untagged("CLOSED", "Previous mailbox is closed") // RFC 7162 §3.2.11
		}
	}
	if opt.condstore || opt.qresync != nil {
		s.on.condstore = true
	}
	mb, rights, err := s.box(name, mailbox.RightRead, false)
	if err != nil {
		return err
	}
	now, err := s.srv.Mailboxes.Snapshot(s.ctx, mb.ID)
	if mail.Is(err, mail.NotFound) {
		return s.refuse("NONEXISTENT", "imap-no-folder")
	}
	if err != nil {
		return err
	}
	v := &view{box: now.Mailbox(), rights: rights, readOnly: readOnly || !rights.MayChange(), examined: readOnly,
		uids: now.UIDs(), mod: now.Mailbox().HighestMod, keywords: now.Keywords()}
	s.view = v
	if err := s.visit(now); err != nil {
		s.leaveBox()
		return err
	}
	s.describe(name, now)
	if opt.qresync != nil {
		if err := s.resync(opt.qresync, now); err != nil {
			s.leaveBox()
			return err
		}
	}
	s.code = "READ-WRITE"
	if v.readOnly {
		s.code = "READ-ONLY"
	}
	return nil
}

// describe says what a mailbox is like.
func (s *session) describe(name string, now *mailbox.Snapshot) {
	v, mb := s.view, now.Mailbox()
	s.e.Raw("* FLAGS ").Flags(flagList(v.keywords)).CRLF()
	s.e.Raw("* ").Num(uint32(now.Len())).Raw(" EXISTS").CRLF()
	if !s.on.rev2 {
		s.e.Raw("* 0 RECENT").CRLF()
		if n := s.firstUnseen(now); n > 0 && !s.on.uidOnly {
			s.untagged("UNSEEN "+strconv.Itoa(n), "First unseen message")
		}
	}
	s.e.Raw("* OK [PERMANENTFLAGS ")
	if v.readOnly {
		s.e.Raw("()")
	} else {
		s.e.Flags(append(flagList(v.keywords), `\*`))
	}
	s.e.Raw("] Flags that can be changed").CRLF()
	s.untagged("UIDVALIDITY "+strconv.FormatUint(uint64(mb.UIDValidity), 10), "UIDs are valid")
	s.untagged("UIDNEXT "+strconv.FormatUint(uint64(mb.UIDNext), 10), "Next UID")
	s.untagged("HIGHESTMODSEQ "+strconv.FormatInt(int64(mb.HighestMod), 10), "Highest mod-sequence")
	s.untagged("MAILBOXID ("+mailbox.ObjectID('m', int64(mb.ID))+")", "Id of the mailbox")
	if s.on.rev2 {
		s.e.Raw(`* LIST () "/" `).Mailbox(mailbox.Name(name))
		if canonical := mailbox.Name(name); canonical != name && !strings.EqualFold(name, "inbox") {
			s.e.Raw(` ("OLDNAME" (`).Mailbox(name).Raw("))") // RFC 9051 §6.3.9.7
		}
		s.e.CRLF()
	}
}

// firstUnseen is a sequence number, 0 if there is none.
func (s *session) firstUnseen(now *mailbox.Snapshot) int {
	if s.view.guest == nil && now.Mailbox().Unseen == 0 {
		return 0
	}
	for i := range now.Len() {
		if !has(s.flags(now.At(i)), `\Seen`) {
			return i + 1
		}
	}
	return 0
}

func (s *session) unselect(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	s.leaveBox()
	return nil
}

// closeBox expunges without saying so, unless the mailbox was opened for reading (RFC 9051 §6.4.1).
func (s *session) closeBox(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	v := s.view
	defer s.leaveBox()
	if v.readOnly || v.lost || !v.rights.Has(mailbox.RightExpunge) { // RFC 4314 §4: without the right it only closes
		return nil
	}
	return s.expungeDeleted()
}
