package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies what is missing. On PostgreSQL an advisory lock keeps two
// nodes that start together from doing it twice.
func migrate(ctx context.Context, db *sql.DB, sqlite bool) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect, opts := goose.DialectPostgres, []goose.ProviderOption{}
	if sqlite {
		dialect = goose.DialectSQLite3
		if sub, err = rewritten(sub); err != nil {
			return err
		}
	} else {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600)) // asks every second, for ten minutes
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, sub, opts...)
	if err != nil {
		return err
	}
	if err := notNewer(ctx, p); err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// notNewer refuses a database that a later release has written: this one would
// not know what it breaks.
func notNewer(ctx context.Context, p *goose.Provider) error {
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	var known int64
	for _, s := range p.ListSources() {
		known = max(known, s.Version)
	}
	if has > known {
		return fmt.Errorf("its schema is version %d, made by a newer release; this one knows versions up to %d", has, known)
	}
	return nil
}

// rewritten is the migrations in SQLite's words.
func rewritten(fsys fs.FS) (fs.FS, error) {
	out := fstest.MapFS{}
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		out[name] = &fstest.MapFile{Data: []byte(toSQLite.Replace(string(b)))}
	}
	return out, nil
}
