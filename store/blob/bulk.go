package blob

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/minio/sio"

	"colporteur/store"
)

// Row is what the database has of a blob: with it at hand, the bytes are read
// without another query. Whoever reads a thousand mails asks for many at once.
type Row struct {
	id     ID
	size   int64
	key    []byte
	master int64
	inline []byte
	pieces int64 // of a joined blob
}

// Size is how many clear bytes there are.
func (r *Row) Size() int64 { return r.size }

// Rows reads the rows of blobs and calls f for each that is there, in no order.
func (s *Store) Rows(ctx context.Context, tx *store.Tx, ids []ID, f func(ID, *Row)) error {
	wanted := make(map[ID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	return store.Lookup(ctx, tx, `SELECT id, size, key, master, inline, pieces FROM blob WHERE`, nil, "id", ids, func(scan func(...any) error) (ID, error) {
		var r Row
		var key, inline sql.RawBytes
		if err := scan(&r.id, &r.size, &key, &r.master, &inline, &r.pieces); err != nil || !wanted[r.id] {
			return r.id, err
		}
		r.key, r.inline = slices.Clone(key), slices.Clone(inline)
		f(r.id, &r)
		return r.id, nil
	})
}

// sealedFiles are buffers for whole files.
var sealedFiles = sync.Pool{New: func() any { b := make([]byte, 0, 4*sealedPackage); return &b }}

// AppendClear appends the clear bytes of a blob that fits into memory to dst.
// Damage is an error, as Open has it; store.ErrNoRows when the blob was deleted
// after its row was read.
func (s *Store) AppendClear(ctx context.Context, dst []byte, r *Row) ([]byte, error) {
	dst, err := s.appendClear(ctx, dst, r)
	if err != nil {
		if errors.Is(err, ErrDamaged) {
			s.log().Error("blob damaged", "blob", int64(r.id), "err", err)
		}
		return dst, fmt.Errorf("read blob %d: %w", r.id, err)
	}
	return dst, nil
}

func (s *Store) appendClear(ctx context.Context, dst []byte, r *Row) ([]byte, error) {
	if r.pieces > 0 {
		return s.appendJoined(ctx, dst, r)
	}
	data, err := s.unwrap(r.id, r.key, r.master)
	if err != nil {
		return dst, err
	}
	before := len(dst)
	dst = slices.Grow(dst, int(r.size)+sealedPackage)
	if r.inline != nil {
		a, err := gcm(data)
		if err != nil {
			return dst, err
		}
		clear, err := a.Open(dst, zeroNonce[:], r.inline, nil)
		if err != nil || int64(len(clear)-before) != r.size {
			return dst[:before], ErrDamaged
		}
		return clear, nil
	}
	f, err := s.disk().open(fileName(r.id, data))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := s.Size(ctx, r.id); err != nil {
			return dst, err // deleted between the row and the file
		}
		return dst, fmt.Errorf("the file is missing: %w", ErrDamaged)
	}
	if err != nil {
		return dst, classed(err)
	}
	defer f.Close()
	buf := sealedFiles.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 1<<20 {
			sealedFiles.Put(buf)
		}
	}()
	n := int(sealedSize(r.size))
	*buf = slices.Grow((*buf)[:0], n+1)[:n+1]
	if k, err := io.ReadFull(f, *buf); err != io.ErrUnexpectedEOF || k != n {
		if err == nil || err == io.ErrUnexpectedEOF || err == io.EOF {
			return dst, fmt.Errorf("a file of %d bytes instead of %d: %w", k, n, ErrDamaged)
		}
		return dst, classed(err)
	}
	clear, err := sio.DecryptBuffer(dst, (*buf)[:n], dare(data))
	if err != nil || int64(len(clear)-before) != r.size {
		return dst[:before], fmt.Errorf("%w: %w", ErrDamaged, unexpected(err))
	}
	return clear, nil
}
