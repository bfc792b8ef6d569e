package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/storetest"
)

const (
	inline      = 1000     // of the stores under test
	packageSize = 64 << 10 // of the file format
)

// each runs f on a fresh blob store over each database.
func each(t *testing.T, f func(t *testing.T, s *blob.Store)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, blobs(t, db)) })
}

func blobs(tb testing.TB, db *store.DB) *blob.Store {
	return &blob.Store{
		DB:     db,
		Dir:    filepath.Join(tb.TempDir(), "made", "on", "demand"),
		Master: bytes.Repeat([]byte{7}, 32),
		Inline: inline,
		Named:  []string{`SELECT 1 FROM message WHERE blob = $1`},
	}
}

// random is n bytes that are the same every time.
func random(n int) []byte {
	b := make([]byte, n)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	rand.NewChaCha8(seed).Read(b)
	return b
}

func put(tb testing.TB, s *blob.Store, p []byte) blob.ID {
	tb.Helper()
	ref, err := s.Put(tb.Context(), p)
	if err != nil {
		tb.Fatal(err)
	}
	insert(tb, s, ref)
	return ref.ID
}

func insert(tb testing.TB, s *blob.Store, ref blob.Ref) {
	tb.Helper()
	if err := s.DB.Write(tb.Context(), func(tx *store.Tx) error { return s.Insert(tb.Context(), tx, ref) }); err != nil {
		tb.Fatal(err)
	}
}

func remove(tb testing.TB, s *blob.Store, ids ...blob.ID) {
	tb.Helper()
	if err := s.DB.Write(tb.Context(), func(tx *store.Tx) error { return s.Delete(tb.Context(), tx, ids...) }); err != nil {
		tb.Fatal(err)
	}
}

func read(tb testing.TB, s *blob.Store, id blob.ID, offset int64) ([]byte, error) {
	tb.Helper()
	r, err := s.Open(tb.Context(), id, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// files lists what is on the disk below dir.
func files(tb testing.TB, dir string) (paths []string) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return paths
}

// interesting sizes: around the threshold and the packages of the format.
var sizes = []int{0, 1, inline - 1, inline, inline + 1, packageSize - 1, packageSize, packageSize + 1, 3*packageSize - 1, 3 * packageSize, 3*packageSize + 5}

func TestEveryByteComesBackFromEveryOffset(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		for _, size := range sizes {
			want := random(size)
			id := put(t, s, want)
			if n, err := s.Size(t.Context(), id); err != nil || n != int64(size) {
				t.Fatalf("size of %d bytes: %d, %v", size, n, err)
			}
			for _, from := range append(sizes, size/2, size, size+1, size+packageSize) {
				got, err := read(t, s, id, int64(from))
				if err != nil || !bytes.Equal(got, want[min(from, size):]) {
					t.Fatalf("%d bytes from %d: got %d bytes, %v", size, from, len(got), err)
				}
			}
		}
		if want, got := 7, len(files(t, s.Dir)); got != want {
			t.Errorf("%d files for the blobs over the threshold, want %d", got, want)
		}
	})
}

func TestBytesWrittenInAnyPortionsAreTheSame(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	want := random(3*packageSize + 77)
	for _, portion := range []int{1, 7, inline, packageSize, packageSize + 1, len(want)} {
		w := s.Create()
		for rest := want; len(rest) > 0; {
			n := min(portion, len(rest))
			if m, err := w.Write(rest[:n]); err != nil || m != n {
				t.Fatal(m, err)
			}
			rest = rest[n:]
			if portion == 1 && len(want)-len(rest) > 2*inline { // byte by byte across the threshold will do
				portion = 5000
			}
		}
		if w.Size() != int64(len(want)) {
			t.Fatalf("Size says %d", w.Size())
		}
		ref, err := w.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		insert(t, s, ref)
		if got, err := read(t, s, ref.ID, 0); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("in portions of %d: %d bytes, %v", portion, len(got), err)
		}
	}
}

func TestReaderBehavesAsReadersDo(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	for _, size := range []int{0, 10, 2*packageSize + 10} {
		want := random(size)
		r, n, err := s.OpenSeeker(t.Context(), put(t, s, want))
		if err != nil || n != int64(size) {
			t.Fatal(n, err)
		}
		if err := iotest.TestReader(r, want); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		r.Seek(0, io.SeekStart)
		var b bytes.Buffer
		if n, err := io.Copy(&b, r); err != nil || n != int64(size) || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("copy of %d bytes: %d, %v", size, n, err)
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Error("seeking before the start is permitted")
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("reading on after Close: %v", err)
		}
	}
}

