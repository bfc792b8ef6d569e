package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listen calls heard for every message on a channel until ctx ends (PostgreSQL's
// LISTEN), and up with true when it begins to hear and with false when the
// connection is lost; then it connects again. On SQLite, which has one process,
// it waits for ctx and hears nothing. Neither function is called by two goroutines at once.
func (db *DB) Listen(ctx context.Context, channel string, up func(bool), heard func(payload string)) error {
	pg, ok := db.backend.(*postgresDB)
	if !ok {
		<-ctx.Done()
		return nil
	}
	for pause := time.Duration(0); ; pause = min(pause+100*time.Millisecond, 3*time.Second) {
		if began := pg.listen(ctx, channel, up, heard); began {
			up(false)
			pause = 0
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// listen hears on one connection until it breaks, and says whether it began to.
func (db *postgresDB) listen(ctx context.Context, channel string, up func(bool), heard func(string)) (began bool) {
	c, err := pgx.Connect(ctx, db.url)
	if err != nil {
		return false
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return false
	}
	up(true)
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return true
		}
		heard(n.Payload)
	}
}

// Notify sends a message of at most 8,000 octets on a channel (PostgreSQL's
// NOTIFY), in a transaction of its own. On SQLite there is nobody to hear it.
func (db *DB) Notify(ctx context.Context, channel, payload string) error {
	pg, ok := db.backend.(*postgresDB)
	if !ok {
		return nil
	}
	_, err := pg.pool.ExecContext(ctx, "SELECT pg_notify($1, $2)", channel, payload)
	return classed(err)
}

// Notify sends a message as part of the transaction: it is heard when that is
// committed. PostgreSQL puts the commits of such transactions in a row, so this is for what
// is rare.
func (tx *Tx) Notify(ctx context.Context, channel, payload string) error {
	if _, ok := tx.q.(pgQuerier); !ok {
		return nil
	}
	_, err := tx.Exec(ctx, "SELECT pg_notify($1, $2)", channel, payload)
	return err
}
