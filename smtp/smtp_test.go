package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
)

// fakeDoor is a small working Door: home.test is ours, with the people named in it.
type fakeDoor struct {
	mu    sync.Mutex
	mails []kept
	asked int

	// entered, when set, is told when Accept begins; leave is waited for before it ends.
	entered chan struct{}
	leave   chan struct{}
	fail    error
}

type kept struct {
	env  mail.Envelope
	body string
}

var people = map[string]bool{"ann": true, "bob": true, "postmaster": true, "abuse": true, "envoi": true, "jos\u00e9": true, "a b": true}

func (d *fakeDoor) Recipient(_ context.Context, env *mail.Envelope, r mail.Recipient) error {
	d.mu.Lock()
	d.asked++
	d.mu.Unlock()
	switch {
	case r.Domain != "" && r.Domain != "home.test":
		if env.Origin == mail.FromMX {
			return mail.Refuse(mail.RelayDenied, "relay-denied", "Address", r.String())
		}
	case !people[mail.FoldLocal(r.Local)] && !strings.HasPrefix(r.Local, "u"):
		return mail.Refuse(mail.NoSuchUser, "kind-no-such-user")
	case env.Body == mail.BodyBinary && r.Local != "envoi":
		return mail.Refuse(mail.Policy, "binary-programs-only", "Address", r.String())
	}
	env.To = append(env.To, r)
	return nil
}

func (d *fakeDoor) Accept(ctx context.Context, env *mail.Envelope, body io.Reader) error {
	if d.entered != nil {
		d.entered <- struct{}{}
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if d.leave != nil {
		select {
		case <-d.leave:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if d.fail != nil {
		return d.fail
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mails = append(d.mails, kept{*env, string(b)})
	return nil
}

func (d *fakeDoor) all() []kept {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]kept(nil), d.mails...)
}

// fakeAccounts has ann@home.test with password secret, who also owns info@home.test.
type fakeAccounts struct {
	mu     sync.Mutex
	logins []string
}

var ann = mail.User{ID: 7, Address: mail.Address{Local: "ann", Domain: "home.test"}, Lang: "fr"}

func (a *fakeAccounts) Login(_ context.Context, name, password string, c mail.Client) (mail.User, error) {
	a.mu.Lock()
	a.logins = append(a.logins, name)
	a.mu.Unlock()
	if !c.IP.IsValid() {
		return mail.User{}, mail.Wrap(mail.Internal, fmt.Errorf("no address"))
	}
	switch {
	case name == "ann@home.test" && password == "secret":
		return ann, nil
	case name == "eve@home.test" && password == "secret":
		return mail.User{}, mail.Refuse(mail.Suspended, "kind-suspended")
	case name == "down@home.test":
		return mail.User{}, mail.Wrap(mail.Unavailable, fmt.Errorf("database is away"))
	}
	return mail.User{}, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
}

func (a *fakeAccounts) MaySend(_ context.Context, u mail.UserID, addr mail.Address) error {
	if local, _, _ := strings.Cut(addr.Local, "+"); u == ann.ID && addr.Domain == "home.test" && (local == "ann" || local == "info") {
		return nil
	}
	return mail.Refuse(mail.NotYours, "kind-not-yours")
}

func (a *fakeAccounts) tried() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.logins...)
}

// Verifiers: ann has two app passwords, "pencil" and "rubber".
func (a *fakeAccounts) Verifiers(_ context.Context, name string) ([]Verifier, error) {
	salt := []byte("0123456789abcdef")
	if name != "ann@home.test" {
		return []Verifier{makeVerifier(mail.User{}, rand.Text(), salt)}, nil
	}
	return []Verifier{makeVerifier(ann, "rubber", salt), makeVerifier(ann, "pencil", salt)}, nil
}

func makeVerifier(u mail.User, password string, salt []byte) Verifier {
	salted, err := pbkdf2.Key(sha256.New, password, salt, 4096, sha256.Size)
	if err != nil {
		panic(err)
	}
	client := sha256.Sum256(hm(salted, "Client Key"))
	return Verifier{User: u, Salt: salt, Iterations: 4096, StoredKey: client[:], ServerKey: hm(salted, "Server Key")}
}

