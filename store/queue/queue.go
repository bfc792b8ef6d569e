// Package queue holds work that must be done later, or again until it succeeds.
package queue

import (
	"context"
	"log/slog"
	"time"

	"colporteur/store"
)

// ID names a job.
type ID int64

// Job is one piece of work.
type Job struct {
	ID       ID
	Kind     string
	Lane     string // what must not crowd out the rest: a destination domain, a member
	Key      string // "" or: a second Add of the same kind and key does nothing
	Payload  []byte // JSON
	Message  int64  // 0, or the store/message it needs
	Due      time.Time
	Created  time.Time
	Attempts int // this one included
	Held     bool
	Reason   string

	lease int64
	queue *Queue
}

// Queue is the jobs of one host.
type Queue struct {
	DB  *store.DB
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

// Handler does one job. It may be called again for the same job (after a
// crash, or when its lease ran out), so it is idempotent or asks Confirm first.
// Its ctx ends when the lease is lost or the queue stops.
type Handler func(ctx context.Context, j *Job) Outcome

// Outcome is what became of a job. Make one with Done, Snooze or Discard.
type Outcome struct {
	verb    string
	at      time.Time
	reason  string
	payload []byte
	with    func(ctx context.Context, tx *store.Tx) error
}

// Done ends the job. with, which may be nil, runs in the transaction that ends
// it: what the job causes in the database happens exactly once.
func Done(with func(ctx context.Context, tx *store.Tx) error) Outcome {
	return Outcome{verb: "done", with: with}
}

// Snooze runs the job again at t; payload nil keeps the old one.
func Snooze(t time.Time, reason string, payload []byte) Outcome {
	return Outcome{verb: "snooze", at: t, reason: reason, payload: payload}
}

// Discard gives up for good; with as in Done.
func Discard(reason string, with func(ctx context.Context, tx *store.Tx) error) Outcome {
	return Outcome{verb: "discard", reason: reason, with: with}
}

// Options of a kind of jobs.
type Options struct {
	Workers int           // at once, on this node; 0 is 4
	PerLane int           // at once in one lane; 0 is no limit
	Lease   time.Duration // 0 is 5 minutes; renewed while the handler runs
}

// Add queues a job in the caller's transaction and wakes a worker after its
// commit. A zero Due is now. An equal Key is not an error: nothing is added,
// and added is false.
func (q *Queue) Add(ctx context.Context, tx *store.Tx, j Job) (id ID, added bool, err error) {
	panic("unwritten")
}

// Handle says who does jobs of this kind. Call it before Run.
func (q *Queue) Handle(kind string, o Options, h Handler) { panic("unwritten") }

// Run works until ctx ends, then waits for running handlers (their ctx ends
// too) and puts unfinished jobs back.
func (q *Queue) Run(ctx context.Context) error { panic("unwritten") }

// Confirm re-reads the lease just before a step that cannot be taken back, such
// as the final dot. An error means: somebody else has the job; stop.
func (j *Job) Confirm(ctx context.Context) error { panic("unwritten") }

// Idle waits until no job of the given kinds (none given: any kind) is running
// or due now.
func (q *Queue) Idle(ctx context.Context, kinds ...string) error { panic("unwritten") }

// List returns living jobs of a kind, oldest first, at most limit.
func (q *Queue) List(ctx context.Context, kind string, limit int) ([]Job, error) {
	panic("unwritten")
}

// Retry makes a job due now; Hold and Release park it and put it back; Cancel
// ends it. They say store.ErrNoRows when there is no such living job.
func (q *Queue) Retry(ctx context.Context, id ID) error   { panic("unwritten") }
func (q *Queue) Hold(ctx context.Context, id ID) error    { panic("unwritten") }
func (q *Queue) Release(ctx context.Context, id ID) error { panic("unwritten") }
func (q *Queue) Cancel(ctx context.Context, id ID) error  { panic("unwritten") }

// Wake looks at the clock again now: a test moved it.
func (q *Queue) Wake() { panic("unwritten") }

// Sweep forgets jobs that ended more than age ago (30 days in production:
// until then their keys protect against a second one).
func (q *Queue) Sweep(ctx context.Context, age time.Duration) error { panic("unwritten") }
