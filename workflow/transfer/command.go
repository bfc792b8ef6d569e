package transfer

import (
	"context"
	"strings"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

var _ workflow.Commanded = (*Service)(nil)

// Command does what the owner replied to a notice. What it does and what it
// answers are one transaction; the answer is keyed by the mail, so that a mail
// processed twice extends once and is answered once.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	id := ID(l.Thing)
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		done, err := in.Answered(ctx, tx)
		if err != nil || done {
			return err
		}
		p := locale.For(in.Lang())
		t, err := s.allowed(ctx, tx, link.Member(in.Sender.ID), link.Manage, id)
		if mail.Is(err, mail.NotFound) {
			return in.ReplyIn(ctx, tx, said(p, "transfer-ended"), 0)
		}
		if err != nil {
			return err
		}
		switch w {
		case workflow.Recall:
			if err := s.end(ctx, tx, t, true); err != nil {
				return err
			}
			s.log().InfoContext(ctx, "recalled", "mail", in.Mail, "user", in.Sender.ID, "kind", link.Transfer)
			return in.ReplyIn(ctx, tx, recalled(p, t), 0)
		case workflow.Extend:
			until, err := s.extend(ctx, tx, t)
			if err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, said(p, "transfer-extended", "Subject", t.Subject, "Date", p.Date(until)), int64(l.ID))
		case workflow.Stop:
			return in.ReplyIn(ctx, tx, said(p, "transfer-stopped", "Subject", t.Subject, "Date", p.Date(t.Expires)), int64(l.ID))
		case workflow.Help:
			return in.ReplyIn(ctx, tx, said(p, "transfer-commands", "Subject", t.Subject), int64(l.ID))
		}
		return in.ReplyIn(ctx, tx, said(p, "transfer-not-understood", "Subject", t.Subject), int64(l.ID))
	})
}

// said is a letter of one sentence; a line break in it begins a paragraph.
func said(p locale.Printer, id string, args ...any) letter.Letter {
	var l letter.Letter
	for para := range strings.SplitSeq(strings.TrimSpace(p.T(id, args...)), "\n") {
		l.Para(para)
	}
	return l
}
