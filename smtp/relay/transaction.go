package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"colporteur/delivery"
	"colporteur/mail"
)

// batchSize is how many recipients every server must take in one transaction
// (RFC 5321 §4.5.3.1.8).
const batchSize = 100

// errLease says that the job is somebody else's now.
var errLease = errors.New("the job is no longer ours")

// transaction sends one copy to some recipients.
type transaction struct {
	*session
	mail    delivery.Relay
	content *content
	confirm func(context.Context) error
	domain  string
}

// run offers the mail to every recipient in batches. It returns a failure when
// the session is of no more use, which the caller notes for whoever is open.
func (t *transaction) run(res *result) *failure {
	if f := t.fits(res); f != nil {
		return f
	}
	queue := res.open()
	for len(queue) > 0 {
		n := min(len(queue), batchSize)
		over, taken, f := t.batch(res, queue[:n])
		queue = queue[n:]
		if f != nil || res.fail != nil {
			return f
		}
		// "Too many recipients" is not a refusal: they go in the next
		// transaction (RFC 5321 §4.5.3.1.10), as long as each takes some.
		if taken {
			queue = append(over, queue...)
		}
	}
	return nil
}

// fits settles what the peer's extensions already decide.
func (t *transaction) fits(res *result) *failure {
	if t.mail.TLS && (t.tls == "" || !t.has("REQUIRETLS")) {
		return forAll(t.host, "5.7.30", "relay-why-require-tls", "Domain", t.domain) // RFC 8689 §4.2.1
	}
	if limit := t.maxSize(); limit > 0 && t.mail.Size > limit {
		return forAll(t.host, "5.3.4", "relay-why-too-big") // RFC 1870 §6.2
	}
	if !t.has("SMTPUTF8") {
		if !t.mail.From.IsASCII() {
			return forAll(t.host, "5.6.7", "relay-why-utf8", "Domain", t.domain)
		}
		if t.mail.UTF8 && t.content.headerUTF8(t.ctx) {
			return forAll(t.host, "5.6.7", "relay-why-utf8-header", "Domain", t.domain)
		}
		for _, p := range res.open() {
			if !p.IsASCII() {
				p.settle(forAll(t.host, "5.6.7", "relay-why-utf8", "Domain", t.domain))
			}
		}
	}
	if t.mail.Body == mail.BodyBinary {
		return forAll(t.host, "5.6.3", "relay-why-8bit", "Domain", t.domain)
	}
	if !t.has("8BITMIME") {
		err := t.content.sevenBit(t.ctx)
		if errors.Is(err, errUnconvertible) {
			return forAll(t.host, "5.6.3", "relay-why-8bit", "Domain", t.domain)
		}
		if err != nil {
			return broken("", "4.3.0", "relay-why-ours", err)
		}
	}
	return nil
}

// batch is one MAIL, RCPT…, DATA. over are recipients beyond what the peer
// takes at once; taken says that it took the mail for some.
func (t *transaction) batch(res *result, rcpts []*progress) (over []*progress, taken bool, f *failure) {
	verdict, accepted, over, f := t.envelope(rcpts)
	if f != nil {
		return nil, false, f
	}
	if verdict != nil { // MAIL was refused
		t.share(rcpts, verdict)
		return nil, false, t.reset()
	}
	if len(accepted) == 0 {
		return nil, false, t.reset()
	}
	r, err := t.ask(t.wait.data, "DATA")
	if err != nil {
		return nil, false, t.fault(r, err)
	}
	if r.class() != 3 {
		if r.class() == 2 {
			return nil, false, t.fault(r, errNotReply)
		}
		t.share(accepted, t.refused(r, "DATA"))
		return over, false, t.reset()
	}
	return t.deliver(res, accepted, over)
}

// deliver sends the content and the final dot.
func (t *transaction) deliver(res *result, accepted, over []*progress) ([]*progress, bool, *failure) {
	if f := t.body(); f != nil {
		t.abort()
		if f.permanent || f.reply != "" { // it said why before it hung up
			for _, p := range accepted {
				p.settle(f)
			}
		}
		return nil, false, f
	}
	// The last moment at which nothing has happened yet.
	if err := t.confirm(t.ctx); err != nil {
		t.abort()
		res.fail = fmt.Errorf("%w: %w", errLease, err)
		return nil, false, nil
	}
	t.dot(true)
	t.bw.WriteString(".\r\n")
	r, err := t.reply(t.wait.final)
	t.dot(false)
	switch {
	case err != nil:
		// The peer may or may not have it. It is sent again later, never to
		// another host at once: a duplicate is better than a loss, but rare is
		// better than often (RFC 5321 §6.1).
		f := t.fault(r, err)
		for _, p := range accepted {
			p.settle(f)
		}
		return nil, false, f
	case r.class() == 2:
		for _, p := range accepted {
			p.settled, p.sent, p.host, p.peerDSN = true, true, t.host, t.has("DSN")
			p.last = &failure{reply: r.String(), host: t.host}
		}
		return over, true, nil
	case r.class() == 3:
		return nil, false, t.fault(r, errNotReply)
	}
	f := t.refused(r, ".")
	for _, p := range accepted {
		p.settle(f) // the content was judged; another host would say the same
	}
	return over, false, nil
}

