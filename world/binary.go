package world

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var built struct {
	sync.Once
	path string
	err  error
}

// Binary builds the real program, once for a test run.
func Binary(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		dir, err := os.MkdirTemp("", "colporteur-bin")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "colporteur")
		cmd := exec.Command("go", "build", "-o", built.path, "colporteur/cmd/colporteur")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build: %v", built.err)
	}
	return built.path
}

// Process is the real program on a data folder, for what only a process can
// show: kill -9, full disks, real mail programs.
type Process struct {
	T      testing.TB
	Config string
	Data   string
	Ports  map[string]string // "mx", "submission", "submissions", "imap", "imaps", "http" → address

	cmd  *exec.Cmd
	log  *os.File
	wait chan error
}

// Setup makes a data folder for home.test with listeners on free ports.
// replace changes the written configuration: pairs of old and new text.
func Setup(t testing.TB, data string, replace ...string) *Process {
	t.Helper()
	p := &Process{T: t, Data: data, Config: filepath.Join(data, "colporteur.toml"), Ports: map[string]string{}}
	p.Run("setup", "--data", data, "--domain", "home.test", "--profile", "dev")
	b, err := os.ReadFile(p.Config)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	// One pass, so that a port that was put in is not taken for one to replace;
	// and all are held until all are chosen, so that none comes twice.
	names := map[string]string{"2525": "mx", "2587": "submission", "2465": "submissions", "2143": "imap", "2993": "imaps", "8080": "http", "9465": "metrics", "4190": "sieve"}
	chosen := map[string]string{}
	for port, name := range names {
		ln := hold(t)
		defer ln.Close()
		p.Ports[name] = ln.Addr().String()
		chosen[port] = p.Ports[name][strings.LastIndexByte(p.Ports[name], ':')+1:]
	}
	text = regexp.MustCompile(`(127\.0\.0\.1|localhost):(\d+)`).ReplaceAllStringFunc(text, func(a string) string {
		host, port, _ := strings.Cut(a, ":")
		if chosen[port] == "" {
			return a
		}
		return host + ":" + chosen[port]
	})
	for i := 0; i+1 < len(replace); i += 2 {
		if !regexp.MustCompile(replace[i]).MatchString(text) {
			t.Fatalf("the configuration has no %q:\n%s", replace[i], text)
		}
		text = regexp.MustCompile(replace[i]).ReplaceAllString(text, replace[i+1])
	}
	if err := os.WriteFile(p.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// hold takes a free port below those the kernel gives to clients: while a
// killed server is down, no connection of somebody else's may sit on its port.
func hold(t testing.TB) net.Listener {
	t.Helper()
	for range 1000 {
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000))); err == nil {
			return ln
		}
	}
	t.Fatal("no free port")
	return nil
}

// Run runs a command of the program and returns what it printed.
func (p *Process) Run(args ...string) string {
	p.T.Helper()
	out, err := p.Try("", args...)
	if err != nil {
		p.T.Fatalf("colporteur %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Try is Run with an input, that may fail.
func (p *Process) Try(input string, args ...string) (string, error) {
	cmd := exec.Command(Binary(p.T), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Member adds a member with a password.
func (p *Process) Member(address, password string) {
	p.T.Helper()
	if out, err := p.Try(password+"\n", "member", "add", address, "--password-stdin", "--no-welcome", "--config", p.Config); err != nil {
		p.T.Fatalf("member add %s: %v\n%s", address, err, out)
	}
}

// Start serves, and waits for the line that begins with "ready".
func (p *Process) Start(wrap ...string) {
	p.T.Helper()
	args := append(wrap, Binary(p.T), "serve", "--config", p.Config)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.T.Fatal(err)
	}
	if p.log, err = os.OpenFile(filepath.Join(p.Data, "..", "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		p.T.Fatal(err)
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		sc := bufio.NewScanner(out)
		for sc.Scan() {
			if strings.HasPrefix(sc.Text(), "ready") {
				ready <- true
				io.Copy(io.Discard, out)
				return
			}
		}
		ready <- false
	}()
	p.wait = make(chan error, 1)
	select {
	case ok := <-ready:
		go func(cmd *exec.Cmd, wait chan error) { wait <- cmd.Wait() }(p.cmd, p.wait)
		if !ok {
			<-p.wait
			p.cmd = nil
			p.T.Fatalf("the server did not start:\n%s", p.Log())
		}
	case <-time.After(60 * time.Second):
		p.cmd.Process.Kill()
		p.T.Fatalf("the server was not ready within a minute:\n%s", p.Log())
	}
}

// PID of the running server.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is what the servers wrote so far.
func (p *Process) Log() string {
	b, _ := os.ReadFile(filepath.Join(p.Data, "..", "serve.log"))
	return string(bytes.TrimSpace(b))
}

// Kill ends the server as a power cut would end it.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill()
	<-p.wait
	p.cmd = nil
	p.log.Close()
}

// Stop asks the server to end, and returns how it did.
func (p *Process) Stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	defer func() { p.cmd = nil; p.log.Close() }()
	select {
	case err := <-p.wait:
		return err
	case <-time.After(15 * time.Second):
		p.cmd.Process.Kill()
		<-p.wait
		return fmt.Errorf("it did not end within 15 s of SIGTERM")
	}
}

// Dial opens a connection to one of the server's listeners.
func (p *Process) Dial(name string) net.Conn {
	p.T.Helper()
	c, err := net.Dial("tcp", p.Ports[name])
	if err != nil {
		p.T.Fatal(err)
	}
	return c
}
