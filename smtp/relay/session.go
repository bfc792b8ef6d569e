package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"colporteur/mail"
)

// patience is how long we wait at each stage (RFC 5321 §4.5.3.2). Each is for
// the whole reply, so that a peer that sends one octet a minute gains nothing.
type patience struct {
	connect   time.Duration
	greeting  time.Duration
	command   time.Duration // EHLO, MAIL, RCPT
	handshake time.Duration
	data      time.Duration // the 354
	block     time.Duration // for each block of the content to be taken
	final     time.Duration // the reply to the final dot
	parting   time.Duration // to hear why, or to get the last reply, when all is over
}

var byTheBook = patience{
	connect:   30 * time.Second,
	greeting:  5 * time.Minute,
	command:   5 * time.Minute,
	handshake: 2 * time.Minute,
	data:      2 * time.Minute,
	block:     3 * time.Minute,
	final:     10 * time.Minute,
	parting:   5 * time.Second,
}

// session is a connection to one peer.
//
// # Why not go-smtp's client
//
// It cannot tell a failed handshake from a failed EHLO, silently drops what a
// peer (or somebody in the middle) sent after the 220 to STARTTLS instead of
// breaking off, has no PIPELINING, no deadline while content is written, no
// bound on the lines of a reply, and no moment between the content and the
// final dot at which the job's lease can be read again.
type session struct {
	ctx  context.Context // of the job; a protocol session has no other place for it
	host string
	ip   netip.Addr
	conn net.Conn
	br   *bufio.Reader
	bw   *bufio.Writer
	wait patience
	ext  map[string]string
	tls  string // "TLS 1.3 …" once encrypted

	recognise func(host string, code int, enhanced, text string) (Diagnosis, bool)

	born    time.Time     // by the machine's clock, as all of a connection's times
	mails   int           // transactions so far
	slowest time.Duration // the longest it let us wait for a reply, in this mail

	mu     sync.Mutex
	ended  time.Time // when ctx ended; zero while it lasts
	dotted bool      // the final dot is out, its reply is not in
	stop   func() bool
}

// The two ways a session fails besides a reply.
var (
	errInjected = errors.New("the peer sent more than its reply to STARTTLS before the handshake")
	errHang421  = errors.New("the peer is closing the connection")
)

func newSession(ctx context.Context, conn net.Conn, hostname string, wait patience) *session {
	s := &session{host: hostname, wait: wait, born: time.Now()}
	s.use(conn)
	s.bind(ctx)
	return s
}

// bind gives the session to a job.
func (s *session) bind(ctx context.Context) {
	s.ctx, s.slowest = ctx, 0
	// A shutdown must not wait five minutes for a silent peer.
	s.stop = context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = time.Now()
		s.conn.SetDeadline(s.limit(time.Now()))
	})
}

// park takes it from its job; false when the job's end has reached it.
func (s *session) park() bool {
	return s.stop() && s.ctx.Err() == nil
}

// alive asks the peer of a kept connection whether it is still there. RSET also
// makes sure that nothing of the mail before is left.
func (s *session) alive() bool {
	r, err := s.ask(min(s.wait.command, 10*time.Second), "RSET")
	return err == nil && r.class() == 2
}

func (s *session) use(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	s.br = bufio.NewReader(conn)
	s.bw = bufio.NewWriterSize(conn, 32<<10)
}

// deadline gives the next step d.
func (s *session) deadline(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn.SetDeadline(s.limit(time.Now().Add(d)))
}

func (s *session) limit(t time.Time) time.Time {
	switch {
	case s.ended.IsZero():
		return t
	case s.dotted:
		return s.ended.Add(s.wait.parting)
	}
	return time.Unix(1, 0) // the past: whatever waits on the connection wakes up
}

// dot is told when the final dot is about to go out, and when its reply is in.
// Between the two even a shutdown leaves the peer a few seconds to answer,
// because to hang up then makes a duplicate.
func (s *session) dot(out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dotted = out
}

// Close hangs up, politely if the peer still listens. The reply to QUIT is
// worth nothing to us, so we do not wait for it.
func (s *session) Close() {
	s.stop()
	s.deadline(time.Second)
	s.bw.WriteString("QUIT\r\n")
	s.bw.Flush()
	s.conn.Close()
}

// abort hangs up without a word: there must be no final dot.
func (s *session) abort() {
	s.stop()
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	// A tls.Conn would first write its closing alert, which may block.
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	conn.Close()
}

