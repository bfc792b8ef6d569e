package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// leg is the connection that go-smtp sees: the wire from its start to STARTTLS,
// or from there to its end. Each leg has a go-smtp connection and a session of
// its own, so that nothing said in the clear is left after STARTTLS.
type leg struct {
	*wire
	over    bool // the next leg has the wire
	greeted bool // EHLO or HELO was answered
	esmtp   bool
	helo    string

	cmd     command
	pending []byte // of the line that go-smtp is to read
	chunk   int64  // octets of BDAT that come next
	total   int64  // octets of the whole chunk
	began   time.Time
	auth    bool   // the next line is an answer to 334
	mute    bool   // go-smtp's greeting is not sent: this leg begins after STARTTLS
	instead string // sent in place of go-smtp's next reply
	hangup  bool   // 421 was said
	session *session
}

// Read gives go-smtp one line at a time, or octets of a BDAT chunk.
// io.EOF ends its connection; what the client was to be told has been told then.
func (l *leg) Read(p []byte) (n int, err error) {
	defer func() { // go-smtp recovers from what breaks in a command, not from what breaks in here
		if r := recover(); r != nil {
			l.srv.log().Error("session broke", "ip", l.ip, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			l.hangup, l.pending = true, nil
			n, err = 0, io.EOF
		}
	}()
	for {
		switch {
		case len(l.pending) > 0:
			n := copy(p, l.pending)
			l.pending = l.pending[n:]
			return n, nil
		case l.over || l.hangup:
			return 0, io.EOF
		case l.chunk > 0:
			n, err := l.read(p[:min(int64(len(p)), l.chunk)], l.srv.Limits.dataLimit(l.began, l.total-l.chunk))
			l.chunk -= int64(n)
			if err != nil {
				// Not io.EOF: go-smtp would take the chunk for whole, and with LAST
				// half a mail for a mail.
				l.failed(err)
				return 0, io.ErrUnexpectedEOF
			}
			return n, nil
		}
		if err := l.next(); err != nil {
			l.failed(err)
		}
	}
}

// failed says goodbye, and why, after a read that failed.
func (l *leg) failed(err error) {
	l.hangup = true
	switch {
	case errors.Is(err, errIdle):
		l.tell(idle)
	case errors.Is(err, errEnding):
		l.tell(l.session.about(l.endingWhy()))
	case errors.Is(err, errNotSMTP):
		l.tell(notSMTP)
	}
}

func (l *leg) tell(r refusal) { l.reply(r.line()) }

// patience is how long the client may take for its next line.
func (l *leg) patience() time.Time {
	d := l.srv.Limits.Idle
	if !l.started {
		d = l.srv.Limits.Start
		if l.srv.gate.crowded(l.srv.Limits) {
			d /= 4
		}
	}
	return time.Now().Add(d)
}

// next reads a line and either answers it or leaves it for go-smtp.
func (l *leg) next() error {
	line, err := l.line(l.patience(), func(start []byte) int {
		if l.auth || len(start) > 5 && strings.EqualFold(string(start[:5]), "AUTH ") {
			return maxAuth
		}
		return maxCommand
	})
	if errors.Is(err, errTooLong) {
		if l.auth {
			l.auth = false
			l.forward("*", authTooLong)
			return nil
		}
		return l.wrong(tooLong)
	}
	if err != nil {
		return err
	}
	text, refused := clean(line)
	if l.auth {
		l.auth = false
		l.answer(text, refused)
		return nil
	}
	if refused != nil {
		return l.wrong(*refused)
	}
	if foreign(text) {
		return errNotSMTP
	}
	l.cmd = parseCommand(text)
	return l.dispatch(text)
}

func (l *leg) dispatch(text string) error {
	c := &l.cmd
	switch c.verb {
	case "EHLO", "HELO":
		name, _, _ := strings.Cut(c.arg, " ")
		if name == "" || len(name) > 255 || !isASCII(name) {
			return l.wrong(badHelo)
		}
		l.greeted, l.esmtp, l.helo = true, c.verb == "EHLO", name
		l.forward(c.verb+" "+name, refusal{})
		return l.idled()
	case "STARTTLS":
		return l.startTLS()
	case "AUTH":
		return l.beginAuth()
	case "MAIL":
		// The session reads the path from l.cmd; what go-smtp sees is one that
		// it understands, without SIZE.
		l.forward("MAIL FROM:<x@x> "+c.params, refusal{})
	case "RCPT":
		l.forward("RCPT TO:<x@x> "+c.params, refusal{})
	case "DATA":
		if c.arg != "" {
			return l.wrong(badArgument)
		}
		l.junk = 0
		l.forward("DATA", refusal{})
	case "BDAT":
		n, ok := parseChunk(c.arg)
		if !ok || n > l.srv.maxWire() {
			// Octets follow of which nobody knows how many: nothing after this
			// can be trusted to be a command.
			l.tell(badChunk)
			l.hangup = true
			return nil
		}
		l.chunk, l.total, l.began, l.junk = n, n, time.Now(), 0
		l.forward("BDAT "+c.arg, refusal{})
	case "VRFY":
		l.forward("VRFY x", refusal{}) // says nothing about anybody (RFC 5321 §7.3)
		return l.idled()
	case "NOOP", "RSET":
		l.forward(c.verb, refusal{})
		return l.idled()
	case "QUIT":
		l.forward("QUIT", refusal{})
	case "EXPN", "HELP", "TURN", "ETRN", "ATRN", "SEND", "SOML", "SAML", "LHLO":
		return l.wrong(notImplemented)
	default:
		return l.wrong(unknownCommand)
	}
	return nil
}

// forward leaves a line for go-smtp; when instead is given, it is what the client hears.
func (l *leg) forward(text string, instead refusal) {
	l.pending = append(append(l.pending[:0:0], text...), "\r\n"...)
	if instead.basic != 0 {
		l.instead = string(instead.line())
	}
}

// wrong answers a line that is not a command, and ends it after too many.
func (l *leg) wrong(r refusal) error {
	l.tell(r)
	if l.bad++; l.bad >= l.srv.Limits.BadCommands {
		l.tell(l.session.about("smtp-too-many-errors"))
		l.hangup = true
	}
	return nil
}

// idled counts commands that bring no mail nearer: harmless, but not without end.
func (l *leg) idled() error {
	if l.junk++; l.junk > 10*l.srv.Limits.BadCommands {
		l.pending = nil
		l.tell(l.session.about("smtp-too-many-errors"))
		l.hangup = true
	}
	return nil
}

// startTLS ends this leg and begins the next.
func (l *leg) startTLS() error {
	switch {
	case l.srv.tls == nil:
		return l.wrong(notImplemented)
	case l.cmd.arg != "":
		return l.wrong(badArgument)
	case l.tls != "" || l.signedIn != 0:
		return l.wrong(badSequence)
	}
	l.tell(goAhead)
	if err := l.flush(); err != nil {
		return err
	}
	l.hangup = true // if the handshake fails, a reply in the clear would only confuse
	if err := l.secure(l.house.ctx); err != nil {
		l.srv.log().Debug("no tls", "ip", l.ip, "err", err)
		return nil
	}
	l.over = true
	next := newLeg(l.wire)
	next.mute = true
	if !l.house.secure.offer(next) {
		l.close(false)
	}
	return nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Write takes go-smtp's replies, a line at a time.
func (l *leg) Write(p []byte) (int, error) {
	n := len(p)
	switch {
	case l.over || l.hangup: // the last word has been said
		return n, nil
	case l.mute:
		l.mute = false
		return n, nil
	}
	final := len(p) < 4 || p[3] != '-'
	switch {
	case l.instead != "":
		if !final {
			return n, nil
		}
		p = []byte(l.instead)
		l.instead = ""
	case bytes.HasPrefix(p, []byte("250")) && bytes.HasPrefix(p[4:], []byte("Hello ")):
		// RFC 5321 §4.1.1.1: the first word is our name.
		p = append(append(append([]byte(nil), p[:4]...), l.srv.Hostname...), "\r\n"...)
		if !final {
			p = append(p, l.extensions()...)
		}
	case bytes.HasPrefix(p, []byte("250 2.0.0 Hello ")): // HELO
		p = []byte("250 " + l.srv.Hostname + "\r\n")
	case bytes.HasPrefix(p, []byte("552 5.3.4 Max ")): // BDAT: go-smtp counts before the session can
		p = l.srv.refuse(l.session.lang(), l.srv.tooBig()).line()
	case bytes.HasPrefix(p, []byte("502 ")): // what we do not implement never gets here: it is the order that is wrong
		p = append([]byte("503"), p[3:]...)
	}
	switch {
	case bytes.HasPrefix(p, []byte("334")):
		l.auth = true
	case final && bytes.HasPrefix(p, []byte("421")):
		l.hangup = true
	}
	l.reply(p)
	return n, nil
}

// extensions are lines of the reply to EHLO for what the leg does itself.
func (l *leg) extensions() (lines string) {
	if l.tls != "" {
		lines += "250-REQUIRETLS\r\n"
	}
	if l.house.role != MX {
		lines += fmt.Sprintf("250-FUTURERELEASE %d %s\r\n", int(maxHold.Seconds()), l.srv.now().Add(maxHold).UTC().Format(time.RFC3339))
	}
	return lines
}

// Close is go-smtp's way to say that it is done with the connection.
func (l *leg) Close() error {
	if l.over {
		return nil
	}
	l.close(l.hangup)
	l.over = true
	return nil
}

func (l *leg) LocalAddr() net.Addr              { return l.conn.LocalAddr() }
func (l *leg) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(addrPort(l.ip)) }
func (l *leg) SetDeadline(time.Time) error      { return nil }
func (l *leg) SetReadDeadline(time.Time) error  { return nil }
func (l *leg) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = (*leg)(nil)
var _ gosmtp.Session = (*session)(nil)
