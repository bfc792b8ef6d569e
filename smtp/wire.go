package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"colporteur/mail"
)

const (
	lineBuffer = 4 << 10
	bodyBuffer = 64 << 10

	// maxCommand is far over RFC 5321 §4.5.3.1.4 (512) and what the extensions
	// we offer add to MAIL and RCPT.
	maxCommand = 2048
	// maxAuth is RFC 4954 §4 (12288 octets of base64) with its command word.
	maxAuth = 12288 + 64
	// maxDiscard is how much of a line that is too long we read past before we hang up.
	maxDiscard = 8 << 20
	// maxReplies is how much we let wait for one write.
	maxReplies = 4 << 10

	writeLimit = time.Minute
)

var (
	errTooLong = errors.New("line too long")
	errNotSMTP = errors.New("not SMTP")
	errIdle    = errors.New("idle")
	errEnding  = errors.New("ending")
)

// ending is how a wire is asked to end.
type ending int

const (
	notEnding ending = iota
	endSoon          // a mail under way may finish
	endNow
)

// wire is one client's connection over its whole life, before and after STARTTLS.
// It is read and written by one goroutine at a time; end may come from any.
type wire struct {
	srv   *Server
	house *house
	conn  net.Conn // the socket, or TLS over it
	ip    netip.Addr
	tls   string // as mail.Client.TLS

	buf   []byte
	r, w  int
	big   *[]byte // the large buffer, lent from the pool while a mail comes in
	small []byte  // the buffer that waits meanwhile
	out   []byte  // replies that wait for us to wait

	mu      sync.Mutex
	ending  ending
	why     string // the sentence for 421
	inBody  bool
	closed  bool
	started bool // a MAIL was taken: the longer deadline holds

	// What is counted over the whole connection.
	messages, unknown, bad, junk, badLogins int
	signedIn                                mail.UserID
}

func newWire(h *house, conn net.Conn, ip netip.Addr) *wire {
	return &wire{srv: h.srv, house: h, conn: conn, ip: ip, buf: make([]byte, lineBuffer)}
}

// secure puts TLS over the socket. What was read before is dropped: a stranger
// between us and the client may have written it (RFC 3207 §5).
func (w *wire) secure(ctx context.Context) error {
	w.r, w.w = 0, 0
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := w.arm(time.Now().Add(30*time.Second), false); err != nil {
		return err
	}
	c := tls.Server(w.conn, w.srv.tls)
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	st := c.ConnectionState()
	w.tls = tlsName(st.Version) + " " + tls.CipherSuiteName(st.CipherSuite)
	w.mu.Lock()
	w.conn = c
	w.mu.Unlock()
	return nil
}

func tlsName(version uint16) string {
	switch version {
	case tls.VersionTLS12:
		return "TLS1.2"
	case tls.VersionTLS13:
		return "TLS1.3"
	}
	return "TLS"
}

