package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of one run of libvips.
const (
	vipsMemory = 3 << 30   // address space; 100 megapixels to be turned need 0.4 GB
	vipsFile   = 512 << 20 // what it writes
	vipsFiles  = 64        // open at once
)

// runVips has libvips make the three files. The small ones are made of the
// large one, which is quicker and cannot differ.
func (m *Maker) runVips(ctx context.Context, in string, p *Picture) error {
	for _, step := range []struct {
		from, to, options string
		side              int
	}{
		{in, p.Large, "[Q=84,optimize_coding,interlace,strip,background=255]", LargeSide},
		{in, p.Original, originalOptions(p.MediaType), MaxSide},
		{p.Large, p.Thumb, "[Q=80,optimize_coding,strip]", ThumbSide},
	} {
		if err := m.thumbnail(ctx, p.dir, step.from, step.to+step.options, step.side); err != nil {
			return err
		}
	}
	return nil
}

func originalOptions(mediaType string) string {
	if mediaType == PNG {
		return "[strip,compression=6]"
	}
	return "[Q=92,optimize_coding,strip,background=255]"
}

func (m *Maker) thumbnail(ctx context.Context, dir, in, out string, side int) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout())
	defer cancel()
	// Both are names of our own making: libvips reads options behind a file name.
	cmd := exec.CommandContext(ctx, m.vips, "thumbnail", in, out, strconv.Itoa(side), "--height", strconv.Itoa(side),
		"--size", "down", "--export-profile", "srgb", "--fail-on", "error")
	cmd.Dir = dir
	// No loader that libvips holds unfit for strangers' files; nothing of our environment.
	cmd.Env = []string{"VIPS_BLOCK_UNTRUSTED=1", "VIPS_CONCURRENCY=1", "VIPS_DISC_THRESHOLD=600m", "TMPDIR=" + dir,
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "MALLOC_ARENA_MAX=1", "G_SLICE=always-malloc"}
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	limit(cmd.Process.Pid, m.timeout())
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), context.Canceled):
		return ctx.Err() // we stop; the picture may be fine
	case errors.As(err, &exit):
		// A full disk is ours, not the picture's.
		if bytes.Contains(said.b, []byte("No space left")) {
			return fmt.Errorf("vips: %s", said.b)
		}
		m.log().InfoContext(ctx, "picture refused", "file", filepath.Base(out), "err", string(said.b), "exit", exit.String())
		return fmt.Errorf("%w: %s", ErrUnreadable, exit)
	}
	return err
}

// limit bounds the process right after its start, before it has read much.
func limit(pid int, d time.Duration) {
	for what, n := range map[int]uint64{
		unix.RLIMIT_AS: vipsMemory, unix.RLIMIT_FSIZE: vipsFile, unix.RLIMIT_NOFILE: vipsFiles,
		unix.RLIMIT_CPU: uint64(d/time.Second) + 1, unix.RLIMIT_CORE: 0,
	} {
		unix.Prlimit(pid, what, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
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
