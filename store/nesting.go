package store

import (
	"bytes"
	"flag"
	"runtime"
	"sync"
	"testing"
)

// inside knows, under test only, which goroutines run a transaction's function,
// so that one transaction inside another is an error at its first run and not a
// deadlock on the busiest day. Go does not tell goroutines apart for a reason;
// reading the number from a stack is fit for finding mistakes and nothing else.
type inside struct{ goroutines sync.Map }

// checking is off in benchmarks too: a stack costs as much as a small transaction.
var checking = sync.OnceValue(func() bool {
	if !testing.Testing() {
		return false
	}
	bench := flag.Lookup("test.bench")
	return bench == nil || bench.Value.String() == ""
})

func (in *inside) here() bool {
	if !checking() {
		return false
	}
	_, ok := in.goroutines.Load(goroutine())
	return ok
}

// mark is f, known to be inside while it runs.
func (in *inside) mark(f func(*Tx) error) func(*Tx) error {
	if !checking() {
		return f
	}
	return func(tx *Tx) error {
		id := goroutine()
		in.goroutines.Store(id, nil)
		defer in.goroutines.Delete(id)
		return f(tx)
	}
}

// goroutine is the "goroutine 42" that a stack begins with.
func goroutine() string {
	var b [64]byte
	line := b[:runtime.Stack(b[:], false)]
	if i := bytes.IndexByte(line, '['); i > 0 {
		line = line[:i]
	}
	return string(line)
}
