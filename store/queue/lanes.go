package queue

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"colporteur/store"
)

// # Lanes
//
// A kind whose lanes have limits is claimed lane by lane. Which lanes have
// waiting jobs, and since when, is kept in memory (agenda): what this process
// adds or puts back is noted there, and the rest, which other nodes and
// operators do, is seen by looking at each lane's first job every few seconds.
// A lane that may not run costs a line in that table and no query, however
// many jobs wait in it.
type agenda struct {
	mu    sync.Mutex
	lanes map[string]int64 // the time of its first job; perhaps too early, which costs a query
	look  time.Time        // when to look at all lanes again, by the machine's clock
}

// lookEvery is how soon jobs added by another node are seen. Looking may take a
// twentieth of the time, so with very many lanes it is rarer.
const lookEvery = poll

// note says that a lane has a job for at.
func (a *agenda) note(lane string, at int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(lane, at)
}

func (a *agenda) put(lane string, at int64) {
	if a.lanes == nil {
		a.lanes = map[string]int64{}
	}
	if old, ok := a.lanes[lane]; !ok || at < old {
		a.lanes[lane] = at
	}
}

// forget has the next step look at all lanes.
func (a *agenda) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.look = time.Time{}
}

// take empties the line of each lane; what is noted from now on is kept beside
// what put says later.
func (a *agenda) take(lanes []pick) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range lanes {
		delete(a.lanes, p.lane)
	}
}

// pick is a lane of which up to n jobs, due by then, are to be claimed.
type pick struct {
	lane string
	n    int
	due  int64
}

// limited says whether jobs are claimed lane by lane.
func (o *Options) limited() bool { return o.PerLane > 0 || o.Limit != nil }

func (o *Options) pool(lane string) string {
	if o.Pool == nil {
		return lane
	}
	return o.Pool(lane)
}

func (o *Options) limit(pool string) Room {
	if o.Limit == nil {
		return Room{Jobs: o.PerLane}
	}
	return o.Limit(pool)
}

// stepLanes is step for a kind whose lanes have limits.
func (k *kind) stepLanes(ctx context.Context) (wait time.Duration, err error) {
	for {
		if err := k.lookAtAll(ctx); err != nil {
			return 0, err
		}
		now := k.queue.now()
		picks, wait := k.pick(now)
		if len(picks) == 0 {
			return wait, nil
		}
		k.agenda.take(picks)
		jobs, next, err := k.claimLanes(ctx, picks, now)
		if err != nil {
			k.agenda.forget()
			return 0, err
		}
		for lane, at := range next {
			k.agenda.note(lane, at)
		}
		for _, j := range jobs {
			k.start(ctx, j)
		}
	}
}

