package imap

import (
	"bytes"
	"net"
	"time"

	"colporteur/mail"
)

// Write takes response lines, or octets of a literal.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	q := p
	switch {
	case w.tag != "":
		// The library greets; the client waits for the answer to its LOGIN.
		q = bytes.Replace(q, []byte("* PREAUTH "), []byte(w.tag+" OK "), 1)
		q = bytes.Replace(q, []byte("] IMAP server ready"), []byte("] Logged in"), 1)
		q = oneLiteralExtension(q)
		w.tag = ""
	case w.cmd == "CAPABILITY" && bytes.HasPrefix(q, []byte("* CAPABILITY ")):
		q = oneLiteralExtension(q)
	case string(q) == w.cmdTag+libraryBug:
		q = []byte(w.cmdTag + " BAD [CLIENTBUG] Syntax error\r\n")
	}
	w.out = append(w.out, q...)
	if w.reading || len(w.out) >= gather {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// libraryBug is how the library answers a set, date, or name that it cannot
// read. Failures of ours never look like this: session.fail words them.
const libraryBug = " NO [SERVERBUG] Internal server error\r\n"

// oneLiteralExtension: LITERAL- and LITERAL+ exclude each other (RFC 7888 §6),
// but the library announces both.
func oneLiteralExtension(q []byte) []byte {
	return bytes.Replace(q, []byte(" LITERAL-"), nil, 1)
}

// flush is called with mu held. A client that reads nothing for stallTimeout is
// let go, for what it does not read is held in memory.
func (w *wire) flush() error {
	if w.broken != nil {
		return w.broken
	}
	if len(w.out) == 0 {
		return nil
	}
	w.Conn.SetWriteDeadline(time.Now().Add(stallTimeout))
	_, err := w.Conn.Write(w.out)
	w.out = nil
	if err != nil {
		w.broken = err
		w.Conn.Close()
	}
	return err
}

// say writes one response line of ours.
func (w *wire) say(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = append(w.out, line+"\r\n"...)
	w.flush()
}

// hangUp ends the connection from within Read.
func (w *wire) hangUp(code string, t mail.Text) error {
	w.say("* BYE " + code + w.srv.render(w.conn.user.Lang, t))
	w.dead = errProtocol
	return w.dead
}

// bye ends the connection from anywhere. A response that is being written is
// not finished, so then there is no BYE in the middle of it.
func (w *wire) bye(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reading && w.broken == nil {
		w.out = append(w.out, "* BYE "+text+"\r\n"...)
		w.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		w.Conn.Write(w.out)
	}
	w.broken = net.ErrClosed
	w.Conn.Close()
}

// leave is bye after the command that runs.
func (w *wire) leave(text string) {
	w.mu.Lock()
	if !w.reading || !w.between {
		w.leaving = text
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	w.bye(text)
}

// abort ends the connection without a word: a literal was announced that cannot
// be completed, and whatever came next would be taken for a part of it.
func (w *wire) abort(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = err
	}
	w.Conn.Close()
}

func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.flush()
		w.broken = net.ErrClosed
	}
	return w.Conn.Close()
}
