package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"colporteur/store"
)

const (
	poll      = 5 * time.Second        // how soon jobs added by another node are seen
	leastWait = 5 * time.Millisecond   // a test's clock may stand still just before a job is due
	dbPause   = 500 * time.Millisecond // between tries while the database is away
)

// kind is the workers of one kind of jobs.
type kind struct {
	Options
	queue   *Queue
	name    string
	handler Handler
	signal  chan struct{} // there may be something to claim
	agenda  agenda

	mu      sync.Mutex
	running map[ID]*run
	workers sync.WaitGroup
}

// run is one handler at work.
type run struct {
	job    *Job
	cancel context.CancelCauseFunc
}

// run claims and works until ctx ends and the last handler has returned.
func (k *kind) run(ctx context.Context) {
	stop := make(chan struct{})
	var renewer sync.WaitGroup
	renewer.Go(func() { k.renew(stop) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	away := false
	for ctx.Err() == nil {
		wait, err := k.step(ctx)
		if err != nil {
			if ctx.Err() == nil && !away {
				k.queue.log().Error("jobs not claimed", "kind", k.name, "err", err)
			}
			wait = dbPause
		}
		away = err != nil
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.signal:
		}
	}
	k.workers.Wait()
	close(stop)
	renewer.Wait()
	if k.Stopped != nil {
		k.Stopped()
	}
}

// step starts what can be started and says how long there will be nothing new.
func (k *kind) step(ctx context.Context) (wait time.Duration, err error) {
	if k.limited() {
		return k.stepLanes(ctx)
	}
	for {
		free := k.free()
		if free == 0 {
			return time.Hour, nil // a handler that ends gives the signal
		}
		now := k.queue.now()
		first, err := k.earliest(ctx, 0)
		if err != nil {
			return 0, err
		}
		if first.IsZero() || first.After(now) {
			return k.until(first, now), nil
		}
		jobs, err := k.claim(ctx, free, now)
		if err != nil {
			return 0, err
		}
		for _, j := range jobs {
			k.start(ctx, j)
		}
		if len(jobs) == free {
			continue
		}
		// What is due and was not claimed waits for its lane, or is ours already.
		next, err := k.earliest(ctx, store.Micros(now))
		return k.until(next, now), err
	}
}

func (k *kind) until(t, now time.Time) time.Duration {
	if t.IsZero() {
		return poll
	}
	return min(max(t.Sub(now), leastWait), poll)
}

func (k *kind) free() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.Workers - len(k.running)
}

