package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
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

	stored message.ID // what keep stored
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
	n.t.Cleanup(func() { n.relay.spare.close(); s.ln.Close(); s.wg.Wait() })
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
