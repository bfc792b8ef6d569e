//go:build !linux

package blob

import (
	"io/fs"
	"os"
	"path/filepath"
)

// syncTree has everything below dir reach the disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}
