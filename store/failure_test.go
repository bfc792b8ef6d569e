package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"colporteur/store"
	"colporteur/store/storetest"
)

// smallDisk is a file system of the given size.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Geteuid() != 0 {
			t.Skip("needs root to mount a small disk")
		}
		t.Skipf("this machine does not let root mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes what room is left in dir, and returns what gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for b := make([]byte, 4096); err == nil; {
		_, err = f.Write(b)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

func addBlob(t *testing.T, db *store.DB, size int) error {
	return db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO blob (id, size, key, master, inline, created) VALUES ($1, $2, $3, $4, $5, $6)`,
			store.NewID(), size, []byte{}, 1, make([]byte, size), 0)
		return err
	})
}

func TestFullDiskIsSaidAndHealsByItself(t *testing.T) {
	dir := smallDisk(t, "3m") // an empty one and its WAL take two
	db := storetest.Open(t, "sqlite:"+filepath.Join(dir, "db"))
	if err := db.Write(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, "before.test") }); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		free := fill(t, dir)
		var err error
		for n := 0; err == nil && n < 1000; n++ { // what SQLite had reserved is used up first
			err = addBlob(t, db, 20_000)
		}
		if !errors.Is(err, store.ErrFull) {
			t.Fatalf("round %d: %v, want ErrFull", round, err)
		}
		want(t, db, "before.test") // reading goes on
		free()
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Exec(t.Context(), `DELETE FROM blob`); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `UPDATE domain SET created = created + 1`)
			return err
		})
		if err != nil {
			t.Fatalf("round %d, with room again: %v", round, err)
		}
	}
}

func TestTooBigAWriteDoesNotTakeTheSmallOnesAlong(t *testing.T) {
	dir := smallDisk(t, "4m")
	db := storetest.Open(t, "sqlite:"+filepath.Join(dir, "db"))
	hold, leave := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		var once sync.Once
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			once.Do(func() { close(hold); <-leave }) // until the others wait behind it
			return addDomain(t.Context(), tx, "a.test")
		})
		if err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-hold
	all.Go(func() {
		if err := addBlob(t, db, 8<<20); !errors.Is(err, store.ErrFull) {
			t.Errorf("the big one: %v, want ErrFull", err)
		}
	})
	all.Go(func() {
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, "b.test") }); err != nil {
			t.Errorf("the small one: %v", err)
		}
	})
	for store.Waiting(db) < 2 {
		time.Sleep(time.Millisecond)
	}
	close(leave)
	all.Wait()
	want(t, db, "a.test", "b.test")
}

func TestPostgresComesBackAfterARestartUnderLoad(t *testing.T) {
	server := storetest.NewServer(t)
	db := storetest.Open(t, server.Database(t))
	var acknowledged, refused, serial atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("%d.test", serial.Add(1))
				switch err := db.Write(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, name) }); {
				case err == nil:
					acknowledged.Add(1)
				case errors.Is(err, store.ErrUnavailable):
					refused.Add(1)
				default:
					t.Errorf("%v, want ErrUnavailable", err)
					return
				}
			}
		})
	}
	reach := func(counter *atomic.Int64, n int64) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); counter.Load() < n; {
			if time.Now().After(deadline) {
				t.Fatalf("stuck at %d acknowledged, %d refused", acknowledged.Load(), refused.Load())
			}
			time.Sleep(time.Millisecond)
		}
	}
	reach(&acknowledged, 100)
	server.Stop(t)
	reach(&refused, refused.Load()+20)
	if err := db.Read(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Read without a server: %v, want ErrUnavailable", err)
	}
	server.Start(t)
	reach(&acknowledged, acknowledged.Load()+100)
	close(stop)
	all.Wait()
	// What was acknowledged is there; what was refused may be, when the answer to
	// its commit was lost.
	if n := int64(len(domains(t, db))); n < acknowledged.Load() || n > serial.Load() {
		t.Errorf("%d rows; %d were acknowledged of %d", n, acknowledged.Load(), serial.Load())
	}
}

func TestFirstTransactionAfterARestartIsNotTheVictimOfOldConnections(t *testing.T) {
	server := storetest.NewServer(t)
	db := storetest.Open(t, server.Database(t))
	var all sync.WaitGroup
	barrier := make(chan struct{})
	var inside atomic.Int32
	for range 10 { // fills the pool
		all.Go(func() {
			db.Read(t.Context(), func(*store.Tx) error {
				if inside.Add(1) == 10 {
					close(barrier)
				}
				<-barrier
				return nil
			})
		})
	}
	all.Wait()
	server.Restart(t)
	if err := db.Write(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, "first.test") }); err != nil {
		t.Fatal(err)
	}
	want(t, db, "first.test")
}

func TestDeadlockIsRunAgain(t *testing.T) {
	db := storetest.Open(t, storetest.Postgres(t))
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		return errors.Join(addDomain(t.Context(), tx, "a.test"), addDomain(t.Context(), tx, "b.test"))
	})
	if err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	both := make(chan struct{})
	var all sync.WaitGroup
	for _, order := range [][2]string{{"a.test", "b.test"}, {"b.test", "a.test"}} {
		all.Go(func() {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				n := runs.Add(1)
				for i, name := range order {
					if _, err := tx.Exec(t.Context(), `UPDATE domain SET created = created + 1 WHERE name = $1`, name); err != nil {
						return errors.New("hidden") // a caller that does not wrap must not spoil it
					}
					if i == 0 && n <= 2 {
						if n == 2 {
							close(both)
						}
						<-both
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if runs.Load() < 3 { // more when the loser was back before the winner woke up
		t.Errorf("%d runs, want one of the two run again", runs.Load())
	}
	var created int
	err = db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT MIN(created) FROM domain`).Scan(&created)
	})
	if err != nil || created != 3 {
		t.Errorf("counted to %d, %v; want 3", created, err)
	}
}
