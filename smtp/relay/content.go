package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime/quotedprintable"
	"slices"
	"sort"
	"strings"

	"colporteur/delivery"
	"colporteur/mail"
)

// maxHeader is the longest header, of the message or of a part, that we look
// into or rewrite.
const maxHeader = 1 << 20

var (
	errUnconvertible = errors.New("8-bit content that cannot be re-encoded")
	errBareNewline   = errors.New("a CR or LF alone in a stored message")
)

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
	sign  func(ctx context.Context, from mail.Address, message io.WriterTo) ([]byte, error)
	edits []edit // by start, apart from each other

	utf8Known, utf8 bool
	scanned         error // what sevenBit said
	scannedYet      bool
}

// edit replaces the octets [start, end) of the message by as.
type edit struct {
	start, end int64
	as         func(w io.Writer, old io.Reader) error
}

// writeTo writes all of it.
func (c *content) writeTo(ctx context.Context, w io.Writer) error {
	plain := unsigned{ctx, c}
	if c.sign != nil {
		lines, err := c.sign(ctx, c.mail.From, plain)
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

// sevenBit makes the content fit for a peer without 8BITMIME (RFC 6152 §3):
// leaf parts that hold 8-bit octets become quoted-printable, and what is
// around them says 7bit. 8-bit octets in headers stay: there is no encoding to
// put them in without changing their meaning, and peers pass them.
func (c *content) sevenBit(ctx context.Context) error {
	if c.scannedYet {
		return c.scanned
	}
	s, err := c.src.summary(ctx)
	if err != nil {
		return err
	}
	var root *mail.Part
	if s != nil {
		root = s.Root
	}
	dirty, err := c.dirty(ctx, root)
	if err != nil && !errors.Is(err, errUnconvertible) {
		return err
	}
	c.scannedYet, c.scanned = true, err
	if err != nil || len(dirty) == 0 {
		return err
	}
	rewrap := map[*mail.Part]string{} // whose header says what from now on
	walk(root, func(p *mail.Part, above []*mail.Part) {
		if !dirty[p] {
			return
		}
		rewrap[p] = "quoted-printable"
		for _, a := range above {
			if a.Encoding == "8bit" || a.Encoding == "binary" {
				rewrap[a] = "7bit"
			}
		}
		c.edits = append(c.edits, edit{p.BodyOffset, p.BodyOffset + p.Size, quote})
	})
	for p, encoding := range rewrap {
		top := p == root
		c.edits = append(c.edits, edit{p.Offset, p.BodyOffset, func(w io.Writer, old io.Reader) error {
			return rehead(w, old, encoding, top)
		}})
	}
	slices.SortFunc(c.edits, func(a, b edit) int { return int(a.start - b.start) })
	for i := 1; i < len(c.edits); i++ {
		if c.edits[i].start < c.edits[i-1].end {
			c.edits, c.scanned = nil, errUnconvertible
			return c.scanned
		}
	}
	return nil
}

// dirty finds the leaf parts with 8-bit octets.
func (c *content) dirty(ctx context.Context, root *mail.Part) (map[*mail.Part]bool, error) {
	var leaves []*mail.Part
	walk(root, func(p *mail.Part, _ []*mail.Part) {
		if len(p.Children) == 0 && p.Message == nil && p.Size > 0 {
			leaves = append(leaves, p)
		}
	})
	sort.Slice(leaves, func(i, j int) bool { return leaves[i].BodyOffset < leaves[j].BodyOffset })
	in, err := c.src.open(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	found := map[*mail.Part]bool{}
	pos, next := int64(0), 0
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		for i, b := range buf[:n] {
			if b < 0x80 {
				continue
			}
			at := pos + int64(i)
			if root == nil {
				return nil, errUnconvertible
			}
			for next < len(leaves) && leaves[next].BodyOffset+leaves[next].Size <= at {
				next++
			}
			if next == len(leaves) || at < leaves[next].BodyOffset {
				continue // a header, a preamble
			}
			switch leaves[next].Encoding {
			case "", "7bit", "8bit", "binary":
				found[leaves[next]] = true
			default:
				return nil, errUnconvertible
			}
		}
		pos += int64(n)
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// walk visits p and all below it, parents first.
func walk(p *mail.Part, visit func(p *mail.Part, above []*mail.Part)) {
	var down func(p *mail.Part, above []*mail.Part)
	down = func(p *mail.Part, above []*mail.Part) {
		if p == nil {
			return
		}
		visit(p, above)
		above = append(above[:len(above):len(above)], p)
		for _, c := range p.Children {
			down(c, above)
		}
		if p.Message != nil {
			down(p.Message.Root, above)
		}
	}
	down(p, nil)
}

// quote is a body as quoted-printable; its line ends stay line ends.
func quote(w io.Writer, old io.Reader) error {
	q := quotedprintable.NewWriter(w)
	if _, err := io.Copy(q, old); err != nil {
		return err
	}
	return q.Close()
}

// rehead is a header whose Content-Transfer-Encoding is encoding.
func rehead(w io.Writer, old io.Reader, encoding string, top bool) error {
	head, err := io.ReadAll(io.LimitReader(old, maxHeader))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	version, skipping := false, false
	for line := range bytes.Lines(head) {
		folded := line[0] == ' ' || line[0] == '\t'
		if skipping && folded {
			continue
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		field := strings.ToLower(string(bytes.TrimSpace(name)))
		if skipping = !folded && field == "content-transfer-encoding"; skipping {
			continue
		}
		version = version || !folded && field == "mime-version"
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			if top && !version {
				out.WriteString("MIME-Version: 1.0\r\n")
			}
			out.WriteString("Content-Transfer-Encoding: " + encoding + "\r\n")
		}
		out.Write(line)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// dotWriter doubles a dot at the start of a line (RFC 5321 §4.5.2). It refuses
// a CR or LF alone, whatever the store may hold: some servers would end the
// mail there and read the rest as commands (SMTP smuggling).
type dotWriter struct {
	w    *bufio.Writer
	last byte // 0 at the start
	line bool // the last octets were CR LF
}

func (d *dotWriter) Write(p []byte) (int, error) {
	for i := 0; i < len(p); {
		// Runs without anything special go through at once.
		if n := bytes.IndexAny(p[i:], "\r\n."); n != 0 && d.last != '\r' {
			if n < 0 {
				n = len(p) - i
			}
			if _, err := d.w.Write(p[i : i+n]); err != nil {
				return i, err
			}
			i += n
			d.last, d.line = p[i-1], false
			continue
		}
		c := p[i]
		if (d.last == '\r') != (c == '\n') {
			return i, errBareNewline
		}
		if c == '.' && (d.line || d.last == 0) {
			if err := d.w.WriteByte('.'); err != nil {
				return i, err
			}
		}
		if err := d.w.WriteByte(c); err != nil {
			return i, err
		}
		d.last, d.line = c, c == '\n'
		i++
	}
	return len(p), nil
}

// finish makes sure that the final dot will stand on a line of its own.
func (d *dotWriter) finish() error {
	if d.last == '\r' {
		return errBareNewline
	}
	if d.line || d.last == 0 {
		return nil
	}
	_, err := d.w.WriteString("\r\n")
	return err
}
