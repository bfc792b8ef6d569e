package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"colporteur/store"
)

// NoPostgres is the environment variable that, set to 1, leaves the PostgreSQL
// tests out. Nothing else does: a test that skips itself on a machine without
// the server is a test that nobody misses.
const NoPostgres = "COLPORTEUR_NO_POSTGRES"

// Server is a PostgreSQL cluster of this process, reached through a socket in
// its own folder.
type Server struct {
	dir      string
	commands io.WriteCloser // its end, also ours, stops the server
	replies  *bufio.Reader
	keeper   *os.Process

	mu       sync.Mutex
	serial   int
	template error // of making it
	made     bool
}

// keeper owns the server. It reads commands from a pipe that only the test
// process holds open, so that the server ends and its folder vanishes however
// the tests end: by success, by the time limit, or by kill -9.
const keeper = `
start() {
	"$BIN/postgres" -D "$DIR/data" -k "$DIR" -c listen_addresses= \
		-c fsync=off -c full_page_writes=off -c synchronous_commit=on \
		-c max_connections=400 -c shared_buffers=64MB -c autovacuum=off \
		-c unix_socket_permissions=0700 $SETTINGS >>"$DIR/log" 2>&1 &
	pid=$!
}
"$BIN/initdb" -D "$DIR/data" --username=postgres --auth=trust --no-sync --encoding=UTF8 $LOCALE >"$DIR/log" 2>&1 ||
	{ echo failed; read -r gone; rm -rf "$DIR"; exit 1; }
start
echo started
while read -r command; do
	case $command in
	stop) kill -QUIT $pid; wait $pid; echo stopped ;;
	start) start; echo started ;;
	esac
done
kill -QUIT $pid 2>/dev/null
wait $pid
rm -rf "$DIR"
`

// shared is the server most tests use.
var shared struct {
	sync.Once
	*Server
	err error
}

// Postgres makes a fresh, migrated database in the server of this test
// process and returns its address. It fails the test when PostgreSQL is not
// installed.
func Postgres(tb testing.TB) string {
	tb.Helper()
	skip(tb)
	shared.Do(func() { shared.Server, shared.err = start() })
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.Database(tb)
}

// Restart stops the server of this test process as a crash would and starts it
// again; connections break. Tests that run in parallel feel it: those start a
// server of their own with NewServer.
func Restart(tb testing.TB) {
	tb.Helper()
	Postgres(tb)
	shared.Restart(tb)
}

// NewServer starts a cluster for tb alone. Settings are like "fsync=on", and
// have no spaces.
func NewServer(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	skip(tb)
	s, err := start(settings...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.commands.Close()
		s.keeper.Wait()
	})
	return s
}

func skip(tb testing.TB) {
	tb.Helper()
	if os.Getenv(NoPostgres) == "1" {
		tb.Skip(NoPostgres + "=1: PostgreSQL is left out")
	}
}

// start makes a cluster and waits until it answers.
func start(settings ...string) (*Server, error) {
	bin, major, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "colporteur-pg-")
	if err == nil && len(dir) > 80 { // a socket's path has 107 bytes
		os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", "colporteur-pg-")
	}
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", keeper)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BIN="+bin, "DIR="+dir, "LOCALE="+locale(major), "LC_ALL=C.UTF-8", "SETTINGS=")
	for _, set := range settings {
		cmd.Env[len(cmd.Env)-1] += " -c " + set
	}
	// A session of its own: Ctrl-C at the terminal must reach the tests, not the keeper.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if cmd.SysProcAttr.Credential, err = owner(dir); err != nil {
			os.Remove(dir)
			return nil, err
		}
	}
	s := &Server{dir: dir}
	if s.commands, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.replies = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		os.Remove(dir)
		return nil, err
	}
	s.keeper = cmd.Process
	if err := s.expect("started"); err != nil {
		err = fmt.Errorf("start postgresql: %w\n%s", err, s.log())
		s.commands.Close()
		return nil, err
	}
	if err := s.answers(); err != nil {
		s.commands.Close()
		return nil, err
	}
	return s, nil
}

