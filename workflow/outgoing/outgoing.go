// Package outgoing makes mail to hosts elsewhere small enough for them: large
// files are taken out, and each recipient gets a link in their place.
//
// # The path of a large mail
//
//	Door      keeps it as it came, and queues a job in the same transaction
//	Work      asks the member, the first time; the mail waits, durable, up to 48 hours
//	          takes the files out into a transfer, and writes a message for
//	          each recipient; all of that is in the transaction that ends the job
//	relay     signs each message and brings it to its one recipient
//
// So whatever is killed, each recipient gets one mail. The files are a transfer
// like any other: the member takes it back by answering the receipt.
//
// Mail that is signed or encrypted is not touched.
package outgoing

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/lighten"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// What a member said, as Settings keeps it.
const (
	Ask = "ask"
	Yes = "yes"
	No  = "no"
)

// giveUp is how long a mail is tried that cannot be made lighter for a reason of
// ours, such as a full disk.
const giveUp = 48 * time.Hour

// Settings are the members' answers; *accounts.Service has them.
type Settings interface {
	// Outgoing is what a member said, and their own limit; 0 is the host's.
	// Kind NotFound when there is no such member.
	Outgoing(ctx context.Context, tx *store.Tx, u mail.UserID) (answer string, limit int64, err error)
	SetOutgoing(ctx context.Context, tx *store.Tx, u mail.UserID, answer string, limit int64) error
}

// Service makes mail lighter.
type Service struct {
	DB        *store.DB
	Messages  *message.Store
	Queue     *queue.Queue
	Links     *link.Service
	Transfers *transfer.Service
	Post      *workflow.Post
	Settings  Settings
	Asker     Asker
	Limit     int64 // octets that hosts elsewhere take
	Ordinary  int64 // octets that any mail may have, encoded: what is not made lighter leaves up to this size

	// Trace remembers what became of a mail; nil remembers nothing.
	Trace func(ctx context.Context, tx *store.Tx, events ...delivery.Event) error

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

var _ delivery.Lightener = (*Service)(nil)

// LightenOver implements delivery.Lightener.
func (s *Service) LightenOver(ctx context.Context, u mail.UserID) (over int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		answer, limit, err := s.Settings.Outgoing(ctx, tx, u)
		if err != nil || answer == No {
			return err
		}
		if over = limit; over == 0 {
			over = s.Limit
		}
		over = max(over, delivery.LightenLeast)
		return nil
	})
	if mail.Is(err, mail.NotFound) {
		return 0, nil
	}
	return over, err
}

// Work is the queue's handler for delivery.JobOutgoing.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var o delivery.Outgoing
	if err := json.Unmarshal(j.Payload, &o); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	out, err := s.work(ctx, j, &o)
	switch {
	case err == nil:
		return out
	case errors.Is(err, store.ErrNoRows):
		return queue.Done(nil) // the message was taken back
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case s.now().Sub(o.At) > giveUp+waits:
		s.log().ErrorContext(ctx, "gave up", "mail", o.Mail, "user", o.Sender.ID, "kind", delivery.JobOutgoing, "err", err)
		return queue.Discard(err.Error(), func(ctx context.Context, tx *store.Tx) error {
			return s.bounce(ctx, tx, &o, "outgoing-failed")
		})
	}
	s.log().WarnContext(ctx, "will be tried again", "mail", o.Mail, "user", o.Sender.ID, "kind", delivery.JobOutgoing, "err", err)
	return queue.Snooze(s.now().Add(workflow.Pause(j.Attempts)), err.Error(), nil)
}