// earliest is when the first job after the given time may be taken; zero for never.
func (k *kind) earliest(ctx context.Context, after int64) (time.Time, error) {
	var next *int64
	err := k.queue.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT MIN(next) FROM job WHERE kind = $1 AND next > $2 AND done = 0 AND held = 0`, k.name, after).Scan(&next)
	})
	if err != nil || next == nil {
		return time.Time{}, err
	}
	return store.Time(*next), nil
}

// claim takes up to n due jobs.
func (k *kind) claim(ctx context.Context, n int, now time.Time) (jobs []*Job, err error) {
	lease := store.NewID()
	err = k.queue.DB.Write(ctx, func(tx *store.Tx) error {
		jobs = nil // the transaction may run again
		for len(jobs) < n {
			// SKIP LOCKED passes over what another node is claiming.
			rows, err := tx.Query(ctx, `SELECT `+columns+` FROM job WHERE kind = $1 AND next <= $2 AND done = 0 AND held = 0
				ORDER BY next LIMIT $3 FOR UPDATE SKIP LOCKED`, k.name, store.Micros(now), n-len(jobs))
			page, err := k.scan(rows, err)
			if err != nil {
				return err
			}
			take, again, err := k.others(ctx, tx, page, now)
			if err != nil {
				return err
			}
			if err := k.mark(ctx, tx, take, lease, now); err != nil {
				return err
			}
			if jobs = append(jobs, take...); !again {
				return nil // there is no more
			}
		}
		return nil
	})
	return jobs, err
}

func (k *kind) scan(rows *sql.Rows, err error) (jobs []*Job, _ error) {
	err = store.Each(rows, err, func(scan func(...any) error) error {
		j, err := scanJob(scan)
		jobs = append(jobs, j)
		return err
	})
	return jobs, err
}

// others are the jobs that no handler of ours has. One that a handler has was
// found because the clock moved past its lease, which is moved on too; again
// says that there was one, and that it may have hidden others.
func (k *kind) others(ctx context.Context, tx *store.Tx, page []*Job, now time.Time) (take []*Job, again bool, err error) {
	for _, j := range page {
		if k.has(j.ID, j.lease) {
			if err := k.extend(ctx, tx, j.ID, j.lease, now); err != nil {
				return nil, false, err
			}
			again = true
			continue
		}
		take = append(take, j)
	}
	return take, again, nil
}

// has says whether a handler of ours holds the job under this lease.
func (k *kind) has(id ID, lease int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.running[id]
	return r != nil && r.job.lease == lease
}

// mark writes the lease into the claimed jobs, in the database and here.
func (k *kind) mark(ctx context.Context, tx *store.Tx, jobs []*Job, lease int64, now time.Time) error {
	if len(jobs) == 0 {
		return nil
	}
	args := []any{lease, store.Micros(now.Add(k.Lease))}
	var in strings.Builder
	for i, j := range jobs {
		if i > 0 {
			in.WriteString(", ")
		}
		j.lease, j.work, j.Running = lease, k, true
		j.Attempts++
		args = append(args, int64(j.ID))
		in.WriteString("$" + strconv.Itoa(len(args)))
	}
	_, err := tx.Exec(ctx, `UPDATE job SET lease = $1, next = $2, attempts = attempts + 1 WHERE id IN (`+in.String()+`)`, args...)
	return err
}

// start runs the handler of j beside the rest.
func (k *kind) start(ctx context.Context, j *Job) {
	jctx, cancel := context.WithCancelCause(ctx)
	r := &run{j, cancel}
	k.mu.Lock()
	k.running[j.ID] = r
	k.mu.Unlock()
	k.workers.Go(func() {
		defer cancel(nil)
		out := k.call(jctx, j)
		k.finish(ctx, jctx, j, out)
		k.mu.Lock()
		if k.running[j.ID] == r { // a job that was snoozed until now may be running again
			delete(k.running, j.ID)
		}
		k.mu.Unlock()
		k.queue.wake(k.name)
	})
}

// call is the handler, and what a panic of it means: one job that makes it fall
// over must not take the mail server down, and may work after the next release.
func (k *kind) call(ctx context.Context, j *Job) (out Outcome) {
	defer func() {
		if p := recover(); p != nil {
			k.queue.log().Error("job panicked", "kind", k.name, "job", int64(j.ID), "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			out = k.again(j, fmt.Sprintf("panic: %v", p))
		}
	}()
	out = k.handler(ctx, j)
	if out.verb == "" {
		k.queue.log().Error("job without an outcome", "kind", k.name, "job", int64(j.ID))
		out = k.again(j, "the handler gave no outcome")
	}
	return out
}

// again is the snooze after a failure that the handler did not foresee: a
// minute, doubled with each attempt up to an hour.
func (k *kind) again(j *Job, reason string) Outcome {
	pause := time.Minute << min(max(j.Attempts-1, 0), 6)
	return Snooze(k.queue.now().Add(min(pause, time.Hour)), reason, nil)
}

// finish records the outcome. While the database is away it tries again for as
// long as the lease holds: what the handler did outside cannot be undone, and
// an outcome that is forgotten is a mail that is sent twice.
func (k *kind) finish(ctx, jctx context.Context, j *Job, out Outcome) {
	if ctx.Err() != nil && out.verb == "snooze" {
		out.verb = "stop"
	}
	for deadline := time.Now().Add(k.Lease); ; {
		// The end of the queue does not take back what was done.
		wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		err := k.record(wctx, j, out)
		cancel()
		switch {
		case err == nil:
			return
		case errors.Is(err, ErrLost):
			k.queue.log().Warn("job lost", "kind", k.name, "job", int64(j.ID))
			return
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull):
			if ctx.Err() != nil || errors.Is(context.Cause(jctx), ErrLost) || time.Now().After(deadline) {
				k.queue.log().Error("job's end not recorded", "kind", k.name, "job", int64(j.ID), "err", err)
				return // the lease runs out
			}
			select {
			case <-time.After(dbPause):
			case <-ctx.Done():
			}
		case out.with != nil:
			k.queue.log().Error("job's end failed", "kind", k.name, "job", int64(j.ID), "err", err)
			out = k.again(j, err.Error())
		default:
			k.queue.log().Error("job's end not recorded", "kind", k.name, "job", int64(j.ID), "err", err)
			return
		}
	}
}

// record writes the outcome if the lease is still ours.
func (k *kind) record(ctx context.Context, j *Job, out Outcome) error {
	now := store.Micros(k.queue.now())
	return k.queue.DB.Write(ctx, func(tx *store.Tx) error {
		if out.verb == "snooze" || out.verb == "stop" {
			at := store.Micros(j.Due)
			if out.verb == "snooze" {
				at = store.Micros(out.at)
			}
			tx.AfterCommit(func() { k.agenda.note(j.Lane, at) })
		}
		var n int64
		var err error
		id, reason := int64(j.ID), tidy(out.reason)
		switch out.verb {
		case "done", "discard":
			if j.Key == "" {
				n, err = tx.Exec(ctx, `DELETE FROM job WHERE id = $1 AND lease = $2 AND done = 0`, id, j.lease)
			} else {
				n, err = tx.Exec(ctx, `UPDATE job SET done = $1, lease = 0, payload = $2, message = NULL, reason = $3 WHERE id = $4 AND lease = $5 AND done = 0`,
					now, []byte{}, reason, id, j.lease)
			}
		case "snooze":
			at := max(store.Micros(out.at), 1)
			if out.payload == nil {
				n, err = tx.Exec(ctx, `UPDATE job SET lease = 0, due = $1, next = $1, reason = $2 WHERE id = $3 AND lease = $4 AND done = 0`,
					at, reason, id, j.lease)
			} else {
				n, err = tx.Exec(ctx, `UPDATE job SET lease = 0, due = $1, next = $1, reason = $2, payload = $3 WHERE id = $4 AND lease = $5 AND done = 0`,
					at, reason, out.payload, id, j.lease)
			}
		case "stop": // no attempt was made, but perhaps a part of one
			if out.payload == nil {
				n, err = tx.Exec(ctx, `UPDATE job SET lease = 0, next = due, attempts = attempts - 1 WHERE id = $1 AND lease = $2 AND done = 0`, id, j.lease)
			} else {
				n, err = tx.Exec(ctx, `UPDATE job SET lease = 0, next = due, attempts = attempts - 1, payload = $1 WHERE id = $2 AND lease = $3 AND done = 0`,
					out.payload, id, j.lease)
			}
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrLost
		}
		if out.with != nil {
			return out.with(ctx, tx)
		}
		return nil
	})
}

// tidy makes a reason fit to be kept and shown on one line.
func tidy(s string) string {
	s = strings.Join(strings.Fields(store.Clean(s)), " ")
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "")
	}
	return s
}
