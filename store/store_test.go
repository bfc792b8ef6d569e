package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"colporteur/store"
	"colporteur/store/storetest"
)

// Tests use the tables that are there: domain as one with a text key, blob as
// one with bytes.

func addDomain(ctx context.Context, tx *store.Tx, name string) error {
	_, err := tx.Exec(ctx, `INSERT INTO domain (name, created) VALUES ($1, $2)`, name, 1)
	return err
}

// domains is what is committed.
func domains(t *testing.T, db *store.DB) (names []string) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT name FROM domain ORDER BY name COLLATE "C"`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, name)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func want(t *testing.T, db *store.DB, names ...string) {
	t.Helper()
	if got := domains(t, db); fmt.Sprint(got) != fmt.Sprint(names) {
		t.Errorf("committed are %v, want %v", got, names)
	}
}

func TestWriteCommitsOrLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		failed := errors.New("no")
		var after []string
		write := func(name string, result error) error {
			return db.Write(t.Context(), func(tx *store.Tx) error {
				tx.AfterCommit(func() { after = append(after, name) })
				if err := addDomain(t.Context(), tx, name); err != nil {
					return err
				}
				return result
			})
		}
		if err := write("kept.test", nil); err != nil {
			t.Error(err)
		}
		if err := write("undone.test", failed); err != failed {
			t.Errorf("the function's error came back as %v", err)
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			addDomain(t.Context(), tx, "panic.test")
			panic("a bug")
		})
		if err == nil || !strings.Contains(err.Error(), "a bug") {
			t.Errorf("a panic came back as %v", err)
		}
		want(t, db, "kept.test")
		if fmt.Sprint(after) != "[kept.test]" {
			t.Errorf("AfterCommit was called for %v", after)
		}
	})
}

func TestErrorsHaveTheirClass(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		add := func(tx *store.Tx) error { return addDomain(t.Context(), tx, "twice.test") }
		if err := db.Write(t.Context(), add); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), add); !errors.Is(err, store.ErrUnique) {
			t.Errorf("the same key twice: %v, want ErrUnique", err)
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			var name string
			return tx.QueryRow(t.Context(), `INSERT INTO domain (name, created) VALUES ($1, 1) RETURNING name`, "twice.test").Scan(&name)
		})
		if !errors.Is(err, store.ErrUnique) {
			t.Errorf("the same key with RETURNING: %v, want ErrUnique", err)
		}
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			var name string
			return tx.QueryRow(t.Context(), `SELECT name FROM domain WHERE name = $1`, "none.test").Scan(&name)
		})
		if err != store.ErrNoRows {
			t.Errorf("no row: %v, want ErrNoRows itself", err)
		}
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE nothing SET a = 1`)
			return err
		})
		for _, class := range []error{store.ErrUnavailable, store.ErrFull, store.ErrUnique, store.ErrNoRows} {
			if err == nil || errors.Is(err, class) {
				t.Errorf("a mistake in the SQL: %v", err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for name, f := range map[string]func(context.Context, func(*store.Tx) error) error{"write": db.Write, "read": db.Read} {
			err := f(ended, func(tx *store.Tx) error { return tx.QueryRow(ended, `SELECT COUNT(*) FROM domain`).Scan(new(int)) })
			if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s with a context that has ended: %v, want Canceled", name, err)
			}
		}
	})
}

func TestNothingAfterAFailedStatementCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			addDomain(t.Context(), tx, "a.test")
			addDomain(t.Context(), tx, "a.test") // the error is overlooked
			if err := addDomain(t.Context(), tx, "b.test"); err == nil {
				t.Error("a statement ran after a failed one")
			}
			return nil
		})
		if !errors.Is(err, store.ErrUnique) {
			t.Errorf("the transaction said %v, want ErrUnique", err)
		}
		want(t, db)
	})
}

func TestReadSeesOneSnapshotAndWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			count := func() (n int, err error) {
				return n, tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM domain`).Scan(&n)
			}
			before, err := count()
			if err != nil {
				return err
			}
			wrote := make(chan error)
			go func() {
				wrote <- db.Write(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, "meanwhile.test") })
			}()
			if err := <-wrote; err != nil {
				return err
			}
			after, err := count()
			if before != 0 || after != 0 {
				t.Errorf("%d rows, then %d", before, after)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, "read.test") })
		if err == nil {
			t.Error("Read may write")
		}
		want(t, db, "meanwhile.test")
	})
}

func TestTransactionsDoNotNest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		type run func(context.Context, func(*store.Tx) error) error
		for name, pair := range map[string][2]run{
			"read in read": {db.Read, db.Read}, "read in write": {db.Write, db.Read},
			"write in read": {db.Read, db.Write}, "write in write": {db.Write, db.Write},
		} {
			err := pair[0](t.Context(), func(*store.Tx) error {
				return pair[1](t.Context(), func(*store.Tx) error { return nil })
			})
			if !errors.Is(err, store.ErrNested) {
				t.Errorf("%s: %v, want ErrNested", name, err)
			}
		}
		for range 100 { // and none of it is remembered
			want(t, db)
		}
	})
}

func TestManyAtOnceAllCommit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const writers, each = 20, 20
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					name := fmt.Sprintf("%d-%d.test", w, i)
					err := db.Write(t.Context(), func(tx *store.Tx) error {
						if i%5 == 4 {
							addDomain(t.Context(), tx, name)
							return errors.New("changed its mind")
						}
						return addDomain(t.Context(), tx, name)
					})
					if (err != nil) != (i%5 == 4) {
						t.Errorf("%s: %v", name, err)
					}
					var n int
					err = db.Read(t.Context(), func(tx *store.Tx) error {
						return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM domain WHERE name = $1`, name).Scan(&n)
					})
					if err != nil || (n == 1) == (i%5 == 4) {
						t.Errorf("%s: %d rows, %v", name, n, err)
					}
				}
			})
		}
		all.Wait()
		if n := len(domains(t, db)); n != writers*each*4/5 {
			t.Errorf("%d rows, want %d", n, writers*each*4/5)
		}
	})
}

func TestGroupSharesOneCommit(t *testing.T) {
	db := storetest.SQLite(t)
	first, second := make(chan error, 1), make(chan error, 1)
	entered, leave := make(chan struct{}), make(chan struct{})
	hold := make(chan struct{})
	go func() {
		first <- db.Write(t.Context(), func(tx *store.Tx) error {
			close(hold)
			<-leave // until the second waits behind this one
			return addDomain(t.Context(), tx, "first.test")
		})
	}()
	<-hold
	queued := make(chan struct{})
	go func() {
		close(queued)
		second <- db.Write(t.Context(), func(tx *store.Tx) error {
			defer close(entered)
			var n int // the first one's row is in the same transaction
			if err := tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM domain`).Scan(&n); err != nil || n != 1 {
				t.Errorf("the second sees %d rows, %v; want the first one's", n, err)
			}
			select {
			case err := <-first:
				t.Errorf("the first was answered (%v) before the commit they share", err)
			default:
			}
			return addDomain(t.Context(), tx, "second.test")
		})
	}()
	<-queued
	for store.Waiting(db) == 0 { // its goroutine runs but may not be in the queue yet
		time.Sleep(time.Millisecond)
	}
	want(t, db)
	close(leave)
	<-entered
	if err := errors.Join(<-first, <-second); err != nil {
		t.Fatal(err)
	}
	want(t, db, "first.test", "second.test")
}

func TestSQLTextMeansTheSameOnBoth(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		err := db.Write(ctx, func(tx *store.Tx) error {
			exec := func(rows int64, q string, args ...any) {
				t.Helper()
				if n, err := tx.Exec(ctx, q, args...); err != nil || n != rows {
					t.Errorf("%s: %d rows, %v; want %d", q, n, err, rows)
				}
			}
			is := func(expect any, q string, args ...any) {
				t.Helper()
				var got any
				if err := tx.QueryRow(ctx, q, args...).Scan(&got); err != nil || fmt.Sprint(got) != fmt.Sprint(expect) {
					t.Errorf("%s: %v, %v; want %v", q, got, err, expect)
				}
			}
			exec(1, `INSERT INTO domain (created, name) VALUES ($2, $1)`, "b.test", 7)
			exec(1, `INSERT INTO domain (created, name) VALUES ($1, $2)`, 8, "A.test")
			exec(0, `INSERT INTO domain (name, created) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, "b.test", 9)
			exec(1, `INSERT INTO domain (name, created) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET created = excluded.created`, "b.test", 9)
			is(9, `SELECT created FROM domain WHERE name = $1 FOR UPDATE`, "b.test")
			is("A.test", `SELECT name FROM domain ORDER BY name COLLATE "C" LIMIT 1 FOR UPDATE SKIP LOCKED`)
			is("b.test", `SELECT name FROM domain ORDER BY name COLLATE "C" DESC LIMIT 1`)
			is(10, `UPDATE domain SET created = created + 1 WHERE name = $1 RETURNING created`, "b.test")
			is(0, `SELECT COUNT(*) FROM domain WHERE name LIKE $1 ESCAPE '!'`, "%!_%")
			is(2, `SELECT CAST(COALESCE(SUM(CASE WHEN created > $1 THEN 1 ELSE 0 END), 0) AS BIGINT) FROM domain`, 3)
			exec(1, `INSERT INTO blob (id, size, key, master, inline, created) VALUES ($1, $2, $3, $4, $5, $6)`,
				int64(1)<<62, 5, []byte{0, 255}, 1, []byte{}, 0)
			exec(1, `INSERT INTO blob (id, size, key, master, inline, created) VALUES ($1, $2, $3, $4, $5, $6)`,
				2, 5, []byte("k"), 1, nil, 0)
			var id int64
			var key, inline []byte
			if err := tx.QueryRow(ctx, `SELECT id, key, inline FROM blob WHERE inline IS NOT NULL`).Scan(&id, &key, &inline); err != nil ||
				id != 1<<62 || string(key) != "\x00\xff" || len(inline) != 0 {
				t.Errorf("bytes came back as %d %x %v, %v", id, key, inline, err)
			}
			var null bool
			if err := tx.QueryRow(ctx, `DELETE FROM blob WHERE id = $1 RETURNING inline IS NULL, inline`, 2).Scan(&null, &inline); err != nil || !null || inline != nil {
				t.Errorf("NULL came back as %v %v, %v", null, inline, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestStrangersTextIsMadeFit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dirty := "caf\xe9\x00 \xf0\x9f\x93\xac"
		if got := store.Clean(dirty); got != "caf\uFFFD 📬" {
			t.Errorf("Clean gives %q", got)
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, store.Clean(dirty)) })
		if err != nil {
			t.Fatal(err)
		}
		want(t, db, store.Clean(dirty))
	})
}

