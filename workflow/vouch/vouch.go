// Package vouch asks the owner of a thing whether a reply that proves nothing is
// from the guest it names.
package vouch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/ask"
	"colporteur/workflow/link"
)

// Question is the kind of our questions.
const Question = "guest"

// shown is how many characters of a reply its owner sees before they decide.
const shown = 300

// perDay is how many replies to one guest's address an owner is asked about in a
// day. Who learned such an address from a header could fill their mailbox else.
const perDay = 5

// Asker asks members; *ask.Service is one.
type Asker interface {
	Ask(ctx context.Context, tx *store.Tx, q ask.Question) error
}

// Service is the doubts of one host.
type Service struct {
	DB    *store.DB
	Links *link.Service
	Mux   *workflow.Mux
	Asker Asker
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
}

var (
	_ workflow.Doubtful = (*Service)(nil)
	_ ask.Answered      = (*Service)(nil)
)

// Doubt keeps the mail and asks whoever owns what l leads to; see workflow.Doubtful.
// A mail that comes twice is asked about once, and so is one that was dropped.
func (s *Service) Doubt(ctx context.Context, in *workflow.Inbound, l link.Link) error {
	text, err := in.Text(ctx, 2000)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(in.Job())
	if err != nil {
		return err
	}
	asked := false
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		asked = false
		owner, ok, err := s.owner(ctx, tx, l)
		if err != nil || !ok {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM question WHERE kind = $1 AND ref = $2 AND created > $3`, Question, int64(l.ID),
			store.Micros(s.now().Add(-24*time.Hour))).Scan(&n); err != nil {
			return err
		}
		key := strconv.FormatInt(int64(l.ID), 10) + " " + in.Key()
		var have int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM question WHERE kind = $1 AND key = $2`, Question, store.Clean(key)).Scan(&have); err != nil {
			return err
		}
		if asked = have > 0; asked || n >= perDay {
			return nil
		}
		asked = true
		p := locale.For(owner.Lang)
		return s.Asker.Ask(ctx, tx, ask.Question{Kind: Question, Ref: int64(l.ID), Payload: payload, Key: key, Member: l.Owner, To: owner.Person,
			ToName: owner.Name, Lang: p.Lang, From: mail.Address{Local: "aide", Domain: owner.Person.Domain},
			Letter: question(p, in, l, workflow.Words(text)), Yes: p.T("ask-guest-yes"), No: p.T("ask-guest-no")})
	})
	if err != nil {
		return err
	}
	if asked {
		in.Wait()
	} else {
		s.log().InfoContext(ctx, "not asked about", "mail", in.Mail, "link", int64(l.ID))
		in.Forget()
	}
	return nil
}

// owner is the owner's link to the thing of l; ok is false when l or it is over.
func (s *Service) owner(ctx context.Context, tx *store.Tx, l link.Link) (link.Link, bool, error) {
	if _, err := s.Links.GetIn(ctx, tx, l.ID); mail.Is(err, mail.NotFound) {
		return link.Link{}, false, nil
	} else if err != nil {
		return link.Link{}, false, err
	}
	kind, thing := l.Kind, l.Thing
	if kind == link.Settings {
		return link.Link{}, false, nil // nothing of anybody else's: to be silenced takes a proof, or the page
	}
	all, err := s.Links.In(ctx, tx, kind, thing)
	if err != nil || len(all) == 0 || !all[0].Manage {
		return link.Link{}, false, err
	}
	return all[0], true, nil
}

func question(p locale.Printer, in *workflow.Inbound, l link.Link, words string) letter.Letter {
	q := letter.Letter{Subject: p.T("ask-guest-subject", "Name", l.Called()), Heading: p.T("ask-guest-heading", "Name", l.Called(), "Subject", in.Subject())}
	q.Para(p.T("ask-guest-why", "Address", l.Person.String()))
	if r := []rune(words); len(r) > shown {
		words = string(r[:shown-1]) + "…"
	}
	q.Quote(words)
	if n := len(in.Files()); n > 0 {
		q.Para(p.T("ask-guest-files", "Count", n))
	}
	q.Para(p.T("ask-guest-what"))
	return q
}

// Answered implements ask.Answered: yes has the mail processed as the guest's.
func (s *Service) Answered(ctx context.Context, tx *store.Tx, q ask.Question, a ask.Answer) (said letter.Letter, err error) {
	var job delivery.Program
	if err := json.Unmarshal(q.Payload, &job); err != nil {
		return said, fmt.Errorf("question %d: %w", q.ID, err)
	}
	p := locale.For(q.Lang)
	if a != ask.Yes {
		return workflow.Said(p, "ask-guest-dropped"), s.Mux.Drop(ctx, tx, job)
	}
	job.Proven = true
	return workflow.Said(p, "ask-guest-taken"), s.Mux.Resume(ctx, tx, job)
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
