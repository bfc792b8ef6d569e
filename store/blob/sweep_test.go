package blob_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/storetest"
)

// name has a message name the blob, as a mail does.
func name(t *testing.T, s *blob.Store, tx *store.Tx, id blob.ID) error {
	_, err := tx.Exec(t.Context(), `INSERT INTO message (id, size, blob, summary, created) VALUES ($1, 1, $2, $3, 1)`,
		store.NewID(), int64(id), []byte("{}"))
	return err
}

func TestSweepTakesWhatNothingNamesAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		var ahead time.Duration
		s.Now = func() time.Time { return time.Now().Add(ahead) }
		sweep := func(want int) {
			t.Helper()
			if n, err := s.Sweep(t.Context(), 24*time.Hour); err != nil || n != want {
				t.Errorf("swept %d, %v; want %d", n, err, want)
			}
		}
		var named, unnamed []blob.ID
		for _, size := range []int{10, 2 * packageSize} {
			named = append(named, put(t, s, random(size)))
			unnamed = append(unnamed, put(t, s, random(size)))
		}
		err := s.DB.Write(t.Context(), func(tx *store.Tx) error {
			return errors.Join(name(t, s, tx, named[0]), name(t, s, tx, named[1]))
		})
		if err != nil {
			t.Fatal(err)
		}
		dropped, err := s.Put(t.Context(), random(packageSize)) // a Ref that nobody inserts
		if err != nil {
			t.Fatal(err)
		}
		foreign := filepath.Join(s.Dir, "README")
		if err := os.WriteFile(foreign, []byte("put here by the operator"), 0o600); err != nil {
			t.Fatal(err)
		}
		sweep(0)
		ahead = 25 * time.Hour
		young := put(t, s, random(3*packageSize)) // unnamed, but of this very hour
		inUse := s.Create()
		inUse.Write(random(packageSize))
		defer inUse.Abort()
		sweep(len(unnamed) + 1)
		for _, id := range append(named, young) {
			if _, err := read(t, s, id, 0); err != nil {
				t.Errorf("what is named, or young, is gone: %v", err)
			}
		}
		for _, id := range append(unnamed, dropped.ID) {
			if _, err := read(t, s, id, 0); !errors.Is(err, store.ErrNoRows) {
				t.Errorf("what nothing names reads as %v", err)
			}
		}
		if got := files(t, s.Dir); len(got) != 4 { // named, young, in use, foreign
			t.Errorf("on the disk: %v", got)
		}
		sweep(0)
		ahead = 50 * time.Hour
		sweep(1) // the young one; the one in use is older than a day now, and still in use
		if ref, err := inUse.Commit(t.Context()); err != nil {
			t.Error(err)
		} else {
			insert(t, s, ref)
			if got, err := read(t, s, ref.ID, 0); err != nil || !bytes.Equal(got, random(packageSize)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}
	})
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	db := storetest.SQLite(t)
	before := blobs(t, db)
	w := before.Create() // cut off in the middle
	w.Write(random(packageSize))
	if _, err := before.Put(t.Context(), random(packageSize)); err != nil { // durable, its transaction never came
		t.Fatal(err)
	}
	id := put(t, before, random(packageSize))
	if n := len(files(t, before.Dir)); n != 3 {
		t.Fatalf("%d files", n)
	}
	after := blobs(t, db) // the next process
	after.Dir = before.Dir
	if n, err := after.Sweep(t.Context(), time.Hour); err != nil || n != 0 {
		t.Errorf("an hour has not passed, yet %d were swept, %v", n, err)
	}
	after.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	after.Named = []string{`SELECT 1 FROM blob WHERE id = $1`}
	if n, err := after.Sweep(t.Context(), time.Hour); err != nil || n != 2 {
		t.Errorf("swept %d, %v; want 2", n, err)
	}
	if _, err := read(t, after, id, 0); err != nil {
		t.Error(err)
	}
	if n := len(files(t, before.Dir)); n != 1 {
		t.Errorf("%d files are left, want 1", n)
	}
}

func TestWithoutNamersNoRowIsSwept(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	id := put(t, s, random(packageSize))
	s.Named = nil
	s.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if n, err := s.Sweep(t.Context(), 0); err != nil || n != 0 {
		t.Errorf("swept %d, %v", n, err)
	}
	if _, err := read(t, s, id, 0); err != nil {
		t.Error(err)
	}
}

// The race of a sweeper with transactions that give an old blob a new name:
// whoever was told yes has the bytes.
func TestSweeperNeverTakesABlobThatIsBeingNamed(t *testing.T) {
	each(t, func(t *testing.T, s *blob.Store) {
		const namers, each = 4, 150
		sweeper := &blob.Store{DB: s.DB, Dir: s.Dir, Master: s.Master, Named: s.Named, Now: func() time.Time { return time.Now().Add(time.Hour) }}
		ended := make(chan struct{})
		var sweeping sync.WaitGroup
		sweeping.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if _, err := sweeper.Sweep(t.Context(), 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
		var kept, lost atomic.Int32
		var all sync.WaitGroup
		for range namers {
			all.Go(func() {
				for i := range each {
					ref, err := s.Put(t.Context(), random(i))
					if err == nil {
						err = s.DB.Write(t.Context(), func(tx *store.Tx) error { return s.Insert(t.Context(), tx, ref) })
					}
					if err != nil {
						t.Error(err)
						return
					}
					named := s.DB.Write(t.Context(), func(tx *store.Tx) error {
						if err := s.Keep(t.Context(), tx, ref.ID); err != nil {
							return err
						}
						return name(t, s, tx, ref.ID)
					})
					_, gone := s.Size(t.Context(), ref.ID)
					switch {
					case named == nil && gone == nil:
						kept.Add(1)
					case errors.Is(named, store.ErrNoRows) && errors.Is(gone, store.ErrNoRows):
						lost.Add(1)
					default:
						t.Errorf("naming said %v, reading says %v", named, gone)
						return
					}
				}
			})
		}
		all.Wait()
		close(ended)
		sweeping.Wait()
		t.Logf("%d kept, %d lost", kept.Load(), lost.Load())
		if kept.Load() == 0 {
			t.Error("the sweeper was always quicker: this tested nothing")
		}
	})
}
