package transfer

import (
	"context"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

var _ workflow.Commanded = (*Service)(nil)

// Command does what the owner replied to a notice. What it does, what it answers
// and that it was done are one transaction: a mail that is processed twice
// extends once.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	id := ID(l.Thing)
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		p := locale.For(in.Lang())
		t, err := s.allowed(ctx, tx, link.Member(in.Sender.ID), link.Manage, id)
		if mail.Is(err, mail.NotFound) {
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-ended"), 0)
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
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-extended", "Subject", t.Subject, "Date", p.Date(until)), int64(l.ID))
		case workflow.Stop:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-stopped", "Subject", t.Subject, "Date", p.Date(t.Expires)), int64(l.ID))
		case workflow.Help:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-commands", "Subject", t.Subject), int64(l.ID))
		}
		return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-not-understood", "Subject", t.Subject), int64(l.ID))
	})
}