func TestRangesAreServedOverHTTP(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	want := random(3 * packageSize)
	id := put(t, s, want)
	for _, c := range []struct {
		header   string
		from, to int
	}{{"bytes=0-9", 0, 10}, {"bytes=65530-65545", 65530, 65546}, {"bytes=131072-", 131072, len(want)}, {"bytes=-5", len(want) - 5, len(want)}} {
		r, _, err := s.OpenSeeker(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Range", c.header)
		rec := httptest.NewRecorder()
		http.ServeContent(rec, req, "a.bin", time.Time{}, r)
		r.Close()
		if rec.Code != http.StatusPartialContent || !bytes.Equal(rec.Body.Bytes(), want[c.from:c.to]) {
			t.Errorf("%s: %d, %d bytes", c.header, rec.Code, rec.Body.Len())
		}
	}
}

func TestDamagedBytesAreNeverServed(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		want := random(3 * packageSize)
		id := put(t, s, want)
		file := files(t, s.Dir)[0]
		clean, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		swapped := bytes.Clone(clean) // two packages change places
		const sealed = packageSize + 32
		copy(swapped, clean[sealed:2*sealed])
		copy(swapped[sealed:], clean[:sealed])
		damages := map[string][]byte{
			"cut short":            clean[:len(clean)-1],
			"cut at a package":     clean[:2*sealed],
			"emptied":              {},
			"longer":               append(bytes.Clone(clean), 0),
			"packages in disorder": swapped,
		}
		for _, at := range []int{0, 4, 15, 16, 1000, sealed - 1, sealed, 2*sealed + 20, len(clean) - 1} {
			b := bytes.Clone(clean)
			b[at] ^= 1
			damages[fmt.Sprintf("byte %d flipped", at)] = b
		}
		for name, b := range damages {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := read(t, s, id, 0)
			if !errors.Is(err, blob.ErrDamaged) {
				t.Errorf("%s: read %d bytes, error %v", name, len(got), err)
			}
			if !bytes.HasPrefix(want, got) {
				t.Errorf("%s: wrong bytes were served", name)
			}
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, s, id, 0); !errors.Is(err, blob.ErrDamaged) {
			t.Errorf("missing file: %v", err)
		}
	})
}