func hm(key []byte, msg string) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, msg)
	return h.Sum(nil)
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.home.test"}, DNSNames: []string{"mail.home.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// host is a server under test with one listener.
type host struct {
	*Server
	door     *fakeDoor
	accounts *fakeAccounts
	addr     string
	log      *logBuffer
	stop     context.CancelFunc
	stopped  chan error
	breaks   bool // a session is meant to break
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t testing.TB, role Role, change ...func(*Server)) *host {
	t.Helper()
	h := &host{door: &fakeDoor{}, accounts: &fakeAccounts{}, log: &logBuffer{}, stopped: make(chan error, 1)}
	h.Server = &Server{
		Hostname: "mail.home.test", Door: h.door, Accounts: h.accounts, Verifiers: h.accounts, OfferSCRAM: true,
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate()}},
		Render: func(lang string, t mail.Text) string {
			if len(t.Args) > 0 {
				return fmt.Sprintf("%s: %s %v", lang, t.ID, t.Args)
			}
			return lang + ": " + t.ID
		},
		WebURL: "https://mail.home.test",
		Log:    slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(h.Server)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	go func() { h.stopped <- h.Serve(ctx, ln, role) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-h.stopped:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(15 * time.Second):
			t.Error("Serve did not return")
		}
		if s := h.log.String(); strings.Contains(s, "session broke") != h.breaks {
			t.Errorf("a session broke, or did not:\n%s", s)
		}
	})
	return h
}

// peer is a client that writes what it is told, octet for octet.
type peer struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (h *host) dial(t testing.TB) *peer { return h.dialFrom(t, "") }

func (h *host) dialFrom(t testing.TB, ip string) *peer {
	t.Helper()
	d := net.Dialer{}
	if ip != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
	}
	c, err := d.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t, c, bufio.NewReaderSize(c, 64<<10)}
}

// session dials, reads the greeting, says EHLO.
func (h *host) session(t testing.TB) *peer {
	t.Helper()
	p := h.dial(t)
	p.expect("220 ")
	p.say("EHLO client.test", "250")
	return p
}

// member dials, puts TLS on and signs in as ann.
func (h *host) member(t testing.TB) *peer {
	t.Helper()
	p := h.session(t)
	p.startTLS()
	p.say("EHLO client.test", "250")
	p.say("AUTH PLAIN AGFubkBob21lLnRlc3QAc2VjcmV0", "235 2.7.0")
	return p
}

func (p *peer) startTLS() {
	p.t.Helper()
	p.say("STARTTLS", "220 2.0.0")
	p.tls()
}

func (p *peer) tls() {
	p.t.Helper()
	c := tls.Client(p.Conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		p.t.Fatalf("handshake: %v", err)
	}
	p.Conn, p.r = c, bufio.NewReaderSize(c, 64<<10)
}

func (p *peer) send(raw string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, raw); err != nil {
		p.t.Fatalf("send %.60q: %v", raw, err)
	}
}

// say sends a line and expects a reply.
func (p *peer) say(line, want string) string {
	p.t.Helper()
	p.send(line + "\r\n")
	return p.expect(want)
}

// expect reads one reply, of several lines maybe, whose last line begins with want.
func (p *peer) expect(want string) string {
	p.t.Helper()
	got, err := p.reply()
	if err != nil {
		p.t.Fatalf("want %q, got %q and %v", want, got, err)
	}
	lines := strings.Split(strings.TrimSuffix(got, "\r\n"), "\r\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
		p.t.Fatalf("want %q, got %q", want, got)
	}
	return got
}

func (p *peer) reply() (string, error) {
	var all strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		all.WriteString(line)
		if err != nil || len(line) < 4 || line[3] != '-' {
			return all.String(), err
		}
	}
}

// closed expects the end of the connection.
func (p *peer) closed() {
	p.t.Helper()
	if got, err := p.r.ReadString('\n'); err == nil {
		p.t.Fatalf("want the connection closed, got %q", got)
	} else if strings.Contains(err.Error(), "timeout") {
		p.t.Fatalf("want the connection closed, got %v", err)
	}
}
