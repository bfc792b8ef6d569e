// Package storetest gives tests a database of their own: SQLite in a file, and
// the real PostgreSQL, started from Debian's binaries.
package storetest

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"colporteur/store"
)

// Each runs f on both databases, as the subtests "sqlite" and "postgres". Each
// call of f gets a fresh, migrated database that is closed after the subtest.
// f may call t.Parallel.
func Each(t *testing.T, f func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Open(t, Postgres(t))) })
}

// SQLite is a fresh database in a file under tb.TempDir.
func SQLite(tb testing.TB) *store.DB {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "test.db")
	b, err := migrated()
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		tb.Fatalf("sqlite template: %v", err)
	}
	return Open(tb, "sqlite:"+path)
}

// migrated is the file of an empty SQLite database with today's schema: a copy
// of it costs a tenth of running the migrations.
var migrated = sync.OnceValues(func() (b []byte, err error) {
	dir, err := os.MkdirTemp("", "colporteur-sqlite-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "template.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// Open is store.Open for a test: closed when the test ends.
func Open(tb testing.TB, url string) *store.DB {
	tb.Helper()
	db, err := store.Open(tb.Context(), url, nil)
	if err != nil {
		tb.Fatalf("open %s: %v", url, err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close %s: %v", url, err)
		}
	})
	return db
}