func (s *Service) work(ctx context.Context, j *queue.Job, o *delivery.Outgoing) (queue.Outcome, error) {
	m, err := s.Messages.Get(ctx, o.Message)
	if err != nil {
		return queue.Outcome{}, err
	}
	if m.Summary == nil || m.Summary.Root == nil {
		return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.untouched(ctx, tx, o, m) }), nil
	}
	var answer string
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		answer, _, err = s.Settings.Outgoing(ctx, tx, o.Sender.ID)
		return err
	})
	if mail.Is(err, mail.NotFound) { // a member who was removed sends nothing any more
		return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.Messages.DeleteUnnamed(ctx, tx, o.Message) }), nil
	}
	if err != nil {
		return queue.Outcome{}, err
	}
	take, ok := delivery.Lighten(m.Summary, m.Size, o.Limit)
	if !ok || answer == No {
		return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.untouched(ctx, tx, o, m) }), nil
	}
	if answer != Yes {
		// What cannot be cut is found out before the member is asked.
		if _, err := lighten.Plan(ctx, s.Messages, m, take); errors.Is(err, lighten.ErrShape) || errors.Is(err, lighten.ErrSealed) {
			return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.untouched(ctx, tx, o, m) }), nil
		} else if err != nil {
			return queue.Outcome{}, err
		}
		return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.hold(ctx, tx, j, o, m, take) }), nil
	}
	l, err := s.lightened(ctx, o, m, take)
	switch {
	case errors.Is(err, lighten.ErrShape), errors.Is(err, lighten.ErrSealed), errors.Is(err, lighten.ErrDamaged):
		s.log().InfoContext(ctx, "left as it is", "mail", o.Mail, "user", o.Sender.ID, "err", err)
		return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.untouched(ctx, tx, o, m) }), nil
	case err != nil:
		return queue.Outcome{}, err
	}
	return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.send(ctx, tx, o, l) }), nil
}

// lightened is all that one transaction needs.
type lightened struct {
	shared   blob.Ref
	messages []*message.Draft // for o.To, then for o.Here
	transfer *transfer.Outgoing
}

// lightened writes the files and the messages out, before the transaction.
func (s *Service) lightened(ctx context.Context, o *delivery.Outgoing, m *message.Message, take []*mail.Part) (l *lightened, err error) {
	edits, err := lighten.Plan(ctx, s.Messages, m, take)
	if err != nil {
		return nil, err
	}
	l = &lightened{}
	defer func() {
		if err != nil {
			s.discard(l)
		}
	}()
	p := locale.For(o.Sender.Lang)
	now := s.now()
	t := &transfer.Outgoing{Mail: o.Mail, Sender: o.Sender, From: o.From, Lang: p.Lang, Subject: m.Summary.Subject,
		Created: now, Expires: now.AddDate(0, 0, transfer.DefaultDays)}
	l.transfer = t
	for i, name := range workflow.Names(take, p) {
		k, err := lighten.File(ctx, s.Messages, m, take[i])
		if err != nil {
			return l, err
		}
		t.Files = append(t.Files, transfer.File{Name: name, MediaType: store.Clean(take[i].Type), Size: k.Size, SHA256: k.SHA256})
		t.Refs = append(t.Refs, *k.Ref)
	}
	c, err := lighten.Keep(ctx, s.Messages, m, edits)
	if err != nil {
		return l, err
	}
	l.shared = c.Ref
	b := lighten.Block{Heading: p.T("outgoing-block", "Count", len(t.Files), "Date", p.Date(t.Expires))}
	for _, f := range t.Files {
		b.Lines = append(b.Lines, f.Name+" ("+p.Size(f.Size)+")")
	}
	for _, r := range all(o) {
		k := link.Link{ID: link.ID(store.NewID()), Person: r.Address, Name: called(m.Summary, r.Address), Lang: p.Lang}
		t.Links = append(t.Links, k)
		b.URL = s.Post.WebURL(link.Transfer, s.Links.Token(k))
		d, err := c.Message(ctx, s.Messages.Blobs, b)
		if err != nil {
			return l, err
		}
		l.messages = append(l.messages, d)
		sum := *m.Summary // what signs and traces it reads the fields; the parts are others now
		sum.Root, sum.Card, d.Summary = nil, nil, &sum
	}
	t.Receipt = receipt(p, t, m.Summary.Subject)
	return l, nil
}

func all(o *delivery.Outgoing) []mail.Recipient {
	return append(append([]mail.Recipient(nil), o.To...), o.Here...)
}

