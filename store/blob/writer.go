package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/minio/sio"

	"colporteur/store"
)

// Writer takes the bytes of one blob: in memory first, in a file once they are
// more than Inline.
type Writer struct {
	store  *Store
	id     ID
	data   []byte // the data key
	limit  int
	size   int64
	clear  []byte // while small
	beside []byte

	file   *os.File
	sealed io.WriteCloser // into file
	err    error          // the first; a blob with a hole is none
}

// errWriterDone is for those who write on after Commit or Abort.
var errWriterDone = errors.New("the blob is finished")

// Create starts a new blob. Write the bytes, then Commit; or Abort, which may
// also be called after Commit and then does nothing. A full disk is an error
// that wraps store.ErrFull, at Write or Commit.
func (s *Store) Create() *Writer {
	w := &Writer{store: s, id: ID(store.NewID()), data: newKey(), limit: s.Inline}
	if w.limit == 0 {
		w.limit = DefaultInline
	}
	return w
}

// ID is the one the Ref will have.
func (w *Writer) ID() ID { return w.id }

// Size is how many bytes were written so far.
func (w *Writer) Size() int64 { return w.size }

func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.file == nil && len(w.clear)+len(p) > w.limit {
		if err := w.spill(); err != nil {
			return 0, w.fail(err)
		}
	}
	if w.file == nil {
		if w.clear == nil && len(p) < 4<<10 {
			w.clear = make([]byte, 0, min(4<<10, w.limit))
		}
		w.clear = append(w.clear, p...)
	} else if _, err := w.sealed.Write(p); err != nil {
		return 0, w.fail(err)
	}
	w.size += int64(len(p))
	return len(p), nil
}

// fail remembers err and gives the room on the disk back at once.
func (w *Writer) fail(err error) error {
	w.drop()
	w.err = fmt.Errorf("write blob: %w", err)
	return w.err
}

// spill moves from memory to a file.
func (w *Writer) spill() error {
	f, err := w.store.disk().create()
	if err != nil {
		return err
	}
	w.file = f
	w.store.claim(f.Name(), true)
	if w.sealed, err = sio.EncryptWriter(&pacer{f: f}, dare(w.data)); err != nil {
		return err
	}
	_, err = w.sealed.Write(w.clear)
	w.clear = nil
	return err
}

// Commit makes the bytes durable: fsync of the file, rename, fsync of the
// folder. Small ones stay in memory until Insert.
func (w *Writer) Commit(ctx context.Context) (Ref, error) {
	if w.err != nil {
		return Ref{}, w.err
	}
	if err := ctx.Err(); err != nil {
		return Ref{}, w.fail(err)
	}
	ref := Ref{ID: w.id, Size: w.size}
	var err error
	if ref.key, ref.master, err = w.store.wrap(w.id, w.data); err != nil {
		return Ref{}, w.fail(err)
	}
	if w.beside != nil {
		if ref.beside, err = sealBeside(w.data, w.beside); err != nil {
			return Ref{}, w.fail(err)
		}
	}
	if w.file == nil {
		if ref.inline, err = sealInline(w.data, w.clear); err != nil {
			return Ref{}, w.fail(err)
		}
		w.clear, w.err = nil, errWriterDone
		return ref, nil
	}
	if err := w.sealed.Close(); err != nil {
		return Ref{}, w.fail(err)
	}
	ref.file = fileName(w.id, w.data)
	f := w.file
	w.file = nil // commit closes or removes it
	defer w.store.claim(f.Name(), false)
	if err := w.store.disk().commit(f, ref.file); err != nil {
		return Ref{}, w.fail(err)
	}
	w.err = errWriterDone
	return ref, nil
}

// Abort forgets the bytes.
func (w *Writer) Abort() {
	w.drop()
	if w.err == nil {
		w.err = errWriterDone
	}
}

func (w *Writer) drop() {
	w.clear = nil
	if w.file == nil {
		return
	}
	w.file.Close()
	os.Remove(w.file.Name())
	w.store.claim(w.file.Name(), false)
	w.file = nil
}

// claim notes that this process is writing the file at path, or no longer.
func (s *Store) claim(path string, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !mine {
		delete(s.temps, path)
		return
	}
	if s.temps == nil {
		s.temps = map[string]struct{}{}
	}
	s.temps[path] = struct{}{}
}

func (s *Store) claimed(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.temps[path]
	return ok
}

// pacer writes to a file and has the kernel start on the dirty pages every few
// megabytes. Without it the fsync after a gigabyte stops every other fsync of
// the disk, the database's included, for seconds.
type pacer struct {
	f       *os.File
	written int64
	begun   int64
}

const pace = 8 << 20

func (p *pacer) Write(b []byte) (int, error) {
	n, err := p.f.Write(b)
	p.written += int64(n)
	if p.written-p.begun >= pace {
		startWriteback(p.f, p.begun, p.written-p.begun)
		p.begun = p.written
	}
	return n, classed(err)
}
