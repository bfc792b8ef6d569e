package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary the program itself.
const asProgram = "COLPORTEUR_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// result is what a command said.
type result struct {
	testing.TB
	args     []string
	out, err string
	code     int
}

// colporteur runs one command to its end.
func colporteur(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("%v: %v", args, err)
	}
	return result{t, args, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// ends wants this exit code, and sentences on standard output and error.
func (r result) ends(code int, says ...string) result {
	r.Helper()
	if r.code != code {
		r.Fatalf("colporteur %s: exit %d, want %d\n%s%s", strings.Join(r.args, " "), r.code, code, r.out, r.err)
	}
	for _, s := range says {
		if !strings.Contains(r.out+r.err, s) {
			r.Errorf("colporteur %s does not say %q:\n%s%s", strings.Join(r.args, " "), s, r.out, r.err)
		}
	}
	return r
}

// place is a data folder made ready, on free ports.
type place struct {
	testing.TB
	data, config string
}

func setup(t testing.TB, more ...string) *place {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	args := append([]string{"setup", "--data", data, "--domain", "home.test", "--profile", "dev"}, more...)
	colporteur(t, "", args...).ends(0, "MX", "spf1")
	p := &place{t, data, filepath.Join(data, "colporteur.toml")}
	p.edit(anyPort)
	return p
}

func anyPort(config string) string {
	return regexp.MustCompile(`"127\.0\.0\.1:\d+"`).ReplaceAllString(config, `"127.0.0.1:0"`)
}

func (p *place) edit(f func(string) string) {
	p.Helper()
	b, err := os.ReadFile(p.config)
	if err == nil {
		err = os.WriteFile(p.config, []byte(f(string(b))), 0o600)
	}
	if err != nil {
		p.Fatal(err)
	}
}

func (p *place) do(args ...string) result {
	p.Helper()
	return colporteur(p, "", append(args, "--config", p.config)...)
}

// running is a server that serves.
type running struct {
	testing.TB
	cmd   *exec.Cmd
	ready string
	said  chan string // all of standard output after that, once it has ended
	log   *bytes.Buffer
}

func (p *place) serve() *running {
	p.Helper()
	return p.start("serve", "--config", p.config)
}

// start runs a command that serves, until it is ready.
func (p *place) start(args ...string) *running {
	p.Helper()
	r := &running{TB: p, cmd: command(context.Background(), args...), log: &bytes.Buffer{}}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		if p.Failed() {
			p.Logf("the server's log:\n%s", r.log)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready") {
			r.ready = lines.Text()
			r.said = make(chan string, 1)
			go func() {
				var rest strings.Builder
				for lines.Scan() {
					rest.WriteString(lines.Text() + "\n")
				}
				r.said <- rest.String()
			}()
			return r
		}
	}
	r.cmd.Wait()
	p.Fatalf("the server ended before it was ready:\n%s", r.log)
	return nil
}

// addr is where the listener of that name answers.
func (r *running) addr(name string) string {
	r.Helper()
	m := regexp.MustCompile(`\b` + name + ` ([0-9.]+:\d+)`).FindStringSubmatch(r.ready)
	if m == nil {
		r.Fatalf("no %s in %q", name, r.ready)
	}
	return m[1]
}

// stop sends SIGTERM and wants exit 0 within ten seconds.
func (r *running) stop() {
	r.Helper()
	start := time.Now()
	r.cmd.Process.Signal(syscall.SIGTERM)
	said := <-r.said // Wait closes the pipe: read it first
	err := r.cmd.Wait()
	r.said <- said
	if took := time.Since(start); err != nil || took > 10*time.Second {
		r.Errorf("after SIGTERM: %v in %v, want exit 0 within 10 s", err, took)
	}
}

func TestExitCodesTellUsageFromRefusal(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"nonsense"}, {"member"}, {"member", "add"}, {"queue", "retry", "twelve"}, {"serve", "--nonsense"},
		{"setup", "--data", "x"}, {"setup", "--data", "x", "--domain", "a.test", "--profile", "moon"},
		{"member", "add", "ann@home.test", "--quota", "lots"},
		{"member", "add", "ann@home.test", "--password-stdin"},
	} {
		r := colporteur(t, "", args...).ends(exitUsage)
		if strings.Count(r.err, "\n") != 1 {
			t.Errorf("%v: want one sentence, got:\n%s", args, r.err)
		}
	}
	missing := filepath.Join(t.TempDir(), "none.toml")
	for _, args := range [][]string{
		{"--config", missing, "serve"}, {"serve", "--config", missing}, {"member", "list", "--config=" + missing}, {"config", "--config", missing, "show"},
	} {
		colporteur(t, "", args...).ends(exitRefused, "there is no configuration at "+missing, "colporteur setup")
	}
	colporteur(t, "", "version").ends(0, "colporteur ")
	colporteur(t, "", "--help").ends(0, "member", "transfer")
}

func TestAConfigurationWithThreeMistakesTellsAllThree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(path, []byte("hostname = \"mail.home.test\"\ndata = \"/nonexistent\"\nmessage = 1\n[smtp]\nmx = 25\n[limits]\ndrop = \"9GiB\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config", "check"}, {"config", "show"}, {"serve"}, {"check"}, {"member", "list"}} {
		r := colporteur(t, "", append(args, "--config", path)...).ends(exitRefused, "limits.drop: ", "message: there is no such key", "smtp.mx: ")
		if strings.Contains(r.err, "goroutine") {
			t.Errorf("%v: %s", args, r.err)
		}
	}
}

func TestASecondServerOnTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	p := setup(t)
	first := p.serve()
	p.do("serve").ends(exitRefused, p.data+" is in use by process "+fmt.Sprint(first.cmd.Process.Pid))
	p.do("demo", "--data", p.data).ends(exitRefused, "in use")
	first.stop()
	p.serve().stop()
}

func TestAServerThatWasKilledLeavesNothingInTheWay(t *testing.T) {
	t.Parallel()
	p := setup(t)
	s := p.serve()
	s.cmd.Process.Kill()
	s.cmd.Wait()
	if _, err := os.Stat(filepath.Join(p.data, "control.sock")); err != nil {
		t.Fatalf("the socket should be left behind for this test: %v", err)
	}
	p.do("domain", "add", "second.test").ends(0)
	s = p.serve()
	p.do("domain", "list").ends(0, "second.test")
	s.stop()
}

func TestTheControlSocketIsForItsOwner(t *testing.T) {
	t.Parallel()
	p := setup(t)
	s := p.serve()
	info, err := os.Stat(filepath.Join(p.data, "control.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info, err)
	}
	s.stop()
	if _, err := os.Stat(filepath.Join(p.data, "control.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestAFolderWithALongNameHasItsSocketToo(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), strings.Repeat("long/", 20), "data") // a socket's address has 108 octets
	colporteur(t, "", "setup", "--data", data, "--domain", "home.test", "--profile", "dev").ends(0)
	p := &place{t, data, filepath.Join(data, "colporteur.toml")}
	p.edit(anyPort)
	s := p.serve()
	p.do("domain", "add", "second.test").ends(0)
	p.do("check").ends(0, "good   The server runs.")
	s.stop()
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := setup(t)
	p.edit(func(s string) string {
		return strings.Replace(s, `["127.0.0.1:0"]`, `["`+ln.Addr().String()+`"]`, 1)
	})
	p.do("serve").ends(exitRefused, ln.Addr().String(), "address already in use")
	p.do("check").ends(exitRefused, "wrong  Another program listens on "+ln.Addr().String()+" (smtp.mx)")
}
