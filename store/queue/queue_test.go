package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/store/storetest"
)

// clock is a clock that moves only when told to, in whole.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time             { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration)       { c.ahead.Add(int64(d)) }
func none(context.Context, *store.Tx) error { return nil }

// host is a queue under test with a clock that can be moved.
type host struct {
	*queue.Queue
	clock clock
	t     *testing.T
}

func open(t *testing.T, db *store.DB) *host {
	h := &host{t: t}
	h.Queue = &queue.Queue{DB: db, Now: h.clock.now}
	return h
}

// run starts the queue and returns what stops it and waits.
func (h *host) run() (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

func (h *host) add(jobs ...queue.Job) []queue.ID {
	h.t.Helper()
	var ids []queue.ID
	err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		ids = nil
		for _, j := range jobs {
			id, _, err := h.Add(h.t.Context(), tx, j)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return ids
}

func (h *host) idle() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	if err := h.Idle(ctx); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) one() queue.Job {
	h.t.Helper()
	jobs, err := h.List(h.t.Context(), "", 10)
	if err != nil || len(jobs) != 1 {
		h.t.Fatalf("%d jobs, %v; want one", len(jobs), err)
	}
	return jobs[0]
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func each(t *testing.T, f func(t *testing.T, h *host)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, open(t, db)) })
}

func TestJobRunsAfterTheCommitThatAddedIt(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		got := make(chan queue.Job, 1)
		h.Handle("letter", queue.Options{}, func(_ context.Context, j *queue.Job) queue.Outcome {
			got <- *j
			return queue.Done(nil)
		})
		h.run()
		failed := errors.New("rolled back")
		err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
			if _, _, err := h.Add(t.Context(), tx, queue.Job{Kind: "letter", Lane: "never"}); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		h.add(queue.Job{Kind: "letter", Lane: "far.test", Key: "k", Payload: []byte(`{"a":1}`), Message: 42})
		j := receive(t, got)
		if j.Lane != "far.test" || j.Key != "k" || string(j.Payload) != `{"a":1}` || j.Message != 42 || j.Attempts != 1 || !j.Running || j.Created.IsZero() || j.Due.IsZero() {
			t.Errorf("the handler got %+v", j)
		}
		h.idle()
		if jobs, err := h.List(t.Context(), "letter", 10); err != nil || len(jobs) != 0 {
			t.Errorf("left: %v, %v", jobs, err)
		}
	})
}

func TestSecondJobOfAKeyDoesNothingUntilTheKeyIsSwept(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		var runs atomic.Int32
		h.Handle("letter", queue.Options{}, func(context.Context, *queue.Job) queue.Outcome {
			runs.Add(1)
			return queue.Done(nil)
		})
		h.run()
		first := h.add(queue.Job{Kind: "letter", Key: "mail 1", Message: 42, Payload: []byte("secret")})[0]
		again := func() (queue.ID, bool) {
			t.Helper()
			var id queue.ID
			var added bool
			err := h.DB.Write(t.Context(), func(tx *store.Tx) (err error) {
				id, added, err = h.Add(t.Context(), tx, queue.Job{Kind: "letter", Key: "mail 1"})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return id, added
		}
		if id, added := again(); added || id != first {
			t.Errorf("while it lives: %d, %v; want %d, false", id, added, first)
		}
		h.idle()
		if id, added := again(); added || id != first {
			t.Errorf("after its end: %d, %v; want %d, false", id, added, first)
		}
		err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
			var n int
			return tx.QueryRow(t.Context(), `SELECT 1 FROM job WHERE message = 42 OR payload = $1`, []byte("secret")).Scan(&n)
		})
		if !errors.Is(err, store.ErrNoRows) {
			t.Errorf("the ended job still names its message or payload (%v)", err)
		}
		h.clock.move(31 * 24 * time.Hour)
		if err := h.Sweep(t.Context(), 30*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, added := again(); !added {
			t.Error("the key is still taken after the sweep")
		}
		h.idle()
		if n := runs.Load(); n != 2 {
			t.Errorf("ran %d times, want 2", n)
		}
	})
}