// send puts a command line into the buffer.
func (s *session) send(line string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return fmt.Errorf("command with a line end: %q", line)
	}
	_, err := s.bw.WriteString(line + "\r\n")
	return err
}

// reply reads the next one.
func (s *session) reply(d time.Duration) (reply, error) {
	s.deadline(d)
	if err := s.bw.Flush(); err != nil {
		return reply{}, err
	}
	start := time.Now()
	r, err := s.hear()
	s.slowest = max(s.slowest, time.Since(start))
	return r, err
}

func (s *session) hear() (reply, error) {
	r, err := readReply(s.br)
	if err == nil && r.code == 421 {
		err = errHang421
	}
	return r, err
}

func (s *session) ask(d time.Duration, line string) (reply, error) {
	if err := s.send(line); err != nil {
		return reply{}, err
	}
	return s.reply(d)
}

// refused is the failure that a reply means, by what is known of its provider.
func (s *session) refused(r reply, cmd string) *failure {
	f := refused(s.host, r, cmd)
	if s.recognise != nil {
		if d, ok := s.recognise(s.host, r.code, r.status(), r.text()); ok {
			f.know(d)
		}
	}
	return f
}

// fault makes a failure of an error in the middle of a session.
func (s *session) fault(r reply, err error) *failure {
	if errors.Is(err, errHang421) {
		f := s.refused(r, "")
		f.err = err
		return f
	}
	return broken(s.host, "4.4.2", "relay-why-connection", err)
}

// greet waits for the banner and says who we are.
func (s *session) greet(me string) *failure {
	r, err := s.reply(s.wait.greeting)
	if err != nil {
		return s.fault(r, err)
	}
	if r.class() != 2 {
		return s.refused(r, "banner")
	}
	return s.hello(me)
}

// hello says EHLO, or HELO to a peer that knows no better.
func (s *session) hello(me string) *failure {
	s.ext = map[string]string{}
	r, err := s.ask(s.wait.command, "EHLO "+me)
	if err != nil {
		return s.fault(r, err)
	}
	if r.class() == 5 && s.tls == "" {
		if r, err = s.ask(s.wait.command, "HELO "+me); err != nil {
			return s.fault(r, err)
		}
		if r.class() == 2 {
			return nil
		}
	}
	if r.class() != 2 {
		return s.refused(r, "EHLO")
	}
	for _, line := range r.lines[1:] {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.ext[strings.ToUpper(word)] = strings.TrimSpace(rest)
	}
	return nil
}

func (s *session) has(extension string) bool {
	_, ok := s.ext[extension]
	return ok
}

// maxSize is the peer's SIZE limit, 0 if it has none (RFC 1870).
func (s *session) maxSize() int64 {
	n, err := strconv.ParseInt(s.ext["SIZE"], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// errHandshake says that encryption failed where it was offered.
type errHandshake struct{ err error }

func (e *errHandshake) Error() string { return "tls handshake: " + e.err.Error() }
func (e *errHandshake) Unwrap() error { return e.err }

// startTLS encrypts the session. done is false when the peer offered STARTTLS
// but declined the command, which leaves the session as it was.
//
// check looks at the handshake before another word is said; its error is one
// that means: go away.
func (s *session) startTLS(cfg *tls.Config, me string, check func(tls.ConnectionState) error) (done bool, f *failure) {
	r, err := s.ask(s.wait.command, "STARTTLS")
	if err != nil {
		return false, s.fault(r, err)
	}
	if r.class() != 2 {
		return false, nil
	}
	// CVE-2021-38371: what was sent in clear must not be taken for a reply
	// given under encryption. Nobody honest sends anything here.
	if s.br.Buffered() > 0 {
		return false, broken(s.host, "4.7.0", "relay-why-connection", errInjected)
	}
	t := tls.Client(s.conn, cfg)
	s.deadline(s.wait.handshake)
	if err := t.HandshakeContext(s.ctx); err != nil {
		return false, broken(s.host, "4.7.5", "relay-why-tls", &errHandshake{err})
	}
	state := t.ConnectionState()
	if err := check(state); err != nil {
		return false, broken(s.host, "4.7.5", "relay-why-policy-cert", err)
	}
	s.tls = tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
	s.use(t)
	return true, s.hello(me) // what was said in clear is forgotten (RFC 3207 §4.2)
}

// forAll is the failure of a mail that this peer can never take.
func forAll(host, status, why string, args ...any) *failure {
	return &failure{permanent: true, status: status, host: host, why: mail.MakeText(why, args...)}
}
