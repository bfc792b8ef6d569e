// Package world runs several whole servers in one process, with their own DNS
// and clock, for tests that read like the stories they tell.
package world

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"colporteur/config"
	"colporteur/dns/dnstest"
	"colporteur/host"
	"colporteur/mail"
)

// World is some servers that know each other, on loopback.
type World struct {
	T     testing.TB
	Clock *Clock
	DNS   *Zone

	servers []*Server
	port    int // where every server's MX listens, each at an address of its own
	dir     string
	Log     *slog.Logger
	TLS     *tls.Config // of every server; tests do not look at its names
}

// New makes an empty world. Its clock stands at an hour of a working day.
func New(t testing.TB) *World { t.Helper(); return With(t, dnstest.New(t)) }

// With is New with a DNS that others share.
func With(t testing.TB, zone *dnstest.Zone) *World {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(&output{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return &World{T: t, Clock: &Clock{now: time.Now().UTC().Truncate(time.Second)}, DNS: &Zone{zone}, dir: t.TempDir(), port: freePort(t), Log: log, TLS: certificate(t)}
}

type output struct{ t testing.TB }

func (o *output) Write(p []byte) (int, error) {
	if o.t.Context().Err() == nil { // a server's last words come after the test's
		o.t.Logf("%s", p)
	}
	return len(p), nil
}

// ports are those that worlds of this process were given.
var ports = struct {
	sync.Mutex
	taken map[int]bool
}{taken: map[int]bool{}}

func freePort(t testing.TB) int {
	// Below the ports that the kernel gives to outgoing connections: a server that is
	// started again must find its own free.
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := 10_000 + mrand.IntN(20_000)
		if ports.taken[port] { // by a world whose servers have other addresses than the one that is tried here
			continue
		}
		ports.taken[port] = true
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Port is where every server takes mail from others.
func (w *World) Port() int { return w.port }

// Server is one host of the world.
type Server struct {
	*host.Host
	World  *World
	Domain string
	Dir    string

	ip     string
	stop   context.CancelFunc
	ended  chan error
	change []func(*config.Config)
}

// Server starts a host for domain. change may adjust its configuration.
func (w *World) Server(domain string, change ...func(*config.Config)) *Server {
	w.T.Helper()
	s := &Server{World: w, Domain: domain, Dir: filepath.Join(w.dir, domain), change: change}
	s.ip = fmt.Sprintf("127.0.%d.%d", 10+os.Getpid()%200, len(w.servers)+2)
	w.servers = append(w.servers, s)
	w.DNS.Point(domain, "mail."+domain, s.ip)
	s.Start()
	w.T.Cleanup(func() { s.Stop() })
	return s
}

// Node starts another host of the domain on the same database, which must be
// PostgreSQL, and the same files: two machines behind one name.
func (s *Server) Node() *Server {
	w := s.World
	w.T.Helper()
	n := &Server{World: w, Domain: s.Domain, Dir: s.Dir, change: s.change}
	n.ip = fmt.Sprintf("127.0.%d.%d", 10+os.Getpid()%200, len(w.servers)+2)
	w.servers = append(w.servers, n)
	n.Start()
	w.T.Cleanup(func() { n.Stop() })
	return n
}

// Start runs the host, on the data it had before if it ran.
func (s *Server) Start() {
	t := s.World.T
	t.Helper()
	c := config.Defaults(config.Dev)
	cfg := &c
	cfg.Data, cfg.Hostname = s.Dir, "mail."+s.Domain
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	at := func(port int) []string { return []string{net.JoinHostPort(s.ip, fmt.Sprint(port))} }
	cfg.SMTP.MX, cfg.SMTP.Submission, cfg.SMTP.Submissions = at(s.World.port), at(0), at(0)
	cfg.IMAP.StartTLS, cfg.IMAP.TLS = at(0), at(0)
	cfg.Web.HTTP, cfg.Web.Listen, cfg.Metrics.Listen = at(0), nil, nil
	cfg.Relay.Port, cfg.Relay.AllowPrivate = s.World.port, true
	for _, f := range s.change {
		f(cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	h, err := host.New(ctx, cfg, host.Options{Key: bytes.Repeat([]byte{42}, 32), TLS: s.World.TLS, Now: s.World.Clock.Now, DNS: s.World.DNS.Client(), Hurry: true, Log: s.World.Log.With("host", s.Domain)})
	if err != nil {
		stop()
		t.Fatalf("start %s: %v", s.Domain, err)
	}
	if err := h.Accounts.AddDomain(ctx, s.Domain); err != nil && !mail.Is(err, mail.Conflict) {
		stop()
		t.Fatalf("domain %s: %v", s.Domain, err)
	}
	if err := h.Listen(); err != nil {
		stop()
		t.Fatalf("listen %s: %v", s.Domain, err)
	}
	s.Host, s.stop, s.ended = h, stop, make(chan error, 1)
	go func() { s.ended <- h.Run(ctx) }()
}

// Stop ends the host as SIGTERM would.
func (s *Server) Stop() {
	if s.stop == nil {
		return
	}
	s.stop()
	s.stop = nil
	select {
	case err := <-s.ended:
		if err != nil {
			s.World.T.Errorf("%s ended with: %v", s.Domain, err)
		}
	case <-time.After(15 * time.Second):
		s.World.T.Errorf("%s did not stop", s.Domain)
	}
}

// Settle waits until every queue of the world is idle, also after what the last
// job of one set off in another.
func (w *World) Settle() {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), 3*time.Minute)
	defer cancel()
	for quiet := 0; quiet < 2; quiet++ {
		for _, s := range w.servers {
			if s.stop == nil {
				continue
			}
			if err := s.Queue.Idle(ctx); err != nil {
				w.T.Fatalf("%s is still busy: %v", s.Domain, err)
			}
		}
	}
}

// Advance moves the clock of the world, and lets the servers see it.
func (w *World) Advance(d time.Duration) {
	w.Clock.Advance(d)
	for _, s := range w.servers {
		if s.stop != nil {
			s.Queue.Wake()
		}
	}
}

// certificate is a self-signed one, which a test that verifies it takes for its
// authority too.
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		DNSNames: []string{"localhost", "*.home.test", "*.far.test", "*.away.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
