package host

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store/queue"
)

// WaitingMail is one mail that waits to go out, or for its hour.
type WaitingMail struct {
	ID       int64
	To       string // the lane: a destination domain; of a mail that waits for its hour, recipients
	Due      time.Time
	Created  time.Time
	Attempts int
	Held     bool
	Reason   string
}

// queueLimit bounds a listing; who has more in the queue looks for patterns, not for one mail.
const queueLimit = 1000

// WaitingMails lists them, those that wait for their hour last.
func (h *Host) WaitingMails(ctx context.Context) ([]WaitingMail, error) {
	jobs, err := h.Queue.List(ctx, delivery.JobRelay, queueLimit)
	if err != nil {
		return nil, err
	}
	later, err := h.Queue.List(ctx, delivery.JobRelease, queueLimit)
	out := make([]WaitingMail, 0, len(jobs)+len(later))
	for _, j := range jobs {
		out = append(out, WaitingMail{int64(j.ID), j.Lane, j.Due, j.Created, j.Attempts, j.Held, j.Reason})
	}
	for _, j := range later {
		to, reason := "?", cmp.Or(j.Reason, "not before its hour")
		if env, err := delivery.HeldMail(&j); err == nil && len(env.To) > 0 {
			to = env.To[0].Key()
			if n := len(env.To) - 1; n > 0 {
				to += fmt.Sprintf(" and %d more", n)
			}
		}
		out = append(out, WaitingMail{int64(j.ID), to, j.Due, j.Created, j.Attempts, j.Held, "from " + j.Lane + ": " + reason})
	}
	return out, err
}

// TooEarly says that a mail leaves later because its sender wants it so.
type TooEarly struct{ Until time.Time }

func (e TooEarly) Error() string { return "its sender wants it to leave later" }

// ChangeMail does with one mail of the queue what an operator asks ("retry",
// "hold", "release", "cancel"), and tells the trace where that changes the
// mail's way. store.ErrNoRows: there is no such mail; TooEarly.
func (h *Host) ChangeMail(ctx context.Context, what string, id int64) error {
	do, ok := map[string]func(context.Context, queue.ID) error{
		"retry": h.retry, "hold": h.Queue.Hold, "release": h.Queue.Release, "cancel": h.Queue.Cancel,
	}[what]
	if !ok {
		return mail.Wrap(mail.BadSyntax, fmt.Errorf("nothing is done by %q", what))
	}
	j, err := h.Queue.Find(ctx, queue.ID(id))
	if err != nil {
		return err
	}
	about, err := h.waiting(ctx, j) // before: what is cancelled has no payload
	if err == nil {
		err = do(ctx, j.ID)
	}
	switch {
	case err != nil || about.Mail == "":
		return err
	case what == "hold" && !j.Held:
		about.What = delivery.Held
	case what == "release" && j.Held:
		about.What = delivery.Released
	case what == "cancel":
		about.What = delivery.Cancelled
	default:
		return nil
	}
	if err := h.Trace.Add(ctx, about); err != nil {
		return fmt.Errorf("done, but the trace was not told: %w", err)
	}
	return nil
}

// retry tries one mail now, unless its sender wants it to leave later.
func (h *Host) retry(ctx context.Context, id queue.ID) error {
	j, err := h.Queue.Find(ctx, id)
	if err != nil {
		return err
	}
	switch j.Kind {
	case delivery.JobRelay:
		return h.Relay.Retry(ctx, id)
	case delivery.JobRelease:
		if env, err := delivery.HeldMail(j); err == nil && env.Release.After(h.opt.Now()) {
			return TooEarly{env.Release}
		}
	}
	return h.Queue.Retry(ctx, id)
}

// waiting is what the trace is told of a mail in the queue: which one, and for
// whom; empty when the job is none.
func (h *Host) waiting(ctx context.Context, j *queue.Job) (e delivery.Event, err error) {
	switch j.Kind {
	case delivery.JobRelease:
		// One that cannot be read can still be cancelled.
		e.Mail, _ = strings.CutPrefix(j.Key, delivery.ReleaseKey(""))
		if env, err := delivery.HeldMail(j); err == nil {
			for _, r := range env.To {
				e.To = append(e.To, delivery.Stop{Addr: r.Key()})
			}
		}
	case delivery.JobRelay:
		all, err := h.Relay.Waiting(ctx)
		if err != nil {
			return e, err
		}
		for _, w := range all {
			if w.Job != j.ID || w.Mail == "?" { // unreadable
				continue
			}
			e.Mail = w.Mail
			for _, to := range w.To {
				e.To = append(e.To, delivery.Stop{Addr: to.Key(), Where: mail.ToRelay})
			}
		}
	}
	return e, nil
}