func TestSnoozedJobComesBackAtItsTimeWithItsNewPayload(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		got := make(chan queue.Job, 2)
		h.Handle("letter", queue.Options{}, func(_ context.Context, j *queue.Job) queue.Outcome {
			got <- *j
			if j.Attempts == 1 {
				return queue.Snooze(h.clock.now().Add(time.Hour), "4.7.0\r\ntry again", []byte("second"))
			}
			return queue.Discard("enough", nil)
		})
		h.run()
		h.add(queue.Job{Kind: "letter", Payload: []byte("first")})
		receive(t, got)
		h.idle()
		if j := h.one(); j.Reason != "4.7.0 try again" || string(j.Payload) != "second" || j.Running || time.Until(j.Due) < 59*time.Minute {
			t.Errorf("it waits as %+v", j)
		}
		select {
		case j := <-got:
			t.Fatalf("came back at once: %+v", j)
		default:
		}
		h.clock.move(61 * time.Minute)
		h.Wake()
		if j := receive(t, got); j.Attempts != 2 || string(j.Payload) != "second" {
			t.Errorf("came back as %+v", j)
		}
	})
}

func TestTimerWakesForAJobThatIsDueSoon(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		got := make(chan time.Time, 1)
		h.Handle("letter", queue.Options{}, func(context.Context, *queue.Job) queue.Outcome {
			got <- time.Now()
			return queue.Done(nil)
		})
		h.run()
		due := time.Now().Add(150 * time.Millisecond)
		h.add(queue.Job{Kind: "letter", Due: due})
		if at := receive(t, got); at.Before(due.Truncate(time.Microsecond)) || at.Sub(due) > 3*time.Second {
			t.Errorf("ran %v after it was due", at.Sub(due))
		}
	})
}