func TestCloseWaitsAndThenRefuses(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	path := filepath.Join(t.TempDir(), "a b%?.db") // as a person may call a folder
	db, err := store.Open(t.Context(), "sqlite:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error { return addDomain(t.Context(), tx, "home.test") }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want a file for the owner only", name, info, err)
		}
	}
	reading, leave := make(chan struct{}), make(chan struct{})
	read, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		read <- db.Read(context.Background(), func(tx *store.Tx) error {
			close(reading)
			<-leave
			return tx.QueryRow(context.Background(), `SELECT name FROM domain`).Scan(new(string))
		})
	}()
	<-reading
	go func() { closed <- db.Close() }()
	for { // until Close has begun
		err := db.Write(t.Context(), func(tx *store.Tx) error { return nil })
		if errors.Is(err, store.ErrClosed) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(leave)
	if err := errors.Join(<-read, <-closed); err != nil {
		t.Error(err)
	}
	if err := db.Read(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the write-ahead log was not folded into the database (%v)", err)
	}
	again, err := store.Open(t.Context(), "sqlite:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, again, "home.test")
	again.Close()
}

func TestDatabaseOfANewerReleaseIsRefused(t *testing.T) {
	urls := map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "db") },
		"postgres": func(t *testing.T) string { return storetest.Postgres(t) },
	}
	for engine, url := range urls {
		t.Run(engine, func(t *testing.T) {
			url := url(t)
			db, err := store.Open(t.Context(), url, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE goose_db_version SET version_id = 9000 WHERE version_id = (SELECT MAX(version_id) FROM goose_db_version)`)
				return err
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			if db, err := store.Open(t.Context(), url, nil); err == nil || !strings.Contains(err.Error(), "newer release") {
				t.Errorf("opened: %v", err)
				if err == nil {
					db.Close()
				}
			}
		})
	}
}

func TestUnknownDatabaseURLIsRefused(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "db.sqlite"} {
		if _, err := store.Open(t.Context(), url, nil); err == nil {
			t.Errorf("%q was opened", url)
		}
	}
	if _, err := store.Open(t.Context(), "sqlite:/nowhere/at/all/db", nil); err == nil {
		t.Error("a database in no folder was opened")
	}
}

func TestNewIDsGrowAndAreUnique(t *testing.T) {
	var mu sync.Mutex
	seen := map[int64]bool{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := int64(0)
			for range 2000 {
				id := store.NewID()
				if id <= last {
					t.Errorf("%d after %d", id, last)
				}
				last = id
				mu.Lock()
				if seen[id] {
					t.Errorf("%d twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

func TestTimesComeBack(t *testing.T) {
	for _, want := range []time.Time{{}, time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC), time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got := store.Time(store.Micros(want)); !got.Equal(want) {
			t.Errorf("%v came back as %v", want, got)
		}
	}
}

func TestNodesThatStartTogetherMigrateOnce(t *testing.T) {
	url := storetest.NewServer(t).Empty(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db, err := store.Open(t.Context(), url, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want(t, storetest.Open(t, url))
}
