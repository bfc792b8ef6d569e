package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// readers is the number of reading connections; more than cores does not help.
const readers = 4

// statements is how many prepared statements a connection keeps. Those of the
// program's text are fewer; IN lists of changing length are the rest.
const statements = 500

type sqliteDB struct {
	rewriter
	log    *slog.Logger
	pool   *sql.DB // makes the connections
	jobs   chan *writeJob
	free   chan *conn // idle readers; one may be nil: to be made anew
	quit   chan struct{}
	ended  chan struct{} // the writer has returned
	closer sync.Once
}

func openSQLite(ctx context.Context, path string, log *slog.Logger) (*sqliteDB, error) {
	// Made before SQLite can: it would let the group and the world read. The
	// files beside it (-wal, -shm) get the same mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)&_pragma=mmap_size(0)" +
		"&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(67108864)" +
		"&_pragma=secure_delete(FAST)" // what is taken back leaves its page too, where that costs no write
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db := &sqliteDB{
		log: log, pool: pool, jobs: make(chan *writeJob, groupLimit), free: make(chan *conn, readers),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	writer, err := db.connect(ctx)
	if err != nil {
		pool.Close()
		return nil, classed(err)
	}
	for range readers {
		c, err := db.reader(ctx)
		if err != nil {
			writer.Close()
			for range len(db.free) {
				(<-db.free).Close()
			}
			pool.Close()
			return nil, classed(err)
		}
		db.free <- c
	}
	go db.writes(writer)
	return db, nil
}

// conn is one connection with its prepared statements: compiling a statement
// costs more than running it.
type conn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
}

func (db *sqliteDB) connect(ctx context.Context) (*conn, error) {
	c, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, stmts: map[string]*sql.Stmt{}}, nil
}

func (db *sqliteDB) reader(ctx context.Context) (*conn, error) {
	c, err := db.connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.ExecContext(ctx, "PRAGMA query_only = 1"); err != nil {
		c.discard()
		return nil, err
	}
	return c, nil
}

func (c *conn) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := c.stmts[q]; ok {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", q, err)
	}
	c.stmts[q] = s
	return s, nil
}

// trim forgets statements when they are too many. Only between transactions:
// closing one frees what open rows stand on.
func (c *conn) trim() {
	if len(c.stmts) <= statements {
		return
	}
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
}

func (c *conn) exec(ctx context.Context, q string, args []any) (sql.Result, error) {
	s, err := c.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (c *conn) query(ctx context.Context, q string, args []any) (*sql.Rows, error) {
	s, err := c.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// discard closes the connection for good instead of giving it back to the pool.
func (c *conn) discard() {
	for _, s := range c.stmts {
		s.Close()
	}
	c.Raw(func(any) error { return driver.ErrBadConn })
	c.Close()
}

func (db *sqliteDB) read(ctx context.Context, f func(*Tx) error) error {
	var c *conn
	select {
	case c = <-db.free:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.quit:
		return ErrClosed
	}
	// A reader that was lost, or is lost here, leaves its place to a new one.
	defer func() { db.free <- c }()
	bg := context.WithoutCancel(ctx)
	if c == nil {
		var err error
		if c, err = db.reader(bg); err != nil {
			return classed(err)
		}
	}
	c.trim()
	if _, err := c.exec(bg, "BEGIN", nil); err != nil {
		c.discard()
		c = nil
		return classed(err)
	}
	defer func() {
		if _, err := c.exec(bg, "ROLLBACK", nil); err != nil {
			c.discard()
			c = nil
		}
	}()
	return (&Tx{q: c, rewrite: db.rewrite}).run(f)
}

func (db *sqliteDB) migrate(ctx context.Context) error {
	defer db.pool.SetMaxIdleConns(-1) // the connections it used would only hold memory
	return migrate(ctx, db.pool, true)
}

func (db *sqliteDB) engine() string { return "sqlite" }

func (db *sqliteDB) close() error {
	var err error
	db.closer.Do(func() {
		close(db.quit)
		<-db.ended
		for range readers {
			if c := <-db.free; c != nil {
				c.discard()
			}
		}
		err = db.pool.Close()
	})
	return err
}

// sqliteClass recognises SQLite's errors. ok is false for those of others.
func sqliteClass(err error) (class error, ok bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return nil, false
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return ErrUnique, true
	case sqlite3.SQLITE_IOERR_SHMSIZE: // the index of the WAL could not grow
		return ErrFull, true
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return ErrFull, true
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return ErrUnavailable, true
	}
	return nil, true
}
