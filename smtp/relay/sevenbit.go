package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/quotedprintable"
	"slices"
	"sort"
	"strings"

	"colporteur/mail"
)

var errUnconvertible = errors.New("8-bit content that cannot be re-encoded")

// edit replaces the octets [start, end) of the message by as.
type edit struct {
	start, end int64
	as         func(w io.Writer, old io.Reader) error
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