func TestWhatTheJobCausesHappensWithItsEndOrNotAtAll(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		got := make(chan int, 3)
		h.Handle("letter", queue.Options{}, func(_ context.Context, j *queue.Job) queue.Outcome {
			got <- j.Attempts
			return queue.Done(func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.Exec(ctx, `INSERT INTO domain (name, created) VALUES ($1, 1)`, fmt.Sprint("attempt", j.Attempts)); err != nil {
					return err
				}
				if j.Attempts == 1 {
					return errors.New("a step failed")
				}
				return nil
			})
		})
		h.run()
		h.add(queue.Job{Kind: "letter"})
		receive(t, got)
		h.idle()
		if j := h.one(); !strings.Contains(j.Reason, "a step failed") {
			t.Errorf("reason %q", j.Reason)
		}
		h.clock.move(2 * time.Minute)
		h.Wake()
		if n := receive(t, got); n != 2 {
			t.Errorf("attempt %d, want 2", n)
		}
		h.idle()
		var names string
		err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT MIN(name) FROM domain`).Scan(&names)
		})
		if err != nil || names != "attempt2" {
			t.Errorf("in the database: %q, %v; the first attempt must have left nothing", names, err)
		}
	})
}

func TestPanicIsASnoozeAndTheOthersGoOn(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		got := make(chan string, 2)
		h.Handle("letter", queue.Options{Workers: 1}, func(_ context.Context, j *queue.Job) queue.Outcome {
			got <- j.Lane
			if j.Lane == "bad" {
				panic("a header of one megabyte")
			}
			return queue.Done(nil)
		})
		h.run()
		h.add(queue.Job{Kind: "letter", Lane: "bad"}, queue.Job{Kind: "letter", Lane: "good"})
		receive(t, got)
		receive(t, got)
		h.idle()
		if j := h.one(); j.Lane != "bad" || !strings.Contains(j.Reason, "a header of one megabyte") || time.Until(j.Due) < 50*time.Second {
			t.Errorf("left: %+v", j)
		}
	})
}

func TestFullLaneDoesNotHoldUpTheOthers(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		release := make(chan struct{})
		var slow, most atomic.Int32
		var fast sync.WaitGroup
		h.Handle("letter", queue.Options{Workers: 8, PerLane: 2}, func(_ context.Context, j *queue.Job) queue.Outcome {
			if j.Lane != "slow.test" {
				fast.Done()
				return queue.Done(nil)
			}
			most.Store(max(most.Load(), slow.Add(1)))
			<-release
			slow.Add(-1)
			return queue.Done(nil)
		})
		var jobs []queue.Job
		for range 200 {
			jobs = append(jobs, queue.Job{Kind: "letter", Lane: "slow.test"})
		}
		for i := range 20 {
			jobs = append(jobs, queue.Job{Kind: "letter", Lane: fmt.Sprintf("fast%d.test", i%3)})
		}
		fast.Add(20)
		h.add(jobs...)
		h.run()
		done := make(chan struct{})
		go func() { fast.Wait(); close(done) }()
		receive(t, done) // while the slow ones stand still
		close(release)
		h.idle()
		if n := most.Load(); n != 2 {
			t.Errorf("%d jobs of one lane at once, want 2", n)
		}
	})
}

func TestTwoQueuesOnOneDatabaseShareTheWork(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		var mu sync.Mutex
		runs := map[queue.ID]int{}
		count := func(_ context.Context, j *queue.Job) queue.Outcome {
			mu.Lock()
			runs[j.ID]++
			mu.Unlock()
			return queue.Done(nil)
		}
		other := open(t, h.DB)
		h.Handle("letter", queue.Options{Workers: 8}, count)
		other.Handle("letter", queue.Options{Workers: 8}, count)
		jobs := make([]queue.Job, 500)
		for i := range jobs {
			jobs[i].Kind = "letter"
		}
		ids := h.add(jobs...)
		h.run()
		other.run()
		h.idle()
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if runs[id] != 1 {
				t.Fatalf("job %d ran %d times", id, runs[id])
			}
		}
	})
}

func TestWorkerWhoseLeaseRanOutHasLost(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		dead, alive := h, open(t, h.DB)
		entered, resume := make(chan *queue.Job), make(chan struct{})
		confirmed := make(chan error, 1)
		dead.Handle("letter", queue.Options{Lease: time.Hour}, func(ctx context.Context, j *queue.Job) queue.Outcome {
			entered <- j
			<-resume // it hangs for longer than its lease
			confirmed <- j.Confirm(ctx)
			return queue.Done(func(context.Context, *store.Tx) error {
				t.Error("the loser's effects were written")
				return nil
			})
		})
		var wins atomic.Int32
		alive.Handle("letter", queue.Options{}, func(ctx context.Context, j *queue.Job) queue.Outcome {
			if err := j.Confirm(ctx); err != nil {
				t.Errorf("the owner cannot confirm: %v", err)
			}
			if j.Attempts != 2 {
				t.Errorf("attempt %d, want 2", j.Attempts)
			}
			wins.Add(1)
			return queue.Done(nil)
		})
		stop := dead.run()
		dead.add(queue.Job{Kind: "letter"})
		if err := receive(t, entered).Confirm(t.Context()); err != nil {
			t.Errorf("while it has the lease: %v", err)
		}
		alive.clock.move(2 * time.Hour)
		alive.run()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := alive.Idle(ctx); err != nil {
			t.Fatal(err)
		}
		close(resume)
		if err := receive(t, confirmed); !errors.Is(err, queue.ErrLost) {
			t.Errorf("the loser's Confirm: %v, want ErrLost", err)
		}
		stop()
		if wins.Load() != 1 {
			t.Errorf("the other ran it %d times", wins.Load())
		}
	})
}

func TestLeaseIsRenewedWhileTheHandlerRuns(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		const lease = 300 * time.Millisecond
		entered := make(chan context.Context)
		resume := make(chan struct{})
		h.Handle("letter", queue.Options{Lease: lease}, func(ctx context.Context, j *queue.Job) queue.Outcome {
			entered <- ctx
			<-resume
			return queue.Done(nil)
		})
		h.run()
		id := h.add(queue.Job{Kind: "letter"})[0]
		ctx := receive(t, entered)
		until := func() (us int64) {
			t.Helper()
			err := h.DB.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT next FROM job WHERE id = $1`, int64(id)).Scan(&us)
			})
			if err != nil {
				t.Fatal(err)
			}
			return us
		}
		for first, n := until(), 0; ; n++ {
			if until() > first+lease.Microseconds() {
				break
			}
			if n > 2000 {
				t.Fatal("the lease is not renewed")
			}
			time.Sleep(5 * time.Millisecond) // the renewing itself goes by the machine's clock
		}
		if ctx.Err() != nil {
			t.Errorf("the handler's ctx ended: %v", context.Cause(ctx))
		}
		close(resume)
		h.idle()
	})
}

