package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

type postgresDB struct {
	pool *sql.DB
	url  string
}

// connections is how many one node opens at most; a server is set up for a few
// hundred, and more than its cores work at once helps nobody.
const connections = 24

func openPostgres(ctx context.Context, url string) (*postgresDB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "colporteur"
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := pool.PingContext(ctx); err != nil {
		pool.Close()
		return nil, classed(err)
	}
	return &postgresDB{pool, url}, nil
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
		if n == retries || !conflict(err) && (tx == nil || !conflict(tx.failed)) {
			return err
		}
	}
}

// conflict says whether the other side of a deadlock was let through, and this
// one may simply run again.
func conflict(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

func (db *postgresDB) read(ctx context.Context, f func(*Tx) error) error {
	_, err := db.once(ctx, f, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	return err
}

func (db *postgresDB) once(ctx context.Context, f func(*Tx) error, opts *sql.TxOptions) (*Tx, error) {
	t, err := db.begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer t.Rollback()
	tx := &Tx{q: pgQuerier{t}, rewrite: func(q string) string { return q }}
	if err := tx.run(f); err != nil {
		return tx, err
	}
	if err := t.Commit(); err != nil {
		return tx, classed(err)
	}
	return tx, nil
}

// begin goes past connections that a restart of the server has cut: each says
// so once, and nothing has happened yet. A server that does not take new ones
// is away.
func (db *postgresDB) begin(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error) {
	for n := 0; ; n++ {
		t, err := db.pool.BeginTx(ctx, opts)
		if err == nil {
			return t, nil
		}
		err = classed(err)
		var refused *pgconn.ConnectError
		if n == connections || ctx.Err() != nil || errors.As(err, &refused) || !errors.Is(err, ErrUnavailable) {
			return nil, err
		}
	}
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

// postgresClass recognises failures by SQLSTATE class: 08 connection, 53
// resources, 57 operator intervention (a restart), 23505 unique.
func postgresClass(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch {
		case e.Code == "23505":
			return ErrUnique
		case e.Code == "53100":
			return ErrFull
		case e.Code == "25006", // a standby, or a server that went read-only
			strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"),
			strings.HasPrefix(e.Code, "57"), strings.HasPrefix(e.Code, "58"):
			return ErrUnavailable
		}
		return nil
	}
	var network net.Error
	var refused *pgconn.ConnectError
	if errors.Is(err, driver.ErrBadConn) || errors.As(err, &network) || errors.As(err, &refused) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, sql.ErrConnDone) ||
		strings.Contains(err.Error(), "conn closed") {
		return ErrUnavailable
	}
	return nil
}
