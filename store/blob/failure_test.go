package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/storetest"
)

// smallDisk mounts a file system with few bytes and few inodes at s.Dir.
func smallDisk(t *testing.T, s *blob.Store, options string) {
	t.Helper()
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.Dir, "tmpfs", 0, options); err != nil {
		if os.Geteuid() != 0 {
			t.Skip("needs root to mount a small disk")
		}
		t.Skipf("this machine does not let root mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(s.Dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestFullDiskIsSaidAndLeavesNothingBehind(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	smallDisk(t, s, "size=1m")
	old := put(t, s, random(packageSize))
	for range 3 {
		w := s.Create()
		var err error
		for n := 0; err == nil && n < 100; n++ {
			_, err = w.Write(random(packageSize))
		}
		if err == nil {
			_, err = w.Commit(t.Context())
		}
		if !errors.Is(err, store.ErrFull) {
			t.Fatalf("2 MB on a disk of one: %v, want ErrFull", err)
		}
		if _, again := w.Commit(t.Context()); !errors.Is(again, store.ErrFull) {
			t.Errorf("Commit after it: %v, want the same", again)
		}
		if n := len(files(t, s.Dir)); n != 1 {
			t.Errorf("%d files on the disk, want only the old one", n)
		}
		if got, err := read(t, s, old, 0); err != nil || !bytes.Equal(got, random(packageSize)) {
			t.Errorf("what was there: %d bytes, %v", len(got), err)
		}
		next := put(t, s, random(2*packageSize)) // there is room for this
		remove(t, s, next)
	}
}

func TestDiskWithoutInodesIsFull(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	smallDisk(t, s, "size=8m,nr_inodes=6")
	var err error
	var refs []blob.Ref
	for n := 0; err == nil && n < 20; n++ {
		var ref blob.Ref
		if ref, err = s.Put(t.Context(), random(packageSize)); err == nil {
			refs = append(refs, ref)
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("%v, want ErrFull", err)
	}
	if n := len(files(t, s.Dir)); n != len(refs) {
		t.Errorf("%d files for %d blobs", n, len(refs))
	}
	s.Discard(refs...)
	if _, err := s.Put(t.Context(), random(packageSize)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestFolderThatCannotBeWrittenIsUnavailable(t *testing.T) {
	s := blobs(t, storetest.SQLite(t))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Dir = filepath.Join(file, "blobs") // below something that is no folder
	if _, err := s.Put(t.Context(), random(packageSize)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if _, err := s.Put(t.Context(), random(10)); err != nil {
		t.Errorf("small ones need no folder: %v", err)
	}
}

// The victim of the next test writes one large blob while strace makes a system
// call of its process fail.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BLOB_VICTIM"); dir != "" {
		runtime.LockOSThread() // strace counts calls by thread
		s := &blob.Store{Dir: dir, Master: bytes.Repeat([]byte{7}, 32)}
		_, err := s.Put(context.Background(), random(packageSize))
		fmt.Printf("full=%v unavailable=%v\n", errors.Is(err, store.ErrFull), errors.Is(err, store.ErrUnavailable))
		return
	}
	os.Exit(m.Run())
}

// An error of fsync is final: a second call would say yes about bytes that the
// kernel has already thrown away.
func TestFailingSystemCallIsNeverCommitted(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is not installed: apt-get install strace")
	}
	for _, c := range []struct{ name, inject, want string }{
		// In the order of the calls: the folders blobs and tmp, the file, then the
		// folder that it is renamed into, twice.
		{"nothing fails", "fsync:delay_enter=1", "full=false unavailable=false"},
		{"every fsync of a new folder or the file", "fsync:error=EIO", "full=false unavailable=true"},
		{"the fsync of the file", "fsync:error=EIO:when=3", "full=false unavailable=true"},
		{"the last fsync, of the folder", "fsync:error=EIO:when=5", "full=false unavailable=true"},
		{"the last fsync has no room", "fsync:error=ENOSPC:when=5", "full=true unavailable=false"},
		{"rename", "renameat:error=EROFS", "full=false unavailable=true"},
		{"the quota is used up", "fsync:error=EDQUOT:when=3", "full=true unavailable=false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "blobs")
			log := filepath.Join(t.TempDir(), "calls")
			cmd := exec.CommandContext(t.Context(), strace, "-f", "-o", log, "-e", "trace=fsync,renameat,write,unlinkat", "-e", "inject="+c.inject, os.Args[0])
			cmd.Env = append(os.Environ(), "BLOB_VICTIM="+dir)
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), c.want) {
				calls, _ := os.ReadFile(log)
				t.Errorf("got %q, %v; want %s\n%s", out, err, c.want, calls)
			}
			if left := files(t, dir); (len(left) == 1) != (c.inject == "fsync:delay_enter=1") {
				t.Errorf("on the disk: %v", left)
			}
		})
	}
}
