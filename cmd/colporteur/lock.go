package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"colporteur/config"
)

// errBusy means that another process works on the data folder.
var errBusy = errors.New("in use")

// lock takes the data folder for this process. The kernel lets go of it when
// the process ends, however it ends; so the file stays.
func lock(cfg *config.Config) (unlock func(), err error) {
	if err := own(cfg); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cfg.Data, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		pid, who := holder(f), "another process"
		if pid > 0 {
			who = fmt.Sprintf("process %d", pid)
		}
		// One that was killed while it started a tool has left the lock to a child,
		// which lets go of it as soon as it becomes that tool.
		if gone := pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); !gone || time.Since(begun) > lockPatience {
			f.Close()
			return nil, fmt.Errorf("%s is %w by %s: stop that one first, or give this one a data folder of its own", cfg.Data, errBusy, who)
		}
	}
	f.Truncate(0) // for people who look; nothing depends on it
	f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return func() { f.Close() }, nil
}

// lockPatience is how long the lock of a process that is no more may last.
const lockPatience = 5 * time.Second

// holder is the process that wrote itself into the lock; 0 when nobody did.
func holder(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}

// own refuses root on somebody else's folder: the files it would make there
// could not be opened by the server afterwards.
func own(cfg *config.Config) error {
	info, err := os.Stat(cfg.Data)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the data folder %s is not there: make it with `colporteur setup`", cfg.Data)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", cfg.Data)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && st.Uid != 0 {
		return fmt.Errorf("%s belongs to user %d: run this command as that user", cfg.Data, st.Uid)
	}
	return nil
}
