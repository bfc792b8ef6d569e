package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"colporteur/store"
)

// renew moves the leases of running jobs on until stop closes. A handler whose
// lease is lost, or could not be renewed in time, has its ctx ended.
func (k *kind) renew(stop <-chan struct{}) {
	tick := time.NewTicker(k.Lease / 3)
	defer tick.Stop()
	good := map[ID]time.Time{} // by the machine's clock: when the lease was last certain
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		k.mu.Lock()
		jobs := make([]*Job, 0, len(k.running))
		for _, r := range k.running {
			jobs = append(jobs, r.job)
		}
		k.mu.Unlock()
		if len(jobs) == 0 {
			clear(good)
			continue
		}
		start := time.Now()
		var lost map[ID]bool
		ctx, cancel := context.WithTimeout(context.Background(), k.Lease/3)
		err := k.queue.DB.Write(ctx, func(tx *store.Tx) error {
			lost = map[ID]bool{}
			for _, j := range jobs {
				switch err := k.extend(ctx, tx, j.ID, j.lease, k.queue.now()); {
				case errors.Is(err, ErrLost):
					lost[j.ID] = true
				case err != nil:
					return err
				}
			}
			return nil
		})
		cancel()
		if err != nil {
			k.queue.log().Error("leases not renewed", "kind", k.name, "err", err)
		}
		known := map[ID]time.Time{}
		for _, j := range jobs {
			last, ok := good[j.ID]
			if err == nil {
				last = start
			} else if !ok {
				last = start.Add(-k.Lease / 3) // claimed since the last tick, perhaps just after it
			}
			known[j.ID] = last
			if lost[j.ID] || err != nil && time.Since(last) > k.Lease/2 {
				k.cancel(j.ID, ErrLost)
			}
		}
		good = known
	}
}

// extend moves the end of one lease on.
func (k *kind) extend(ctx context.Context, tx *store.Tx, id ID, lease int64, now time.Time) error {
	n, err := tx.Exec(ctx, `UPDATE job SET next = $1 WHERE id = $2 AND lease = $3 AND done = 0`,
		store.Micros(now.Add(k.Lease)), int64(id), lease)
	if err == nil && n == 0 {
		return ErrLost
	}
	return err
}

// cancel ends the ctx of a running handler.
func (k *kind) cancel(id ID, cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.running[id]; r != nil {
		r.cancel(cause)
	}
}

// Confirm re-reads the lease just before a step that cannot be taken back, such
// as the final dot. An error means: somebody else has the job; stop.
func (j *Job) Confirm(ctx context.Context) error {
	if j.work == nil {
		return fmt.Errorf("confirm job %d: %w", j.ID, ErrLost)
	}
	k := j.work
	var next int64
	err := k.queue.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT next FROM job WHERE id = $1 AND lease = $2 AND done = 0`, int64(j.ID), j.lease).Scan(&next)
	})
	if errors.Is(err, store.ErrNoRows) {
		err = ErrLost
	}
	if now := k.queue.now(); err == nil && store.Time(next).Sub(now) < k.Lease/3 {
		// The renewing is late. Without this the lease could end during the step.
		err = k.queue.DB.Write(ctx, func(tx *store.Tx) error { return k.extend(ctx, tx, j.ID, j.lease, now) })
	}
	if err != nil {
		return fmt.Errorf("confirm job %d: %w", j.ID, err)
	}
	return nil
}

// Keep writes a new payload while the job goes on, so that a crash from here on
// begins with it. ErrLost means: somebody else has the job; stop.
func (j *Job) Keep(ctx context.Context, payload []byte) error {
	if j.work == nil {
		return fmt.Errorf("keep job %d: %w", j.ID, ErrLost)
	}
	err := j.work.queue.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE job SET payload = $1 WHERE id = $2 AND lease = $3 AND done = 0`, payload, int64(j.ID), j.lease)
		if err == nil && n == 0 {
			return ErrLost
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("keep job %d: %w", j.ID, err)
	}
	j.Payload = payload
	return nil
}
