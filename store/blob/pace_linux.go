package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback is advice: it neither waits nor reports. Errors of the disk
// come with the fsync.
func startWriteback(f *os.File, offset, n int64) {
	unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
