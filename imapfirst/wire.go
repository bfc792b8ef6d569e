package imap

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"colporteur/mail"
)

// wire is the connection as the library sees it.
//
// Reading: each Read gives the library at most one line, or octets of one
// literal, and never a byte beyond. So when it asks for the next command (see
// SetReadDeadline) while the last one has a rest, it has refused that command,
// and the rest is thrown away instead of being read as a command.
//
// Writing: the library flushes every response line. wire gathers them until the
// library waits for the client, or there is enough for a write.
type wire struct {
	net.Conn
	br   *bufio.Reader // over Conn; may hold what a client sent right after LOGIN
	srv  *Server
	conn *conn

	ctx   context.Context // of the session; the library has none to pass on
	ended chan struct{}   // closed by session.Close

	// Of the goroutine that reads.
	have     []byte  // of a line, still to be given out
	rest     int64   // of a literal, still to be given out
	next     literal // announced by the last line given out
	pending  bool    // next is valid
	tail     bool    // a literal is being given out; the rest of its line is to come
	spent    int     // octets of lines in this command
	dead     error   // nothing is read any more
	boundary bool    // the library wants a new command

	mu      sync.Mutex
	out     []byte
	reading bool // the library waits for the client
	between bool // while reading: between two commands, or in IDLE
	leaving string
	broken  error  // nothing is written any more
	cmd     string // "UID FETCH"
	cmdTag  string // its tag
	tag     string // of the LOGIN or AUTHENTICATE, until it was answered
}

const (
	gather       = 32 << 10
	stallTimeout = 2 * time.Minute // without one octet of progress, in the middle of something
	maxSkip      = 16 << 20        // of an overlong line, before the client is hopeless
)

var errProtocol = errors.New("imap: the client does not speak IMAP")

// SetReadDeadline is how the library says where it is: more than ten minutes
// mean that it waits for a command or, in IDLE, for DONE. The deadlines
// themselves are not used: one of five minutes would cut a large upload on a
// slow line.
func (w *wire) SetReadDeadline(t time.Time) error {
	if time.Until(t) > 10*time.Minute {
		w.boundary = true
	}
	return nil
}

func (w *wire) SetWriteDeadline(time.Time) error { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }

