package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"colporteur/config"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/webgateway/session"
)

// # Backups
//
// A backup is a folder: the configuration, a copy of the database as it was at
// one moment, and the files of the blobs that this copy names. The manifest is
// written last; a folder without one is no backup. The master key is never in
// it: whoever finds a backup opens no mail. The database is not encrypted,
// though, and tells names, subjects and first words.

// What lies in the folder of a backup.
const (
	manifestFile = "manifest.json"
	configFile   = "colporteur.toml"
	blobFolder   = "blobs"
)

var databaseFile = map[string]string{"sqlite": "colporteur.db", "postgres": "colporteur.pgdump"}

// manifestFormat changes when an older program could not restore what a newer one writes.
const manifestFormat = 1

// Manifest says what is in a backup.
type Manifest struct {
	Format   int       `json:"format"`
	Version  string    `json:"version"` // of the program
	Made     time.Time `json:"made"`    // the moment it shows
	Hostname string    `json:"hostname"`
	Engine   string    `json:"engine"`
	SHA256   string    `json:"sha256"` // of the database's copy
	Members  int64     `json:"members"`
	Emails   int64     `json:"emails"`
	Blobs    int       `json:"blobs"`
	Files    int       `json:"files"` // of these, in files
	Bytes    int64     `json:"bytes"` // of the files

	// Incomplete are blobs that could not be copied whole: they are missing or
	// damaged on the host itself.
	Incomplete []blob.ID `json:"incomplete,omitempty"`
}

// beside opens the store of a host that may be running: nothing is migrated,
// no job is touched.
func beside(ctx context.Context, cfg *config.Config, key []byte) (*Host, error) {
	if path, ok := strings.CutPrefix(cfg.DatabaseURL(), "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("there is no database: %w", err)
		}
	}
	h := &Host{Config: cfg, opt: Options{Key: key, Now: time.Now, Log: slog.New(slog.DiscardHandler)}}
	var err error
	if h.DB, err = store.OpenAsIs(ctx, cfg.DatabaseURL(), nil); err != nil {
		return nil, err
	}
	h.wireStore()
	if err := h.Blobs.CheckKey(ctx); err != nil {
		h.DB.Close()
		return nil, fmt.Errorf("master key %s: %w", cfg.Secrets.Key, err)
	}
	return h, nil
}

// snapshots is how often a backup begins anew because somebody took something
// back while it was made. The files copied before stay, so each is quicker.
const snapshots = 5

// Backup copies the host of cfg to the folder dest, beside the server.
func Backup(ctx context.Context, cfg *config.Config, key []byte, dest, version string) (*Manifest, error) {
	if within(cfg.Data, dest) {
		return nil, fmt.Errorf("%s is inside the data folder, and would be lost together with it: choose a folder on another disk", dest)
	}
	if err := empty(dest); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dest, 0o700); err != nil {
		return nil, err
	}
	h, err := beside(ctx, cfg, key)
	if err != nil {
		return nil, err
	}
	defer h.DB.Close()
	m := &Manifest{Format: manifestFormat, Version: version, Hostname: cfg.Hostname, Engine: h.DB.Engine()}
	database := filepath.Join(dest, databaseFile[m.Engine])
	for round := 1; ; round++ {
		if err := os.Remove(database); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		m.Made = time.Now().UTC().Truncate(time.Second)
		var c blob.Copied
		err := h.DB.Snapshot(ctx, database, func(tx *store.Tx) error {
			for _, count := range []struct {
				n *int64
				q string
			}{{&m.Members, `SELECT count(*) FROM member`}, {&m.Emails, `SELECT count(*) FROM email`}} {
				if err := tx.QueryRow(ctx, count.q).Scan(count.n); err != nil {
					return err
				}
			}
			c, err = h.Blobs.CopyFiles(ctx, tx, filepath.Join(dest, blobFolder))
			return err
		})
		if errors.Is(err, store.ErrNoTool) {
			return nil, fmt.Errorf("the database is copied by PostgreSQL's own program, and %w: install postgresql-client", err)
		}
		if err != nil {
			return nil, err
		}
		m.Blobs, m.Files, m.Bytes, m.Incomplete = c.Blobs, c.Files, c.Bytes, c.Damaged
		gone := 0
		for _, id := range c.Missing {
			switch _, err := h.Blobs.Size(ctx, id); {
			case err == nil:
				m.Incomplete = append(m.Incomplete, id) // named, and yet not there
			case errors.Is(err, store.ErrNoRows):
				gone++
			default:
				return nil, err
			}
		}
		if gone == 0 {
			break
		}
		// Taken back since the snapshot: a newer one does not know it either.
		if round == snapshots {
			return nil, fmt.Errorf("files were taken back during each of %d tries: empty %s and try again", snapshots, dest)
		}
	}
	text, err := os.ReadFile(cfg.Path)
	if err != nil {
		return nil, err
	}
	if err := writeDurable(filepath.Join(dest, configFile), text); err != nil {
		return nil, err
	}
	if m.SHA256, err = sum(database); err != nil {
		return nil, err
	}
	if err := m.write(dest); err != nil {
		return m, err
	}
	// The backup is whole, whether or not the host can write that down: its disk may be full.
	h.Office.BackedUp(ctx)
	return m, nil
}

