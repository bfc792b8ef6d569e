package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/queue"
)

func TestPoolsShareALimitAndClassesShareAThird(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		release := make(chan struct{})
		var mu sync.Mutex
		now, most := map[string]int{}, map[string]int{}
		pool := func(lane string) string { return lane[:strings.IndexByte(lane, '.')] } // "big.1" and "big.2" are one
		var quick sync.WaitGroup
		h.Handle("letter", queue.Options{Workers: 12, Pool: pool, Limit: func(pool string) queue.Room {
			switch pool {
			case "big":
				return queue.Room{Jobs: 3}
			case "quick":
				return queue.Room{Jobs: 2}
			}
			return queue.Room{Jobs: 2, Class: "stranger"}
		}}, func(_ context.Context, j *queue.Job) queue.Outcome {
			name := pool(j.Lane)
			if name == "quick" {
				quick.Done()
				return queue.Done(nil)
			}
			count := func(n int) {
				mu.Lock()
				defer mu.Unlock()
				if name != "big" {
					name = "stranger"
				}
				now[name] += n
				most[name] = max(most[name], now[name])
			}
			count(1)
			<-release
			count(-1)
			return queue.Done(nil)
		})
		var jobs []queue.Job
		for i := range 40 {
			jobs = append(jobs, queue.Job{Kind: "letter", Lane: fmt.Sprintf("big.%d", i%7)}, queue.Job{Kind: "letter", Lane: fmt.Sprintf("stranger%d.x", i)})
		}
		for range 20 {
			jobs = append(jobs, queue.Job{Kind: "letter", Lane: "quick.x"})
		}
		quick.Add(20)
		h.add(jobs...)
		h.run()
		done := make(chan struct{})
		go func() { quick.Wait(); close(done) }()
		receive(t, done) // while all the others stand still
		close(release)
		h.idle()
		if most["big"] != 3 || most["stranger"] != 4 {
			t.Errorf("at once: %v; want 3 of the pool and 4 of the class", most)
		}
	})
}

func TestLaneThatMayNotRunWaitsUntilItMay(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		at := time.Now().Add(200 * time.Millisecond)
		ran := make(chan time.Time, 1)
		h.Handle("letter", queue.Options{Workers: 4, Limit: func(string) queue.Room {
			if time.Now().Before(at) {
				return queue.Room{Again: at}
			}
			return queue.Room{Jobs: 1}
		}}, func(context.Context, *queue.Job) queue.Outcome {
			ran <- time.Now()
			return queue.Done(nil)
		})
		h.add(queue.Job{Kind: "letter", Lane: "far.test"})
		h.run()
		if got := receive(t, ran).Sub(at); got < 0 || got > 3*time.Second { // the next look at everything is after 5 s
			t.Errorf("ran %v after it might", got)
		}
		h.idle()
	})
}

func TestOverdueJobIsLookedAtInAFullLane(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		ran := make(chan queue.Job, 20)
		h.Handle("letter", queue.Options{Workers: 4, Overdue: time.Hour, Limit: func(string) queue.Room { return queue.Room{} }},
			func(_ context.Context, j *queue.Job) queue.Outcome {
				ran <- *j
				return queue.Snooze(h.clock.now().Add(30*time.Minute), "no room", nil)
			})
		h.add(queue.Job{Kind: "letter", Lane: "far.test", Due: time.Now().Add(-2 * time.Hour)}, queue.Job{Kind: "letter", Lane: "far.test"})
		h.run()
		if j := receive(t, ran); time.Since(j.Due) < time.Hour {
			t.Errorf("ran a job due %v ago", time.Since(j.Due))
		}
		h.clock.move(61 * time.Minute)
		h.Wake()
		if j := receive(t, ran); j.Attempts != 1 { // the other one is overdue now, the first only since half an hour
			t.Errorf("got attempt %d", j.Attempts)
		}
		if n := len(ran); n != 0 {
			t.Errorf("%d jobs more", n)
		}
	})
}

func TestJobThatIsPutBackHasMadeNoAttempt(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		var room, runs atomic.Int32
		room.Store(1)
		got := make(chan queue.Job, 2)
		h.Handle("letter", queue.Options{Workers: 4, Limit: func(string) queue.Room { return queue.Room{Jobs: int(room.Load())} }},
			func(_ context.Context, j *queue.Job) queue.Outcome {
				got <- *j
				if runs.Add(1) == 1 {
					room.Store(0)
					return queue.PutBack()
				}
				return queue.Done(nil)
			})
		h.add(queue.Job{Kind: "letter", Lane: "far.test"})
		h.run()
		first := receive(t, got)
		room.Store(1)
		h.Wake()
		if j := receive(t, got); j.Attempts != 1 || !j.Due.Equal(first.Due) {
			t.Errorf("got attempt %d, due %v", j.Attempts, j.Due)
		}
		h.idle()
	})
}

