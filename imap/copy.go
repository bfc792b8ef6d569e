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

// copying is what a COPY or MOVE is about.
type copying struct {
	uids   *mailbox.UIDSet
	to     mailbox.Mailbox
	rights mailbox.Rights // on to
}

func (s *session) readCopy(d *wire.Decoder) (c copying, err error) {
	if err = d.SP(); err != nil {
		return c, err
	}
	set, err := d.NumSet()
	if err != nil {
		return c, err
	}
	if err = d.SP(); err != nil {
		return c, err
	}
	name, err := d.Mailbox()
	if err != nil {
		return c, err
	}
	if err = d.End(); err != nil {
		return c, err
	}
	if c.uids, err = s.set(set); err != nil {
		return c, err
	}
	if _, code := s.limit(c.uids); code != "" {
		// All of them or none (RFC 3501 §6.4.7).
		return c, &status{"NO", "MESSAGELIMIT " + strconv.Itoa(s.messageLimit()), "Too many messages at once"}
	}
	if c.to, c.rights, err = s.box(name, mailbox.RightInsert, true); err != nil {
		return c, err
	}
	return c, s.fits(c)
}

// fits says whether the account that copies go to has room for them. Within one
// account a copy takes none.
func (s *session) fits(c copying) error {
	if c.to.Account == s.view.box.Account || s.srv.Quotas == nil {
		return nil
	}
	limit, err := s.srv.Quotas.Quota(s.ctx, c.to.Account)
	if err != nil || limit == 0 {
		return err
	}
	used, err := s.srv.Mailboxes.Usage(s.ctx, c.to.Account)
	if err != nil {
		return err
	}
	now, err := s.fetchable()
	if now == nil || err != nil {
		return err
	}
	now.Each(c.uids, func(e mailbox.Entry) bool {
		used += e.Size
		return used <= limit
	})
	if used > limit {
		return mail.Refuse(mail.OverQuota, "kind-over-quota")
	}
	return nil
}

func (s *session) copy(d *wire.Decoder) error {
	c, err := s.readCopy(d)
	if err != nil || c.uids.Len() == 0 {
		return err
	}
	src, dst, validity, err := s.transfer(c, false)
	if err != nil {
		return err
	}
	s.code = copied(src, dst, validity)
	return nil
}

func (s *session) move(d *wire.Decoder) error {
	c, err := s.readCopy(d)
	if err != nil {
		return err
	}
	if s.view.readOnly {
		return s.refuse("", "imap-read-only")
	}
	if !s.view.rights.Has(mailbox.RightDeleteMails + mailbox.RightExpunge) { // RFC 6851 §3.3
		return mail.Refuse(mail.Forbidden, "kind-forbidden")
	}
	if c.uids.Len() == 0 {
		return nil
	}
	src, dst, validity, err := s.transfer(c, true)
	if err != nil {
		return err
	}
	if code := copied(src, dst, validity); code != "" {
		s.untagged(code, "Moved") // before the EXPUNGEs (RFC 6851 §4.3)
	}
	s.tellGone(mailbox.MakeUIDSet(src...).And(s.view.uids))
	return nil
}

func (s *session) transfer(c copying, move bool) (src, dst []mailbox.UID, validity uint32, err error) {
	src, dst, validity, err = s.srv.Mailboxes.CopyAs(s.ctx, s.user, s.view.box, slices.Collect(c.uids.All), c.to, c.rights, move)
	if mail.Is(err, mail.NotFound) { // the target may have gone since box saw it
		err = s.refuse("TRYCREATE", "imap-no-folder")
	}
	return src, dst, validity, err
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
