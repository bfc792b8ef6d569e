package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"colporteur/store"
)

const columns = `id, kind, lane, key, payload, message, due, created, attempts, lease, held, reason`

func scanJob(scan func(...any) error) (*Job, error) {
	j := &Job{}
	var key *string
	var message *int64
	var due, created, held int64
	err := scan(&j.ID, &j.Kind, &j.Lane, &key, &j.Payload, &message, &due, &created, &j.Attempts, &j.lease, &held, &j.Reason)
	if err != nil {
		return nil, err
	}
	if key != nil {
		j.Key = *key
	}
	if message != nil {
		j.Message = *message
	}
	j.Due, j.Created = store.Time(due), store.Time(created)
	j.Held, j.Running = held != 0, j.lease != 0
	return j, nil
}

// List returns living jobs of a kind ("" is every kind), oldest first, at most limit.
func (q *Queue) List(ctx context.Context, kind string, limit int) (jobs []Job, err error) {
	err = q.DB.Read(ctx, func(tx *store.Tx) error {
		jobs = nil
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM job WHERE (kind = $1 OR $1 = '') AND done = 0 ORDER BY id LIMIT $2`, kind, limit)
		return store.Each(rows, err, func(scan func(...any) error) error {
			j, err := scanJob(scan)
			if err == nil {
				jobs = append(jobs, *j)
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}

// Find is one living job; store.ErrNoRows when there is none.
func (q *Queue) Find(ctx context.Context, id ID) (j *Job, err error) {
	err = q.DB.Read(ctx, func(tx *store.Tx) (err error) {
		j, err = scanJob(tx.QueryRow(ctx, `SELECT `+columns+` FROM job WHERE id = $1 AND done = 0`, int64(id)).Scan)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("job %d: %w", id, err)
	}
	return j, nil
}

// Retry makes a job due now; Hold and Release park it and put it back; Cancel
// ends it. They say store.ErrNoRows when there is no such living job.
func (q *Queue) Retry(ctx context.Context, id ID) error {
	// A running one keeps its lease: two workers at once is what leases are against.
	return q.command(ctx, id, `UPDATE job SET due = $1, next = CASE WHEN lease = 0 THEN $1 ELSE next END WHERE id = $2 AND done = 0 RETURNING kind`,
		store.Micros(q.now()), int64(id))
}

// RetryLane makes all jobs of a lane due now that are not held, and says how many.
func (q *Queue) RetryLane(ctx context.Context, kind, lane string) (n int64, err error) {
	err = q.DB.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.Exec(ctx, `UPDATE job SET due = $1, next = CASE WHEN lease = 0 THEN $1 ELSE next END
			WHERE kind = $2 AND lane = $3 AND done = 0 AND held = 0`, store.Micros(q.now()), kind, lane)
		tx.AfterCommit(func() {
			q.forget(kind)
			q.wake(kind)
		})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("retry %s jobs of %s: %w", kind, lane, err)
	}
	return n, nil
}

// Hold parks a job; see Retry. A handler that has it goes on to its end.
func (q *Queue) Hold(ctx context.Context, id ID) error {
	return q.command(ctx, id, `UPDATE job SET held = CASE WHEN held = 0 THEN $1 ELSE held END WHERE id = $2 AND done = 0 RETURNING kind`,
		store.Micros(q.now()), int64(id))
}

// Release puts a held job back; see Retry. The time it was held does not count
// (Job.Created): a mail that waited for its operator has its days still before it.
func (q *Queue) Release(ctx context.Context, id ID) error {
	// A 1 is from before the time was kept.
	return q.command(ctx, id, `UPDATE job SET created = CASE WHEN held > 1 AND held < $1 THEN created + ($1 - held) ELSE created END, held = 0
		WHERE id = $2 AND done = 0 RETURNING kind`, store.Micros(q.now()), int64(id))
}

// Cancel ends a job; see Retry. A handler that has it loses it: its ctx ends
// and Confirm says so.
func (q *Queue) Cancel(ctx context.Context, id ID) error {
	err := q.command(ctx, id, `UPDATE job SET done = $1, lease = 0, payload = $2, message = NULL, reason = 'cancelled' WHERE id = $3 AND done = 0 RETURNING kind`,
		store.Micros(q.now()), []byte{}, int64(id))
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range q.kinds {
		k.cancel(id, ErrLost)
	}
	return nil
}

// command runs an operator's statement on one job and wakes its workers.
func (q *Queue) command(ctx context.Context, id ID, statement string, args ...any) error {
	err := q.DB.Write(ctx, func(tx *store.Tx) error {
		var kind string
		if err := tx.QueryRow(ctx, statement, args...).Scan(&kind); err != nil {
			return err
		}
		tx.AfterCommit(func() {
			q.forget(kind)
			q.wake(kind)
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("job %d: %w", id, err)
	}
	return nil
}

// Idle waits until no job of the given kinds (none given: any kind) is running
// or due now.
func (q *Queue) Idle(ctx context.Context, kinds ...string) error {
	for {
		changed := q.nextChange() // before looking, so that nothing is missed
		busy, err := q.busy(ctx, kinds)
		if err != nil {
			return fmt.Errorf("idle: %w", err)
		}
		if len(busy) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("jobs still at work: %s: %w", strings.Join(busy, ", "), ctx.Err())
		case <-changed:
		case <-time.After(100 * time.Millisecond): // another node, or a lease that ends
		}
	}
}

// busy names the kinds that run or are due. What waits until a time for room at
// its pool is not: it would wait as long if it were not due.
func (q *Queue) busy(ctx context.Context, kinds []string) (busy []string, err error) {
	count := map[string]int{}
	now := q.now()
	err = q.DB.Read(ctx, func(tx *store.Tx) error {
		clear(count)
		rows, err := tx.Query(ctx, `SELECT kind, lane, lease <> 0, MIN(due), COUNT(*) FROM job WHERE done = 0 AND held = 0 AND (next <= $1 OR lease <> 0)
			GROUP BY kind, lane, lease <> 0`, store.Micros(now))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var kind, lane string
			var running bool
			var due int64
			var n int
			if err := scan(&kind, &lane, &running, &due, &n); err != nil {
				return err
			}
			if (len(kinds) == 0 || slices.Contains(kinds, kind)) && (running || !q.paused(kind, lane, now, store.Time(due))) {
				count[kind] += n
			}
			return nil
		})
	})
	for kind, n := range count {
		busy = append(busy, fmt.Sprintf("%d of %s", n, kind))
	}
	slices.Sort(busy)
	return busy, err
}

// paused says whether a lane has no room before some later time, and its oldest
// job, due since then, does not run all the same.
func (q *Queue) paused(kind, lane string, now, due time.Time) bool {
	q.mu.Lock()
	k := q.kinds[kind]
	q.mu.Unlock()
	if k == nil || k.Limit == nil || k.Overdue > 0 && now.Sub(due) >= k.Overdue {
		return false
	}
	pool := lane
	if k.Pool != nil {
		pool = k.Pool(lane)
	}
	room := k.Limit(pool)
	return room.Jobs == 0 && room.Again.After(now)
}

// Sweep forgets jobs that ended more than age ago (30 days in production:
// until then their keys protect against a second one).
func (q *Queue) Sweep(ctx context.Context, age time.Duration) error {
	err := q.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM job WHERE done <> 0 AND done < $1`, store.Micros(q.now().Add(-age)))
		return err
	})
	if err != nil {
		return fmt.Errorf("sweep jobs: %w", err)
	}
	return nil
}

// CancelWaiting ends the waiting job of a kind and key, in the caller's
// transaction. false: there is none, or somebody works on it already.
func (q *Queue) CancelWaiting(ctx context.Context, tx *store.Tx, kind, key string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE job SET done = $1, payload = $2, message = NULL, reason = 'cancelled' WHERE kind = $3 AND key = $4 AND done = 0 AND lease = 0`,
		store.Micros(q.now()), []byte{}, kind, key)
	return n > 0, err
}