func (w *wire) Read(p []byte) (int, error) {
	if err := w.wait(true); err != nil {
		return 0, err
	}
	defer w.wait(false)
	if w.dead != nil { // the library asks again after a failure
		return 0, w.dead
	}
	if w.boundary {
		w.boundary = false
		if err := w.abandon(); err != nil {
			return 0, err
		}
		if err := w.command(); err != nil {
			return 0, err
		}
	}
	if len(w.have) == 0 && w.pending { // the library read on, so it accepted the literal
		w.pending, w.tail = false, true
		w.rest = w.next.size
	}
	if w.rest > 0 {
		w.Conn.SetReadDeadline(time.Now().Add(stallTimeout))
		n, err := w.br.Read(p[:min(int64(len(p)), w.rest)])
		w.rest -= int64(n)
		return n, err
	}
	if len(w.have) == 0 {
		if err := w.line(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.have)
	w.have = w.have[n:]
	if len(w.have) == 0 {
		w.have = nil // an idle session keeps no buffer
	}
	return n, nil
}

// wait flushes before the library waits for the client.
func (w *wire) wait(reading bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading, w.between = reading, w.boundary
	if !reading {
		return nil
	}
	if w.leaving != "" && w.boundary {
		w.out = append(w.out, "* BYE "+w.leaving+"\r\n"...)
		w.flush()
		return io.EOF
	}
	return w.flush()
}

// abandon drops what is left of a command the library is through with.
func (w *wire) abandon() error {
	lit, more := literal{size: w.rest}, w.tail
	if w.pending {
		lit, more = w.next, !w.next.sync
	}
	w.have, w.rest, w.pending, w.tail = nil, 0, false, false
	if !more {
		return nil
	}
	return w.skip(lit)
}

// skip reads past a literal that nobody wants and the rest of its command. It
// ends at a literal for which the client waits: it gets an answer instead.
func (w *wire) skip(lit literal) error {
	for !lit.sync {
		if lit.size < 0 || lit.size > w.srv.maxAppend() {
			// RFC 7888 §4: there is no other way to refuse it.
			return w.hangUp("[TOOBIG] ", mail.MakeText("kind-too-big"))
		}
		for lit.size > 0 {
			w.Conn.SetReadDeadline(time.Now().Add(stallTimeout))
			n, err := w.br.Discard(int(min(lit.size, 4096)))
			lit.size -= int64(n)
			if err != nil {
				return err
			}
		}
		tail, err := w.skipLine()
		if err != nil {
			return err
		}
		var ok bool
		if lit, ok = announced(tail); !ok {
			return nil
		}
	}
	return nil
}

// skipLine reads past the end of the line and returns its last octets.
func (w *wire) skipLine() ([]byte, error) {
	var tail []byte
	for n := 0; n < maxSkip; {
		w.Conn.SetReadDeadline(time.Now().Add(stallTimeout))
		part, err := w.br.ReadSlice('\n')
		n += len(part)
		tail = append(tail, part...)
		if len(tail) > 64 {
			tail = append(tail[:0], tail[len(tail)-64:]...)
		}
		if err == nil {
			return tail, nil
		}
		if err != bufio.ErrBufferFull {
			return nil, err
		}
	}
	return nil, w.hangUp("", mail.MakeText("kind-bad-syntax"))
}

// command reads the first line of a command. Lines that cannot be one are
// answered here.
func (w *wire) command() error {
	w.Conn.SetReadDeadline(time.Now().Add(or(w.srv.IdleTime, 30*time.Minute)))
	if _, err := w.br.Peek(1); err != nil {
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			return w.hangUp("", mail.MakeText("imap-idle"))
		}
		return err
	}
	for {
		w.Conn.SetReadDeadline(time.Now().Add(stallTimeout))
		w.spent = 0
		line, whole, err := w.read()
		if err != nil {
			return err
		}
		why := "Command line too long"
		tail := line
		if whole {
			why = flaw(line)
		} else if tail, err = w.skipLine(); err != nil {
			return err
		}
		tag, name := words(line)
		w.mu.Lock()
		w.cmd, w.cmdTag = name, tag
		w.mu.Unlock()
		lit, ok := announced(tail)
		answer := "BAD [CLIENTBUG] " + why
		if why == "" {
			if !ok || w.fits(lit, line, true) {
				w.have, w.next, w.pending = line, lit, ok
				return nil
			}
			// The library would go on with the next line as if it were the literal.
			answer = "NO [TOOBIG] " + w.srv.render(w.conn.user.Lang, mail.MakeText("kind-too-big"))
		}
		if tag == "*" {
			return w.hangUp("", mail.MakeText("kind-bad-syntax"))
		}
		w.say(tag + " " + answer)
		if ok && !lit.sync {
			if err := w.skip(lit); err != nil {
				return err
			}
		}
		w.Conn.SetReadDeadline(time.Now().Add(or(w.srv.IdleTime, 30*time.Minute)))
	}
}

// line reads how a command goes on after a literal.
func (w *wire) line() error {
	w.tail = false
	w.Conn.SetReadDeadline(time.Now().Add(stallTimeout))
	line, whole, err := w.read()
	if err != nil {
		return err
	}
	if !whole || flaw(line) != "" {
		return w.hangUp("", mail.MakeText("kind-bad-syntax"))
	}
	lit, ok := announced(line)
	if ok && !w.fits(lit, line, false) {
		return w.hangUp("[TOOBIG] ", mail.MakeText("kind-too-big"))
	}
	w.have, w.next, w.pending = line, lit, ok
	return nil
}

// fits: the message of an APPEND may be large; all else is held in memory. The
// first literal of an APPEND without anything before it is the mailbox's name.
// A message that is too large is the library's to refuse, if it can.
func (w *wire) fits(lit literal, line []byte, first bool) bool {
	if w.name() != "APPEND" || first && strings.HasPrefix(arguments(line), "{") {
		return lit.size >= 0 && lit.size <= maxLiteral
	}
	return lit.sync || lit.size >= 0 && lit.size <= w.srv.maxAppend()
}

// read reads a line, of which a command may have maxCommand octets in all.
func (w *wire) read() (line []byte, whole bool, err error) {
	for {
		part, err := w.br.ReadSlice('\n')
		w.spent += len(part)
		line = append(line, part...)
		if err == nil {
			return line, w.spent <= maxCommand, nil
		}
		if err != bufio.ErrBufferFull {
			return nil, false, err
		}
		if w.spent > maxCommand {
			return line, false, nil
		}
		w.Conn.SetReadDeadline(time.Now().Add(stallTimeout))
	}
}

func (w *wire) name() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cmd
}