// share gives recipients the peer's refusal of the whole transaction: for good
// if it is, else another host may be kinder.
func (t *transaction) share(rcpts []*progress, f *failure) {
	for _, p := range rcpts {
		if f.permanent {
			p.settle(f)
		} else {
			p.note(f)
		}
	}
}

// envelope sends MAIL and RCPT, in one go if the peer permits (RFC 2920), and
// sorts the recipients by what it said. verdict is its refusal of MAIL.
func (t *transaction) envelope(rcpts []*progress) (verdict *failure, accepted, over []*progress, f *failure) {
	lines := []string{t.mailCommand(rcpts)}
	for _, p := range rcpts {
		lines = append(lines, t.rcptCommand(p))
	}
	t.deadline(t.wait.command)
	replies := make([]reply, 0, len(lines))
	for i, line := range lines {
		if err := t.send(line); err != nil {
			return nil, nil, nil, t.fault(reply{}, err)
		}
		if t.has("PIPELINING") && i < len(lines)-1 {
			continue
		}
		for len(replies) <= i {
			r, err := t.reply(t.wait.command)
			if err != nil {
				return nil, nil, nil, t.fault(r, err)
			}
			if r.class() == 3 {
				return nil, nil, nil, t.fault(r, errNotReply)
			}
			replies = append(replies, r)
		}
		if i == 0 && replies[0].class() != 2 {
			break
		}
	}
	if replies[0].class() != 2 {
		return t.refused(replies[0], "MAIL"), nil, nil, nil
	}
	for i, p := range rcpts {
		r := replies[i+1]
		switch {
		case r.class() == 2:
			accepted = append(accepted, p)
		case r.code == 452 && !strings.HasSuffix(r.status(), ".2.2"):
			p.note(t.refused(r, "RCPT"))
			over = append(over, p)
		case r.class() == 5:
			p.settle(t.refused(r, "RCPT"))
		default:
			p.note(t.refused(r, "RCPT"))
		}
	}
	return nil, accepted, over, nil
}

// reset forgets a transaction that came to nothing.
func (t *transaction) reset() *failure {
	r, err := t.ask(t.wait.command, "RSET")
	if err != nil {
		return t.fault(r, err)
	}
	return nil
}

// body writes the content, dot-stuffed, with a deadline for each block that
// moves on as long as the peer takes something.
func (t *transaction) body() *failure {
	w := &blockWriter{t: t, dots: dotWriter{w: t.bw}}
	err := t.content.writeTo(t.ctx, w)
	if err == nil {
		err = w.finish()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBareNewline):
		f := forAll("", "5.6.0", "relay-why-ours")
		f.err = err
		return f
	case w.err != nil:
		return t.lastWords(w.err)
	}
	return broken("", "4.3.0", "relay-why-ours", err)
}

// blockWriter carries content to the peer. err is set when it was the peer
// that failed, not our reading.
type blockWriter struct {
	t    *transaction
	dots dotWriter
	err  error
}

func (w *blockWriter) Write(p []byte) (int, error) {
	w.t.deadline(w.t.wait.block)
	n, err := w.dots.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

func (w *blockWriter) finish() error {
	w.t.deadline(w.t.wait.block)
	if w.err = w.dots.finish(); w.err == nil {
		w.err = w.t.bw.Flush()
	}
	return w.err
}

// lastWords looks for the reply of a peer that hung up in the middle of the
// content, such as 552: without it we would come back for five days.
func (t *transaction) lastWords(err error) *failure {
	t.deadline(t.wait.parting)
	if r, e := t.hear(); (e == nil || errors.Is(e, errHang421)) && r.class() >= 4 {
		f := t.refused(r, "DATA")
		f.err = err
		return f
	}
	return t.fault(reply{}, err)
}
