package picture

import (
	"context"
	"sync"
	"time"
)

// longest is how long Finish makes way: somebody who sends photos all day must
// not keep the others' from being finished.
const longest = 10 * time.Minute

// waiting counts the pictures that somebody waits to see.
type waiting struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when n is zero again; nil: nobody asked
}

func (w *waiting) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
}

func (w *waiting) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 && w.none != nil {
		close(w.none)
		w.none = nil
	}
}

// makeWay returns when no picture waits to be seen, or enough is over.
func (w *waiting) makeWay(ctx, enough context.Context) error {
	for {
		w.mu.Lock()
		if w.n == 0 {
			w.mu.Unlock()
			return nil
		}
		if w.none == nil {
			w.none = make(chan struct{})
		}
		none := w.none
		w.mu.Unlock()
		select {
		case <-none:
		case <-enough.Done():
			return ctx.Err()
		}
	}
}