func TestRowsCannotBeGivenEachOthersBytes(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		mine, other := put(t, s, []byte("what is mine")), put(t, s, []byte("what is another's"))
		flip := func(q string, args ...any) {
			t.Helper()
			err := s.DB.Write(t.Context(), func(tx *store.Tx) error {
				n, err := tx.Exec(t.Context(), q, args...)
				if n != 1 && err == nil {
					err = fmt.Errorf("%d rows", n)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		flip(`UPDATE blob SET key = (SELECT key FROM blob WHERE id = $1), inline = (SELECT inline FROM blob WHERE id = $1) WHERE id = $2`, int64(other), int64(mine))
		if got, err := read(t, s, mine, 0); !errors.Is(err, blob.ErrDamaged) {
			t.Errorf("read %q, %v", got, err)
		}
		var sealed []byte
		err := s.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT inline FROM blob WHERE id = $1`, int64(other)).Scan(&sealed)
		})
		if err != nil || bytes.Contains(sealed, []byte("another")) {
			t.Fatalf("the row says %q, %v", sealed, err)
		}
		sealed[3] ^= 1
		flip(`UPDATE blob SET inline = $1 WHERE id = $2`, sealed, int64(other))
		if got, err := read(t, s, other, 0); !errors.Is(err, blob.ErrDamaged) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestDiskShowsNeitherBytesNorIDs(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	secret := strings.Repeat("the treasurer's letter ", 10_000)
	id := put(t, s, []byte(secret))
	file := files(t, s.Dir)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("treasurer")) || strings.Contains(file, fmt.Sprint(int64(id))) || strings.Contains(file, fmt.Sprintf("%x", int64(id))) {
		t.Errorf("%s gives something away", file)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWrongMasterKeyOpensNothing(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		if err := s.CheckKey(t.Context()); err != nil {
			t.Fatalf("an empty store: %v", err)
		}
		id := put(t, s, random(2*inline))
		if err := s.CheckKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Master = bytes.Repeat([]byte{8}, 32)
		if _, err := read(t, s, id, 0); err == nil {
			t.Error("the blob was read")
		}
		if err := s.CheckKey(t.Context()); err == nil {
			t.Error("CheckKey sees nothing wrong")
		}
		if _, err := s.Sweep(t.Context(), -time.Second); err == nil {
			t.Error("the sweeper goes on")
		}
		if n := len(files(t, s.Dir)); n != 1 {
			t.Errorf("%d files are left", n)
		}
		s.Master = []byte("short")
		if _, err := s.Put(t.Context(), []byte("x")); err == nil {
			t.Error("a short key is accepted")
		}
	})
}

func TestRotationRewrapsRowsAndNoBytes(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		want := map[blob.ID][]byte{}
		for _, size := range sizes {
			b := random(size)
			want[put(t, s, b)] = b
		}
		before := files(t, s.Dir)
		old := s.Master
		s.Master, s.Version, s.Older = bytes.Repeat([]byte{9}, 32), 2, map[int64][]byte{1: old}
		fresh := random(5)
		want[put(t, s, fresh)] = fresh
		check := func(when string) {
			t.Helper()
			for id, b := range want {
				if got, err := read(t, s, id, 0); err != nil || !bytes.Equal(got, b) {
					t.Errorf("%s: %d bytes, %v", when, len(got), err)
				}
			}
		}
		check("before")
		if n, err := s.Rewrap(t.Context()); err != nil || n != len(sizes) {
			t.Fatalf("rewrapped %d, %v; want %d", n, err, len(sizes))
		}
		s.Older = nil
		check("after")
		if after := files(t, s.Dir); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("files changed: %v, were %v", after, before)
		}
	})
}

func TestDeletedIsGoneFromRowAndDiskAndFromOpenReaders(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		small, large, stays := put(t, s, random(10)), put(t, s, random(5*packageSize)), put(t, s, random(packageSize))
		r, err := s.Open(t.Context(), large, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		failed := errors.New("the rest of the transaction failed")
		if err := s.DB.Write(t.Context(), func(tx *store.Tx) error {
			if err := s.Delete(t.Context(), tx, large); err != nil {
				return err
			}
			return failed
		}); !errors.Is(err, failed) {
			t.Fatal(err)
		}
		if got, err := read(t, s, large, 0); err != nil || len(got) != 5*packageSize {
			t.Fatalf("after the rollback: %d bytes, %v", len(got), err)
		}
		remove(t, s, small, large, 12345) // the last never was
		for _, id := range []blob.ID{small, large} {
			if _, err := read(t, s, id, 0); !errors.Is(err, store.ErrNoRows) {
				t.Errorf("open: %v, want ErrNoRows", err)
			}
			if _, err := s.Size(t.Context(), id); !errors.Is(err, store.ErrNoRows) {
				t.Errorf("size: %v, want ErrNoRows", err)
			}
		}
		if n, err := io.Copy(io.Discard, r); !errors.Is(err, store.ErrNoRows) || n > packageSize {
			t.Errorf("the open reader gave %d bytes more, %v", n, err)
		}
		if got := files(t, s.Dir); len(got) != 1 {
			t.Errorf("left on the disk: %v", got)
		}
		if _, err := read(t, s, stays, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestAbortedAndDiscardedBytesLeaveNothing(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	w := s.Create()
	w.Write(random(3 * packageSize))
	w.Abort()
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("writing after Abort is permitted")
	}
	if _, err := w.Commit(t.Context()); err == nil {
		t.Error("Commit after Abort is permitted")
	}
	ref, err := s.Put(t.Context(), random(packageSize))
	if err != nil {
		t.Fatal(err)
	}
	s.Discard(ref)
	w = s.Create()
	w.Write(random(packageSize))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Commit(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit with a context that has ended: %v", err)
	}
	if got := files(t, s.Dir); len(got) != 0 {
		t.Errorf("left on the disk: %v", got)
	}
}

func TestAbortAfterCommitDoesNothing(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	for _, size := range []int{10, packageSize} {
		w := s.Create()
		w.Write(random(size))
		ref, err := w.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.Abort()
		insert(t, s, ref)
		if got, err := read(t, s, ref.ID, 0); err != nil || !bytes.Equal(got, random(size)) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}

func TestRefIsInsertedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		ref, err := s.Put(t.Context(), []byte("once"))
		if err != nil {
			t.Fatal(err)
		}
		insert(t, s, ref)
		err = s.DB.Write(t.Context(), func(tx *store.Tx) error { return s.Insert(t.Context(), tx, ref) })
		if !errors.Is(err, store.ErrUnique) {
			t.Errorf("the second time: %v, want ErrUnique", err)
		}
		err = s.DB.Write(t.Context(), func(tx *store.Tx) error { return s.Insert(t.Context(), tx, blob.Ref{}) })
		if err == nil {
			t.Error("a reference from nowhere was inserted")
		}
	})
}

func TestRandomBlobsKeepTheirSum(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		b := random(rng.IntN(4 * packageSize))
		id := put(t, s, b)
		from := rng.IntN(len(b) + 1)
		got, err := read(t, s, id, int64(from))
		if err != nil || sha256.Sum256(got) != sha256.Sum256(b[from:]) {
			t.Fatalf("%d bytes from %d: %v", len(b), from, err)
		}
	}
}