func TestMovedClockDoesNotRunAJobBesideItself(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		entered, resume := make(chan queue.ID, 10), make(chan struct{})
		h.Handle("letter", queue.Options{Workers: 2}, func(_ context.Context, j *queue.Job) queue.Outcome {
			entered <- j.ID
			<-resume
			return queue.Done(nil)
		})
		h.run()
		first := h.add(queue.Job{Kind: "letter"})[0]
		receive(t, entered)
		h.clock.move(48 * time.Hour)
		second := h.add(queue.Job{Kind: "letter"})[0]
		if got := receive(t, entered); got != second {
			t.Errorf("job %d was started, want %d (the first is %d)", got, second, first)
		}
		close(resume)
		h.idle()
		if n := len(entered); n != 0 {
			t.Errorf("%d more starts", n)
		}
	})
}

func TestStoppingPutsUnfinishedJobsBackAndKeepsFinishedOnes(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	each(t, func(t *testing.T, h *host) {
		entered := make(chan struct{}, 2)
		h.Handle("letter", queue.Options{}, func(ctx context.Context, j *queue.Job) queue.Outcome {
			entered <- struct{}{}
			<-ctx.Done()
			if j.Lane == "sent" {
				return queue.Done(none)
			}
			return queue.Snooze(h.clock.now().Add(time.Hour), "interrupted", nil)
		})
		stop := h.run()
		h.add(queue.Job{Kind: "letter", Lane: "sent"}, queue.Job{Kind: "letter", Lane: "unsent"})
		receive(t, entered)
		receive(t, entered)
		stop()
		j := h.one()
		if j.Lane != "unsent" || j.Running || j.Attempts != 0 || j.Due.After(time.Now()) {
			t.Errorf("left: %+v; want the unsent one, due now, no attempt counted", j)
		}
		h.run() // and a second Run takes it up again
		receive(t, entered)
	})
}

func TestRecoverFreesTheJobsOfADeadProcess(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		id := h.add(queue.Job{Kind: "letter"})[0]
		err := h.DB.Write(t.Context(), func(tx *store.Tx) error { // as kill -9 leaves it
			_, err := tx.Exec(t.Context(), `UPDATE job SET lease = 77, next = $1 WHERE id = $2`, store.Micros(time.Now().Add(time.Hour)), int64(id))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan struct{}, 1)
		h.Handle("letter", queue.Options{}, func(context.Context, *queue.Job) queue.Outcome {
			got <- struct{}{}
			return queue.Done(nil)
		})
		if err := h.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.run()
		receive(t, got)
	})
}

func TestOperatorHoldsReleasesRetriesAndCancels(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		got := make(chan queue.ID, 5)
		h.Handle("letter", queue.Options{}, func(_ context.Context, j *queue.Job) queue.Outcome {
			got <- j.ID
			return queue.Done(nil)
		})
		later := time.Now().Add(time.Hour)
		ids := h.add(queue.Job{Kind: "letter", Due: later}, queue.Job{Kind: "letter", Due: later}, queue.Job{Kind: "letter", Due: later})
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(h.Hold(t.Context(), ids[0]))
		h.run()
		ok(h.Retry(t.Context(), ids[0])) // held all the same
		ok(h.Retry(t.Context(), ids[1]))
		if id := receive(t, got); id != ids[1] {
			t.Errorf("job %d ran, want %d", id, ids[1])
		}
		h.idle()
		if jobs, err := h.List(t.Context(), "letter", 10); err != nil || len(jobs) != 2 || !jobs[0].Held || jobs[1].Held {
			t.Errorf("%+v, %v", jobs, err)
		}
		ok(h.Release(t.Context(), ids[0]))
		if id := receive(t, got); id != ids[0] {
			t.Errorf("job %d ran, want %d", id, ids[0])
		}
		ok(h.Cancel(t.Context(), ids[2]))
		h.idle()
		for name, f := range map[string]func(context.Context, queue.ID) error{"retry": h.Retry, "hold": h.Hold, "release": h.Release, "cancel": h.Cancel} {
			for _, id := range append(ids, 4711) {
				if err := f(t.Context(), id); !errors.Is(err, store.ErrNoRows) {
					t.Errorf("%s of an ended job: %v, want ErrNoRows", name, err)
				}
			}
		}
	})
}

