// Package store holds the database handle: SQLite or PostgreSQL behind one SQL text.
//
// # One SQL text
//
// SQL is written once, in PostgreSQL's words, next to the Go that uses it.
// dialect.go replaces the few words SQLite lacks. The subset: no arrays, no ::
// casts, no now() (time comes from the caller, as BIGINT microseconds UTC), no
// identity columns (ids come from NewID), no data-modifying CTE, no ILIKE, no
// greatest(). Text must be valid UTF-8 without NUL (see Clean).
//
// # Writing
//
// On SQLite one goroutine owns the only writing connection. Functions given to
// Write by several goroutines at once run in one transaction, each inside a
// SAVEPOINT, and share one commit with one fsync. So a Write function must be
// quick: database work only, no network, no files, no waiting. On PostgreSQL
// each has a transaction of its own and may be run again after a deadlock; so
// it must not change anything outside but through tx.AfterCommit.
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
)

// ErrNoRows is database/sql's, so that callers need not import it.
var ErrNoRows = sql.ErrNoRows

// DB is an open database. Open makes one.
type DB struct {
	backend backend
	log     *slog.Logger
}

type backend interface {
	write(ctx context.Context, f func(*Tx) error) error
	read(ctx context.Context, f func(*Tx) error) error
	migrate(ctx context.Context) error
	engine() string
	close() error
}

// Open opens the database that url names and brings its schema up to date.
// url is "sqlite:PATH" or "postgres://…"; log may be nil.
func Open(ctx context.Context, url string, log *slog.Logger) (*DB, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var b backend
	var err error
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		b, err = openSQLite(ctx, path)
	} else if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		b, err = openPostgres(ctx, url)
	} else {
		return nil, fmt.Errorf("database url %q: neither sqlite: nor postgres://", url)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := b.migrate(ctx); err != nil {
		b.close()
		return nil, fmt.Errorf("migrate database: %w", err)
	}
	return &DB{backend: b, log: log}, nil
}

// Write runs f in a transaction that commits when f returns nil. When Write
// returns nil the commit is durable. An error of f is returned as it is;
// database failures wrap ErrUnavailable, ErrFull or ErrUnique where known.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	return db.backend.write(ctx, f)
}

// Read runs f over one consistent snapshot.
func (db *DB) Read(ctx context.Context, f func(tx *Tx) error) error {
	return db.backend.read(ctx, f)
}

// Engine is "sqlite" or "postgres"; for messages and the three permitted seams
// (search, notify, error recognition).
func (db *DB) Engine() string { return db.backend.engine() }

// Close waits for running transactions.
func (db *DB) Close() error { return db.backend.close() }

// Tx is a running transaction. It is used by one goroutine at a time.
type Tx struct {
	q       querier
	rewrite func(string) string
	classed func(error) error
	after   []func()
}

type querier interface {
	exec(ctx context.Context, q string, args []any) (sql.Result, error)
	query(ctx context.Context, q string, args []any) (*sql.Rows, error)
}

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, q string, args ...any) (int64, error) {
	r, err := tx.q.exec(ctx, tx.rewrite(q), args)
	if err != nil {
		return 0, tx.classed(err)
	}
	return r.RowsAffected()
}

// Query runs a query; the caller closes the rows and checks rows.Err.
func (tx *Tx) Query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	rows, err := tx.q.query(ctx, tx.rewrite(q), args)
	if err != nil {
		return nil, tx.classed(err)
	}
	return rows, nil
}

// Row is the first row of a query, to be scanned once.
type Row struct {
	rows    *sql.Rows
	err     error
	classed func(error) error
}

// QueryRow runs a query of which one row is wanted. It also serves
// INSERT … RETURNING and UPDATE … RETURNING.
func (tx *Tx) QueryRow(ctx context.Context, q string, args ...any) *Row {
	rows, err := tx.q.query(ctx, tx.rewrite(q), args)
	return &Row{rows: rows, err: err, classed: tx.classed}
}

// Scan copies the columns, or returns ErrNoRows.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.classed(r.err)
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return r.classed(err)
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.classed(r.rows.Close())
}

// AfterCommit has f called once the transaction is durable, in the goroutine
// that called Write. Wake-ups and the removal of files belong here.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

func (tx *Tx) done() {
	for _, f := range tx.after {
		f()
	}
}

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
	return rows.Err()
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
