package upload

import (
	"context"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

var (
	_ workflow.Processor = (*Service)(nil)
	_ workflow.Commanded = (*Service)(nil)
)

// Process answers a mail to depot@ with a place: its subject is the title, its
// text the note, and the same subject again the same place.
func (s *Service) Process(ctx context.Context, in *workflow.Inbound) error {
	if in.Automatic() {
		return nil
	}
	note, err := in.Text(ctx, maxMessage)
	if err != nil {
		return err
	}
	p := locale.For(in.Lang())
	title := line(in.Subject(), maxTitle)
	if title == "" {
		title = p.T("upload-untitled", "Name", in.SenderName())
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		pass, own, err := s.Make(ctx, tx, in.Sender, "mail/"+in.Key(), Place{Title: title, Note: note, Domain: in.Address.Domain})
		if err != nil {
			return err
		}
		l := letter.Letter{Subject: p.T("upload-place-subject", "Title", title), Heading: p.T("upload-place-heading", "Title", title)}
		l.LinkTo(p.T("upload-place-pass"), int64(pass.ID))
		l.Para(p.T("upload-place-until", "Date", p.Date(pass.Expires)))
		l.Para(p.T("upload-place-words"))
		l.LinkTo(p.T("upload-place-own"), int64(own.ID))
		return in.ReplyIn(ctx, tx, l, int64(own.ID))
	})
}

// Command does what the owner of a place replied.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		p := locale.For(in.Lang())
		at, err := place(ctx, tx, PlaceID(l.Thing), ` FOR UPDATE`)
		if err != nil && err != store.ErrNoRows {
			return err
		}
		over := err != nil || at.Member != in.Sender.ID || !at.Ended.IsZero() || !at.Expires.After(s.now())
		if over {
			return in.ReplyIn(ctx, tx, workflow.Said(p, "upload-place-over"), 0)
		}
		switch w {
		case workflow.Recall, workflow.Stop:
			if err := s.close(ctx, tx, at.ID); err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "upload-closed", "Title", at.Title), 0)
		case workflow.Extend:
			until := s.now().AddDate(0, 0, PlaceDays)
			if _, _, err := s.again(ctx, tx, at, until); err != nil {
				return err
			}
			return in.ReplyIn(ctx, tx, workflow.Said(p, "upload-extended", "Title", at.Title, "Date", p.Date(until)), int64(l.ID))
		}
		return in.ReplyIn(ctx, tx, workflow.Said(p, "upload-commands", "Title", at.Title), int64(l.ID))
	})
}
