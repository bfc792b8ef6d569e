// Package ask puts questions with two answers to people, and acts on the answer
// once: by a reply that says OUI or NON, by a button, or when nobody answered.
package ask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// Answer is what became of a question.
type Answer int

const (
	Yes  Answer = iota + 1
	No          // or STOP
	Late        // nobody answered before Until
)

// Question is put to one person, who answers yes or no.
type Question struct {
	ID           int64
	Kind         string // which of Service.To hears the answer
	Ref          int64  // theirs
	Payload      []byte // theirs
	Member       mail.UserID
	To           mail.Address
	ToName, Lang string
	From         mail.Address  // the question comes from; replies go to its domain
	Letter       letter.Letter // says the question; Ask adds the way to answer
	Yes, No      string        // what the buttons say, in Lang
	Until        time.Time     // zero: in 14 days
	Key          string        // asked once for (Kind, Key)
}

// Patience is how long a question waits when its asker says nothing else.
const Patience = 14 * 24 * time.Hour

// Answered hears each answer once, in the transaction that notes it; an error
// undoes both. said is shown to who answered, or mailed to them; the zero Letter
// leaves that to us. Nobody is there to read it when the answer is Late.
type Answered interface {
	Answered(ctx context.Context, tx *store.Tx, q Question, a Answer) (said letter.Letter, err error)
}

// Service is the questions of one host.
type Service struct {
	DB    *store.DB
	Links *link.Service
	Post  *workflow.Post
	To    map[string]Answered // by Question.Kind
	Now   func() time.Time    // nil is time.Now
	Log   *slog.Logger        // nil discards
}

// Ask puts a question, in the transaction of what makes it necessary.
func (s *Service) Ask(ctx context.Context, tx *store.Tx, q Question) error {
	if s.To[q.Kind] == nil {
		return fmt.Errorf("ask: nobody hears answers of kind %q", q.Kind)
	}
	if q.Until.IsZero() {
		q.Until = s.now().Add(Patience)
	}
	q.ID = store.NewID()
	if q.Payload == nil {
		q.Payload = []byte{}
	}
	said, err := json.Marshal(q.Letter)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `INSERT INTO question (id, kind, ref, payload, key, member, person, lang, letter, yes, no, until, answer, answered, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, $13) ON CONFLICT (kind, key) DO NOTHING`,
		q.ID, q.Kind, q.Ref, q.Payload, store.Clean(q.Key), int64(q.Member), store.Clean(q.To.String()), q.Lang, said, q.Yes, q.No,
		store.Micros(q.Until), store.Micros(s.now()))
	if err != nil || n == 0 {
		return err
	}
	l, _, err := s.Links.Add(ctx, tx, link.Link{Kind: link.Question, Thing: q.ID, Owner: q.Member, Person: q.To, Name: q.ToName, Manage: true, Lang: q.Lang, Expires: q.Until})
	if err != nil {
		return err
	}
	p := locale.For(q.Lang)
	mailed := q.Letter
	mailed.Blocks = append([]letter.Block(nil), q.Letter.Blocks...)
	mailed.Para(p.T("ask-reply")).LinkTo(p.T("ask-page"), int64(l.ID)).Small(p.T("ask-until", "Date", p.Date(q.Until)))
	_, err = s.Post.Send(ctx, tx, workflow.Notice{Mail: "question/" + strconv.FormatInt(q.ID, 10), What: "question", To: q.To, ToName: q.ToName,
		From: q.From, ReplyLink: int64(l.ID), Lang: p.Lang, Letter: mailed})
	return err
}

// Open finds the question of a link, and what was answered, 0 when nothing yet;
// kind NotFound.
func (s *Service) Open(ctx context.Context, v link.Visit) (q Question, a Answer, err error) {
	l, err := s.Links.Open(ctx, v)
	if err != nil {
		return q, 0, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		q, a, err = s.get(ctx, tx, l, "")
		return err
	})
	return q, a, err
}

// get reads the question of a link.
func (s *Service) get(ctx context.Context, tx *store.Tx, l link.Link, lock string) (q Question, a Answer, err error) {
	if l.Kind != link.Question {
		return q, 0, mail.Wrap(mail.NotFound, fmt.Errorf("link %d asks nothing", l.ID))
	}
	return s.read(ctx, tx, l.Thing, lock)
}

func (s *Service) read(ctx context.Context, tx *store.Tx, id int64, lock string) (q Question, a Answer, err error) {
	var person string
	var said []byte
	var until int64
	err = tx.QueryRow(ctx, `SELECT id, kind, ref, payload, key, member, person, lang, letter, yes, no, until, answer FROM question WHERE id = $1`+lock, id).
		Scan(&q.ID, &q.Kind, &q.Ref, &q.Payload, &q.Key, &q.Member, &person, &q.Lang, &said, &q.Yes, &q.No, &until, &a)
	if errors.Is(err, store.ErrNoRows) {
		return q, 0, mail.Wrap(mail.NotFound, err)
	}
	if err != nil {
		return q, 0, err
	}
	q.Until = store.Time(until)
	if q.To, err = mail.ParseAddress(person); err != nil {
		return q, 0, fmt.Errorf("question %d: %w", id, err)
	}
	return q, a, json.Unmarshal(said, &q.Letter)
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