// binaries finds the folder of the newest server on this machine.
func binaries() (dir string, major int, err error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	for i, f := range found {
		found[i] = filepath.Dir(f)
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		found = append(found, strings.TrimSpace(string(out)))
	}
	for _, d := range found {
		if _, err := os.Stat(filepath.Join(d, "initdb")); err != nil {
			continue
		}
		out, err := exec.Command(filepath.Join(d, "postgres"), "--version").Output() // postgres (PostgreSQL) 15.14 (Debian …)
		words := strings.Fields(string(out))
		if err != nil || len(words) < 3 {
			continue
		}
		n, _ := strconv.Atoi(strings.SplitN(words[2], ".", 2)[0])
		if n > major {
			dir, major = d, n
		}
	}
	if dir == "" {
		return "", 0, errors.New("PostgreSQL is not installed: apt-get install postgresql, or set " + NoPostgres + "=1 to leave its tests out")
	}
	return dir, major, nil
}

// locale gives databases a French order of words, as a French host has: what
// relies on the order of bytes without COLLATE "C" must fail here, not there.
func locale(major int) string {
	if major < 15 {
		return "--locale=C.UTF-8"
	}
	return "--locale=C.UTF-8 --locale-provider=icu --icu-locale=fr-FR"
}

// owner gives dir to Debian's user postgres.
func owner(dir string) (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("the tests run as root, and PostgreSQL needs its own user: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

func (s *Server) expect(word string) error {
	line, err := s.replies.ReadString('\n')
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(line); got != word {
		return fmt.Errorf("the server's keeper says %q instead of %q", got, word)
	}
	return nil
}

func (s *Server) tell(command, reply string) error {
	if _, err := io.WriteString(s.commands, command+"\n"); err != nil {
		return err
	}
	return s.expect(reply)
}

// answers waits until the server takes connections.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.address("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgresql does not answer: %w\n%s", err, s.log())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	lines := strings.Split(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

func (s *Server) address(database string) string {
	q := url.Values{"host": {s.dir}, "user": {"postgres"}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Stop ends the server as a crash would; Start brings it back.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.tell("stop", "stopped"); err != nil {
		tb.Fatalf("stop postgresql: %v", err)
	}
}

// Start is the end of Stop.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.tell("start", "started")
	if err == nil {
		err = s.answers()
	}
	if err != nil {
		tb.Fatalf("start postgresql: %v", err)
	}
}

// Restart is Stop and Start.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	s.Start(tb)
}

// Database makes a fresh, migrated database, dropped when tb ends.
func (s *Server) Database(tb testing.TB) (url string) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.made {
		s.made = true
		if s.template = s.admin("CREATE DATABASE blank"); s.template == nil {
			s.template = migrate(s.address("blank"))
		}
	}
	if s.template != nil {
		tb.Fatalf("postgresql template: %v", s.template)
	}
	return s.create(tb, "blank")
}

// Empty is Database without the schema, for tests of the migrations.
func (s *Server) Empty(tb testing.TB) (url string) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.create(tb, "template1")
}

func (s *Server) create(tb testing.TB, template string) string {
	tb.Helper()
	s.serial++
	name := fmt.Sprintf("t%d", s.serial)
	if err := s.admin("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.admin("DROP DATABASE " + name + " WITH (FORCE)") // only to save room: the folder goes anyway
	})
	return s.address(name)
}

func (s *Server) admin(q string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.address("postgres"))
	if err != nil {
		return fmt.Errorf("%s: %w", q, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, q); err != nil {
		return fmt.Errorf("%s: %w", q, err)
	}
	return nil
}

// migrate opens the database at url once, which brings its schema up to date.
func migrate(url string) error {
	db, err := store.Open(context.Background(), url, nil)
	if err != nil {
		return err
	}
	return db.Close()
}
