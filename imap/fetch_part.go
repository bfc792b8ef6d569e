package imap

import (
	"bytes"
	"context"
	"errors"
	"io"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// source is where the octets of a message come from.
type source struct {
	body  *mailbox.Body
	whole []byte // all of them, when they were read ahead
}

// part is the value of one BODY[…] or BINARY[…], measured: a literal's size comes
// before its octets.
type part struct {
	size   int64
	bytes  []byte    // all of it; or
	reader io.Reader // where it is read from
	close  func() error
	binary bool // it may hold NUL (RFC 3516)
	absent bool // there is no such part: NIL
}

func (p *part) write(e *wire.Encoder) error {
	switch {
	case p.absent:
		e.Raw("NIL")
		return e.Err()
	case p.reader != nil && p.binary:
		return e.Literal8(p.size, p.reader)
	case p.reader != nil:
		return e.Literal(p.size, withoutNUL{p.reader})
	case p.binary:
		e.Raw("~{")
	default:
		e.Raw("{")
		if bytes.IndexByte(p.bytes, 0) >= 0 {
			p.bytes = bytes.Clone(p.bytes)
			replaceNUL(p.bytes)
		}
	}
	e.Num64(p.size).Raw("}\r\n").Bytes(p.bytes)
	return e.Err()
}

func closeParts(list []part) {
	for i := range list {
		if list[i].close != nil {
			list[i].close()
		}
	}
}

// A literal that is no literal8 may not hold NUL (RFC 9051 §9). Dovecot writes
// 0x80 in its place too; sizes stay what they are.
type withoutNUL struct{ r io.Reader }

func (w withoutNUL) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	replaceNUL(p[:n])
	return n, err
}

func replaceNUL(p []byte) {
	for {
		i := bytes.IndexByte(p, 0)
		if i < 0 {
			return
		}
		p[i] = 0x80
		p = p[i+1:]
	}
}

// maxFiltered is how much of a header HEADER.FIELDS looks at. A message that is
// all header could be as long as any.
const maxFiltered = 1 << 20

