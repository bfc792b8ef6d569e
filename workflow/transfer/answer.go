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

var _ workflow.Answerable = (*Service)(nil)

// passedOn is how many characters of a guest's reply the owner gets.
const passedOn = 4000

// Answer passes on what a guest replied to a mail about a transfer: the words go
// to the owner, who can answer the guest directly. STOP alone ends the mails to
// the guest. Files are not taken: what is in a transfer is its owner's choice.
func (s *Service) Answer(ctx context.Context, in *workflow.Inbound, l link.Link) error {
	text, err := in.Text(ctx, passedOn)
	if err != nil {
		return err
	}
	said := workflow.Words(text)
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		in.Forget()
		p := locale.For(l.Lang)
		t, err := get(ctx, tx, ID(l.Thing), false)
		if err != nil && err != store.ErrNoRows {
			return err
		}
		if err == nil {
			// Read again: the owner may have revoked it since.
			_, err = s.Links.GetIn(ctx, tx, l.ID)
		}
		if err == store.ErrNoRows || mail.Is(err, mail.NotFound) || err == nil && t.over(s.now()) {
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-ended-guest"), 0)
		}
		if err != nil {
			return err
		}
		files := in.Files()
		if len(files) == 0 {
			switch workflow.Lone(in.Summary.Subject, text) {
			case workflow.Stop:
				if err := s.Links.Silence(ctx, tx, l.ID, true); err != nil {
					return err
				}
				return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-silenced", "Subject", t.Subject), 0)
			case workflow.Help:
				return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-guest-commands", "Subject", t.Subject, "Name", t.From), int64(l.ID))
			}
		}
		if strings.TrimSpace(said) != "" {
			manage, err := s.manageLink(ctx, tx, t.ID)
			if err != nil {
				return err
			}
			if manage.Quiet.IsZero() {
				q := locale.For(manage.Lang)
				if _, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: in.Key(), What: "words of a guest", To: manage.Person, ToName: manage.Name,
					From: mail.Address{Local: "envoi", Domain: manage.Person.Domain}, FromName: q.T("workflow-on-behalf", "Name", l.Called()),
					ReplyTo: &l.Person, Lang: q.Lang, Letter: words(q, t, l, said, len(files))}); err != nil {
					return err
				}
			}
		}
		switch {
		case len(files) > 0 && said != "":
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-words-without-files", "Subject", t.Subject, "Name", t.From), int64(l.ID))
		case len(files) > 0:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-no-files-of-guests", "Subject", t.Subject, "Name", t.From), int64(l.ID))
		case said == "":
			return in.ReplyIn(ctx, tx, workflow.Said(p, "transfer-guest-commands", "Subject", t.Subject, "Name", t.From), int64(l.ID))
		}
		return nil // words that were passed on need no answer of ours
	})
}

// words tells the owner what a guest replied.
func words(p locale.Printer, t *Transfer, from link.Link, said string, files int) letter.Letter {
	l := letter.Letter{Subject: p.T("transfer-words-subject", "Subject", t.Subject, "Name", from.Called()),
		Heading: p.T("transfer-words-heading", "Subject", t.Subject, "Name", from.Called())}
	l.Quote(said)
	if files > 0 {
		l.Para(p.T("transfer-words-files", "Count", files))
	}
	l.Small(p.T("transfer-words-foot", "Name", from.Called(), "Address", from.Person.String()))
	return l
}
