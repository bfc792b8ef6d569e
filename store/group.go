package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// groupLimit bounds how many Writes share a commit, and so the time the first waits for it.
const groupLimit = 64

// writeJob is one call of Write, a participant of a group.
type writeJob struct {
	ctx  context.Context
	f    func(*Tx) error
	tx   *Tx
	err  error
	done chan struct{}
}

func (j *writeJob) finish(err error) {
	j.err = err
	close(j.done)
}

func (db *sqliteDB) write(ctx context.Context, f func(*Tx) error) error {
	j := &writeJob{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case <-db.quit:
		return ErrClosed
	default:
	}
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
	w := &writer{db: db, conn: c}
	defer func() {
		if w.conn != nil {
			w.conn.discard()
		}
		close(db.ended)
	}()
	for {
		select {
		case j := <-db.jobs:
			w.together(j)
		case <-db.quit:
			return
		}
	}
}

// writer is the writing connection; conn is nil when it must be made anew.
type writer struct {
	db   *sqliteDB
	conn *conn
}

// Statements of the writer itself run to their end: a participant who leaves
// must not interrupt the others.
func (w *writer) exec(q string) error {
	_, err := w.conn.exec(context.Background(), q, nil)
	return err
}

// begin starts a transaction, on a new connection if the old one is of no use
// any more. A lock that somebody else holds says nothing against it.
func (w *writer) begin() error {
	if w.conn != nil {
		w.conn.trim()
		err := w.exec("BEGIN IMMEDIATE")
		if err == nil || isBusy(err) {
			return err
		}
		w.db.log.Warn("database reconnects", "err", err)
		w.conn.discard()
		w.conn = nil
	}
	c, err := w.db.connect(context.Background())
	if err != nil {
		return err
	}
	w.conn = c
	return w.exec("BEGIN IMMEDIATE")
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// together runs j and all who wait behind it in one transaction.
func (w *writer) together(j *writeJob) {
	group := []*writeJob{j}
	err := w.begin()
	if err != nil {
		j.finish(classed(err))
		return
	}
	for i := 0; ; i++ {
		if err = w.participate(group[i]); err != nil {
			break
		}
		if len(group) == groupLimit {
			break
		}
		// Those whom the last commit released are about to come with their next;
		// letting them run first costs nothing when there is nobody.
		runtime.Gosched()
		select {
		case next := <-w.db.jobs:
			group = append(group, next)
			continue
		default:
		}
		break
	}
	if err == nil {
		err = w.exec("COMMIT")
	}
	if err == nil {
		for _, g := range group {
			g.finish(g.err)
		}
		return
	}
	w.exec("ROLLBACK") // an error here means that SQLite has done so already
	if len(group) > 1 && errors.Is(classed(err), ErrFull) {
		// Whoever is too big for what is left of the disk must not take the small
		// ones along. One by one, each stands for itself.
		for _, g := range group {
			w.alone(g)
		}
		return
	}
	for _, g := range group {
		if g.err == nil {
			g.err = classed(err)
		}
		g.finish(g.err)
	}
}

// alone runs one participant in a transaction of its own.
func (w *writer) alone(j *writeJob) {
	err := w.begin()
	if err == nil {
		if err = w.participate(j); err == nil {
			err = w.exec("COMMIT")
		}
		if err != nil {
			w.exec("ROLLBACK")
		}
	}
	if err != nil && j.err == nil {
		j.err = classed(err)
	}
	j.finish(j.err)
}

// participate runs one function between savepoints and leaves its outcome in
// j.err. An error of participate itself means that the transaction is lost for
// the whole group: SQLite gives up all of it when the disk is full or broken.
func (w *writer) participate(j *writeJob) error {
	if j.err = j.ctx.Err(); j.err != nil {
		return nil
	}
	if err := w.exec("SAVEPOINT one"); err != nil {
		return err
	}
	j.tx = &Tx{q: steady{w.conn}, rewrite: w.db.rewrite}
	j.err = j.tx.run(j.f)
	if j.err == nil {
		err := w.exec("RELEASE one")
		if err == nil {
			return nil
		}
		j.err = classed(err)
	}
	if err := w.exec("ROLLBACK TO one"); err != nil {
		if j.tx.failed != nil {
			return j.tx.failed // what broke it; this only found it broken
		}
		return err
	}
	return w.exec("RELEASE one")
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
