package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// ErrNoTool means that a program of PostgreSQL's which copies databases is not installed.
var ErrNoTool = errors.New("is not installed")

// Snapshot writes a copy of the whole database to path, as it is at one
// moment, while others work with it; then f runs over what the copy holds.
// On SQLite the copy is a database again, on PostgreSQL pg_dump's custom format.
func (db *DB) Snapshot(ctx context.Context, path string, f func(tx *Tx) error) error {
	return db.backend.snapshot(ctx, path, db.inside.mark(f))
}

// Integrity has the engine look for damage in its own pages; problem is called
// with each. PostgreSQL has its own tools for that.
func (db *DB) Integrity(ctx context.Context, problem func(string)) error {
	return db.backend.integrity(ctx, problem)
}

// VACUUM INTO reads in one transaction, so the writer goes on meanwhile; what
// was deleted is not in the copy, not even in free pages.
func (db *sqliteDB) snapshot(ctx context.Context, path string, f func(*Tx) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // SQLite would let others read it
	if err != nil {
		return err
	}
	file.Close()
	c, err := db.connect(ctx)
	if err != nil {
		return classed(err)
	}
	_, err = c.ExecContext(ctx, "VACUUM INTO ?", path)
	c.discard()
	if err != nil {
		return classed(err)
	}
	copied, err := OpenAsIs(ctx, "sqlite:"+path, db.log)
	if err != nil {
		return err
	}
	return errors.Join(copied.backend.read(ctx, f), copied.Close())
}

func (db *sqliteDB) integrity(ctx context.Context, problem func(string)) error {
	return db.read(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, "PRAGMA integrity_check")
		return Each(rows, err, func(scan func(...any) error) error {
			var line string
			err := scan(&line)
			if err == nil && line != "ok" {
				problem(line)
			}
			return err
		})
	})
}

// The dump sees the snapshot of our own transaction, which f goes on reading.
func (db *postgresDB) snapshot(ctx context.Context, path string, f func(*Tx) error) error {
	if _, err := exec.LookPath("pg_dump"); err != nil {
		return fmt.Errorf("pg_dump %w", ErrNoTool)
	}
	return db.read(ctx, func(tx *Tx) error {
		var id string
		if err := tx.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&id); err != nil {
			return err
		}
		if err := tool(ctx, db.url, "pg_dump", "--format=custom", "--no-owner", "--snapshot="+id, "--file="+path); err != nil {
			return err
		}
		return f(tx)
	})
}

func (db *postgresDB) integrity(context.Context, func(string)) error { return nil }

// Load fills the empty PostgreSQL database at url from a copy that Snapshot made.
func Load(ctx context.Context, url, path string) error {
	if _, err := exec.LookPath("pg_restore"); err != nil {
		return fmt.Errorf("pg_restore %w", ErrNoTool)
	}
	db, err := OpenAsIs(ctx, url, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	var n int
	err = db.Read(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()`).Scan(&n)
	})
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("the database has %d tables already: %w", n, ErrUnique)
	}
	return tool(ctx, url, "pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", path)
}

// tool runs one of PostgreSQL's programs. A password goes by the environment:
// everybody can read a process's arguments.
func tool(ctx context.Context, database, name string, args ...string) error {
	u, err := url.Parse(database)
	if err != nil {
		return errors.New("the database's address cannot be read")
	}
	env := append(os.Environ(), "PGAPPNAME=colporteur")
	if password, ok := u.User.Password(); ok {
		env = append(env, "PGPASSWORD="+password)
		u.User = url.User(u.User.Username())
	}
	if q := u.Query(); q.Has("password") {
		env = append(env, "PGPASSWORD="+q.Get("password"))
		q.Del("password")
		u.RawQuery = q.Encode()
	}
	cmd := exec.CommandContext(ctx, name, append([]string{"--dbname=" + u.String(), "--no-password"}, args...)...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}
