package interop

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"colporteur/world"
)

// evolution is the mail library of Evolution's data server, driven by a script.
type evolution struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
	err *os.File
	log *os.File // its dialogue with the server
}

func startEvolution(t *testing.T, p *world.Process) *evolution {
	t.Helper()
	home := t.TempDir()
	script, err := filepath.Abs("testdata/evolution.py")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Fatal("python3 is missing: install Debian's packages python3-gi, gir1.2-camel-1.2 and evolution-data-server (make deps does)")
	}
	// Debian's python, which knows of Debian's libraries.
	cmd := exec.Command("/usr/bin/python3", script, home, port(p.Ports["imap"]), "ann@home.test", "ann pass word")
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "LANG=C.UTF-8", "CAMEL_DEBUG=imapx:io")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	e := &evolution{t: t, cmd: cmd}
	if e.err, err = os.Create(filepath.Join(home, "err")); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = e.err
	// The library writes its dialogue to standard output whenever it likes: answers
	// come by a pipe of their own, or one would stand in the middle of the other.
	if e.log, err = os.Create(filepath.Join(home, "out")); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = e.log
	in, ierr := cmd.StdinPipe()
	out, answers, oerr := os.Pipe()
	if ierr != nil || oerr != nil {
		t.Fatal(ierr, oerr)
	}
	cmd.ExtraFiles = []*os.File{answers}
	e.in, e.out = in, bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers.Close()
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("its dialogue:\n%s", e.dialogue())
		}
	})
	return e
}

func (e *evolution) dialogue() string {
	b, _ := os.ReadFile(e.log.Name())
	return string(b)
}

// do gives it one line, and returns its answer.
func (e *evolution) do(line string) (answer []string) {
	e.t.Helper()
	// A deadlock of the library's own must not hold up everything else.
	stuck := time.AfterFunc(2*time.Minute, func() { e.cmd.Process.Kill() })
	defer stuck.Stop()
	fmt.Fprintln(e.in, line)
	for e.out.Scan() {
		if e.out.Text() == "." {
			return answer
		}
		answer = append(answer, strings.TrimPrefix(e.out.Text(), "> "))
	}
	said, _ := os.ReadFile(e.err.Name())
	e.t.Fatalf("Evolution's library ended at %q: %q\n%s", line, answer, said)
	return nil
}

func TestEvolutionSynchronizesAndHearsWhatIsNew(t *testing.T) {
	p := server(t)
	c := ann(t, p)
	for i := range 12 {
		appendTo(t, c, "INBOX", letter(fmt.Sprintf("lettre %02d", i), strings.Repeat("ligne\r\n", 1+i*500)))
	}
	e := startEvolution(t, p)
	for _, folder := range []string{"Archives", "INBOX"} {
		e.do("open " + folder)
	}
	if got := e.do("list"); len(got) != 12 {
		t.Fatalf("it shows %q", got)
	}
	if got := e.do("read lettre 11"); !slices.Equal(got, []string{"5501"}) {
		t.Errorf("a mail of 5501 lines has %q", got)
	}
	e.do("seen lettre 00")
	e.do("flagged lettre 01")
	e.do("deleted lettre 02")
	e.do("sync")
	deliver(t, p, "par smtp", "Bonjour.")
	change(t, c, "INBOX", imap.FlagFlagged, "lettre 03")
	change(t, c, "INBOX", imap.FlagDeleted, "lettre 04")
	want := []string{`lettre 00 \Seen`, `lettre 01 \Flagged`, `lettre 03 \Flagged`}
	for i := 5; i < 12; i++ {
		want = append(want, fmt.Sprintf("lettre %02d", i))
	}
	want = append(want, "par smtp")
	is(t, "the server has", subjects(t, c, "INBOX"), want...)
	var shown []string
	eventually(t, "what is pushed", func() bool {
		shown = e.do("list")
		return len(shown) == len(want) && slices.Contains(shown, want[2])
	})
	is(t, "it shows", shown, want...)
	for _, said := range []string{"QRESYNC", "IDLE", "VANISHED"} {
		if !strings.Contains(e.dialogue(), said) {
			t.Errorf("no %s in the dialogue", said)
		}
	}
}
