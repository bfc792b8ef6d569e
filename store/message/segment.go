package message

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"colporteur/store/blob"
)

// Kind of a Segment.
type Kind int

const (
	Raw    Kind = iota // the blob's bytes as they are
	Base64             // the blob's bytes in base64, 76 columns, CRLF after each line but the last
)

// Columns is Base64 in lines of another length: a multiple of 4, from 4 to 76.
// Mozilla's programs write 72, PEM has 64.
func Columns(n int) Kind {
	if n == lineChars {
		return Base64
	}
	return Kind(n)
}

// Segment is one piece of a message.
type Segment struct {
	Kind   Kind
	Blob   blob.ID
	Start  int64 // within the blob; for base64 a multiple of what a line stands for
	Length int64 // of the blob's bytes
}

// line is how many bytes a line of base64 stands for.
func (g Segment) line() int64 {
	if g.Kind == Base64 {
		return LineBytes
	}
	return int64(g.Kind) / 4 * 3
}

// valid says that the kind is one of those that are written.
func (g Segment) valid() bool {
	return g.Kind == Raw || g.Kind == Base64 || g.Kind >= 4 && g.Kind < lineChars && g.Kind%4 == 0
}

// One line of base64 as every mail program writes it (RFC 2045 §6.8).
const (
	LineBytes = 57
	lineChars = 76
	lineOnMsg = lineChars + 2
)

// Size is how many octets of the message the segment stands for.
func (g Segment) Size() int64 {
	if g.Kind == Raw || g.Length == 0 {
		return g.Length
	}
	if !g.valid() {
		return 0
	}
	lines := (g.Length + g.line() - 1) / g.line()
	return (g.Length+2)/3*4 + 2*(lines-1)
}

// Open reads a message from offset on. store.ErrNoRows if there is none.
func (s *Store) Open(ctx context.Context, id ID, offset int64) (io.ReadCloser, error) {
	m, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.OpenMessage(ctx, m, offset)
}

// OpenMessage is Open for a message at hand.
func (s *Store) OpenMessage(ctx context.Context, m *Message, offset int64) (io.ReadCloser, error) {
	segs := m.Segments
	for len(segs) > 0 && offset >= segs[0].Size() {
		offset -= segs[0].Size()
		segs = segs[1:]
	}
	return &reader{ctx: ctx, blobs: s.Blobs, segs: segs, skip: offset}, nil
}

// reader opens one segment after the other.
type reader struct {
	ctx   context.Context
	blobs *blob.Store
	segs  []Segment
	skip  int64 // of the first segment
	cur   io.Reader
	body  io.Closer
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.cur == nil {
			if len(r.segs) == 0 {
				return 0, io.EOF
			}
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.cur.Read(p)
		if err == io.EOF {
			r.cur = nil
			err = r.body.Close()
			r.body = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *reader) next() error {
	g, skip := r.segs[0], r.skip
	r.segs, r.skip = r.segs[1:], 0
	if g.Kind == Raw {
		b, err := r.blobs.Open(r.ctx, g.Blob, g.Start+skip)
		if err != nil {
			return err
		}
		r.cur, r.body = io.LimitReader(b, g.Length-skip), b
		return nil
	}
	if !g.valid() {
		return fmt.Errorf("segment of blob %d: unknown kind %d", g.Blob, g.Kind)
	}
	bytes := g.line()
	onMsg := bytes/3*4 + 2
	line := skip / onMsg
	b, err := r.blobs.Open(r.ctx, g.Blob, g.Start+line*bytes)
	if err != nil {
		return err
	}
	e := &encoder{in: io.LimitReader(b, g.Length-line*bytes), line: int(bytes), first: true}
	r.cur, r.body = e, b
	if rest := skip % onMsg; rest > 0 {
		if _, err := io.CopyN(io.Discard, e, rest); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

func (r *reader) Close() error {
	r.segs, r.cur = nil, nil
	if r.body != nil {
		return r.body.Close()
	}
	return nil
}

// encoder turns bytes into base64 lines, joined by CRLF.
type encoder struct {
	in    io.Reader
	line  int // bytes
	first bool
	raw   [LineBytes * 256]byte
	out   [lineOnMsg * 256]byte
	have  []byte // of out, not read yet
}

func (e *encoder) Read(p []byte) (int, error) {
	if len(e.have) == 0 {
		n, err := io.ReadFull(e.in, e.raw[:e.line*256])
		if n == 0 {
			if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			return 0, err
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
		w := 0
		for raw := e.raw[:n]; len(raw) > 0; {
			if !e.first {
				e.out[w], e.out[w+1] = '\r', '\n'
				w += 2
			}
			e.first = false
			k := min(e.line, len(raw))
			base64.StdEncoding.Encode(e.out[w:], raw[:k])
			w += base64.StdEncoding.EncodedLen(k)
			raw = raw[k:]
		}
		e.have = e.out[:w]
	}
	n := copy(p, e.have)
	e.have = e.have[n:]
	return n, nil
}
