package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/minio/sio"

	"colporteur/store"
)

// Open reads a blob from offset (of its clear bytes) on. store.ErrNoRows if
// there is none. Bytes that fail authentication are an error, never served.
func (s *Store) Open(ctx context.Context, id ID, offset int64) (io.ReadCloser, error) {
	r, err := s.openReader(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := r.Seek(offset, io.SeekStart); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// OpenSeeker is Open for http.ServeContent; reading starts where Seek put it.
func (s *Store) OpenSeeker(ctx context.Context, id ID) (io.ReadSeekCloser, int64, error) {
	r, err := s.openReader(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	return r, r.size, nil
}

func (s *Store) openReader(ctx context.Context, id ID) (*reader, error) {
	r := &reader{store: s, id: id}
	// Known before the row is read: a deletion that commits after the row was
	// seen finds the reader and cuts it.
	s.register(r)
	if err := r.open(ctx); err != nil {
		r.Close()
		return nil, fmt.Errorf("open blob %d: %w", id, err)
	}
	return r, nil
}

func (r *reader) open(ctx context.Context) error {
	var key, inline []byte
	var master, joined int64
	var pieces []Piece
	err := r.store.DB.Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT size, key, master, inline, pieces FROM blob WHERE id = $1`, int64(r.id)).
			Scan(&r.size, &key, &master, &inline, &joined)
		if err == nil && joined > 0 {
			pieces, err = piecesOf(ctx, tx, r.id)
		}
		return err
	})
	if err != nil {
		return err
	}
	if joined > 0 {
		r.joint, err = r.store.newJoint(ctx, pieces, r.size)
		return err
	}
	if r.data, err = r.store.unwrap(r.id, key, master); err != nil {
		return err
	}
	if inline != nil {
		if r.clear, err = openInline(r.data, inline); err != nil {
			return err
		}
		if int64(len(r.clear)) != r.size {
			return fmt.Errorf("%d bytes instead of %d: %w", len(r.clear), r.size, ErrDamaged)
		}
		return nil
	}
	f, err := r.store.disk().open(fileName(r.id, r.data))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := r.store.Size(ctx, r.id); err != nil {
			return err // deleted between the row and the file
		}
		return fmt.Errorf("the file is missing: %w", ErrDamaged)
	}
	if err != nil {
		return classed(err)
	}
	r.file = f
	info, err := f.Stat()
	if err != nil {
		return classed(err)
	}
	if info.Size() != sealedSize(r.size) {
		return fmt.Errorf("a file of %d bytes instead of %d: %w", info.Size(), sealedSize(r.size), ErrDamaged)
	}
	return nil
}

// reader is an open blob. Only cut may be called beside its other methods.
type reader struct {
	store *Store
	id    ID
	size  int64
	data  []byte // the data key
	clear []byte // of an inline blob
	file  *os.File
	joint *joint    // of a joined blob
	at    int64     // of the clear bytes
	plain io.Reader // of the file, standing at at; nil after a Seek
	err   error     // damage stays: nothing after it is served

	mu     sync.Mutex
	closed error
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	if r.at >= r.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.joint != nil {
		n, err := r.joint.readAt(p, r.at)
		r.at += int64(n)
		if err != nil {
			r.err = fmt.Errorf("read blob %d: %w", r.id, err)
		}
		return n, r.err
	}
	if r.file == nil {
		n := copy(p, r.clear[r.at:])
		r.at += int64(n)
		return n, nil
	}
	if r.plain == nil {
		if r.err = r.position(); r.err != nil {
			return 0, r.err
		}
	}
	n, err := r.plain.Read(p)
	r.at += int64(n)
	if err == io.EOF && r.at == r.size {
		err = nil // said by the next Read
	}
	if err != nil {
		r.err = r.damage(err)
	}
	return n, r.err
}

// WriteTo spares io.Copy a buffer and a copy: a package is opened straight into
// the memory that is written from.
func (r *reader) WriteTo(w io.Writer) (n int64, err error) {
	if r.file == nil && r.joint == nil {
		if err := r.usable(); err != nil || r.at >= r.size {
			return 0, err
		}
		m, err := w.Write(r.clear[r.at:])
		r.at += int64(m)
		return int64(m), err
	}
	buf := packages.Get().(*[]byte)
	defer packages.Put(buf)
	for {
		m, err := r.Read(*buf)
		if m > 0 {
			k, werr := w.Write((*buf)[:m])
			n += int64(k)
			if werr != nil {
				return n, werr
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

var packages = sync.Pool{New: func() any { b := make([]byte, 2*clearPackage); return &b }}

// position starts decrypting at the package that holds at.
func (r *reader) position() error {
	first := r.at / clearPackage
	cfg := dare(r.data)
	cfg.SequenceNumber = uint32(first)
	start := first * sealedPackage
	plain, err := sio.DecryptReader(io.NewSectionReader(r.file, start, sealedSize(r.size)-start), cfg)
	if err != nil {
		return r.damage(err)
	}
	if _, err := io.CopyN(io.Discard, plain, r.at%clearPackage); err != nil {
		return r.damage(err)
	}
	r.plain = plain
	return nil
}

// damage says what an error under the decryption means.
func (r *reader) damage(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("read blob %d: %w", r.id, classed(err))
	}
	r.store.log().Error("blob damaged", "blob", int64(r.id), "err", err)
	return fmt.Errorf("read blob %d: %w: %w", r.id, ErrDamaged, unexpected(err))
}

// unexpected keeps a bare io.EOF from reading as a good end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Seek goes anywhere from the start on; beyond the end there is nothing to read.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek blob %d: before its start", r.id)
	}
	if offset != r.at {
		r.at, r.plain = offset, nil
	}
	return offset, nil
}

func (r *reader) Close() error {
	r.mu.Lock()
	if r.closed == nil {
		r.closed = fs.ErrClosed
	}
	r.mu.Unlock()
	r.store.unregister(r)
	if r.joint != nil {
		r.joint.close()
	}
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

func (r *reader) usable() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed != nil {
		return r.closed
	}
	return r.err
}

func (s *Store) register(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[ID]map[*reader]struct{}{}
	}
	if s.open[r.id] == nil {
		s.open[r.id] = map[*reader]struct{}{}
	}
	s.open[r.id][r] = struct{}{}
}

func (s *Store) unregister(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open[r.id], r)
	if len(s.open[r.id]) == 0 {
		delete(s.open, r.id)
	}
}

// cut ends the readers of a deleted blob: taken back is taken back, also for
// the guest whose download is at its first percent.
func (s *Store) cut(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.open[id] {
		r.mu.Lock()
		if r.closed == nil {
			r.closed = fmt.Errorf("blob %d was deleted: %w", id, store.ErrNoRows)
		}
		r.mu.Unlock()
	}
}