// write makes the backup one: everything it speaks of is durable before.
func (m *Manifest) write(dest string) error {
	for _, path := range []string{filepath.Join(dest, databaseFile[m.Engine]), dest} {
		if err := syncPath(path); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dest, manifestFile)
	if err := writeDurable(path+".new", append(b, '\n')); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncPath(dest)
}

// ReadManifest says what is in the backup at src, and refuses one that is not
// finished.
func ReadManifest(src string) (*Manifest, error) {
	b, err := os.ReadFile(filepath.Join(src, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(src); err != nil {
			return nil, fmt.Errorf("there is no backup at %s", src)
		}
		return nil, fmt.Errorf("%s is not a finished backup: it has no %s, which is written last", src, manifestFile)
	}
	if err != nil {
		return nil, err
	}
	m := &Manifest{}
	if err := json.Unmarshal(b, m); err != nil || databaseFile[m.Engine] == "" {
		return nil, fmt.Errorf("%s of the backup cannot be read", manifestFile)
	}
	if m.Format > manifestFormat {
		return nil, fmt.Errorf("the backup was made by version %s, a newer one than this: restore it with that one", m.Version)
	}
	return m, nil
}

// ConfigOf is the configuration in the backup at src.
func ConfigOf(src string) (*config.Config, error) { return config.Load(filepath.Join(src, configFile)) }

// Restored is what a restore did.
type Restored struct {
	*Manifest
	Missing []blob.ID // blobs whose files the backup should have and has not
	Waiting int64     // mails that were on their way out
}

// Restore fills the empty data folder of cfg from the backup at src. spare are
// files that may be there already.
func Restore(ctx context.Context, src string, cfg *config.Config, key []byte, spare ...string) (*Restored, error) {
	m, err := ReadManifest(src)
	if err != nil {
		return nil, err
	}
	if err := empty(cfg.Data, spare...); err != nil {
		return nil, err
	}
	path, sqlite := strings.CutPrefix(cfg.DatabaseURL(), "sqlite:")
	if sqlite != (m.Engine == "sqlite") {
		return nil, fmt.Errorf("the backup is of a host on %s: database.url of the target must be of that kind", m.Engine)
	}
	from := filepath.Join(src, databaseFile[m.Engine])
	if got, err := sum(from); err != nil {
		return nil, err
	} else if got != m.SHA256 {
		return nil, fmt.Errorf("%s has changed since the backup was made (its SHA-256 is another): it is damaged, use an older backup", from)
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, err
	}
	database := cfg.DatabaseURL()
	if sqlite {
		// Under its own name only when all is done: a server started on half a
		// restore must not find something that looks whole.
		database = "sqlite:" + path + ".restoring"
		if err := copyFile(path+".restoring", from); err != nil {
			return nil, err
		}
	} else if err := store.Load(ctx, database, from); errors.Is(err, store.ErrNoTool) {
		return nil, fmt.Errorf("the database is filled by PostgreSQL's own program, and %w: install postgresql-client", err)
	} else if err != nil {
		return nil, err
	}
	out := &Restored{Manifest: m}
	if err := out.fill(ctx, src, cfg, database, key); err != nil {
		if sqlite {
			for _, end := range []string{"", "-wal", "-shm"} {
				os.Remove(path + ".restoring" + end)
			}
		}
		return nil, err
	}
	if sqlite {
		if err := os.Rename(path+".restoring", path); err != nil {
			return nil, err
		}
	}
	return out, syncPath(cfg.Data)
}

func (r *Restored) fill(ctx context.Context, src string, cfg *config.Config, database string, key []byte) (err error) {
	h := &Host{Config: cfg, opt: Options{Key: key, Now: time.Now, Log: slog.New(slog.DiscardHandler)}}
	if h.DB, err = store.Open(ctx, database, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.DB.Close()) }()
	h.wireStore()
	if err := h.Blobs.CheckKey(ctx); err != nil {
		return fmt.Errorf("the master key %s is not the one of this backup: name the right one with --key", cfg.Secrets.Key)
	}
	h.Blobs.Dir = filepath.Join(src, blobFolder)
	err = h.DB.Read(ctx, func(tx *store.Tx) error {
		c, err := h.Blobs.CopyFiles(ctx, tx, cfg.BlobDir())
		if err != nil {
			return err
		}
		for _, id := range append(c.Missing, c.Damaged...) {
			if !slices.Contains(r.Incomplete, id) {
				r.Missing = append(r.Missing, id)
			}
		}
		return tx.QueryRow(ctx, `SELECT count(*) FROM job WHERE kind = 'relay' AND done = 0`).Scan(&r.Waiting)
	})
	if err != nil {
		return err
	}
	if err := (&session.Service{DB: h.DB}).Restored(ctx); err != nil {
		return err
	}
	return h.Mailboxes.Restored(ctx)
}

