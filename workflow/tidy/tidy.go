// Package tidy makes room in a mailbox that is nearly full: photos in old mails
// move into albums, when their member says yes.
//
// # The path
//
//	notify   a level is crossed: Find looks whether it is worth a question (find.go)
//	ask      the member answers OUI
//	Job      one mail after the other: its photos become photos of an album,
//	         durable, and only then the mail is written anew without them (move.go)
//	letter   what was moved, and where it is
//
// A photo is in the mail, or in the album, or for a moment in both; never in
// neither. What the album cannot read stays in the mail. The old mail is kept 30
// days, like all that is expunged.
package tidy

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
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/ask"
	"colporteur/workflow/notify"
)

// Question is the kind of our questions, Job of our jobs.
const (
	Question = "tidy"
	Job      = "tidy"
)

// giveUp is how long moving is tried when something of ours fails, such as a
// full disk. What was moved until then stays moved.
const giveUp = 48 * time.Hour

// Asker asks members; *ask.Service is one.
type Asker interface {
	Ask(ctx context.Context, tx *store.Tx, q ask.Question) error
}

// Service moves old photos.
type Service struct {
	DB        *store.DB
	Mailboxes *mailbox.Store
	Messages  *message.Store
	Albums    *album.Service
	Queue     *queue.Queue
	Post      *workflow.Post
	Asker     Asker
	// Owner is the member whose account it is; kind NotFound.
	Owner func(ctx context.Context, tx *store.Tx, account mail.AccountID) (mail.User, error)
	Now   func() time.Time // nil is time.Now
	Log   *slog.Logger     // nil discards
}

var (
	_ notify.Tidier = (*Service)(nil)
	_ ask.Answered  = (*Service)(nil)
)

// Find implements notify.Tidier.
func (s *Service) Find(ctx context.Context, m notify.Member) (notify.Offer, error) {
	before := s.now().AddDate(-1, 0, 0)
	list, err := s.find(ctx, m.Account, before, s.now())
	if err != nil {
		return nil, err
	}
	o := &offer{s: s, member: m, before: before}
	for _, c := range list {
		o.photos += len(c.photos)
		o.size += c.weight()
	}
	if o.size < m.Quota/worth {
		return nil, nil
	}
	return o, nil
}

// offer is a question that could be put.
type offer struct {
	s      *Service
	member notify.Member
	before time.Time
	photos int
	size   int64
}

// Ask implements notify.Offer: the question stands behind what n says.
func (o *offer) Ask(ctx context.Context, tx *store.Tx, n notify.Note) error {
	p := locale.For(n.Lang)
	l := n.Letter
	l.Blocks = append([]letter.Block{{Para: p.T("tidy-offer", "Count", o.photos, "Date", p.Date(o.before), "Size", p.Size(o.size))},
		{Para: p.T("tidy-how")}}, l.Blocks...)
	return o.s.Asker.Ask(ctx, tx, ask.Question{Kind: Question, Ref: int64(o.member.Account), Payload: strconv.AppendInt(nil, store.Micros(o.before), 10),
		Key: n.Key, Member: n.Member, To: n.To, ToName: n.ToName, Lang: p.Lang, From: n.From, Letter: l, Yes: p.T("tidy-yes"), No: p.T("tidy-no")})
}

// Answered implements ask.Answered.
func (s *Service) Answered(ctx context.Context, tx *store.Tx, q ask.Question, a ask.Answer) (said letter.Letter, err error) {
	p := locale.For(q.Lang)
	switch a {
	case ask.No:
		return workflow.Said(p, "tidy-said-no"), nil
	case ask.Yes:
	default:
		return said, nil
	}
	before, err := strconv.ParseInt(string(q.Payload), 10, 64)
	if err != nil {
		return said, fmt.Errorf("question %d: %w", q.ID, err)
	}
	return workflow.Said(p, "tidy-said-yes"), s.begin(ctx, tx, q.ID, mail.AccountID(q.Ref), p.Lang, before)
}

// begin queues the work.
func (s *Service) begin(ctx context.Context, tx *store.Tx, id int64, account mail.AccountID, lang string, before int64) error {
	if _, err := tx.Exec(ctx, `INSERT INTO tidy (id, account, lang, before_date, started, box, uid, mails, photos, freed) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0)`,
		id, int64(account), lang, before, store.Micros(s.now())); err != nil {
		return err
	}
	payload, err := json.Marshal(id)
	if err != nil {
		return err
	}
	// One lane for an account: two answers do not move the same photo.
	_, _, err = s.Queue.Add(ctx, tx, queue.Job{Kind: Job, Lane: fmt.Sprint(int64(account)), Key: fmt.Sprint(id), Payload: payload})
	return err
}

// Work is the queue's handler for Job.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var id int64
	if err := json.Unmarshal(j.Payload, &id); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	err := s.work(ctx, id)
	switch {
	case err == nil:
		return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.finish(ctx, tx, id) })
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case s.now().Sub(j.Created) > giveUp:
		s.log().ErrorContext(ctx, "gave up", "kind", Job, "job", id, "err", err)
		return queue.Discard(err.Error(), func(ctx context.Context, tx *store.Tx) error { return s.finish(ctx, tx, id) })
	}
	s.log().WarnContext(ctx, "will be tried again", "kind", Job, "job", id, "err", err)
	return queue.Snooze(s.now().Add(workflow.Pause(j.Attempts)), err.Error(), nil)
}

// Removed forgets what was going on in an account that is removed.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM tidy_album WHERE tidy IN (SELECT id FROM tidy WHERE account = $1)`, int64(account)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM tidy WHERE account = $1`, int64(account))
	return err
}

// finish tells what was moved, and forgets the rest.
func (s *Service) finish(ctx context.Context, tx *store.Tx, id int64) error {
	r, err := read(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil // the member is gone
	}
	if err != nil {
		return err
	}
	u, err := s.Owner(ctx, tx, r.account)
	if err != nil && !mail.Is(err, mail.NotFound) {
		return err
	}
	if err == nil {
		l, err := s.letter(ctx, tx, r)
		if err != nil {
			return err
		}
		if _, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: fmt.Sprintf("tidy/%d", id), What: "tidy", To: u.Address, ToName: u.Name,
			From: mail.Address{Local: "aide", Domain: u.Address.Domain}, Lang: r.lang, Letter: l}); err != nil {
			return err
		}
	}
	return s.Removed(ctx, tx, r.account)
}

func (s *Service) letter(ctx context.Context, tx *store.Tx, r *row) (letter.Letter, error) {
	p := locale.For(r.lang)
	if r.photos == 0 {
		l := workflow.Said(p, "tidy-nothing")
		l.Subject = p.T("tidy-nothing-subject")
		return l, nil
	}
	l := letter.Letter{Subject: p.T("tidy-done-subject", "Count", r.photos), Heading: p.T("tidy-done", "Count", r.photos, "Size", p.Size(r.freed))}
	l.Para(p.T("tidy-done-where"))
	albums, err := s.albums(ctx, tx, r.id)
	if err != nil {
		return l, err
	}
	for _, id := range albums {
		name, own, err := s.Albums.Own(ctx, tx, id)
		if mail.Is(err, mail.NotFound) {
			continue // taken off already
		}
		if err != nil {
			return l, err
		}
		l.LinkTo(name, int64(own.ID))
	}
	l.Small(p.T("tidy-done-mails", "Count", r.mails))
	return l, nil
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
