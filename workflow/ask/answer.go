package ask

import (
	"context"
	"errors"
	"fmt"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

var _ workflow.Commanded = (*Service)(nil)

// Answer is the button: it acts, and returns what to say. A question that was
// answered before stays as it was, and that is said.
func (s *Service) Answer(ctx context.Context, v link.Visit, a Answer) (said letter.Letter, err error) {
	if a != Yes && a != No {
		return said, mail.Wrap(mail.NotFound, fmt.Errorf("no answer %d", a))
	}
	l, err := s.Links.Open(ctx, v)
	if err != nil {
		return said, err
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		q, before, err := s.get(ctx, tx, l, " FOR UPDATE")
		if err != nil {
			return err
		}
		said, err = s.act(ctx, tx, q, before, a)
		return err
	})
	return said, err
}

// act notes an answer and has it heard, once.
func (s *Service) act(ctx context.Context, tx *store.Tx, q Question, before, a Answer) (said letter.Letter, err error) {
	p := locale.For(q.Lang)
	// A reply finds its question until the sweep has come.
	if before != 0 || a != Late && !q.Until.After(s.now()) {
		return workflow.Said(p, "ask-answered"), nil
	}
	to := s.To[q.Kind]
	if to == nil {
		return said, mail.Wrap(mail.Unavailable, fmt.Errorf("nobody hears answers of kind %q", q.Kind))
	}
	if _, err := tx.Exec(ctx, `UPDATE question SET answer = $1, answered = $2 WHERE id = $3`, int64(a), store.Micros(s.now()), q.ID); err != nil {
		return said, err
	}
	said, err = to.Answered(ctx, tx, q, a)
	if err != nil {
		return said, err
	}
	s.log().InfoContext(ctx, "answered", "kind", q.Kind, "user", q.Member, "answer", int(a))
	if said.Heading == "" && len(said.Blocks) == 0 {
		said = workflow.Said(p, "ask-noted")
	}
	return said, nil
}

// Command is a reply to the question; see workflow.Commanded.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		q, before, err := s.get(ctx, tx, l, " FOR UPDATE")
		if mail.Is(err, mail.NotFound) {
			return in.ReplyIn(ctx, tx, workflow.Said(locale.For(in.Lang()), "ask-answered"), 0)
		}
		if err != nil {
			return err
		}
		var a Answer
		switch w {
		case workflow.Yes:
			a = Yes
		case workflow.No, workflow.Stop:
			a = No
		default:
			return in.ReplyIn(ctx, tx, workflow.Said(locale.For(in.Lang()), "ask-not-understood"), int64(l.ID))
		}
		said, err := s.act(ctx, tx, q, before, a)
		if err != nil {
			return err
		}
		return in.ReplyIn(ctx, tx, said, 0)
	})
}

// Sweep has the asker hear of the questions that nobody answered in time, and
// forgets those that were answered or over long ago.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		var ids []int64
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id FROM question WHERE answer = 0 AND until <= $1 ORDER BY until LIMIT 50`, store.Micros(s.now()))
			return store.Each(rows, err, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				ids = append(ids, id)
				return err
			})
		})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			err := s.DB.Write(ctx, func(tx *store.Tx) error {
				q, before, err := s.read(ctx, tx, id, " FOR UPDATE")
				if mail.Is(err, mail.NotFound) || err == nil && before != 0 {
					return nil
				}
				if err != nil {
					return err
				}
				_, err = s.act(ctx, tx, q, 0, Late)
				return err
			})
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return err
			}
		}
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM question WHERE answer > 0 AND until < $1`, store.Micros(s.now().Add(-workflow.Keep)))
		return err
	})
}
