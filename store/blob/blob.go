// Package blob keeps bytes: small ones inside the database, large ones in
// files, all of them encrypted.
//
// # Keys
//
// Each blob has a data key of its own, which seals nothing else. Its row holds
// that key wrapped by a master key, together with the version of the master
// key, so a rotation writes rows (Rewrap) and no bytes. The wrapping is bound to
// the blob's id: rows cannot be given each other's bytes. When a row is gone so
// is its key, and what a disk still remembers of the bytes is noise.
//
// # Files
//
// A file is named by an HMAC of the blob's id under its data key, so a disk
// shows sizes and nothing else. It is written under tmp/, synced, renamed into
// a folder of two hex digits, and that folder is synced: a name without its
// bytes is never seen, and a row is only inserted after that. What a crash
// leaves behind no row knows, and Sweep removes it.
package blob

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"colporteur/store"
)

// ErrDamaged is said of bytes that fail authentication or have gone missing.
var ErrDamaged = errors.New("the stored bytes are damaged")

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

	// Version numbers Master; 0 is 1. After a rotation Older holds the earlier
	// keys until Rewrap has seen every row.
	Version int64
	Older   map[int64][]byte

	// Named are queries that answer a row when blob $1 is named by something;
	// the sweeper removes what none of them knows. A transaction that names a
	// blob which was there before it must Keep it first.
	Named []string

	mu    sync.Mutex
	open  map[ID]map[*reader]struct{} // so that a deletion ends downloads
	temps map[string]struct{}         // being written by this process: not for the sweeper

	ciphers sync.Map // of master keys
}

// DefaultInline is 16 KiB, the threshold of the configuration's default.
const DefaultInline = 16 << 10

// Ref is a blob whose bytes are durable (or in memory, when small) but that no
// row names yet. Insert it in the transaction that names it; a Ref that is
// dropped is swept.
type Ref struct {
	ID     ID
	Size   int64
	key    []byte // the data key, wrapped
	master int64
	inline []byte // sealed
	beside []byte // sealed
	file   string
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Store) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// Put is Create, Write and Commit of bytes at hand.
func (s *Store) Put(ctx context.Context, p []byte) (Ref, error) {
	w := s.Create()
	defer w.Abort()
	if _, err := w.Write(p); err != nil {
		return Ref{}, err
	}
	return w.Commit(ctx)
}

// Insert adds the row of ref, and its inline bytes, to tx.
func (s *Store) Insert(ctx context.Context, tx *store.Tx, ref Ref) error {
	if ref.key == nil {
		return errors.New("insert blob: the reference comes from no Commit")
	}
	var inline, beside any
	if ref.inline != nil {
		inline = ref.inline
	}
	if ref.beside != nil {
		beside = ref.beside
	}
	_, err := tx.Exec(ctx, `INSERT INTO blob (id, size, key, master, inline, created, beside) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		int64(ref.ID), ref.Size, ref.key, ref.master, inline, store.Micros(s.now()), beside)
	if err != nil {
		return fmt.Errorf("insert blob %d: %w", ref.ID, err)
	}
	return nil
}

// Discard removes at once the bytes of refs that were committed and will not
// be inserted: a mail refused after its last byte. Without it they stay until
// the sweep. It must not be called when a transaction with them may have
// committed.
func (s *Store) Discard(refs ...Ref) {
	for _, ref := range refs {
		if ref.file != "" {
			s.remove(ref.ID, ref.file)
		}
	}
}

// Keep holds blobs against the sweeper until tx ends, for a transaction that
// gives one more name to what exists. store.ErrNoRows: one is gone already.
func (s *Store) Keep(ctx context.Context, tx *store.Tx, ids ...ID) error {
	for _, id := range ids {
		var one int
		if err := tx.QueryRow(ctx, `SELECT 1 FROM blob WHERE id = $1 FOR UPDATE`, int64(id)).Scan(&one); err != nil {
			return fmt.Errorf("keep blob %d: %w", id, err)
		}
	}
	return nil
}

// Size is the length of the clear bytes.
func (s *Store) Size(ctx context.Context, id ID) (size int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT size FROM blob WHERE id = $1`, int64(id)).Scan(&size)
	})
	if err != nil {
		return 0, fmt.Errorf("blob %d: %w", id, err)
	}
	return size, nil
}

// Delete removes the blobs' rows in tx and their bytes from the disk right
// after the commit, those of a joined one's pieces too. A reader that has one
// open may finish what it buffered.
// Blobs that are gone already are no error.
func (s *Store) Delete(ctx context.Context, tx *store.Tx, ids ...ID) error {
	for _, id := range ids {
		var key []byte
		var master, joined int64
		var filed bool
		err := tx.QueryRow(ctx, `DELETE FROM blob WHERE id = $1 RETURNING key, master, inline IS NULL, pieces`, int64(id)).
			Scan(&key, &master, &filed, &joined)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return fmt.Errorf("delete blob %d: %w", id, err)
		}
		if joined > 0 {
			if err := s.deletePieces(ctx, tx, id); err != nil {
				return err
			}
		}
		name := ""
		if filed {
			data, err := s.unwrap(id, key, master)
			if err != nil {
				return fmt.Errorf("delete blob %d: %w", id, err)
			}
			name = fileName(id, data)
		}
		tx.AfterCommit(func() {
			s.cut(id)
			if name != "" {
				s.remove(id, name)
			}
		})
	}
	return nil
}

// remove takes a file from the disk. Its key is gone with its row, so a failure
// only costs room until the next sweep.
func (s *Store) remove(id ID, name string) {
	if err := s.disk().remove(name); err != nil {
		s.log().Error("blob not removed", "blob", int64(id), "err", err)
	}
}
