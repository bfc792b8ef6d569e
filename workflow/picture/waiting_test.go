package picture

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatCanWaitMakesWayForWhatSomebodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w waiting
		w.begin()
		w.begin()
		went := make(chan error, 1)
		go func() { went <- w.makeWay(t.Context(), t.Context()) }()
		synctest.Wait()
		w.end()
		synctest.Wait()
		select {
		case <-went:
			t.Fatal("it did not wait for the second")
		default:
		}
		w.end()
		if err := <-went; err != nil {
			t.Error(err)
		}
		// But not for ever.
		w.begin()
		enough, cancel := context.WithTimeout(t.Context(), longest)
		defer cancel()
		began := time.Now()
		if err := w.makeWay(t.Context(), enough); err != nil || time.Since(began) != longest {
			t.Errorf("went on after %v: %v", time.Since(began), err)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		if err := w.makeWay(stopped, stopped); err == nil {
			t.Error("it goes on when we stop")
		}
	})
}

// A picture that cannot be made for lack of time is not said to be damaged.
func TestAMachineWithoutTimeIsNoFaultOfThePicture(t *testing.T) {
	t.Parallel()
	m := &Maker{Hurry: true, Dir: t.TempDir()}
	// Twenty that want the processor for one, of which each gets next to nothing.
	crowd := make(chan error, 20*runtime.NumCPU())
	for range cap(crowd) {
		go func() {
			crowd <- m.run(t.Context(), job{dir: m.Dir, timeout: 100 * time.Millisecond, name: "/bin/sh", args: []string{"-c", "while :; do :; done"}})
		}()
	}
	var starved int
	for range cap(crowd) {
		if err := <-crowd; err == nil {
			t.Error("it ended by itself")
		} else if !errors.Is(err, ErrUnreadable) {
			starved++
		}
	}
	if starved == 0 {
		t.Error("every picture is blamed")
	}
	// And one that sleeps is.
	err := m.run(t.Context(), job{dir: m.Dir, timeout: 20 * time.Millisecond, name: "/bin/sleep", args: []string{"60"}})
	if !errors.Is(err, ErrUnreadable) {
		t.Errorf("a decoder that hangs: %v", err)
	}
}
