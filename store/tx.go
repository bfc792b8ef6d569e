package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// Tx is a running transaction. It is used by one goroutine at a time.
type Tx struct {
	q       querier
	rewrite func(string) string
	failed  error // the first failure of a statement: nothing after it counts
	after   []func()
}

type querier interface {
	exec(ctx context.Context, q string, args []any) (sql.Result, error)
	query(ctx context.Context, q string, args []any) (*sql.Rows, error)
}

// fail remembers the first failure, with its class.
func (tx *Tx) fail(err error) error {
	err = classed(err)
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

// usable refuses statements after a failed one. PostgreSQL does so itself;
// SQLite, after a full disk, would run them outside any transaction.
func (tx *Tx) usable() error {
	if tx.failed != nil {
		return fmt.Errorf("after a failed statement: %w", tx.failed)
	}
	return nil
}

// Exec runs a statement and returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, q string, args ...any) (int64, error) {
	if err := tx.usable(); err != nil {
		return 0, err
	}
	r, err := tx.q.exec(ctx, tx.rewrite(q), args)
	if err != nil {
		return 0, tx.fail(err)
	}
	return r.RowsAffected()
}

// Query runs a query; the caller closes the rows and checks rows.Err, or gives
// them to Each, which does.
func (tx *Tx) Query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	rows, err := tx.q.query(ctx, tx.rewrite(q), args)
	if err != nil {
		return nil, tx.fail(err)
	}
	return rows, nil
}

// Row is the first row of a query, to be scanned once.
type Row struct {
	tx   *Tx
	rows *sql.Rows
	err  error
}

// QueryRow runs a query of which one row is wanted. It also serves
// INSERT … RETURNING and UPDATE … RETURNING.
func (tx *Tx) QueryRow(ctx context.Context, q string, args ...any) *Row {
	rows, err := tx.Query(ctx, q, args...)
	return &Row{tx: tx, rows: rows, err: err}
}

// Scan copies the columns, or returns ErrNoRows.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return r.tx.fail(err)
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	if err := r.rows.Close(); err != nil {
		return r.tx.fail(err)
	}
	return nil
}

// AfterCommit has f called once the transaction is durable, in the goroutine
// that called Write. Wake-ups and the removal of files belong here.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

func (tx *Tx) done() {
	for _, f := range tx.after {
		f()
	}
}

// run calls f. A panic is an error, so that one request does not end the
// writer for all; and so is a success after a statement that failed.
func (tx *Tx) run(f func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	return tx.usable()
}

// classed adds ErrUnavailable, ErrFull or ErrUnique to what an engine reports.
func classed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err // the caller's patience, not the database's health
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrFull), errors.Is(err, ErrUnique):
		return err
	}
	var class error
	if c, ok := sqliteClass(err); ok {
		class = c
	} else {
		class = postgresClass(err)
	}
	if class == nil {
		return err
	}
	return fmt.Errorf("%w: %w", class, err)
}
