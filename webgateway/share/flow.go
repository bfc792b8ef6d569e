package share

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// stall is how long a reader may take none of a long answer's bytes. A phone
// in a tunnel comes back within it; a reader who never reads would hold an
// open file for ever.
const stall = 2 * time.Minute

// block is what is read ahead of the network: four of the packages that bytes
// are sealed in, so that the next is opened while this one is encrypted and sent.
const block = 256 << 10

var blocks = sync.Pool{New: func() any { b := make([]byte, block); return &b }}

// recheck is how often a long answer asks whether it may go on.
const recheck = time.Second

// flow carries an answer that may take hours.
type flow struct {
	http.ResponseWriter
	control *http.ResponseController
	still   func() error // asked while bytes go out; nil: nobody takes anything back
	every   time.Duration
	took    func(from, to int64) // hears which bytes of the whole went out; nil: nobody counts
	from    int64                // of the whole, the first byte that took has not heard of
	to      int64                // and the first that did not go out
	moved   time.Time            // when the deadline was last put off
	asked   time.Time            // when still was asked last
	err     error                // why the source ended early; the reader's going away is http.ErrAbortHandler
}

func newFlow(w http.ResponseWriter) *flow {
	return &flow{ResponseWriter: w, control: http.NewResponseController(w), asked: time.Now(), every: recheck}
}

func (f *flow) Unwrap() http.ResponseWriter { return f.ResponseWriter }

// WriteHeader learns which bytes of the whole follow.
func (f *flow) WriteHeader(status int) {
	if status == http.StatusPartialContent {
		fmt.Sscanf(f.Header().Get("Content-Range"), "bytes %d-", &f.from)
		f.to = f.from
	}
	f.ResponseWriter.WriteHeader(status)
}

func (f *flow) Write(p []byte) (int, error) {
	// The kernel takes the first bytes at once however slow the reader is; what
	// counts is the time between two blocks. Small writes need no system call each.
	now := time.Now()
	if now.Sub(f.moved) > time.Second {
		f.moved = now
		if err := f.control.SetWriteDeadline(now.Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, f.lost(err)
		}
	}
	if f.still != nil && now.Sub(f.asked) >= f.every {
		if err := f.still(); err != nil {
			// What was announced does not come: the reader's program says that the
			// download is broken, not that it is whole.
			return 0, f.lost(err)
		}
		f.asked = time.Now()
	}
	n, err := f.ResponseWriter.Write(p)
	f.to += int64(n)
	if f.to-f.from >= notedAt {
		f.note()
	}
	if err != nil {
		return n, f.lost(err)
	}
	return n, nil
}

// notedAt is how many bytes go out before they are noted: of a download that
// breaks off at a crash of ours, that much may have to be taken again to count.
const notedAt = 64 << 20

// note tells what went out since the last time.
func (f *flow) note() {
	if f.took != nil && f.to > f.from {
		f.took(f.from, f.to)
		f.from = f.to
	}
}

// lost marks an error as the network's: nobody has to know why a download ended.
func (f *flow) lost(err error) error {
	return fmt.Errorf("%w: %w", http.ErrAbortHandler, err)
}

// ReadFrom is what http.ServeContent copies with. The next block is read (and
// decrypted) while the last one is on its way out.
func (f *flow) ReadFrom(src io.Reader) (sum int64, err error) {
	if l, ok := src.(*io.LimitedReader); ok && l.N <= block {
		return f.small(l) // photos: nothing to read ahead
	}
	type piece struct {
		buf *[]byte
		n   int
		err error
	}
	full, empty, stop := make(chan piece), make(chan *[]byte, 2), make(chan struct{})
	for range cap(empty) {
		empty <- blocks.Get().(*[]byte)
	}
	go func() {
		defer close(full)
		for buf := range empty {
			n, err := io.ReadFull(src, *buf)
			select {
			case full <- piece{buf, n, err}:
			case <-stop:
				blocks.Put(buf)
				return
			}
			if err != nil {
				return
			}
		}
	}()
	// src is closed by our caller: nobody may be reading it any more by then.
	defer func() {
		close(stop)
		close(empty)
		for p := range full {
			blocks.Put(p.buf)
		}
		for buf := range empty {
			blocks.Put(buf)
		}
	}()
	for p := range full {
		if p.n > 0 {
			n, werr := f.Write((*p.buf)[:p.n])
			sum += int64(n)
			if werr != nil {
				blocks.Put(p.buf)
				f.err = werr
				return sum, werr
			}
		}
		empty <- p.buf // never waits: there are as many places as buffers
		switch p.err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return sum, nil
		default:
			f.err = p.err
			return sum, p.err
		}
	}
	return sum, nil
}

func (f *flow) small(src *io.LimitedReader) (int64, error) {
	buf := blocks.Get().(*[]byte)
	defer blocks.Put(buf)
	n, err := io.ReadFull(src, (*buf)[:src.N])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		f.err = err
		return 0, err
	}
	m, err := f.Write((*buf)[:n])
	f.err = err
	return int64(m), err
}