// find opens and measures everything a response needs of the message's octets.
func (f *fetch) find(m *fetched) (parts []part, err error) {
	f.parts, f.arena = f.parts[:0], f.arena[:0]
	defer func() {
		if err != nil {
			closeParts(f.parts)
		}
	}()
	for i := range f.plan.items {
		it := &f.plan.items[i]
		var p part
		switch it.kind {
		case fetchSection:
			p, err = f.section(m, it)
		case fetchBinary, fetchBinarySize:
			p, err = f.binary(m, it)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		f.parts = append(f.parts, p)
	}
	return f.parts, nil
}

// kept is what was appended to the arena since it had from octets.
func (f *fetch) kept(from int) []byte { return f.arena[from:len(f.arena):len(f.arena)] }

// section finds BODY[…].
func (f *fetch) section(m *fetched, it *fetchItem) (part, error) {
	if it.common && len(it.path) == 0 && m.card.Fields != nil {
		from := len(f.arena)
		f.arena = appendFields(f.arena, m.card.Fields, it.names, false)
		return it.cut(f.kept(from)), nil
	}
	if err := f.need(m); err != nil {
		return part{}, err
	}
	sh := m.shape()
	where, ok := it.locate(&sh)
	if !ok {
		return part{absent: true}, nil
	}
	if it.names == nil {
		return f.open(m, it.narrow(where))
	}
	header, err := f.read(m, span{where.from, min(where.to, where.from+maxFiltered)})
	if err != nil {
		return part{}, err
	}
	from := len(f.arena)
	f.arena = appendFields(f.arena, header, it.names, it.what == "HEADER.FIELDS.NOT")
	return it.cut(f.kept(from)), nil
}

// cut is a part of octets at hand.
func (s *section) cut(all []byte) part {
	where := s.narrow(span{0, int64(len(all))})
	return part{size: where.size(), bytes: all[where.from:where.to]}
}

// need makes sure that the message can be read. For most that is done ahead.
func (f *fetch) need(m *fetched) error {
	if m.body != nil {
		return nil
	}
	bodies, err := f.srv.Mailboxes.Bodies(f.ctx, f.view.box.Account, []mailbox.EmailID{m.entry.Email}, f.structure)
	if err == nil && bodies[0] == nil {
		err = mail.Refuse(mail.Gone, "kind-gone")
	}
	if err == nil {
		m.body = bodies[0]
	}
	return err
}

func (m *fetched) shape() shape {
	sh := shape{prefix: int64(len(m.body.Prefix)), size: m.body.Size}
	if m.card != nil {
		sh.header = m.card.Header
	}
	if m.body.Summary != nil {
		sh.root = m.body.Summary.Root
	}
	return sh
}

// open is the octets of a message at where.
func (f *fetch) open(m *fetched, where span) (part, error) {
	n := where.size()
	if m.whole != nil || n == 0 {
		if n == 0 {
			return part{}, nil
		}
		return part{size: n, bytes: m.whole[where.from:where.to]}, nil
	}
	r, err := f.srv.Mailboxes.OpenBody(f.ctx, m.body, where.from)
	if err != nil {
		return part{}, err
	}
	return part{size: n, reader: io.LimitReader(r, n), close: r.Close}, nil
}

// read is open, into memory.
func (f *fetch) read(m *fetched, where span) ([]byte, error) {
	p, err := f.open(m, where)
	if err != nil || p.reader == nil {
		return p.bytes, err
	}
	defer p.close()
	b := make([]byte, p.size)
	_, err = io.ReadFull(p.reader, b)
	return b, err
}

// readAhead is how many octets of messages a FETCH holds: what was read and is
// not yet written. It is counted in units of a quantum.
const (
	readAhead = 8
	quantum   = 64 << 10
	// maxHeld is how long a message may be to be read ahead, and in one piece. A
	// longer one is streamed. Where only headers are asked for, a message of more
	// than a quantum is not read to its end.
	maxHeld = 4 * quantum
	// bodiesAtOnce is how many messages are looked up with one query. Small ones
	// come with it.
	bodiesAtOnce = 32
)

// ahead reads messages in the order in which they will be answered, while those
// before them are written: the disk, the cipher and the client work at once.
type ahead struct {
	out  chan loaded
	room chan struct{} // a token for each quantum
	stop context.CancelFunc
}

type loaded struct {
	source
	err    error // of this message
	fatal  error // of all
	tokens int
	buf    *[]byte
}

func (f *fetch) readAhead(batch []mailbox.Entry) *ahead {
	ctx, stop := context.WithCancel(f.ctx)
	a := &ahead{out: make(chan loaded, readAhead), room: make(chan struct{}, readAhead), stop: stop}
	longest := int64(maxHeld)
	if f.headers {
		longest = quantum
	}
	store, account, structure := f.srv.Mailboxes, f.view.box.Account, f.structure
	go func() {
		defer close(a.out)
		for len(batch) > 0 && ctx.Err() == nil {
			some := batch[:min(len(batch), bodiesAtOnce)]
			batch = batch[len(some):]
			ids := make([]mailbox.EmailID, len(some))
			for i, e := range some {
				ids[i] = e.Email
			}
			bodies, err := store.Bodies(ctx, account, ids, structure)
			if err != nil {
				a.send(ctx, loaded{fatal: err})
				return
			}
			for _, b := range bodies {
				l := loaded{source: source{body: b}}
				if b != nil && b.Size <= longest {
					l.tokens = int(b.Size/quantum) + 1
					for range l.tokens {
						select {
						case a.room <- struct{}{}:
						case <-ctx.Done():
							return
						}
					}
					l.buf = octets.Get().(*[]byte)
					if l.whole, l.err = store.AppendBody(ctx, (*l.buf)[:0], b); l.whole == nil {
						l.whole = []byte{}
					}
					*l.buf = l.whole
				}
				if !a.send(ctx, l) {
					return
				}
			}
		}
	}()
	return a
}

func (a *ahead) send(ctx context.Context, l loaded) bool {
	select {
	case a.out <- l:
		return true
	case <-ctx.Done():
		return false
	}
}

var octets = newPool(quantum)

// done gives back the memory of a message that was written.
func (a *ahead) done(l loaded) {
	for range l.tokens {
		<-a.room
	}
	if l.buf != nil {
		octets.Put(l.buf)
	}
}

// end stops reading and waits until it has stopped.
func (a *ahead) end() {
	a.stop()
	for range a.out {
	}
}

// withOctets answers for messages of which octets are asked for.
func (f *fetch) withOctets(batch []mailbox.Entry, fresh map[mailbox.UID]bool) error {
	var cards []*mail.Card
	if f.cards {
		var err error
		if cards, err = f.srv.Mailboxes.Cards(f.ctx, batch); err != nil {
			return err
		}
	}
	a := f.readAhead(batch)
	defer a.end()
	for i := range batch {
		l, ok := <-a.out
		if !ok {
			return mail.Wrap(mail.Unavailable, context.Cause(f.ctx))
		}
		if l.fatal != nil {
			return l.fatal
		}
		m := fetched{entry: &batch[i], fresh: fresh[batch[i].UID], source: l.source}
		if f.cards {
			m.card = cards[i]
		}
		var err error
		switch {
		case l.body == nil || f.cards && m.card == nil: // purged: an EXPUNGE will tell
		case l.err != nil:
			if f.failed == nil && !errors.Is(l.err, context.Canceled) {
				f.failed = l.err
			}
		default:
			err = f.answer(&m)
		}
		a.done(l)
		if err != nil {
			return err
		}
	}
	return nil
}
