package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of one run of a tool.
const (
	runMemory = 3 << 30   // address space; 100 megapixels to be turned need 0.4 GB
	runFile   = 512 << 20 // what it writes
	runFiles  = 64        // open at once
	patience  = 10        // times its time of the processor, by the clock: it runs when nobody else does
)

var errNoTool = errors.New("the tool is not installed")

// job is one run of a tool over a stranger's file.
type job struct {
	dir     string        // where it runs and writes
	timeout time.Duration // of the processor; the clock on the wall has patience times as much
	name    string
	args    []string
	env     []string
	file    uint64 // most bytes it writes into one file; 0 is runFile
	said    *bytes.Buffer
}

// run runs a tool with limits, nothing of our environment, and its whole process
// group killed when time is up. ErrUnreadable when it fails at the file.
func (m *Maker) run(ctx context.Context, j job) error {
	ctx, cancel := context.WithTimeout(ctx, patience*j.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.name, j.args...)
	cmd.Dir = j.dir
	cmd.Env = append(j.env, "HOME="+j.dir, "PATH="+os.Getenv("PATH"), "MALLOC_ARENA_MAX=1", "G_SLICE=always-malloc", "LC_ALL=C")
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	if j.said != nil {
		cmd.Stdout = j.said
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var queued time.Duration
	cmd.Cancel = func() error {
		queued = waited(cmd.Process.Pid)
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	limit(cmd.Process.Pid, j)
	if !m.Hurry {
		// Whoever waits for a page or a 250 goes first, and at once: a merely nicer
		// process ends its slice before another wakes up (sched(7), SCHED_IDLE).
		unix.SchedSetAttr(cmd.Process.Pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), context.Canceled):
		return ctx.Err() // we stop; the picture may be fine
	case ctx.Err() != nil && queued > patience*j.timeout/2:
		return fmt.Errorf("%s: the machine had no time for it", filepath.Base(j.name)) // nor can anything be said of the picture
	case errors.As(err, &exit):
		// A full disk is ours, not the picture's.
		if bytes.Contains(said.b, []byte("No space left")) {
			return fmt.Errorf("%s: %s", filepath.Base(j.name), said.b)
		}
		m.log().InfoContext(ctx, "picture refused", "tool", filepath.Base(j.name), "err", string(said.b), "exit", exit.String())
		return fmt.Errorf("%w: %s", ErrUnreadable, exit)
	}
	return err
}

// limit bounds the process right after its start, before it has read much.
func limit(pid int, j job) {
	file := j.file
	if file == 0 {
		file = runFile
	}
	for what, n := range map[int]uint64{
		unix.RLIMIT_AS: runMemory, unix.RLIMIT_FSIZE: file, unix.RLIMIT_NOFILE: runFiles,
		unix.RLIMIT_CPU: uint64(j.timeout/time.Second) + 1, unix.RLIMIT_CORE: 0,
	} {
		unix.Prlimit(pid, what, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
}

// waited is how long a process was ready to run and did not (proc(5), schedstat):
// one that hangs is not ready.
func waited(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		var ran, ready int64
		fmt.Sscan(string(b), &ran, &ready)
		sum += time.Duration(ready)
	}
	return sum
}

// tail keeps the end of what a program says.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - 1000; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}
