// Package blob keeps bytes: small ones inside the database, large ones in
// files, all of them encrypted.
package blob

import (
	"context"
	"io"
	"log/slog"
	"time"

	"colporteur/store"
)

// ID names a blob for as long as it lives. It grants nothing.
type ID int64

// Store is the blobs of one host.
type Store struct {
	DB     *store.DB
	Dir    string           // folder of the files
	Master []byte           // 32 bytes, from outside the data folder
	Inline int              // blobs up to this many bytes live in the database; 0 is DefaultInline
	Now    func() time.Time // nil is time.Now
	Log    *slog.Logger     // nil discards

	// Named are queries that answer a row when blob $1 is named by something;
	// the sweeper removes what none of them knows.
	Named []string
}

// DefaultInline is 16 KiB, the threshold of the configuration's default.
const DefaultInline = 16 << 10

// Ref is a blob whose bytes are durable (or in memory, when small) but that no
// row names yet. Insert it in the transaction that names it; a Ref that is
// dropped is swept.
type Ref struct {
	ID     ID
	Size   int64
	key    []byte
	master int64
	inline []byte
}

// Create starts a new blob. Write the bytes, then Commit; or Abort, which may
// also be called after Commit and then does nothing. A full disk is an error
// that wraps store.ErrFull, at Write or Commit.
func (s *Store) Create() *Writer { panic("unwritten") }

// Writer takes the bytes of one blob.
type Writer struct{}

func (w *Writer) Write(p []byte) (int, error) { panic("unwritten") }

// Commit makes the bytes durable: fsync of the file, rename, fsync of the
// folder. Small ones stay in memory until Insert.
func (w *Writer) Commit(ctx context.Context) (Ref, error) { panic("unwritten") }

func (w *Writer) Abort() { panic("unwritten") }

// Put is Create, Write and Commit of bytes at hand.
func (s *Store) Put(ctx context.Context, p []byte) (Ref, error) { panic("unwritten") }

// Insert adds the row of ref, and its inline bytes, to tx.
func (s *Store) Insert(ctx context.Context, tx *store.Tx, ref Ref) error { panic("unwritten") }

// Open reads a blob from offset (of its clear bytes) on. store.ErrNoRows if
// there is none. Bytes that fail authentication are an error, never served.
func (s *Store) Open(ctx context.Context, id ID, offset int64) (io.ReadCloser, error) {
	panic("unwritten")
}

// OpenSeeker is Open for http.ServeContent; reading starts where Seek put it.
func (s *Store) OpenSeeker(ctx context.Context, id ID) (io.ReadSeekCloser, int64, error) {
	panic("unwritten")
}

// Size is the length of the clear bytes.
func (s *Store) Size(ctx context.Context, id ID) (int64, error) { panic("unwritten") }

// Delete removes the blobs' rows in tx and their bytes from the disk right
// after the commit. A reader that has it open may finish what it buffered.
func (s *Store) Delete(ctx context.Context, tx *store.Tx, ids ...ID) error { panic("unwritten") }

// Sweep removes blobs that nothing names and files that no row knows, when
// they are older than age (24 h in production), and says how many.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (int, error) { panic("unwritten") }
