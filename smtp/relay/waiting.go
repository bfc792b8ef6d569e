package relay

import (
	"context"
	"encoding/json"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store/queue"
)

// Waiting is one mail that has not left yet, as the operator sees it.
type Waiting struct {
	Job      queue.ID
	Mail     string
	From     mail.Address
	To       []mail.Address // those still to be served
	Size     int64
	Since    time.Time
	Attempts int
	Next     time.Time
	Held     bool
	Reason   string // of the last attempt, one line
}

// maxWaiting bounds the list; who has more waiting mail needs no list.
const maxWaiting = 10_000

// Waiting lists the mail that has not left yet, oldest first.
func (r *Relay) Waiting(ctx context.Context) ([]Waiting, error) {
	jobs, err := r.Queue.List(ctx, delivery.JobRelay, maxWaiting)
	if err != nil {
		return nil, err
	}
	out := make([]Waiting, 0, len(jobs))
	for _, j := range jobs {
		var w work
		if err := json.Unmarshal(j.Payload, &w); err != nil {
			w.Mail = "?"
		}
		it := Waiting{Job: j.ID, Mail: w.Mail, From: w.From, Size: w.Size, Since: w.At, Attempts: w.Tries,
			Next: j.Due, Held: j.Held, Reason: j.Reason}
		for _, rcpt := range w.To {
			it.To = append(it.To, rcpt.Address)
		}
		out = append(out, it)
	}
	return out, nil
}

// Retry makes a mail due now, whatever its destination asked for.
func (r *Relay) Retry(ctx context.Context, id queue.ID) error {
	j, err := r.Queue.Find(ctx, id)
	if err != nil {
		return err
	}
	r.resume(j.Lane)
	return r.Queue.Retry(ctx, id)
}

// RetryDomain does so for all mail to a domain that nobody holds, and says how
// much there is.
func (r *Relay) RetryDomain(ctx context.Context, domain string) (int64, error) {
	r.resume(domain)
	return r.Queue.RetryLane(ctx, delivery.JobRelay, domain)
}

// resume forgets what kept us from a domain's servers.
func (r *Relay) resume(domain string) {
	r.pacer().resume(domain)
	r.dead.mu.Lock()
	defer r.dead.mu.Unlock()
	r.dead.since = nil
}
