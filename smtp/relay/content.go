package relay

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"colporteur/delivery"
	"colporteur/mail"
)

// maxHeader is the longest header, of the message or of a part, that we look
// into or rewrite.
const maxHeader = 1 << 20

// source is a stored message.
type source struct {
	open    func(ctx context.Context, offset int64) (io.ReadCloser, error)
	summary func(ctx context.Context) (*mail.Summary, error)
}

// content is the octets of one mail as one peer gets them: signature, our
// header lines, then the message, re-encoded where the peer is a 7-bit one.
type content struct {
	mail  delivery.Relay
	src   source
	sign  func(ctx context.Context, mail delivery.Relay, message io.WriterTo) ([]byte, error)
	edits []edit // by start, apart from each other

	utf8Known, utf8 bool
	scanned         error // what sevenBit said
	scannedYet      bool
}

// writeTo writes all of it.
func (c *content) writeTo(ctx context.Context, w io.Writer) error {
	plain := unsigned{ctx, c}
	if c.sign != nil {
		lines, err := c.sign(ctx, c.mail, plain)
		if err != nil {
			return err
		}
		if _, err := w.Write(lines); err != nil {
			return err
		}
	}
	_, err := plain.WriteTo(w)
	return err
}

// unsigned is what a signature covers.
type unsigned struct {
	ctx context.Context
	c   *content
}

func (u unsigned) WriteTo(w io.Writer) (int64, error) {
	n := &counter{w: w}
	if _, err := n.Write(u.c.mail.Prefix); err != nil {
		return n.n, err
	}
	in, err := u.c.src.open(u.ctx, 0)
	if err != nil {
		return n.n, err
	}
	defer in.Close()
	pos := int64(0)
	for _, e := range u.c.edits {
		if _, err := io.CopyN(n, in, e.start-pos); err != nil {
			return n.n, short(err)
		}
		old := &io.LimitedReader{R: in, N: e.end - e.start}
		if err := e.as(n, old); err != nil {
			return n.n, err
		}
		if old.N > 0 {
			return n.n, io.ErrUnexpectedEOF
		}
		pos = e.end
	}
	_, err = io.Copy(n, in)
	return n.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// headerUTF8 reports whether the message can only travel with SMTPUTF8: raw
// UTF-8 in its header (RFC 6532), or such a message inside it. When it cannot
// be read the answer is yes; sending it will fail anyway.
func (c *content) headerUTF8(ctx context.Context) bool {
	if c.utf8Known {
		return c.utf8
	}
	c.utf8Known, c.utf8 = true, true
	head, err := c.header(ctx, maxHeader)
	if err != nil {
		return true
	}
	c.utf8 = bytes.IndexFunc(head, func(r rune) bool { return r >= 0x80 }) >= 0
	if s, err := c.src.summary(ctx); err == nil && s != nil {
		walk(s.Root, func(p *mail.Part, _ []*mail.Part) { c.utf8 = c.utf8 || p.Type == "message/global" })
	}
	return c.utf8
}

// header is the message's own header with its empty line, at most limit octets.
func (c *content) header(ctx context.Context, limit int64) ([]byte, error) {
	in, err := c.src.open(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	br := bufio.NewReader(io.LimitReader(in, limit))
	var head []byte
	for {
		line, err := br.ReadSlice('\n')
		start := len(head) == 0 || head[len(head)-1] == '\n'
		head = append(head, line...)
		if start && len(line) == 2 && line[0] == '\r' || err == io.EOF {
			return head, nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
	}
}
