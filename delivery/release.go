package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// JobRelease is a mail that waits for its hour: payload later, Key from ReleaseKey.
const JobRelease = "release"

// ReleaseKey is the job's key of a held mail, by which it is cancelled.
func ReleaseKey(mailID string) string { return "release:" + mailID }

// later is the payload of a JobRelease: the envelope as it came.
type later struct {
	Envelope mail.Envelope
	Message  message.ID
}

// HeldMail is the envelope of a mail that waits for its hour, as its job has it.
func HeldMail(j *queue.Job) (mail.Envelope, error) {
	var l later
	if err := json.Unmarshal(j.Payload, &l); err != nil {
		return mail.Envelope{}, fmt.Errorf("payload of job %d: %w", j.ID, err)
	}
	return l.Envelope, nil
}

// hold keeps the mail as it came, in one transaction, until env.Release. Then
// it goes through the Door once more: who its recipients are is asked on that
// day, and a crash in between leaves the job.
func (d *Door) hold(ctx context.Context, env *mail.Envelope, head *header, s *spooled) error {
	payload, err := json.Marshal(later{*env, s.draft.ID})
	if err != nil {
		return err
	}
	came, err := d.wayIn(env, head, s)
	if err != nil {
		return err
	}
	return d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := d.Messages.Insert(ctx, tx, s.draft); err != nil {
			return err
		}
		_, _, err := d.Queue.Add(ctx, tx, queue.Job{Kind: JobRelease, Key: ReleaseKey(env.ID), Lane: env.User.Address.Key(), Payload: payload,
			Message: int64(s.draft.ID), Due: env.Release})
		if err != nil {
			return err
		}
		return came.insert(ctx, tx)
	})
}

// Release is the queue's handler for JobRelease.
func (d *Door) Release(ctx context.Context, j *queue.Job) queue.Outcome {
	var l later
	if err := json.Unmarshal(j.Payload, &l); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	env := l.Envelope
	if d.now().Before(env.Release) {
		return queue.Snooze(env.Release, "not before its hour", nil)
	}
	env.Release, env.Received, env.Once = time.Time{}, time.Time{}, ReleaseKey(env.ID)
	in, err := d.Messages.Open(ctx, l.Message, 0)
	if errors.Is(err, store.ErrNoRows) {
		return queue.Discard("the message is gone", nil)
	}
	if err != nil {
		return queue.Snooze(d.now().Add(time.Minute), err.Error(), nil)
	}
	defer in.Close()
	env.To = d.stillThere(ctx, &env)
	err = d.Accept(ctx, &env, in)
	var known *mail.Error
	switch {
	case err == nil:
		return queue.Done(nil)
	case errors.As(err, &known) && !known.Kind.Temporary():
		d.log().ErrorContext(ctx, "held mail refused", "mail", env.ID, "user", env.User.ID, "err", err)
		return queue.Discard(err.Error(), nil)
	}
	return queue.Snooze(d.now().Add(time.Minute), err.Error(), nil)
}

// stillThere sends recipients that are gone since the mail was written to the
// relay, whose bounce tells the sender: nobody waits at the other end any more.
func (d *Door) stillThere(ctx context.Context, env *mail.Envelope) []mail.Recipient {
	to := make([]mail.Recipient, 0, len(env.To))
	for _, r := range env.To {
		dest, err := d.resolve(ctx, env, r.Address)
		var known *mail.Error
		if errors.As(err, &known) && !known.Kind.Temporary() {
			dest = []mail.Destination{{Where: mail.ToRelay, Addr: r.Address}}
			r.Lost = known.Text
			if r.Lost.ID == "" {
				r.Lost = mail.MakeText("kind-no-such-user")
			}
		}
		r.Dest = dest // nil: asked again by Accept, whose error snoozes the job
		to = append(to, r)
	}
	return to
}
