package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"strings"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
)

func newID() int64 { return store.NewID() }

// spoolDrop keeps a mail to a program in pieces: attachments are decoded as
// they stream in, each into a blob of its own, the rest goes into one more.
// Memory does not grow with the mail.
func (d *Door) spoolDrop(ctx context.Context, env *mail.Envelope, body io.Reader) (*spooled, error) {
	s := &splitter{ctx: ctx, blobs: d.Blobs, literal: d.Blobs.Create(), limit: d.dropLimit(), tooBig: d.dropTooBig,
		binary: env.Body == mail.BodyBinary}
	defer s.abort()
	scan := &mail.Scanner{Tap: s.tap}
	// The decoded bytes are what is limited; the wire may be longer by its encoding.
	n, err := copyBounded(scan, body, encoded(s.limit)+maxHeader, func(int64) error { return d.dropTooBig(s.limit) })
	if err != nil {
		return nil, err
	}
	sum, _, err := scan.Close()
	if err != nil {
		return nil, err
	}
	draft, err := s.finish()
	if err != nil {
		return nil, err
	}
	draft.Size, draft.Summary = n, sum
	return &spooled{draft: draft}, nil
}

// splitter cuts a message into segments behind a mail.Scanner.
type splitter struct {
	ctx     context.Context
	blobs   *blob.Store
	literal *blob.Writer // every octet that no decoded body stands for, in order
	written int64        // to literal
	cut     int64        // where the literal segment under way began
	segs    []message.Segment
	refs    []blob.Ref
	leaf    *leaf
	decoded int64
	limit   int64
	tooBig  func(limit int64) error
	done    bool
	binary  bool // BODY=BINARYMIME: the reader let bare CR and LF pass
	last    byte // of the octets outside binary bodies
}

func (s *splitter) tap(part *mail.Part, p []byte) error {
	if s.binary && (part == nil || part.Encoding != "binary") {
		if err := s.newlines(p); err != nil {
			return err
		}
	}
	if s.leaf != nil && s.leaf.part != part {
		if err := s.endLeaf(); err != nil {
			return err
		}
	}
	if part == nil || !apart(part) {
		return s.keep(p)
	}
	if s.leaf == nil {
		s.leaf = &leaf{s: s, part: part, out: s.blobs.Create(), sum: sha256.New(), regular: true}
	}
	return s.leaf.write(p)
}

// newlines refuses a bare CR or LF where BINARYMIME does not permit it: in
// headers, boundary lines and bodies that are not binary (RFC 3030 §3).
func (s *splitter) newlines(p []byte) error {
	for i, c := range p {
		before := s.last
		if i > 0 {
			before = p[i-1]
		}
		if (c == '\n') != (before == '\r') {
			return mail.Refuse(mail.BareNewline, "kind-bare-newline")
		}
	}
	s.last = p[len(p)-1]
	return nil
}

// apart says which bodies get a blob of their own: everything but the words of
// the mail itself.
func apart(p *mail.Part) bool {
	if strings.HasPrefix(p.Type, "multipart/") {
		return false
	}
	if p.Disposition == "attachment" || p.Filename != "" {
		return true
	}
	return !strings.HasPrefix(p.Type, "text/") && !strings.HasPrefix(p.Type, "message/")
}

func (s *splitter) keep(p []byte) error {
	n, err := s.literal.Write(p)
	s.written += int64(n)
	return err
}

// flush ends the literal segment under way.
func (s *splitter) flush() {
	if s.written > s.cut {
		s.segs = append(s.segs, message.Segment{Kind: message.Raw, Start: s.cut, Length: s.written - s.cut})
		s.cut = s.written
	}
}

func (s *splitter) endLeaf() error {
	l := s.leaf
	s.leaf = nil
	defer l.out.Abort()
	if err := l.end(); err != nil {
		return err
	}
	ref, err := l.out.Commit(s.ctx)
	if err != nil {
		return err
	}
	s.refs = append(s.refs, ref)
	l.part.Blob, l.part.Decoded, l.part.SHA256 = int64(ref.ID), l.size, hex.EncodeToString(l.sum.Sum(nil))
	l.part.Damaged = l.damaged
	if l.exact > 0 {
		// The segment stands before the literal rest that followed it, if any.
		seg := message.Segment{Kind: l.kind, Blob: ref.ID, Length: l.exact}
		if l.kind == message.Base64 {
			seg.Kind = message.Columns(l.columns())
		}
		s.segs = append(s.segs[:l.at], append([]message.Segment{seg}, s.segs[l.at:]...)...)
	}
	return nil
}

