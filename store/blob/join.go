package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"colporteur/store"
)

// A joined blob is one blob whose bytes are those of others, one after the
// other: a large upload arrives in pieces, each durable before the next is
// asked for, and is not copied once more to become whole. The pieces live as
// long as the join and belong to it alone; with the join they are deleted, and
// open readers of it are cut.

// MaxPieces bounds a join: reading one keeps a line for each piece in memory.
const MaxPieces = 100_000

// Piece is one part of a joined blob.
type Piece struct {
	ID   ID
	Size int64
}

// Join makes one blob of pieces in tx, which already has their rows, in their
// order. A piece that is itself joined, or that belongs to another join, is an
// error.
func (s *Store) Join(ctx context.Context, tx *store.Tx, pieces []Piece) (Piece, error) {
	if len(pieces) == 0 || len(pieces) > MaxPieces {
		return Piece{}, fmt.Errorf("join of %d blobs", len(pieces))
	}
	j := Piece{ID: ID(store.NewID())}
	// The key seals nothing but zero bytes: it makes the row one like all others.
	data := newKey()
	key, master, err := s.wrap(j.ID, data)
	if err != nil {
		return Piece{}, err
	}
	inline, err := sealInline(data, nil)
	if err != nil {
		return Piece{}, err
	}
	for i, p := range pieces {
		var size, joined int64
		// Held against the sweeper, whoever named them until now.
		err := tx.QueryRow(ctx, `SELECT size, pieces FROM blob WHERE id = $1 FOR UPDATE`, int64(p.ID)).Scan(&size, &joined)
		if err != nil {
			return Piece{}, fmt.Errorf("join blob %d: %w", p.ID, err)
		}
		if joined != 0 || size != p.Size {
			return Piece{}, fmt.Errorf("join blob %d: it has %d bytes and %d pieces", p.ID, size, joined)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO blob_piece (blob, seq, piece, size) VALUES ($1, $2, $3, $4)`,
			int64(j.ID), i, int64(p.ID), size); err != nil {
			return Piece{}, fmt.Errorf("join blob %d: %w", p.ID, err)
		}
		j.Size += size
	}
	_, err = tx.Exec(ctx, `INSERT INTO blob (id, size, key, master, inline, created, pieces) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		int64(j.ID), j.Size, key, master, inline, store.Micros(s.now()), len(pieces))
	if err != nil {
		return Piece{}, fmt.Errorf("join: %w", err)
	}
	return j, nil
}

// namings are the queries that answer a row when blob $1 is named: those of the
// others, and a join names its pieces.
func (s *Store) namings() []string {
	return append(slices.Clip(s.Named), `SELECT 1 FROM blob_piece WHERE piece = $1`)
}

// piecesOf are the pieces of a join, in order.
func piecesOf(ctx context.Context, tx *store.Tx, id ID) ([]Piece, error) {
	var ps []Piece
	rows, err := tx.Query(ctx, `SELECT piece, size FROM blob_piece WHERE blob = $1 ORDER BY seq`, int64(id))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var p Piece
		err := scan(&p.ID, &p.Size)
		ps = append(ps, p)
		return err
	})
	return ps, err
}

// deletePieces ends what belongs to a join that is gone.
func (s *Store) deletePieces(ctx context.Context, tx *store.Tx, id ID) error {
	ps, err := piecesOf(ctx, tx, id)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM blob_piece WHERE blob = $1`, int64(id)); err != nil {
		return err
	}
	ids := make([]ID, len(ps))
	for i, p := range ps {
		ids[i] = p.ID
	}
	return s.Delete(ctx, tx, ids...)
}

// joint reads a joined blob, one piece open at a time. It belongs to a reader
// and is used by it alone.
type joint struct {
	store  *Store
	ctx    context.Context // values of the one that opened it: pieces are opened while it is read
	pieces []Piece
	starts []int64 // of each piece, in the whole
	open   *reader
	n      int // which piece is open
}

func (s *Store) newJoint(ctx context.Context, pieces []Piece, size int64) (*joint, error) {
	j := &joint{store: s, ctx: context.WithoutCancel(ctx), pieces: pieces, starts: make([]int64, len(pieces)), n: -1}
	at := int64(0)
	for i, p := range pieces {
		j.starts[i] = at
		at += p.Size
	}
	if at != size {
		return nil, fmt.Errorf("pieces of %d bytes instead of %d: %w", at, size, ErrDamaged)
	}
	return j, nil
}

// readAt reads some of the bytes from at on, never past a piece.
func (j *joint) readAt(p []byte, at int64) (int, error) {
	// The last that begins at or before at: an empty one is never chosen over
	// the one behind it.
	i := sort.Search(len(j.starts), func(i int) bool { return j.starts[i] > at }) - 1
	if j.open == nil || j.n != i {
		j.close()
		r, err := j.store.openReader(j.ctx, j.pieces[i].ID)
		if errors.Is(err, store.ErrNoRows) {
			// The join was there: its pieces must be.
			err = fmt.Errorf("piece %d of %d is missing: %w", i, len(j.pieces), ErrDamaged)
		}
		if err != nil {
			return 0, err
		}
		if j.open, j.n = r, i; r.size != j.pieces[i].Size {
			return 0, fmt.Errorf("piece %d has %d bytes instead of %d: %w", i, r.size, j.pieces[i].Size, ErrDamaged)
		}
	}
	if _, err := j.open.Seek(at-j.starts[i], io.SeekStart); err != nil {
		return 0, err
	}
	n, err := j.open.Read(p)
	if err == io.EOF {
		err = fmt.Errorf("piece %d ended early: %w", i, ErrDamaged)
	}
	return n, err
}

func (j *joint) close() {
	if j.open != nil {
		j.open.Close()
		j.open = nil
	}
}

// appendJoined is appendClear of a joined blob.
func (s *Store) appendJoined(ctx context.Context, dst []byte, row *Row) ([]byte, error) {
	r, err := s.openReader(ctx, row.id)
	if err != nil {
		return dst, err
	}
	defer r.Close()
	before := len(dst)
	dst = slices.Grow(dst, int(row.size))[:before+int(row.size)]
	if _, err := io.ReadFull(r, dst[before:]); err != nil {
		return dst[:before], err
	}
	return dst, nil
}