func TestCancelledJobIsTakenFromItsHandler(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		entered, ended := make(chan queue.ID), make(chan error, 1)
		h.Handle("letter", queue.Options{}, func(ctx context.Context, j *queue.Job) queue.Outcome {
			entered <- j.ID
			<-ctx.Done()
			ended <- errors.Join(context.Cause(ctx), j.Confirm(context.WithoutCancel(ctx)))
			return queue.Snooze(h.clock.now(), "again", nil)
		})
		h.run()
		h.add(queue.Job{Kind: "letter"})
		if err := h.Cancel(t.Context(), receive(t, entered)); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, ended); !errors.Is(err, queue.ErrLost) || strings.Count(err.Error(), queue.ErrLost.Error()) != 2 {
			t.Errorf("ctx and Confirm say %v", err)
		}
		h.idle()
		if jobs, err := h.List(t.Context(), "", 10); err != nil || len(jobs) != 0 {
			t.Errorf("left: %+v, %v", jobs, err)
		}
	})
}

func TestEndOfAJobIsRecordedOnceTheDatabaseIsBack(t *testing.T) {
	server := storetest.NewServer(t)
	h := open(t, storetest.Open(t, server.Database(t)))
	entered, resume := make(chan struct{}, 5), make(chan struct{})
	h.Handle("letter", queue.Options{}, func(context.Context, *queue.Job) queue.Outcome {
		entered <- struct{}{}
		<-resume // the final dot was sent: this must not be forgotten
		return queue.Done(nil)
	})
	h.run()
	h.add(queue.Job{Kind: "letter"})
	receive(t, entered)
	server.Stop(t)
	close(resume)
	for { // until the database is known to be away
		if err := h.DB.Read(t.Context(), func(*store.Tx) error { return nil }); errors.Is(err, store.ErrUnavailable) {
			break
		}
	}
	server.Start(t)
	h.idle()
	if jobs, err := h.List(t.Context(), "", 10); err != nil || len(jobs) != 0 {
		t.Errorf("left: %+v, %v", jobs, err)
	}
	if n := len(entered); n != 0 {
		t.Errorf("it ran %d times more", n)
	}
}

func TestIdleSaysWhatIsStillAtWork(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		h.add(queue.Job{Kind: "letter"}, queue.Job{Kind: "letter"}, queue.Job{Kind: "photo", Due: time.Now().Add(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := h.Idle(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 of letter") {
			t.Errorf("got %v", err)
		}
		if err := h.Idle(t.Context(), "photo", "unknown"); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkTrivialJobs(b *testing.B) {
	dbs := map[string]func() *store.DB{
		"sqlite":   func() *store.DB { return storetest.SQLite(b) },
		"postgres": func() *store.DB { return storetest.Open(b, storetest.Postgres(b)) },
	}
	for engine, db := range dbs {
		b.Run(engine, func(b *testing.B) {
			q := &queue.Queue{DB: db()}
			q.Handle("letter", queue.Options{Workers: 16}, func(context.Context, *queue.Job) queue.Outcome { return queue.Done(nil) })
			for n := 0; n < b.N; n += 500 {
				err := q.DB.Write(b.Context(), func(tx *store.Tx) error {
					for range min(500, b.N-n) {
						if _, _, err := q.Add(b.Context(), tx, queue.Job{Kind: "letter", Lane: "far.test"}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error)
			b.ResetTimer()
			go func() { ended <- q.Run(ctx) }()
			if err := q.Idle(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			cancel()
			<-ended
		})
	}
}
