package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// session is one connection's conversation. All of it belongs to one goroutine.
type session struct {
	srv  *Server
	conn *conn
	tls  *tls.Conn // nil in clear
	d    *wire.Decoder
	e    *wire.Encoder
	ctx  context.Context // of the connection: a protocol session is one of the places that keep theirs

	user   mail.User       // once signed in
	hidden []string        // capabilities that are not announced to them
	on     enabled         // what ENABLE switched on
	view   *view           // nil: nothing is selected
	saved  *mailbox.UIDSet // "$" (RFC 5182)

	notifies *notifying // what NOTIFY asked for; nil: nothing

	failed int // logins
	wrong  int // commands that make no sense

	// Of the command at hand.
	tag   string
	name  string // "UID FETCH"
	byUID bool   // it begins with UID: its numbers are UIDs, and so are those of its answers
	code  string // response code of its OK
	over  bool   // it ends the session

	answered bool // it has said its own tagged response

	packed bool // COMPRESS is on
}

// enabled is what a client asked for with ENABLE, or by using it.
type enabled struct {
	rev2      bool // IMAP4rev2 (RFC 9051)
	condstore bool // MODSEQ in every FETCH of flags (RFC 7162)
	qresync   bool // VANISHED in place of EXPUNGE (RFC 7162)
	uidOnly   bool // no sequence numbers at all (RFC 9586)
}

func newSession(s *Server, c *conn, ctx context.Context) *session {
	q := &session{srv: s, conn: c, ctx: ctx, d: wire.NewDecoder(c, wire.Before), e: wire.NewEncoder(c)}
	q.d.Continue = func(text string) error {
		q.e.Raw("+ ").Raw(text).CRLF()
		return q.e.Flush()
	}
	return q
}

const maxWrong = 10 // commands that make no sense, of a stranger

// run is the whole conversation.
func (s *session) run(implicitTLS bool) {
	if implicitTLS && !s.secure() {
		return
	}
	s.e.Raw("* OK [CAPABILITY ").Raw(s.capability()).Raw("] ").Raw(ascii(s.srv.Hostname)).Raw(" IMAP ready").CRLF()
	for s.step() {
	}
	s.leaveBox()
	s.e.Flush()
}

// step waits for a command and runs it; false ends the session.
func (s *session) step() bool {
	if s.e.Flush() != nil {
		return false
	}
	s.conn.waiting(true)
	err := s.wait()
	s.conn.waiting(false)
	if err != nil {
		s.farewell(err)
		return false
	}
	return s.command()
}

// farewell says why the session ends, if there is anything to say.
func (s *session) farewell(err error) {
	var ne net.Error
	switch why := s.conn.leaving(); {
	case why != "":
		s.bye(why)
	case errors.As(err, &ne) && ne.Timeout() && s.user.ID == 0:
		s.bye("imap-login-time")
	case errors.As(err, &ne) && ne.Timeout():
		s.bye("imap-idle")
	case errors.Is(err, wire.ErrHopeless):
		s.bye("kind-bad-syntax")
	}
}

func (s *session) bye(id string) {
	s.e.Raw("* BYE ").Raw(s.srv.render(s.user.Lang, mail.MakeText(id))).CRLF()
}

// command reads one command, runs it, and answers.
func (s *session) command() bool {
	s.code, s.byUID, s.over, s.answered = "", false, false, false
	var err error
	s.tag, s.name, err = s.d.Begin()
	if broken := s.d.Broken(); broken != nil {
		s.farewell(broken)
		return false
	}
	quiet := false
	if err == nil {
		quiet, err = s.dispatch()
	}
	if s.d.Broken() != nil || s.e.Err() != nil {
		s.farewell(s.d.Broken())
		return false
	}
	if err != nil && s.user.ID == 0 && (s.tag == "" || s.d.Sending()) {
		// A stranger who does not speak IMAP, or sends octets for nothing, is not listened to.
		s.answer(err)
		s.bye("kind-bad-syntax")
		return false
	}
	// What is left of the command is read past before it is answered: a client
	// that is still sending does not read.
	hopeless := s.d.Discard()
	if s.over {
		return false
	}
	if s.answered {
		return true
	}
	if err == nil && s.view != nil {
		s.sync(!quiet)
	}
	s.answer(err)
	if hopeless != nil {
		s.farewell(hopeless)
		return false
	}
	if s.ctx.Err() != nil { // cut
		s.farewell(s.ctx.Err())
		return false
	}
	if s.user.ID == 0 && s.wrong >= maxWrong {
		s.bye("kind-bad-syntax")
		return false
	}
	if s.failed >= maxFailed {
		s.bye("imap-too-many-failures")
		return false
	}
	return true
}

