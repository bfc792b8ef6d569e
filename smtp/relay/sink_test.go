package relay

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store/message"

	"github.com/foxcpp/go-mockdns"
)

// sink is a server of somebody else's: it says what the test wants it to say
// and keeps what it is given.
type sink struct {
	t    testing.TB
	ip   string
	ln   net.Listener
	cert *tls.Certificate // offers STARTTLS

	banner     string   // "" is a friendly one
	ehlo       []string // extensions; nil is none
	ehloTLS    []string // after STARTTLS; nil is the same
	answer     func(line string) string
	afterTLS   string // sent with the 220 to STARTTLS
	breakTLS   bool   // breaks the handshake
	lost       bool   // takes the mail, but its reply gets lost
	onDot      func()

	mu       sync.Mutex
	mails    []received
	sessions int
	lines    []string
	wg       sync.WaitGroup
}

type received struct {
	from  string // the whole MAIL line
	rcpts []string
	data  string
	tls   bool
}

func (s *sink) serve() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			defer c.Close()
			s.mu.Lock()
			s.sessions++
			s.mu.Unlock()
			s.session(c)
		}()
	}
}

func (s *sink) session(c net.Conn) {
	br := bufio.NewReader(c)
	say := func(line string) { io.WriteString(c, line+"\r\n") }
	banner := s.banner
	if banner == "" {
		banner = "220 " + s.ip + " ESMTP"
	}
	say(banner)
	var m received
	encrypted := false
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		if !strings.HasSuffix(line, "\r\n") {
			s.t.Errorf("sink %s: command without CRLF: %q", s.ip, line)
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		reply := ""
		if s.answer != nil {
			reply = s.answer(line)
		}
		if reply != "" && !strings.HasPrefix(reply, "2") && verb != "." {
			say(reply)
			continue
		}
		switch verb {
		case "EHLO":
			ext := append([]string(nil), s.ehlo...)
			if encrypted && s.ehloTLS != nil {
				ext = s.ehloTLS
			}
			if s.cert != nil && !encrypted {
				ext = append(ext, "STARTTLS")
			}
			out := "250-hello"
			for _, e := range ext {
				out += "\r\n250-" + e
			}
			say(out + "\r\n250 HELP")
		case "STARTTLS":
			io.WriteString(c, "220 go\r\n"+s.afterTLS)
			if s.breakTLS {
				io.WriteString(c, "this is no handshake at all, sorry\r\n")
				return
			}
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*s.cert}})
			if tc.Handshake() != nil {
				return
			}
			c, br, encrypted = tc, bufio.NewReader(tc), true
		case "MAIL":
			m = received{from: line, tls: encrypted}
			say(or(reply, "250 ok"))
		case "RCPT":
			m.rcpts = append(m.rcpts, line)
			say(or(reply, "250 ok"))
		case "DATA":
			say("354 go")
			data, ok := readData(br)
			if !ok {
				return
			}
			m.data = data
			end := "250 2.0.0 taken"
			if s.answer != nil {
				end = or(s.answer("."), end)
			}
			if s.onDot != nil {
				s.onDot()
			}
			if strings.HasPrefix(end, "2") {
				s.mu.Lock()
				s.mails = append(s.mails, m)
				s.mu.Unlock()
			}
			if s.lost {
				return
			}
			say(end)
		case "QUIT":
			say("221 bye")
			return
		default:
			say(or(reply, "250 ok"))
		}
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// readData reads to the final dot and undoes the stuffing. It is as strict as
// RFC 5321: only CRLF.CRLF ends.
func readData(br *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return b.String(), false
		}
		if line == ".\r\n" {
			return b.String(), true
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

func (s *sink) took() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *sink) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

func (s *sink) said(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

// internet is a few hosts on 127.0.0.x with one port, their zone, a clock, and
// a relay that may talk to them.
type internet struct {
	t     testing.TB
	port  int
	zone  map[string]mockdns.Zone
	relay *Relay
	door  *door
	clock time.Time
	used  int
}

func newInternet(t testing.TB) *internet {
	t.Helper()
	n := &internet{t: t, zone: map[string]mockdns.Zone{}, clock: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), used: 1}
	n.door = &door{seen: map[string]bool{}}
	quick := patience{connect: 5 * time.Second, greeting: 5 * time.Second, command: 5 * time.Second, handshake: 5 * time.Second,
		data: 5 * time.Second, block: 5 * time.Second, final: 5 * time.Second, parting: time.Second}
	n.relay = &Relay{Hostname: "mail.home.test", AllowPrivate: true, Resolver: &mockdns.Resolver{Zones: n.zone},
		Door: n.door, Rand: rand.Reader, Now: func() time.Time { return n.clock }, stages: &quick}
	return n
}