// lookAtAll reads the first job of each lane when it is time to. It goes from
// lane to lane along the index and passes over the jobs between.
func (k *kind) lookAtAll(ctx context.Context) error {
	a := &k.agenda
	start := time.Now()
	a.mu.Lock()
	if start.Before(a.look) {
		a.mu.Unlock()
		return nil
	}
	a.lanes = nil
	a.mu.Unlock()
	found := map[string]int64{}
	err := k.queue.DB.Read(ctx, func(tx *store.Tx) error {
		clear(found)
		rows, err := tx.Query(ctx, `WITH RECURSIVE l(lane) AS (
				SELECT (SELECT MIN(lane) FROM job WHERE kind = $1 AND done = 0 AND held = 0)
				UNION ALL
				SELECT (SELECT MIN(job.lane) FROM job WHERE job.kind = $1 AND job.lane > l.lane AND job.done = 0 AND job.held = 0) FROM l WHERE l.lane IS NOT NULL
			) SELECT lane, (SELECT MIN(next) FROM job WHERE kind = $1 AND job.lane = l.lane AND done = 0 AND held = 0) FROM l WHERE lane IS NOT NULL`, k.name)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var lane string
			var next *int64
			err := scan(&lane, &next)
			if err == nil && next != nil {
				found[lane] = *next
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for lane, next := range found {
		a.put(lane, next)
	}
	end := time.Now()
	a.look = end.Add(max(lookEvery, 20*end.Sub(start)))
	return nil
}

// pick chooses the lanes to claim from, those that have waited longest first,
// and says how long there will be nothing to choose.
func (k *kind) pick(now time.Time) (picks []pick, wait time.Duration) {
	left := map[string]*Room{} // what each pool may still have
	third := map[string]int{}  // what each class may
	room := func(pool string) *Room {
		r := left[pool]
		if r == nil {
			of := k.limit(pool)
			r = &of
			left[pool] = r
			if _, ok := third[r.Class]; !ok {
				third[r.Class] = max(k.Workers/3, 1)
			}
		}
		return r
	}
	use := func(r *Room, n int) {
		r.Jobs -= n
		if r.Class != "" {
			third[r.Class] -= n
		}
	}
	may := func(r *Room) int {
		if r.Class != "" {
			return min(r.Jobs, third[r.Class])
		}
		return r.Jobs
	}
	k.mu.Lock()
	free := k.Workers - len(k.running)
	running := make([]string, 0, len(k.running))
	for _, r := range k.running {
		running = append(running, r.job.Lane)
	}
	k.mu.Unlock()
	if free <= 0 {
		return nil, poll // a handler that ends gives the signal
	}
	for _, lane := range running {
		use(room(k.pool(lane)), 1)
	}
	until := now.Add(poll)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(until) {
			until = t
		}
	}
	due, overdue := store.Micros(now), store.Micros(now.Add(-k.Overdue))
	type choice struct {
		pick
		room  *Room // nil: it is looked at although there is none
		since int64
	}
	var choices []choice
	k.agenda.mu.Lock()
	for lane, at := range k.agenda.lanes {
		if at > due {
			sooner(store.Time(at))
			continue
		}
		r := room(k.pool(lane))
		switch {
		case may(r) > 0:
			choices = append(choices, choice{pick{lane, 0, due}, r, at})
		case k.Overdue > 0 && at <= overdue:
			choices = append(choices, choice{pick{lane, overdueAtOnce, overdue}, nil, at})
		default:
			sooner(r.Again)
		}
	}
	k.agenda.mu.Unlock()
	slices.SortFunc(choices, func(a, b choice) int {
		if a.since != b.since {
			return int(min(max(a.since-b.since, -1), 1))
		}
		return strings.Compare(a.lane, b.lane)
	})
	for _, c := range choices {
		n := min(c.n, free)
		if c.room != nil {
			n = min(may(c.room), free)
			use(c.room, max(n, 0))
		}
		if n <= 0 {
			continue
		}
		c.n = n
		picks = append(picks, c.pick)
		if free -= n; free == 0 {
			break
		}
	}
	return picks, max(until.Sub(now), leastWait)
}

// overdueAtOnce is how many jobs of a full lane are looked at together.
const overdueAtOnce = 10

// claimLanes takes what the picks permit; next is the time of the first job
// that each lane has left.
func (k *kind) claimLanes(ctx context.Context, picks []pick, now time.Time) (jobs []*Job, next map[string]int64, err error) {
	lease := store.NewID()
	err = k.queue.DB.Write(ctx, func(tx *store.Tx) error {
		jobs, next = nil, map[string]int64{} // the transaction may run again
		for _, p := range picks {
			for want := p.n; want > 0; {
				take, again, err := k.dueIn(ctx, tx, p, want, now)
				if err != nil {
					return err
				}
				if err := k.mark(ctx, tx, take, lease, now); err != nil {
					return err
				}
				jobs = append(jobs, take...)
				if want -= len(take); !again {
					break
				}
			}
			var first *int64
			err := tx.QueryRow(ctx, `SELECT MIN(next) FROM job WHERE kind = $1 AND lane = $2 AND done = 0 AND held = 0`, k.name, p.lane).Scan(&first)
			if err != nil {
				return err
			}
			if first != nil {
				next[p.lane] = *first
			}
		}
		return nil
	})
	return jobs, next, err
}

// dueIn reads up to n jobs of one lane, oldest first. again says that some
// were ours already and hid others.
func (k *kind) dueIn(ctx context.Context, tx *store.Tx, p pick, n int, now time.Time) (take []*Job, again bool, err error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM job WHERE kind = $1 AND lane = $2 AND next <= $3 AND done = 0 AND held = 0
		ORDER BY next LIMIT $4 FOR UPDATE SKIP LOCKED`, k.name, p.lane, p.due, n)
	page, err := k.scan(rows, err)
	if err != nil {
		return nil, false, err
	}
	return k.others(ctx, tx, page, now)
}
