// Package smtp is the server side of SMTP: it takes mail from other servers
// (MX) and from members (submission) and brings it to the Door.
//
// # What lies where
//
//	wire      the socket: line and byte reading, deadlines, replies in one write
//	leg       what go-smtp takes for its connection: looks at every command line first
//	session   go-smtp's backend: MAIL, RCPT, DATA and AUTH in the words of package mail
//	content   the mail itself as it streams to the Door: line ends, header, size
//	reply     every code we send, in one table
//
// go-smtp keeps the order of commands and their parameters. It does not see
// the socket, because it lets a bare LF through as a line end and as part of a
// mail, reads mail byte by byte, has one deadline for all of DATA, writes each
// reply by itself, reads SIZE in 32 bits, forgets how a local part was quoted
// and hangs up after four errors. The leg in between mends that: go-smtp gets
// one clean line at a time, and the mail goes past it.
//
// # Line ends
//
// Only CR LF ends a line and only CR LF . CR LF ends a mail. A CR or LF alone
// refuses the command or the mail it stands in (SMTP smuggling), and reading
// goes on to the true end so that what follows is never taken for commands.
// With BODY=BINARYMIME any octet may stand anywhere (RFC 3030 §3); there the
// length comes from BDAT, and the Door, which lets only programs take binary
// mail, looks at line ends while it decodes.
package smtp

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"colporteur/mail"
)

// Door is where mail goes. delivery.Door is it.
type Door interface {
	// Recipient resolves r and appends it to env.To, or says why not: that is
	// the reply to RCPT.
	Recipient(ctx context.Context, env *mail.Envelope, r mail.Recipient) error

	// Accept takes the mail. nil means that it is durable and body was read to
	// its end; an error means that nothing happened. An error that body returns
	// must come back in Accept's.
	Accept(ctx context.Context, env *mail.Envelope, body io.Reader) error
}

// Accounts knows the members.
type Accounts interface {
	// Login checks a name and a password. Kinds: AuthFailed, Suspended,
	// RateLimited, Unavailable. It takes as long for a name that nobody has.
	Login(ctx context.Context, name, password string, c mail.Client) (mail.User, error)

	// MaySend says nil when the member may use addr as a sender; kind NotYours otherwise.
	MaySend(ctx context.Context, u mail.UserID, addr mail.Address) error
}

// Verifiers finds what SCRAM-SHA-256 needs.
type Verifiers interface {
	// Verifiers returns one Verifier for each app password of the member, and a
	// made-up but constant one when there is no such member. All of a member's
	// share Salt and Iterations: SCRAM names them before the password is known.
	Verifiers(ctx context.Context, name string) ([]Verifier, error)
}

