package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncTree has everything below dir reach the disk: one call for any number of files.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