// discard gives back what was written for nothing.
func (s *Service) discard(l *lightened) {
	if l.transfer != nil {
		s.Messages.Blobs.Discard(l.transfer.Refs...)
	}
	for _, d := range l.messages {
		s.Messages.Blobs.Discard(d.Refs...)
	}
	s.Messages.Blobs.Discard(l.shared)
}

// called is how the mail's fields name somebody, "" when they do not.
func called(s *mail.Summary, a mail.Address) string {
	for _, list := range [][]mail.Mailbox{s.To, s.Cc} {
		for _, m := range list {
			if b, err := mail.ParseAddress(m.Addr); err == nil && b.Key() == a.Key() && m.Name != a.String() {
				return m.Name
			}
		}
	}
	return ""
}

// send is the one transaction.
func (s *Service) send(ctx context.Context, tx *store.Tx, o *delivery.Outgoing, l *lightened) error {
	t, err := s.Transfers.MakeOutgoing(ctx, tx, l.transfer)
	if err != nil {
		return err
	}
	if err := s.Messages.Blobs.Insert(ctx, tx, l.shared); err != nil {
		return err
	}
	for i, r := range all(o) {
		d := *l.messages[i]
		if err := s.Messages.Insert(ctx, tx, &d); err != nil {
			return err
		}
		if err := s.leave(ctx, tx, o, i, r, d.ID, d.Size); err != nil {
			return err
		}
	}
	s.log().InfoContext(ctx, "lightened", "mail", o.Mail, "user", o.Sender.ID, "transfer", int64(t.ID), "to", len(l.messages), "size", t.Size())
	// The files are in the transfer now: a recall must find no second copy.
	return s.Messages.DeleteUnnamed(ctx, tx, o.Message)
}

// leave queues message m for the recipient r, the nth of o.
func (s *Service) leave(ctx context.Context, tx *store.Tx, o *delivery.Outgoing, n int, r mail.Recipient, m message.ID, size int64) error {
	make := func() (queue.Job, error) { return o.Relay(m, size, r) }
	if n >= len(o.To) {
		make = func() (queue.Job, error) { return o.Deliver(r, n, m) }
	}
	job, err := make()
	if err != nil {
		return err
	}
	_, _, err = s.Queue.Add(ctx, tx, job)
	return err
}

// untouched lets a mail leave as it is, or tells its member that it cannot.
func (s *Service) untouched(ctx context.Context, tx *store.Tx, o *delivery.Outgoing, m *message.Message) error {
	if m.Size > s.Ordinary {
		return s.bounce(ctx, tx, o, "outgoing-untouchable")
	}
	for i, r := range o.Here {
		if err := s.leave(ctx, tx, o, len(o.To)+i, r, o.Message, m.Size); err != nil {
			return err
		}
	}
	byDomain := map[string][]mail.Recipient{}
	for _, r := range o.To {
		byDomain[r.Domain] = append(byDomain[r.Domain], r)
	}
	for _, to := range byDomain { // thirty people on one host: the mail goes there once
		job, err := o.Relay(o.Message, m.Size, to...)
		if err == nil {
			_, _, err = s.Queue.Add(ctx, tx, job)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bounce tells the member in words why their mail did not leave, and forgets it.
func (s *Service) bounce(ctx context.Context, tx *store.Tx, o *delivery.Outgoing, why string) error {
	if err := s.Messages.Keep(ctx, tx, o.Message); errors.Is(err, store.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	m, err := s.Messages.GetIn(ctx, tx, o.Message)
	if err != nil {
		return err
	}
	if _, err := s.Post.Send(ctx, tx, returned(o, m.Summary, why)); err != nil {
		return err
	}
	if s.Trace != nil {
		e := delivery.Event{Mail: o.Mail, At: s.now(), What: delivery.Bounced, Why: mail.MakeText(why, "Address", drop(o))}
		for _, r := range all(o) {
			e.To = append(e.To, delivery.Stop{Addr: r.Key(), Where: mail.ToRelay})
		}
		if err := s.Trace(ctx, tx, e); err != nil {
			return err
		}
	}
	return s.Messages.DeleteUnnamed(ctx, tx, o.Message)
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
