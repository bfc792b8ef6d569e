// Package queue holds work that must be done later, or again until it succeeds.
//
// # Leases
//
// A worker that claims a job writes a fencing token into it (lease) and until
// when it holds (next), and moves that time on while the handler runs. Every
// statement that ends a job asks for the same token: a worker that was declared
// dead and comes back finds zero rows and has lost. A process that is killed
// leaves its tokens behind; the jobs are claimed again when the time is over,
// or at once by Recover where one process is all there is.
//
// # States
//
//	waiting   lease = 0, next = due
//	running   lease > 0, next = end of the lease
//	held      held = since when, whatever the rest says; a running handler still ends
//	ended     done > 0; kept only for its key, without payload and message
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"colporteur/store"
)

// ErrLost is Confirm's and a context's cause: the job is no longer this worker's.
var ErrLost = errors.New("the job belongs to somebody else now")

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
	Created  time.Time // moved on by the time it was held: a deadline counted from here does not run then
	Attempts int       // this one included
	Held     bool
	Running  bool // a worker has it
	Reason   string

	lease int64
	work  *kind
}

// Queue is the jobs of one host.
type Queue struct {
	DB  *store.DB
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards

	mu      sync.Mutex
	kinds   map[string]*kind
	changed chan struct{} // closed at the next change that Idle may wait for
	runs    bool
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

// PutBack runs the job again when there is room for it: nothing was attempted.
func PutBack() Outcome { return Outcome{verb: "stop"} }

// Discard gives up for good; with as in Done.
func Discard(reason string, with func(ctx context.Context, tx *store.Tx) error) Outcome {
	return Outcome{verb: "discard", reason: reason, with: with}
}

// Options of a kind of jobs.
type Options struct {
	Workers int           // at once, on this node; 0 is 4
	PerLane int           // at once in one lane, on this node; 0 is no limit
	Lease   time.Duration // 0 is 5 minutes; renewed while the handler runs

	// Limit, in place of PerLane, says what room a pool has right now. It is
	// called often and must not wait.
	Limit func(pool string) Room
	// Pool puts lanes together that share a limit; nil is each on its own.
	Pool func(lane string) string
	// Overdue, if not 0: a job that has waited so long since it was due runs
	// although its pool is full, so that its handler can say that it is late.
	Overdue time.Duration

	Stopped func() // called when Run ends, after the last handler; may be nil
}

// Room is what a pool of lanes may have.
type Room struct {
	Jobs  int       // at once
	Again time.Time // when to ask once more if that is too few; zero is at the end of a job
	// Class: all pools of a class together have a third of the workers at most,
	// so that those of no class ("") always find one.
	Class string
}

func (q *Queue) now() time.Time {
	if q.Now == nil {
		return time.Now()
	}
	return q.Now()
}

func (q *Queue) log() *slog.Logger {
	if q.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return q.Log
}

// Add queues a job in the caller's transaction and wakes a worker after its
// commit. A zero Due is now. An equal Key is not an error: nothing is added,
// added is false, and id is the job that has the key.
func (q *Queue) Add(ctx context.Context, tx *store.Tx, j Job) (id ID, added bool, err error) {
	now := q.now()
	if j.Due.IsZero() {
		j.Due = now
	}
	if j.Payload == nil {
		j.Payload = []byte{}
	}
	var key, message any
	if j.Key != "" {
		key = store.Clean(j.Key)
	}
	if j.Message != 0 {
		message = j.Message
	}
	id = ID(store.NewID())
	n, err := tx.Exec(ctx, `INSERT INTO job (id, kind, lane, key, payload, message, due, created, attempts, lease, next, held, done, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $7, 0, 0, '') ON CONFLICT (kind, key) WHERE key IS NOT NULL DO NOTHING`,
		int64(id), j.Kind, store.Clean(j.Lane), key, j.Payload, message, store.Micros(j.Due), store.Micros(now))
	if err != nil {
		return 0, false, fmt.Errorf("add %s job: %w", j.Kind, err)
	}
	if n == 0 {
		var old int64
		err := tx.QueryRow(ctx, `SELECT id FROM job WHERE kind = $1 AND key = $2`, j.Kind, key).Scan(&old)
		if err != nil && !errors.Is(err, store.ErrNoRows) { // swept this very moment
			return 0, false, fmt.Errorf("add %s job: %w", j.Kind, err)
		}
		return ID(old), false, nil
	}
	lane, at := store.Clean(j.Lane), store.Micros(j.Due)
	tx.AfterCommit(func() {
		q.note(j.Kind, lane, at)
		q.wake(j.Kind)
	})
	return id, true, nil
}

// note says that a lane of a kind has a job for at.
func (q *Queue) note(name, lane string, at int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if k := q.kinds[name]; k != nil {
		k.agenda.note(lane, at)
	}
}

// forget has all kinds, or the one of that name, look at all their lanes.
func (q *Queue) forget(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range q.kinds {
		if name == "" || name == k.name {
			k.agenda.forget()
		}
	}
}

// Handle says who does jobs of this kind. Call it before Run.
func (q *Queue) Handle(name string, o Options, h Handler) {
	if o.Workers <= 0 {
		o.Workers = 4
	}
	if o.Lease <= 0 {
		o.Lease = 5 * time.Minute
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.runs || q.kinds[name] != nil {
		panic(fmt.Sprintf("queue: Handle(%q) after Run, or twice", name))
	}
	if q.kinds == nil {
		q.kinds = map[string]*kind{}
	}
	q.kinds[name] = &kind{
		Options: o, queue: q, name: name, handler: h,
		signal: make(chan struct{}, 1), running: map[ID]*run{},
	}
}

// Run works until ctx ends, then waits for running handlers (their ctx ends
// too) and puts unfinished jobs back.
func (q *Queue) Run(ctx context.Context) error {
	q.mu.Lock()
	if q.runs {
		q.mu.Unlock()
		return errors.New("queue: Run is running already")
	}
	q.runs = true
	kinds := q.kinds
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.runs = false
		q.mu.Unlock()
	}()
	var all sync.WaitGroup
	for _, k := range kinds {
		all.Go(func() { k.run(ctx) })
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

// Recover frees all jobs that workers have: their process is dead. It is for
// the start of the only process on a database; with several nodes it would take
// jobs from the living.
func (q *Queue) Recover(ctx context.Context) error {
	err := q.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE job SET lease = 0, next = due WHERE lease <> 0 AND done = 0`)
		return err
	})
	if err != nil {
		return fmt.Errorf("recover jobs: %w", err)
	}
	q.forget("")
	q.Wake()
	return nil
}

// Wake looks at the clock again now: a test moved it.
func (q *Queue) Wake() { q.wake("") }

// wake has the workers of one kind look for jobs, or all when name is "".
func (q *Queue) wake(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range q.kinds {
		if name == "" || name == k.name {
			select {
			case k.signal <- struct{}{}:
			default:
			}
		}
	}
	q.change()
}

// change tells Idle to look again. The caller holds mu.
func (q *Queue) change() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// nextChange is a channel that closes at the next change.
func (q *Queue) nextChange() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return q.changed
}