// end asks the wire to end. It says goodbye itself, in its own time: endNow
// wakes it wherever it reads, endSoon only where it waits for a command.
func (w *wire) end(e ending, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e <= w.ending || w.closed {
		return
	}
	w.ending, w.why = e, why
	if e == endNow || !w.inBody {
		w.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// arm sets the deadline of the next read, unless the wire is to end.
func (w *wire) arm(t time.Time, body bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inBody = body
	if w.ending == endNow || w.ending == endSoon && !body {
		return errEnding
	}
	return w.conn.SetReadDeadline(t)
}

func (w *wire) endingWhy() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

// fill reads more. The replies that wait are sent before we wait ourselves, so
// that a pipelined burst is answered in one write.
func (w *wire) fill(limit time.Time, body bool) error {
	if err := w.flush(); err != nil {
		return err
	}
	if w.r == w.w {
		w.r, w.w = 0, 0
	}
	if err := w.arm(limit, body); err != nil {
		return err
	}
	n, err := w.conn.Read(w.buf[w.w:])
	w.w += n
	if n > 0 {
		return nil
	}
	return w.readError(err)
}

// read takes octets as they come, past the buffer when it is empty.
func (w *wire) read(p []byte, limit time.Time) (int, error) {
	if w.r < w.w {
		n := copy(p, w.buf[w.r:w.w])
		w.r += n
		return n, nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	if err := w.arm(limit, true); err != nil {
		return 0, err
	}
	n, err := w.conn.Read(p)
	if n > 0 {
		return n, nil
	}
	return 0, w.readError(err)
}

func (w *wire) readError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.ending != notEnding {
			return errEnding
		}
		return errIdle
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// line returns the next line with its LF, good until the next read. One longer
// than max is read past, and errTooLong said. limit is for the whole line: who
// sends a byte now and then gains nothing.
func (w *wire) line(limit time.Time, max func(start []byte) int) ([]byte, error) {
	scanned := 0
	for {
		have := w.buf[w.r:w.w]
		if i := bytes.IndexByte(have[scanned:], '\n'); i >= 0 {
			line := have[:scanned+i+1]
			w.r += len(line)
			if len(line) > max(line) {
				return nil, errTooLong
			}
			return line, nil
		}
		scanned = len(have)
		if scanned > 0 && (have[0] == 0x16 || have[0] == 0x80) { // a TLS or SSLv2 hello
			return nil, errNotSMTP
		}
		if scanned > max(have) {
			return nil, w.discardLine(limit)
		}
		if w.w == len(w.buf) {
			w.makeRoom()
		}
		if err := w.fill(limit, false); err != nil {
			return nil, err
		}
	}
}

// makeRoom moves what is unread to the front, of a larger buffer if need be.
func (w *wire) makeRoom() {
	to := w.buf
	if w.w-w.r == len(w.buf) {
		to = make([]byte, 2*len(w.buf))
	}
	n := copy(to, w.buf[w.r:w.w])
	w.buf, w.r, w.w = to, 0, n
}

func (w *wire) discardLine(limit time.Time) error {
	for gone := 0; gone < maxDiscard; {
		gone += w.w - w.r
		w.r, w.w = 0, 0
		if err := w.fill(limit, false); err != nil {
			return err
		}
		if i := bytes.IndexByte(w.buf[:w.w], '\n'); i >= 0 {
			w.r = i + 1
			return errTooLong
		}
	}
	return errNotSMTP
}

// beginBody exchanges the small buffer for a large one while a mail comes in.
func (w *wire) beginBody() {
	w.big = w.srv.pool.Get().(*[]byte)
	n := copy(*w.big, w.buf[w.r:w.w])
	w.small, w.buf = w.buf, *w.big
	w.r, w.w = 0, n
}

func (w *wire) endBody() {
	if w.w-w.r > len(w.small) { // much is pipelined behind the mail: the buffer stays with it
		w.big, w.small = nil, nil
		return
	}
	n := copy(w.small, w.buf[w.r:w.w])
	w.srv.pool.Put(w.big)
	w.buf, w.big, w.small = w.small, nil, nil
	w.r, w.w = 0, n
}

// reply queues what a client is to read.
func (w *wire) reply(p []byte) {
	w.out = append(w.out, p...)
	if len(w.out) > maxReplies {
		w.flush()
	}
}

func (w *wire) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	w.conn.SetWriteDeadline(time.Now().Add(writeLimit))
	_, err := w.conn.Write(w.out)
	w.out = w.out[:0]
	return err
}

// close ends the connection. lingering reads on for a moment: a socket closed
// with unread bytes answers RST, and the client never sees our last words.
func (w *wire) close(lingering bool) {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.closed = true
	w.mu.Unlock()
	w.flush()
	if lingering {
		linger(w.conn)
	}
	w.conn.Close()
	if w.signedIn != 0 {
		w.srv.users.remove(w.signedIn, w)
	}
	w.house.left(w)
}

func linger(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	io.CopyN(io.Discard, c, 1<<20)
}
