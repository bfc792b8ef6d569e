// Package store holds the database handle: SQLite or PostgreSQL behind one SQL text.
//
// # One SQL text
//
// SQL is written once, in PostgreSQL's words, next to the Go that uses it.
// dialect.go replaces the few words SQLite lacks. The subset: no arrays, no ::
// casts, no now() (time comes from the caller, as BIGINT microseconds UTC), no
// identity columns (ids come from NewID), no data-modifying CTE, no ILIKE, no
// greatest(). Text must be valid UTF-8 without NUL (see Clean). Empty bytes are
// not NULL, but SQLite's driver gives them back as nil: ask for IS NULL.
//
// # Writing
//
// On SQLite one goroutine owns the only writing connection. Functions given to
// Write by several goroutines at once run in one transaction, each inside a
// SAVEPOINT, and share one commit with one fsync. So a Write function must be
// quick: database work only, no network, no files, no waiting. On PostgreSQL
// each has a transaction of its own. On both a function may be run again (after
// a deadlock; when the group it was in did not fit on the disk), so it changes
// nothing outside but through tx.AfterCommit, and starts its results anew. It
// runs in another goroutine: no t.Fatal in there.
//
// # What holds on both
//
// PostgreSQL's rules are kept on SQLite too, so that a test on either finds the
// mistake. A statement that fails ends the transaction: nothing after it runs,
// and it cannot commit (ask with ON CONFLICT DO NOTHING instead of catching
// ErrUnique half-way). One set of rows is open at a time: read it to its end,
// then ask the next question. Read and Write do not nest, in whatever order:
// they would wait for each other's connections. Under test ErrNested says so.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

var (
	ErrUnavailable = errors.New("the database is away")
	ErrFull        = errors.New("the disk is full")
	ErrUnique      = errors.New("it exists already")
	ErrClosed      = errors.New("the database is closed")
	ErrNested      = errors.New("a transaction inside a transaction")
)

// ErrNoRows is database/sql's, so that callers need not import it.
var ErrNoRows = sql.ErrNoRows

// DB is an open database. Open makes one.
type DB struct {
	backend backend
	inside  inside
}

type backend interface {
	write(ctx context.Context, f func(*Tx) error) error
	read(ctx context.Context, f func(*Tx) error) error
	migrate(ctx context.Context) error
	engine() string
	snapshot(ctx context.Context, path string, f func(*Tx) error) error
	integrity(ctx context.Context, problem func(string)) error
	close() error
}

// Open opens the database that url names and brings its schema up to date.
// url is "sqlite:PATH" or "postgres://…"; log may be nil.
func Open(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	db, err := OpenAsIs(ctx, url, log)
	if err != nil {
		return nil, err
	}
	if err := db.backend.migrate(ctx); err != nil {
		db.backend.close()
		return nil, fmt.Errorf("migrate database: %w", err)
	}
	return db, nil
}

// OpenAsIs is Open without bringing the schema up to date: for looking at a
// database beside the server that works with it, and at copies.
func OpenAsIs(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var b backend
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		b, err = openSQLite(ctx, path, log)
	} else if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		b, err = openPostgres(ctx, url)
	} else {
		return nil, fmt.Errorf("database url %q: neither sqlite: nor postgres://", url)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return &DB{backend: b}, nil
}

// Write runs f in a transaction that commits when f returns nil. When Write
// returns nil the commit is durable. An error of f is returned as it is;
// database failures wrap ErrUnavailable, ErrFull or ErrUnique where known.
//
// When the connection to PostgreSQL breaks during the commit nobody can know
// whether it happened; that is ErrUnavailable too, and the caller's next try may
// find its own rows. Once the work has begun ctx no longer stops it on SQLite:
// the transaction is shared.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	if db.inside.here() {
		return ErrNested
	}
	return db.backend.write(ctx, db.inside.mark(f))
}

// Read runs f over one consistent snapshot.
func (db *DB) Read(ctx context.Context, f func(tx *Tx) error) error {
	if db.inside.here() {
		return ErrNested
	}
	return db.backend.read(ctx, db.inside.mark(f))
}

// Engine is "sqlite" or "postgres"; for messages and the three permitted seams
// (search, notify, error recognition).
func (db *DB) Engine() string { return db.backend.engine() }

// Close waits for running transactions.
func (db *DB) Close() error { return db.backend.close() }

// Each scans every row with f and closes the rows.
func Each(rows *sql.Rows, err error, f func(scan func(...any) error) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return classed(rows.Err())
}

// Micros is how time is stored: microseconds since 1970, UTC; 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time undoes Micros.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Clean makes stranger's text fit for a TEXT column: PostgreSQL refuses NUL
// and invalid UTF-8.
func Clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