// dispatch runs the command. A panic is our mistake: it ends one command, not the server.
func (s *session) dispatch() (quiet bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.srv.log().Error("panic in imap command", "cmd", s.name, "err", p, "stack", string(debug.Stack()))
			err = mail.Wrap(mail.Internal, fmt.Errorf("panic: %v", p))
		}
	}()
	c, ok := table[s.name]
	switch {
	case !ok && s.user.ID == 0:
		// HTTP, or another protocol that a browser was made to speak (ALPACA).
		s.wrong = maxWrong
		return false, &status{"BAD", "CLIENTBUG", "Unknown command"}
	case !ok:
		return false, &status{"BAD", "CLIENTBUG", "Unknown command"}
	case c.in&stranger == 0 && s.user.ID == 0:
		return false, bad("Please sign in first")
	case c.in&(member|selected) == 0 && s.user.ID != 0:
		return false, bad("Signed in already")
	case c.in == selected && s.view == nil:
		return false, bad("No mailbox is selected")
	}
	if len(s.name) > 4 && s.name[:4] == "UID " {
		s.byUID = true
	} else if s.on.uidOnly && c.numbers {
		return false, &status{"BAD", "UIDREQUIRED", "Message numbers are not in use"} // RFC 9586 §3
	}
	err = c.run(s, s.d)
	if err == nil && !s.d.AtEnd() && !s.over && !s.answered {
		err = s.d.End()
	}
	return c.quiet && !s.byUID, err
}

// answer is the tagged response.
func (s *session) answer(err error) {
	tag := s.tag
	if tag == "" {
		tag = "*"
	}
	s.e.Raw(tag)
	if err == nil {
		s.e.Raw(" OK ")
		if s.code != "" {
			s.e.Raw("[").Raw(s.code).Raw("] ")
		}
		s.e.Raw(s.name).Raw(" completed").CRLF()
		return
	}
	if ours(err) && s.ctx.Err() == nil {
		s.srv.log().Error("imap command", "cmd", s.name, "user", s.user.Address, "kind", mail.KindOf(err), "err", err)
	}
	st := s.srv.reply(s.user.Lang, err)
	if st.kind == "BAD" {
		s.wrong++
	}
	s.e.Raw(" ").Raw(st.kind).SP()
	if st.code != "" {
		s.e.Raw("[").Raw(st.code).Raw("] ")
	}
	s.e.Raw(st.text).CRLF()
}

// untagged begins an untagged OK with a code; the text is for people who debug.
func (s *session) untagged(code, text string) {
	s.e.Raw("* OK [").Raw(code).Raw("] ").Raw(text).CRLF()
}

// wait blocks until the client says something.
func (s *session) wait() error {
	if s.notifies != nil {
		return s.waitNotifying()
	}
	return s.d.Wait()
}

// await waits for the client, and for other things that may happen meanwhile. It
// returns true when there is something to read. Whoever calls it again after
// false passes the same input, which is nil at first.
func (s *session) await(input *<-chan error, others ...<-chan struct{}) (bool, error) {
	if *input == nil {
		c := make(chan error, 1)
		go func() { c <- s.d.Wait() }()
		*input = c
	}
	var other <-chan struct{}
	if len(others) > 0 {
		other = others[0]
	}
	select {
	case err := <-*input:
		*input = nil
		return true, err
	case <-other:
		return false, nil
	case <-s.ctx.Done():
		s.conn.leave("imap-session-ended") // wakes the goroutine that reads
		err := <-*input
		*input = nil
		if err == nil {
			err = s.ctx.Err()
		}
		return true, err
	}
}

// secure begins TLS.
func (s *session) secure() bool {
	cfg := s.srv.TLS.Clone()
	cfg.NextProtos = []string{"imap"} // refuses a browser that was sent here for another protocol (ALPACA)
	t := tls.Server(s.conn, cfg)
	if err := t.HandshakeContext(s.ctx); err != nil {
		s.srv.log().Debug("tls handshake", "ip", s.conn.ip, "err", err)
		return false
	}
	s.tls = t
	s.d.Reset(t)
	s.e.Reset(t)
	return true
}

// pause holds up an answer, unless the session ends.
func (s *session) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
	}
}

// leaveBox ends what belongs to the selected mailbox.
func (s *session) leaveBox() { s.view, s.saved = nil, nil }

var _ io.Reader = (*conn)(nil)