// host starts a server; set changes it before it serves.
func (n *internet) host(name string, set func(*sink)) *sink {
	n.t.Helper()
	s := &sink{t: n.t}
	for try := 0; ; try++ {
		n.used++
		s.ip = fmt.Sprintf("127.0.%d.%d", 1+n.used/200, 1+n.used%200)
		var err error
		if s.ln, err = net.Listen("tcp", net.JoinHostPort(s.ip, strconv.Itoa(n.port))); err == nil {
			break
		}
		if try > 50 {
			n.t.Fatal(err)
		}
	}
	if n.port == 0 {
		n.port = s.ln.Addr().(*net.TCPAddr).Port
		n.relay.Port = n.port
	}
	if set != nil {
		set(s)
	}
	n.zone[name+"."] = mockdns.Zone{A: []string{s.ip}}
	go s.serve()
	n.t.Cleanup(func() { s.ln.Close(); s.wg.Wait() })
	return s
}

func (n *internet) mx(domain string, hosts ...net.MX) {
	n.zone[domain+"."] = mockdns.Zone{MX: hosts}
}

// site is a domain with one server.
func (n *internet) site(domain string, set func(*sink)) *sink {
	n.t.Helper()
	s := n.host("mx."+domain, set)
	n.mx(domain, net.MX{Host: "mx." + domain + ".", Pref: 10})
	return s
}

const sample = "From: Ann <ann@home.test>\r\nTo: Bob <bob@far.test>\r\nSubject: The lake\r\nMessage-ID: <1@home.test>\r\n\r\n" +
	"Hello\r\n.\r\n..dots\r\n"

func letter(text string) source {
	return source{
		open: func(_ context.Context, offset int64) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(text[offset:])), nil
		},
		summary: func(context.Context) (*mail.Summary, error) {
			return &mail.Summary{Subject: "The lake", MessageID: "1@home.test"}, nil
		},
	}
}

func (n *internet) mail(to ...string) delivery.Relay {
	d := delivery.Relay{Mail: "m1", Message: message.ID(1), From: mail.MustAddress("ann@home.test"), Size: int64(len(sample)), At: n.clock,
		Prefix: []byte("Received: by mail.home.test id m1;\r\n\tSun, 22 Nov 2026 09:00:00 +0000\r\n")}
	for _, a := range to {
		d.To = append(d.To, mail.Recipient{Address: mail.MustAddress(a)})
	}
	return d
}

func yes(context.Context) error { return nil }

func (n *internet) attempt(d delivery.Relay) *result {
	n.t.Helper()
	return n.relay.attempt(n.t.Context(), d, letter(sample), yes)
}

// one is the fate of the only recipient.
func (n *internet) one(d delivery.Relay) *progress {
	n.t.Helper()
	res := n.attempt(d)
	if len(res.to) != 1 {
		n.t.Fatalf("got %d recipients, want 1", len(res.to))
	}
	return res.to[0]
}

// door is the way back to the sender. It keeps what Accept gets and, like the
// real one, each Once one time.
type door struct {
	mu    sync.Mutex
	seen  map[string]bool
	mails []notified
	fail  error
}

type notified struct {
	env  *mail.Envelope
	text string
}

func (d *door) Accept(_ context.Context, env *mail.Envelope, body io.Reader) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') || c == '\r' && (i+1 == len(b) || b[i+1] != '\n') {
			return mail.Refuse(mail.BareNewline, "kind-bare-newline")
		}
	}
	if env.Once == "" || !d.seen[env.Once] {
		d.seen[env.Once] = true
		d.mails = append(d.mails, notified{env, string(b)})
	}
	return nil
}

// certificate is self-signed, for the names given.
func certificate(t testing.TB, names ...string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sink"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