func TestAllJobsOfALaneAreRetried(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		ran := make(chan queue.ID, 5)
		h.Handle("letter", queue.Options{PerLane: 2}, func(_ context.Context, j *queue.Job) queue.Outcome {
			ran <- j.ID
			return queue.Done(nil)
		})
		later := time.Now().Add(time.Hour)
		ids := h.add(queue.Job{Kind: "letter", Lane: "far.test", Due: later}, queue.Job{Kind: "letter", Lane: "far.test", Due: later},
			queue.Job{Kind: "letter", Lane: "other.test", Due: later}, queue.Job{Kind: "letter", Lane: "far.test", Due: later})
		if err := h.Hold(t.Context(), ids[3]); err != nil {
			t.Fatal(err)
		}
		h.run()
		if n, err := h.RetryLane(t.Context(), "letter", "far.test"); err != nil || n != 2 {
			t.Fatalf("%d, %v; want 2", n, err)
		}
		if a, b := receive(t, ran), receive(t, ran); a+b != ids[0]+ids[1] {
			t.Errorf("ran %d and %d", a, b)
		}
		h.idle()
		if jobs, err := h.List(t.Context(), "letter", 10); err != nil || len(jobs) != 2 {
			t.Errorf("left: %v, %v", jobs, err)
		}
	})
}

func TestTimeInAnOperatorsHandsDoesNotCount(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		id := h.add(queue.Job{Kind: "letter"})[0]
		born := h.one().Created
		for range 2 { // a second hold does not begin anew
			if err := h.Hold(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			h.clock.move(12 * time.Hour)
		}
		for range 2 {
			if err := h.Release(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if moved := h.one().Created.Sub(born); moved < 24*time.Hour || moved > 24*time.Hour+time.Minute {
			t.Errorf("moved on by %v, want a day", moved)
		}
	})
}

func TestPayloadIsKeptWhileTheJobGoesOn(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		entered, lost := make(chan struct{}), make(chan error, 1)
		h.Handle("letter", queue.Options{}, func(ctx context.Context, j *queue.Job) queue.Outcome {
			if err := j.Keep(ctx, []byte("second")); err != nil {
				t.Error(err)
			}
			close(entered)
			<-ctx.Done()
			lost <- j.Keep(context.WithoutCancel(ctx), []byte("third"))
			return queue.Done(nil)
		})
		h.run()
		id := h.add(queue.Job{Kind: "letter", Payload: []byte("first")})[0]
		receive(t, entered)
		if j := h.one(); string(j.Payload) != "second" {
			t.Errorf("got %q", j.Payload)
		}
		if err := h.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, lost); err == nil {
			t.Error("kept the payload of a job that is somebody else's")
		}
	})
}

// However many jobs stand in a lane that may not run, the one behind them is
// found without reading them: by the index of lanes, from lane to lane.
func TestBlockedLanesAreNotRead(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		var rows strings.Builder
		plan := "EXPLAIN QUERY PLAN "
		if h.DB.Engine() == "postgres" {
			plan = "EXPLAIN "
		}
		jobs := make([]queue.Job, 3000)
		for i := range jobs {
			jobs[i] = queue.Job{Kind: "letter", Lane: fmt.Sprintf("lane%d.test", i%5)}
		}
		h.add(jobs...)
		err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Exec(t.Context(), "ANALYZE job"); err != nil {
				return err
			}
			r, err := tx.Query(t.Context(), plan+`SELECT id FROM job WHERE kind = $1 AND lane = $2 AND next <= $3 AND done = 0 AND held = 0 ORDER BY next LIMIT 2`,
				"letter", "lane3.test", time.Now().Add(time.Hour).UnixMicro())
			return store.Each(r, err, func(scan func(...any) error) error {
				var a, b, c, line string
				if h.DB.Engine() == "postgres" {
					err := scan(&line)
					rows.WriteString(line + "\n")
					return err
				}
				err := scan(&a, &b, &c, &line)
				rows.WriteString(line + "\n")
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(rows.String(), "job_lane") || strings.Contains(rows.String(), "Sort") || strings.Contains(rows.String(), "TEMP B-TREE") {
			t.Errorf("the plan is\n%s", rows.String())
		}
	})
}
