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
// extends once. Files that come with a reply join the transfer.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	id := ID(l.Thing)
	inc := &incoming{}
	if w == workflow.None && len(in.Files()) > 0 {
		var err error
		if inc, err = s.read(ctx, in); err != nil {
			return err
		}
	}
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
			if t.over(s.now()) {
				return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-ended"), int64(l.ID))
			}
			if err := s.end(ctx, tx, t, true); err != nil {
				return err
			}
			s.log().InfoContext(ctx, "recalled", "mail", in.Mail, "user", in.Sender.ID, "kind", link.Transfer)
			return in.ReplyIn(ctx, tx, recalled(p, t), int64(l.ID))
		case workflow.Extend:
			until, err := s.extend(ctx, tx, t)
			if err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-extended", "Subject", t.Subject, "Date", p.Date(until)), int64(l.ID))
		case workflow.Stop:
			if err := s.Links.Silence(ctx, tx, l.ID, true); err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-stopped", "Subject", t.Subject, "Date", p.Date(t.Expires)), int64(l.ID))
		case workflow.Help:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-commands", "Subject", t.Subject), int64(l.ID))
		}
		if len(inc.files) > 0 && !t.over(s.now()) {
			return s.more(ctx, tx, in, inc, t, l)
		}
		return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-not-understood", "Subject", t.Subject), int64(l.ID))
	})
}

// more adds the files of a reply to a transfer.
func (s *Service) more(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming, t *Transfer, manage link.Link) error {
	have, err := files(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	next := 0
	for _, f := range have {
		taken[f.SHA256+" "+f.Name] = true
		next = max(next, f.Seq+1)
	}
	for i, f := range inc.files {
		if taken[f.SHA256+" "+f.Name] {
			continue // the same file again
		}
		if ref := inc.kept[i].Ref; ref != nil {
			if err := s.Blobs.Insert(ctx, tx, *ref); err != nil {
				return err
			}
		}
		f.Seq = next
		next++
		if _, err := tx.Exec(ctx, `INSERT INTO transfer_file (transfer, seq, name, media_type, size, sha256, blob)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, int64(t.ID), f.Seq, f.Name, f.MediaType, f.Size, f.SHA256, int64(f.Blob)); err != nil {
			return err
		}
		have = append(have, f)
	}
	t.Files = have
	// The mail's own row is forgotten; its files' bytes are named by the transfer.
	in.Forget()
	share := link.Link{}
	ls, err := s.Links.In(ctx, tx, link.Transfer, int64(t.ID))
	if err != nil {
		return err
	}
	for _, l := range ls {
		if l.Public {
			share = l
		}
	}
	return in.ReplyIn(ctx, tx, receipt(locale.For(in.Lang()), t, share, manage, nil, inc.damaged), int64(manage.ID))
}
