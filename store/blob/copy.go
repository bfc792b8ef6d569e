package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"colporteur/store"
)

// Copied is what CopyFiles did.
type Copied struct {
	Blobs   int   // rows
	Files   int   // of these, in files
	Bytes   int64 // of the files, sealed
	Missing []ID  // whose file is not there
	Damaged []ID  // whose key does not open, or whose file has a wrong length (it is copied all the same)
}

// CopyFiles copies the file of every blob that tx knows to dir, under the same
// name; tx may belong to a copy of the database. Files never change once they
// have their name, so those that dir has already are left as they are.
// Everything is on the disk when it returns.
func (s *Store) CopyFiles(ctx context.Context, tx *store.Tx, dir string) (c Copied, err error) {
	if err := makeDir(dir); err != nil {
		return c, classed(err)
	}
	after, more := int64(0), true
	for more {
		type blob struct {
			id, size, master int64
			key              []byte
			filed            bool
		}
		var page []blob
		rows, err := tx.Query(ctx, `SELECT id, size, key, master, inline IS NULL FROM blob WHERE id > $1 ORDER BY id LIMIT $2`, after, sweepPage)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var b blob
			err := scan(&b.id, &b.size, &b.key, &b.master, &b.filed)
			page = append(page, b)
			return err
		})
		if err != nil {
			return c, err
		}
		for _, b := range page {
			c.Blobs++
			if !b.filed {
				continue
			}
			data, err := s.unwrap(ID(b.id), b.key, b.master)
			if errors.Is(err, ErrDamaged) {
				// One bad row must not keep all the others from being copied.
				c.Damaged = append(c.Damaged, ID(b.id))
				continue
			}
			if err != nil {
				return c, err
			}
			n, err := s.copyFile(ctx, fileName(ID(b.id), data), dir)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				c.Missing = append(c.Missing, ID(b.id))
				continue
			case err != nil:
				return c, classed(err)
			case n != sealedSize(b.size):
				c.Damaged = append(c.Damaged, ID(b.id))
			}
			c.Files++
			c.Bytes += n
		}
		if more = len(page) == sweepPage; more {
			after = page[len(page)-1].id
		}
	}
	return c, classed(syncTree(dir))
}

func (s *Store) copyFile(ctx context.Context, name, dir string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	to := disk{dir: dir}.path(name)
	if info, err := os.Stat(to); err == nil {
		return info.Size(), nil
	}
	in, err := s.disk().open(name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return 0, err
	}
	// Under its name only when it is whole: one that was broken off is not
	// taken for a copy later.
	part := to + ".part"
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		os.Remove(part)
		// Not this file's absence but another's: not to be taken for it.
		return n, fmt.Errorf("copy %s: %w", name, err)
	}
	return n, nil
}

// Verified is what Verify found.
type Verified struct {
	Blobs   int
	Bytes   int64 // clear
	Unnamed int   // files that no row knew when it came to them; the sweep removes them in time
}

// Verify reads every blob to its end, so that one changed byte is found, and
// calls problem for each that cannot be read. It may run beside everything.
func (s *Store) Verify(ctx context.Context, problem func(id ID, err error)) (v Verified, err error) {
	files := map[[16]byte]struct{}{}
	// Listed first: a file is there before its row.
	_, err = s.disk().old(time.Unix(1<<40, 0), func(string) bool { return true }, func(name string) error {
		var k [16]byte
		hex.Decode(k[:], []byte(name))
		files[k] = struct{}{}
		return ctx.Err()
	})
	if err != nil {
		return v, err
	}
	for after, more := int64(0), true; more; {
		var page []int64
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id, key, master, inline IS NULL FROM blob WHERE id > $1 ORDER BY id LIMIT $2`, after, sweepPage)
			return store.Each(rows, err, func(scan func(...any) error) error {
				var id, master int64
				var key []byte
				var filed bool
				if err := scan(&id, &key, &master, &filed); err != nil {
					return err
				}
				page = append(page, id)
				if data, err := s.unwrap(ID(id), key, master); filed && err == nil {
					var k [16]byte
					hex.Decode(k[:], []byte(fileName(ID(id), data)))
					delete(files, k)
				}
				return nil
			})
		})
		if err != nil {
			return v, err
		}
		for _, id := range page {
			n, err := s.readAll(ctx, ID(id))
			if cerr := ctx.Err(); cerr != nil {
				return v, cerr
			}
			if errors.Is(err, store.ErrNoRows) {
				continue // deleted meanwhile
			}
			v.Blobs++
			v.Bytes += n
			if err != nil {
				problem(ID(id), err)
			}
		}
		if more = len(page) == sweepPage; more {
			after = page[len(page)-1]
		}
	}
	v.Unnamed = len(files)
	return v, nil
}

// readAll reads a blob to its end.
func (s *Store) readAll(ctx context.Context, id ID) (int64, error) {
	r, err := s.openReader(ctx, id)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != r.size {
		err = fmt.Errorf("%d bytes instead of %d: %w", n, r.size, ErrDamaged)
	}
	return n, err
}

// naming is the form of the queries in Named.
var naming = regexp.MustCompile(`^SELECT 1 FROM (\w+) WHERE (\w+) = \$1$`)

// Dangling calls problem for every blob that something names and that is not
// there; table is who names it.
func (s *Store) Dangling(ctx context.Context, problem func(table string, id ID)) error {
	return s.DB.Read(ctx, func(tx *store.Tx) error {
		for _, q := range s.namings() {
			m := naming.FindStringSubmatch(q)
			if m == nil {
				return fmt.Errorf("%q cannot be turned round", q)
			}
			table, column := m[1], m[2]
			rows, err := tx.Query(ctx, `SELECT DISTINCT `+column+` FROM `+table+` WHERE `+column+` <> 0
				AND NOT EXISTS (SELECT 1 FROM blob AS b WHERE b.id = `+table+`.`+column+`)`)
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				if err == nil {
					problem(table, ID(id))
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
