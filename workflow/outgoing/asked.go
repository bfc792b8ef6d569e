package outgoing

import (
	"context"
	"strconv"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/ask"
)

// Question is the kind of our questions.
const Question = "outgoing"

// Asker asks members; *ask.Service is one.
type Asker interface {
	Ask(ctx context.Context, tx *store.Tx, q ask.Question) error
}

var _ ask.Answered = (*Service)(nil)

// ask asks whether the files of a held mail may be taken out.
func (s *Service) ask(ctx context.Context, tx *store.Tx, id int64, o *delivery.Outgoing, l letter.Letter) error {
	p := locale.For(o.Sender.Lang)
	return s.Asker.Ask(ctx, tx, ask.Question{Kind: Question, Ref: id, Key: strconv.FormatInt(id, 10), Member: o.Sender.ID, To: o.Sender.Address,
		ToName: o.Sender.Name, Lang: p.Lang, From: post(o), Letter: l, Yes: p.T("outgoing-ask-yes"), No: p.T("outgoing-ask-no"), Until: s.now().Add(waits)})
}

// Answered implements ask.Answered: the answer holds for all that wait, and for
// what comes. Silence holds for those that waited for this question.
func (s *Service) Answered(ctx context.Context, tx *store.Tx, q ask.Question, a ask.Answer) (said letter.Letter, err error) {
	if err := s.lock(ctx, tx, q.Member); err != nil {
		return said, err
	}
	which, answer, why := int64(0), Yes, ""
	switch a {
	case ask.No:
		answer, why = No, "outgoing-no"
	case ask.Late:
		which, answer, why = q.Ref, "", "outgoing-late"
	}
	if answer != "" {
		if err := s.Settings.SetOutgoing(ctx, tx, q.Member, answer, -1); err != nil {
			return said, err
		}
	}
	all, err := s.waiting(ctx, tx, q.Member, which)
	if err != nil {
		return said, err
	}
	p := locale.For(q.Lang)
	switch a {
	case ask.Yes:
		said = workflow.Said(p, "outgoing-said-yes")
	case ask.No:
		said = workflow.Said(p, "outgoing-said-no")
	}
	return said, s.settle(ctx, tx, all, why)
}
