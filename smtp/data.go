package smtp

import (
	"errors"
	"io"
	"time"

	"colporteur/mail"
)

// endOfData is the empty mail that go-smtp reads after DATA: the real one goes
// past it, from the wire to the Door.
var endOfData = []byte(".\r\n")

// Data is DATA, and the whole of a BDAT transfer.
func (s *session) Data(r io.Reader) error {
	s.mu.Lock()
	env := s.tx
	s.tx = nil
	s.mu.Unlock()
	s.house.begin()
	defer s.house.finish()
	if env == nil {
		return badSequence.smtp()
	}
	if pipe, chunked := r.(*io.PipeReader); chunked {
		return s.chunks(env, pipe)
	}
	s.pending = endOfData
	s.beginBody()
	defer s.endBody()
	dots := &dotReader{w: s.wire, began: time.Now()}
	err := s.accept(env, dots)
	if !dots.drain(2 * s.srv.maxWire()) {
		// The client is gone, too slow or without end: there is nothing to go on with.
		s.pending = nil
		s.failed(brokenOff(dots.err))
		return lost.smtp()
	}
	return err
}

func brokenOff(err error) error {
	if err == nil { // more than anybody may send
		return errNotSMTP
	}
	return err
}

func (s *session) chunks(env *mail.Envelope, pipe *io.PipeReader) error {
	var r io.Reader = pipe
	if env.Body != mail.BodyBinary {
		r = &strictReader{r: pipe}
	}
	return s.accept(env, r)
}

// accept brings the mail to the Door; the reply is what it returns, 250 too.
func (s *session) accept(env *mail.Envelope, r io.Reader) error {
	body := &content{r: r, left: s.srv.maxWire(), tooBig: s.srv.tooBig, check: s.srv.headerCheck(s.ctx, env)}
	err := s.srv.Door.Accept(s.ctx, env, body)
	if body.err != nil && body.err != io.EOF {
		err = body.err // the Door may have given it another kind
	}
	if err == nil {
		return fixed(250, 2, 0, 0, "OK, kept as "+env.ID).smtp()
	}
	var known *mail.Error
	if !errors.As(err, &known) && body.err == err {
		// The connection broke: that is not our fault, and nobody reads the reply.
		s.srv.log().Info("broken off", "mail", env.ID, "from", env.From.String(), "ip", s.ip, "user", env.User.ID, "err", err)
		return lost.smtp()
	}
	s.logRefusal(err, env.ID, env.From.String(), "")
	return s.replyTo(err).smtp()
}
