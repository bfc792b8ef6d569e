package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

type postgresDB struct{ pool *sql.DB }

func openPostgres(ctx context.Context, url string) (*postgresDB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(24)
	pool.SetMaxIdleConns(24)
	if err := pool.PingContext(ctx); err != nil {
		pool.Close()
		return nil, classPostgres(err)
	}
	return &postgresDB{pool}, nil
}

// retries is how often a transaction that lost a deadlock is run again.
const retries = 5

func (db *postgresDB) write(ctx context.Context, f func(*Tx) error) error {
	for n := 0; ; n++ {
		tx, err := db.once(ctx, f, nil)
		if err == nil {
			tx.done()
			return nil
		}
		var e *pgconn.PgError
		if n < retries && errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01") {
			continue
		}
		return err
	}
}

func (db *postgresDB) read(ctx context.Context, f func(*Tx) error) error {
	_, err := db.once(ctx, f, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	return err
}

func (db *postgresDB) once(ctx context.Context, f func(*Tx) error, opts *sql.TxOptions) (tx *Tx, err error) {
	t, err := db.pool.BeginTx(ctx, opts)
	if err != nil {
		return nil, classPostgres(err)
	}
	defer t.Rollback()
	tx = &Tx{q: pgQuerier{t}, rewrite: func(q string) string { return q }, classed: classPostgres}
	func() {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
			}
		}()
		err = f(tx)
	}()
	if err != nil {
		return nil, err
	}
	if err := t.Commit(); err != nil {
		return nil, classPostgres(err)
	}
	return tx, nil
}

type pgQuerier struct{ tx *sql.Tx }

func (p pgQuerier) exec(ctx context.Context, q string, args []any) (sql.Result, error) {
	return p.tx.ExecContext(ctx, q, args...)
}

func (p pgQuerier) query(ctx context.Context, q string, args []any) (*sql.Rows, error) {
	return p.tx.QueryContext(ctx, q, args...)
}

func (db *postgresDB) migrate(ctx context.Context) error { return migrate(ctx, db.pool, false) }
func (db *postgresDB) engine() string                    { return "postgres" }
func (db *postgresDB) close() error                      { return db.pool.Close() }

// classPostgres recognises failures by SQLSTATE class: 08 connection, 53
// resources, 57 operator intervention (a restart), 23505 unique.
func classPostgres(err error) error {
	if err == nil {
		return nil
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch {
		case e.Code == "23505":
			return fmt.Errorf("%w: %w", ErrUnique, err)
		case e.Code == "53100":
			return fmt.Errorf("%w: %w", ErrFull, err)
		case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57"):
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	var ne net.Error
	var ce *pgconn.ConnectError
	if errors.Is(err, driver.ErrBadConn) || errors.As(err, &ne) || errors.As(err, &ce) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, sql.ErrConnDone) ||
		strings.Contains(err.Error(), "conn closed") {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
