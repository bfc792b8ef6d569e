package blob

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"colporteur/store"
)

// disk is where the sealed bytes of large blobs are. Everything the rest of the
// package asks of a backend is a method of it.
type disk struct {
	dir string
	now func() time.Time // nil: the file system's own clock
}

func (s *Store) disk() disk { return disk{s.Dir, s.Now} }

const tempDir = "tmp"

// create makes an empty file that is not yet a blob.
func (d disk) create() (*os.File, error) {
	now := time.Now()
	if d.now != nil {
		now = d.now()
	}
	// The hour of birth is in the name: the sweeper's clock is not the file system's.
	var r [8]byte
	rand.Read(r[:])
	path := filepath.Join(d.dir, tempDir, strconv.FormatInt(now.UnixMicro(), 10)+"-"+hex.EncodeToString(r[:]))
	open := func() (*os.File, error) { return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeDir(filepath.Dir(path)); err == nil {
			f, err = open()
		}
	}
	return f, classed(err)
}

// commit makes f durable under name and closes it. After an error the bytes
// count as lost, whatever a second fsync would say: the kernel forgets pages it
// could not write.
func (d disk) commit(f *os.File, name string) (err error) {
	path := d.path(name)
	at := f.Name()
	defer func() {
		if err != nil {
			os.Remove(at)
		}
	}()
	if err = f.Sync(); err != nil {
		f.Close()
		return classed(err)
	}
	if err = f.Close(); err != nil {
		return classed(err)
	}
	if d.now != nil {
		if err = os.Chtimes(at, time.Time{}, d.now()); err != nil {
			return classed(err)
		}
	}
	err = os.Rename(at, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeDir(filepath.Dir(path)); err == nil {
			err = os.Rename(at, path)
		}
	}
	if err != nil {
		return classed(err)
	}
	at = path
	return classed(syncDir(filepath.Dir(path)))
}

func (d disk) path(name string) string { return filepath.Join(d.dir, name[:2], name) }

func (d disk) open(name string) (*os.File, error) { return os.Open(d.path(name)) }

func (d disk) remove(name string) error {
	err := os.Remove(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// old calls f with each blob's file that was finished before limit, and
// removes unfinished ones begun before it that mine does not claim. It says how
// many those were. Files that we would not have made are left alone.
func (d disk) old(limit time.Time, mine func(path string) bool, f func(name string) error) (removed int, err error) {
	folders, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, classed(err)
	}
	for _, folder := range folders {
		if !folder.IsDir() || folder.Name() != tempDir && !isHex(folder.Name(), 2) {
			continue
		}
		err := eachEntry(filepath.Join(d.dir, folder.Name()), func(path string, e fs.DirEntry) error {
			if folder.Name() == tempDir {
				if born, ok := birth(e.Name()); ok && born.Before(limit) && !mine(path) {
					if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
						return err
					}
					removed++
				}
				return nil
			}
			if !isHex(e.Name(), 32) || !strings.HasPrefix(e.Name(), folder.Name()) {
				return nil
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !info.ModTime().Before(limit) {
				return err
			}
			return f(e.Name())
		})
		if err != nil {
			return removed, classed(err)
		}
	}
	return removed, nil
}

// eachEntry reads a folder in pieces, since it may hold very many names.
func eachEntry(dir string, f func(path string, e fs.DirEntry) error) error {
	open, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer open.Close()
	for {
		entries, err := open.ReadDir(1000)
		for _, e := range entries {
			if err := f(filepath.Join(dir, e.Name()), e); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// birth undoes the name that create gives.
func birth(name string) (time.Time, bool) {
	stamp, rest, ok := strings.Cut(name, "-")
	us, err := strconv.ParseInt(stamp, 10, 64)
	return time.UnixMicro(us), ok && err == nil && isHex(rest, 16)
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// makeDir makes a folder and the folders above it, durably: a new folder's name
// is in its parent, which must reach the disk too.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != path {
		if err = makeDir(filepath.Dir(path)); err == nil {
			err = os.Mkdir(path, 0o700)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Also when somebody else has just made it: they may not have come to here.
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// classed tells a full disk, which heals by itself, from the rest.
func classed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
