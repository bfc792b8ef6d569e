package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// groupLimit bounds how many Writes share a commit, and so the time the first waits for it.
const groupLimit = 64

// readers is the number of reading connections; more than cores does not help.
const readers = 4

type sqliteDB struct {
	rewriter
	pool   *sql.DB // makes the connections
	jobs   chan *writeJob
	free   chan *conn // idle readers
	quit   chan struct{}
	ended  chan struct{}
	closer sync.Once
}

type writeJob struct {
	ctx  context.Context
	f    func(*Tx) error
	tx   *Tx
	err  error
	done chan struct{}
}

// conn is one connection with its prepared statements: compiling a statement
// costs more than running it.
type conn struct {
	*sql.Conn
	stmts map[string]*sql.Stmt
}

func openSQLite(ctx context.Context, path string) (*sqliteDB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)&_pragma=wal_autocheckpoint(4000)&_pragma=mmap_size(0)"
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	pool.SetMaxIdleConns(readers + 2)
	db := &sqliteDB{pool: pool, jobs: make(chan *writeJob, groupLimit), free: make(chan *conn, readers),
		quit: make(chan struct{}), ended: make(chan struct{})}
	writer, err := db.connect(ctx)
	if err != nil {
		pool.Close()
		return nil, err
	}
	for range readers {
		c, err := db.connect(ctx)
		if err == nil {
			_, err = c.ExecContext(ctx, "PRAGMA query_only = 1")
		}
		if err != nil {
			pool.Close()
			return nil, err
		}
		db.free <- c
	}
	go db.writes(writer)
	return db, nil
}

func (db *sqliteDB) connect(ctx context.Context) (*conn, error) {
	c, err := db.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, stmts: map[string]*sql.Stmt{}}, nil
}

func (c *conn) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := c.stmts[q]; ok {
		return s, nil
	}
	s, err := c.PrepareContext(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", q, err)
	}
	if len(c.stmts) > 500 { // statements with IN lists of changing length
		for k, old := range c.stmts {
			old.Close()
			delete(c.stmts, k)
		}
	}
	c.stmts[q] = s
	return s, nil
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

func (db *sqliteDB) write(ctx context.Context, f func(*Tx) error) error {
	j := &writeJob{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case db.jobs <- j:
	case <-db.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	// Once handed over the outcome is the database's, not the caller's patience:
	// an answer of "failed" for what then commits would be a lie.
	select {
	case <-j.done:
	case <-db.ended:
		select {
		case <-j.done:
		default:
			return ErrClosed
		}
	}
	if j.err == nil {
		j.tx.done()
	}
	return j.err
}

// writes is the one writer: it takes what waits, up to groupLimit, into one transaction.
func (db *sqliteDB) writes(c *conn) {
	defer close(db.ended)
	for {
		var j *writeJob
		select {
		case j = <-db.jobs:
		case <-db.quit:
			return
		}
		db.group(c, j)
	}
}

func (db *sqliteDB) group(c *conn, j *writeJob) {
	ctx := context.Background() // not a participant's: one who leaves must not interrupt the others
	var group []*writeJob
	finish := func(err error) {
		for _, g := range group {
			if g.err == nil {
				g.err = err
			}
			close(g.done)
		}
	}
	if _, err := c.exec(ctx, "BEGIN IMMEDIATE", nil); err != nil {
		group = append(group, j)
		finish(classSQLite(err))
		return
	}
	broken := false
	for {
		group = append(group, j)
		j.err = db.participate(ctx, c, j)
		if errors.Is(j.err, errBroken) {
			broken = true
			break
		}
		if len(group) == groupLimit {
			break
		}
		select {
		case j = <-db.jobs:
			continue
		default:
		}
		break
	}
	if broken {
		c.exec(ctx, "ROLLBACK", nil)
		finish(group[len(group)-1].err)
		return
	}
	if _, err := c.exec(ctx, "COMMIT", nil); err != nil {
		c.exec(ctx, "ROLLBACK", nil)
		finish(classSQLite(err))
		return
	}
	finish(nil)
}

// steady runs statements to their end whatever the participant's context does:
// an interrupt would hit the shared transaction, and watching a context costs a
// goroutine for every statement.
type steady struct{ c *conn }

func (s steady) exec(_ context.Context, q string, args []any) (sql.Result, error) {
	return s.c.exec(context.Background(), q, args)
}

func (s steady) query(_ context.Context, q string, args []any) (*sql.Rows, error) {
	return s.c.query(context.Background(), q, args)
}

// errBroken marks a failure after which SQLite has given up the whole transaction.
var errBroken = errors.New("transaction lost")

func (db *sqliteDB) participate(ctx context.Context, c *conn, j *writeJob) (err error) {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	if _, err := c.exec(ctx, "SAVEPOINT one", nil); err != nil {
		return fmt.Errorf("%w: %w", errBroken, classSQLite(err))
	}
	j.tx = &Tx{q: steady{c}, rewrite: db.rewrite, classed: classSQLite}
	func() {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
			}
		}()
		err = j.f(j.tx)
	}()
	if err == nil {
		if _, err = c.exec(ctx, "RELEASE one", nil); err == nil {
			return nil
		}
		err = classSQLite(err)
	}
	if _, rerr := c.exec(ctx, "ROLLBACK TO one", nil); rerr != nil {
		// After SQLITE_FULL or IOERR the savepoint may be gone with everything before it.
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if _, rerr := c.exec(ctx, "RELEASE one", nil); rerr != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return err
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
	defer func() { db.free <- c }()
	bg := context.WithoutCancel(ctx)
	if _, err := c.exec(bg, "BEGIN", nil); err != nil {
		return classSQLite(err)
	}
	defer c.exec(bg, "ROLLBACK", nil)
	tx := &Tx{q: c, rewrite: db.rewrite, classed: classSQLite}
	return f(tx)
}

func (db *sqliteDB) migrate(ctx context.Context) error {
	return migrate(ctx, db.pool, true)
}

func (db *sqliteDB) engine() string { return "sqlite" }

func (db *sqliteDB) close() error {
	var err error
	db.closer.Do(func() {
		close(db.quit)
		<-db.ended
		for range readers {
			c := <-db.free
			c.Close()
		}
		err = db.pool.Close()
	})
	return err
}

func classSQLite(err error) error {
	var e *sqlite.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", ErrUnique, err)
	}
	return err
}