func (s *splitter) finish() (*message.Draft, error) {
	if s.leaf != nil {
		if err := s.endLeaf(); err != nil {
			return nil, err
		}
	}
	s.flush()
	ref, err := s.literal.Commit(s.ctx)
	if err != nil {
		return nil, err
	}
	s.refs = append(s.refs, ref)
	for i := range s.segs {
		if s.segs[i].Blob == 0 {
			s.segs[i].Blob = ref.ID
		}
	}
	s.done = true
	return &message.Draft{ID: message.ID(newID()), Segments: s.segs, Refs: s.refs}, nil
}

// abort gives back what a mail that was not taken wrote, the bodies that were
// complete already included. After finish it does nothing.
func (s *splitter) abort() {
	if s.done {
		return
	}
	s.blobs.Discard(s.refs...)
	s.literal.Abort()
	if l := s.leaf; l != nil {
		if l.feed != nil {
			l.feed.CloseWithError(io.ErrUnexpectedEOF)
			<-l.done
		}
		l.out.Abort()
	}
}

// leaf decodes one body.
//
// As long as a base64 body comes in lines of one length, the decoded bytes are
// enough to make the lines again. From the first irregular line on the octets
// are also kept as they came.
type leaf struct {
	s       *splitter
	part    *mail.Part
	out     *blob.Writer
	sum     hash.Hash
	size    int64 // decoded so far
	at      int   // index in segs where the exact segment belongs
	started bool
	kind    message.Kind
	exact   int64 // decoded bytes from which the octets can be made again
	regular bool
	damaged bool

	chars int    // of a line; 0 until the first has come
	line  []byte // an unfinished line of a regular body, or the characters of an unfinished quantum of an irregular one
	crlf  bool   // a line end was seen that the next line must follow
	batch []byte // decoded, not written yet
	qp    *mail.Decoder
	feed  *io.PipeWriter
	done  chan error
}

func (l *leaf) write(p []byte) error {
	if !l.started {
		l.started = true
		l.s.flush()
		l.at = len(l.s.segs)
	}
	switch l.part.Encoding {
	case "base64":
		return l.base64(p)
	case "quoted-printable":
		if err := l.s.keep(p); err != nil {
			return err
		}
		return l.quoted(p)
	default: // 7bit, 8bit, binary: the octets themselves
		l.kind = message.Raw
		l.exact += int64(len(p))
		return l.put(p)
	}
}

// put adds decoded bytes.
func (l *leaf) put(p []byte) error {
	l.size += int64(len(p))
	if l.s.decoded += int64(len(p)); l.s.decoded > l.s.limit {
		return l.s.tooBig(l.s.limit)
	}
	l.sum.Write(p)
	_, err := l.out.Write(p)
	return err
}

const (
	lineChars  = 76
	leastChars = 60 // a shorter first line is no custom of a program's
	batchSize  = message.LineBytes * 1024
)

func (l *leaf) base64(p []byte) error {
	l.kind = message.Base64
	if l.batch == nil {
		l.batch = make([]byte, 0, batchSize)
	}
	for len(p) > 0 {
		if !l.regular {
			return l.loose(p)
		}
		chars := l.columns()
		if len(l.line) == 0 && len(p) >= chars+2 && p[chars] == '\r' && p[chars+1] == '\n' {
			if l.fullLine(p[:chars]) {
				p = p[chars+2:]
				if err := l.drain(false); err != nil {
					return err
				}
				continue
			}
		}
		// Not a whole line at hand: collect one.
		k := chars + 2 - len(l.line)
		if i := bytes.IndexByte(p, '\n'); i >= 0 && i < k {
			k = i + 1
		}
		k = min(k, len(p))
		l.line = append(l.line, p[:k]...)
		p = p[k:]
		if len(l.line) < chars+2 && l.line[len(l.line)-1] != '\n' {
			continue
		}
		line := l.line
		if n := len(line) - 2; l.chars == 0 && n >= leastChars && n%4 == 0 && line[n] == '\r' && line[n+1] == '\n' {
			l.chars, chars = n, n
		}
		if len(line) == chars+2 && line[chars] == '\r' && line[chars+1] == '\n' && l.fullLine(line[:chars]) {
			l.line = l.line[:0]
			if err := l.drain(false); err != nil {
				return err
			}
			continue
		}
		if err := l.turnLoose(); err != nil {
			return err
		}
	}
	return nil
}