// Verified is what a verification looked at.
type Verified struct {
	blob.Verified
	Engine string
}

// Verify reads every byte of the host's store, beside the server, and calls
// problem with a sentence for each that is wrong.
func Verify(ctx context.Context, cfg *config.Config, key []byte, problem func(string)) (v Verified, err error) {
	h, err := beside(ctx, cfg, key)
	if err != nil {
		return v, err
	}
	defer h.DB.Close()
	v.Engine = h.DB.Engine()
	if err := h.DB.Integrity(ctx, func(line string) { problem("The database is damaged: " + line + ".") }); err != nil {
		problem("The database cannot be read: " + err.Error() + ".")
		return v, nil
	}
	err = h.Blobs.Dangling(ctx, func(table string, id blob.ID) {
		problem(fmt.Sprintf("A row of %s names blob %d, and there is none.", table, id))
	})
	if err != nil {
		return v, err
	}
	err = h.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT email.id FROM email WHERE NOT EXISTS (SELECT 1 FROM message AS m WHERE m.id = email.message)`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			if err == nil {
				problem(fmt.Sprintf("Mail %d has lost its message.", id))
			}
			return err
		})
	})
	if err != nil {
		return v, err
	}
	v.Verified, err = h.Blobs.Verify(ctx, func(id blob.ID, err error) {
		problem(fmt.Sprintf("The stored bytes of blob %d cannot be read: %v.", id, err))
	})
	return v, err
}

// empty refuses a folder in which something lies, but for spare.
func empty(dir string, spare ...string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(spare, filepath.Join(dir, e.Name())) {
			return fmt.Errorf("%s is not empty (there is %s in it): choose an empty folder", dir, e.Name())
		}
	}
	return nil
}

// within says whether path is dir or lies in it.
func within(dir, path string) bool {
	real := func(p string) string {
		for rest := ""; ; {
			if r, err := filepath.EvalSymlinks(p); err == nil {
				return filepath.Join(r, rest)
			}
			if filepath.Dir(p) == p {
				return filepath.Join(p, rest)
			}
			p, rest = filepath.Dir(p), filepath.Join(filepath.Base(p), rest)
		}
	}
	rel, err := filepath.Rel(real(dir), real(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// durable makes a new file, for its owner only, whose bytes are on the disk
// when it returns.
func durable(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func writeDurable(path string, b []byte) error {
	return durable(path, func(w io.Writer) error { _, err := w.Write(b); return err })
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return durable(to, func(w io.Writer) error { _, err := io.Copy(w, in); return err })
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
