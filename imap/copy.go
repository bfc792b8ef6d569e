package imap

import (
	"slices"
	"strconv"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// COPY and MOVE (RFC 9051 §6.4.7 and §6.4.8).

var (
	copyCommands = commands{
		"COPY":     {in: selected, run: (*session).copy, numbers: true},
		"UID COPY": {in: selected, run: (*session).copy, numbers: true},
		"MOVE":     {in: selected, run: (*session).move, numbers: true},
		"UID MOVE": {in: selected, run: (*session).move, numbers: true},
	}
	copyCapabilities = []string{"UIDPLUS", "MOVE"}
)

func (s *session) readCopy(d *wire.Decoder) (uids *mailbox.UIDSet, to mailbox.Mailbox, err error) {
	if err = d.SP(); err != nil {
		return nil, to, err
	}
	set, err := d.NumSet()
	if err != nil {
		return nil, to, err
	}
	if err = d.SP(); err != nil {
		return nil, to, err
	}
	name, err := d.Mailbox()
	if err != nil {
		return nil, to, err
	}
	if err = d.End(); err != nil {
		return nil, to, err
	}
	if uids, err = s.set(set); err != nil {
		return nil, to, err
	}
	if _, code := s.limit(uids); code != "" {
		// All of them or none (RFC 3501 §6.4.7).
		return nil, to, &status{"NO", "MESSAGELIMIT " + strconv.Itoa(s.messageLimit()), "Too many messages at once"}
	}
	to, _, err = s.box(name, mailbox.RightInsert, true)
	return uids, to, err
}

func (s *session) copy(d *wire.Decoder) error {
	uids, to, err := s.readCopy(d)
	if err != nil || uids.Len() == 0 {
		return err
	}
	src, dst, validity, err := s.srv.Mailboxes.Copy(s.ctx, s.view.box.ID, slices.Collect(uids.All), to.ID)
	if err != nil {
		return s.copyFailed(err)
	}
	s.code = copied(src, dst, validity)
	return nil
}

func (s *session) move(d *wire.Decoder) error {
	uids, to, err := s.readCopy(d)
	if err != nil {
		return err
	}
	if s.view.readOnly {
		return s.refuse("", "imap-read-only")
	}
	if !s.view.rights.Has(mailbox.RightDeleteMails + mailbox.RightExpunge) { // RFC 6851 §3.3
		return mail.Refuse(mail.Forbidden, "kind-forbidden")
	}
	if uids.Len() == 0 {
		return nil
	}
	src, dst, validity, err := s.srv.Mailboxes.Move(s.ctx, s.view.box.ID, slices.Collect(uids.All), to.ID)
	if err != nil {
		return s.copyFailed(err)
	}
	if code := copied(src, dst, validity); code != "" {
		s.untagged(code, "Moved") // before the EXPUNGEs (RFC 6851 §4.3)
	}
	s.tellGone(mailbox.MakeUIDSet(src...).And(s.view.uids))
	return nil
}

// copyFailed: the target may have gone since box saw it.
func (s *session) copyFailed(err error) error {
	if mail.Is(err, mail.NotFound) {
		return s.refuse("TRYCREATE", "imap-no-folder")
	}
	return err
}

// copied is the COPYUID response, "" when nothing was there to copy: a set
// cannot be empty (RFC 4315 §3).
func copied(src, dst []mailbox.UID, validity uint32) string {
	if len(src) == 0 || len(src) != len(dst) {
		return ""
	}
	b := append(strconv.AppendUint([]byte("COPYUID "), uint64(validity), 10), ' ')
	b = append(appendUIDs(b, mailbox.MakeUIDSet(src...)), ' ')
	return string(appendUIDs(b, mailbox.MakeUIDSet(dst...)))
}