// fullLine decodes a line of full length, or says that it is not one.
func (l *leaf) fullLine(line []byte) bool {
	if bytes.IndexByte(line, '=') >= 0 { // padding: only the last line may be short
		return false
	}
	n, bytes := len(l.batch), len(line)/4*3
	k, err := base64.StdEncoding.Decode(l.batch[n:n+bytes], line)
	if err != nil || k != bytes {
		return false
	}
	l.batch = l.batch[:n+bytes]
	l.exact += int64(bytes)
	l.chars, l.crlf = len(line), true
	return true
}

// columns is the length of a line, as the first one has it.
func (l *leaf) columns() int {
	if l.chars == 0 {
		return lineChars
	}
	return l.chars
}

func (l *leaf) drain(all bool) error {
	if len(l.batch)+message.LineBytes <= cap(l.batch) && !all || len(l.batch) == 0 {
		return nil
	}
	err := l.put(l.batch)
	l.batch = l.batch[:0]
	return err
}

// turnLoose keeps what follows as it came, from the line under way on.
func (l *leaf) turnLoose() error {
	if err := l.drain(true); err != nil {
		return err
	}
	l.regular = false
	if l.crlf { // the line end after the last exact line is not part of its segment
		if err := l.s.keep([]byte("\r\n")); err != nil {
			return err
		}
	}
	rest := append([]byte(nil), l.line...)
	l.line = l.line[:0]
	return l.loose(rest)
}

// loose decodes base64 of any shape: other line lengths, padding in the middle,
// junk between. RFC 2045 §6.8 has decoders ignore what is outside the alphabet;
// what is neither that nor white space is told to the member as damage.
func (l *leaf) loose(p []byte) error {
	if err := l.s.keep(p); err != nil {
		return err
	}
	for _, c := range p {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			l.line = append(l.line, c)
			if len(l.line) == 4 {
				if err := l.quantum(); err != nil {
					return err
				}
			}
		case c == '=':
			if len(l.line) > 0 {
				if err := l.quantum(); err != nil {
					return err
				}
			}
		case c == '\r', c == '\n', c == ' ', c == '\t':
		default:
			l.damaged = true
		}
	}
	return nil
}

// quantum decodes up to four characters.
func (l *leaf) quantum() error {
	var out [3]byte
	k, err := base64.RawStdEncoding.Decode(out[:], l.line)
	if err != nil {
		l.damaged = true
	}
	l.line = l.line[:0]
	l.batch = append(l.batch, out[:k]...)
	return l.drain(false)
}

func (l *leaf) end() error {
	switch {
	case !l.started:
		return nil
	case l.kind == message.Base64:
		return l.endBase64()
	case l.feed != nil:
		l.feed.Close()
		return <-l.done
	}
	return nil
}

func (l *leaf) endBase64() error {
	if l.regular && len(l.line) > 0 {
		// The last line: shorter, or without its line end, which is the boundary's.
		text := bytes.TrimSuffix(l.line, []byte("\r\n"))
		if plain, err := base64.StdEncoding.Strict().DecodeString(string(text)); err == nil && len(plain) > 0 && len(text) <= l.columns() {
			l.batch = append(l.batch, plain...)
			l.exact += int64(len(plain))
			after := l.line[len(text):]
			l.line, l.crlf = l.line[:0], len(after) > 0
		} else if err := l.turnLoose(); err != nil {
			return err
		}
	}
	if l.regular && l.crlf {
		if err := l.s.keep([]byte("\r\n")); err != nil {
			return err
		}
	}
	if !l.regular && len(l.line) > 0 {
		l.damaged = true // padding is missing: a mail that was cut short
		if err := l.quantum(); err != nil {
			return err
		}
	}
	return l.drain(true)
}

// quoted decodes quoted-printable through package mail's reader.
func (l *leaf) quoted(p []byte) error {
	if l.feed == nil {
		r, w := io.Pipe()
		l.feed, l.done = w, make(chan error, 1)
		l.qp = mail.DecodeBody("quoted-printable", r)
		go func() {
			_, err := copyBounded(writerFunc(l.put), l.qp, l.s.limit, func(int64) error { return l.s.tooBig(l.s.limit) })
			r.CloseWithError(err)
			l.damaged = l.qp.Bad()
			l.done <- err
		}()
	}
	_, err := l.feed.Write(p)
	return err
}

type writerFunc func([]byte) error

func (f writerFunc) Write(p []byte) (int, error) { return len(p), f(p) }
