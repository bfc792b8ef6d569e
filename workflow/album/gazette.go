package album

import (
	"context"
	"errors"
	"slices"
	"strings"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// Gazette sends the month's photos as a paper to who asked.
type Gazette interface {
	// Ask has the person of a link get it from now on, or no more.
	Ask(ctx context.Context, tx *store.Tx, l link.Link, yes bool) error
	Asked(ctx context.Context, id link.ID) (bool, error)
}

// AskPaper has the visitor get the paper of their album, or no more. Kind
// NotFound when the link is nobody's in particular.
func (s *Service) AskPaper(ctx context.Context, by link.Visit, yes bool) error {
	if s.Gazette == nil {
		return mail.Wrap(mail.NotFound, errors.New("there is no paper"))
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		l, a, err := s.open(ctx, tx, by)
		if err == nil && a.over(s.now()) {
			err = mail.Wrap(mail.NotFound, errors.New("it has ended"))
		}
		if err != nil {
			return err
		}
		return s.Gazette.Ask(ctx, tx, l, yes)
	})
}

// paper does what somebody replied about the paper: GAZETTE asks for it, STOP to
// one of its own mails ends it and nothing else. ok is false when the reply is
// about something else.
func (s *Service) paper(ctx context.Context, tx *store.Tx, in *workflow.Inbound, a *Album, l link.Link, w workflow.Word) (said letter.Letter, ok bool, err error) {
	stop := w == workflow.Stop && slices.ContainsFunc(in.Answers(), func(name string) bool { return strings.HasPrefix(name, "gazette.") })
	if s.Gazette == nil || l.Public || w != workflow.Paper && !stop {
		return said, false, nil
	}
	id := "gazette-yes"
	if stop {
		id = "gazette-no"
	}
	return workflow.Said(locale.For(l.Lang), id, "Album", a.Name), true, s.Gazette.Ask(ctx, tx, l, !stop)
}