// Verifier is one app password as SCRAM keeps it (RFC 5802 §3).
type Verifier struct {
	User       mail.User
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// Role is what a listener is for.
type Role int

const (
	MX          Role = iota // from anybody, to us; no AUTH
	Submission              // from members; STARTTLS, then AUTH
	Submissions             // from members; TLS from the first byte (RFC 8314)
)

func (r Role) String() string {
	return [...]string{"mx", "submission", "submissions"}[r]
}

// Server is the SMTP server. Its fields are set once, before use; one Server
// may serve several listeners, and its limits count over all of them.
type Server struct {
	Hostname  string
	Door      Door
	Accounts  Accounts
	Verifiers Verifiers // nil: no SCRAM-SHA-256

	// OfferSCRAM announces SCRAM-SHA-256. It knows app passwords only, and a
	// program that sees it takes nothing else: whoever gives it their own
	// password is refused.
	OfferSCRAM bool

	// TLS is offered as STARTTLS, and is the first thing said on Submissions.
	// TLS 1.2 is the oldest version, whatever it says. nil: no STARTTLS.
	TLS *tls.Config

	// InsecureAuthFrom says from where a password may come in the clear; nil is
	// nowhere. The dev profile says loopback.
	InsecureAuthFrom func(netip.Addr) bool

	MaxMessage int64  // of ordinary mail, in decoded bytes; 0 is 50 MiB
	MaxDrop    int64  // of mail to programs, in decoded bytes; 0 is 3 GiB
	WebURL     string // where larger files go, for refusals

	// Alarm hears of a member who reached the hourly limit, as somebody with a
	// stolen password does; nil hears nothing.
	Alarm func(u mail.User, ip netip.Addr, limit int)

	// SignedIn hears of every sign-in; nil hears nothing.
	SignedIn func(ctx context.Context, u mail.User, c mail.Client)

	// ProxyFrom are the networks that must open with a PROXY header (version 1
	// or 2) and are believed.
	ProxyFrom []netip.Prefix

	// Render is the sentence t in lang, "fr" or "en"; nil shows the sentence's id.
	Render func(lang string, t mail.Text) string

	Limits Limits
	Now    func() time.Time
	Log    *slog.Logger

	once    sync.Once
	tls     *tls.Config
	gate    gate                 // who is connected, from where
	users   members              // who is signed in, on which wires
	strange *window[netip.Addr]  // recipients nobody has, by address
	sent    *window[mail.UserID] // recipients, by member
	pool    sync.Pool            // *[]byte of bodyBuffer
}

func (s *Server) init() {
	s.once.Do(func() {
		s.Limits = s.Limits.withDefaults()
		s.tls = strictTLS(s.TLS)
		s.gate.byNet = make(map[netip.Addr]int)
		s.users.wires = make(map[mail.UserID]map[*wire]mail.User)
		s.strange = newWindow[netip.Addr](10 * time.Minute)
		s.sent = newWindow[mail.UserID](time.Hour)
		s.pool.New = func() any { b := make([]byte, bodyBuffer); return &b }
	})
}

// Suites are those of TLS 1.2 that RFC 9325 §4.2 leaves: forward secrecy and
// AEAD. TLS 1.3 has no others.
func Suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// strictTLS is cfg without what RFC 8996 and RFC 9325 have buried.
func strictTLS(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		return nil
	}
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if cfg.CipherSuites == nil {
		cfg.CipherSuites = Suites()
	}
	// A browser that was led here offers h2 or http/1.1: with a list of our own
	// the handshake ends there (ALPACA). Mail programs offer nothing.
	cfg.NextProtos = []string{"smtp"}
	return cfg
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// maxWire is the SIZE we announce: the larger limit, since only RCPT tells
// which applies, at 1.4 times for the encoding. go-smtp counts in 32 bits.
func (s *Server) maxWire() int64 {
	m, d := s.MaxMessage, s.MaxDrop
	if m == 0 {
		m = 50 << 20
	}
	if d == 0 {
		d = 3 << 30
	}
	n := max(m, d)
	return min(n+n*2/5, 1<<32-1)
}

// tooBig refuses what is over every limit, in decoded bytes as people are told.
func (s *Server) tooBig() error {
	return mail.Refuse(mail.TooBig, "drop-too-big", "Limit", s.maxWire()*5/7/1_000_000, "URL", s.WebURL)
}

// Members are those with sessions open, each with what they signed in with.
func (s *Server) Members() []mail.User { return s.users.all() }

// Cut ends the sessions of a member at once: after a suspension or a new password.
func (s *Server) Cut(u mail.UserID) {
	s.init()
	for _, w := range s.users.of(u) {
		w.end(endNow, "smtp-signed-out")
	}
}

// members is who is signed in where.
type members struct {
	mu    sync.Mutex
	wires map[mail.UserID]map[*wire]mail.User
}

func (m *members) add(u mail.User, w *wire) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wires[u.ID] == nil {
		m.wires[u.ID] = make(map[*wire]mail.User)
	}
	m.wires[u.ID][w] = u
}

func (m *members) remove(u mail.UserID, w *wire) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.wires[u], w)
	if len(m.wires[u]) == 0 {
		delete(m.wires, u)
	}
}

func (m *members) of(u mail.UserID) []*wire {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.wires[u]))
}

func (m *members) all() (list []mail.User) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, wires := range m.wires {
		list = slices.AppendSeq(list, maps.Values(wires))
	}
	return list
}
