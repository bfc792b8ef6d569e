// Package lighten takes files out of mails, and writes where they are in their
// place: what is left reads as its author wrote it.
package lighten

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store/message"
)

// ErrShape says that a mail is built in a way that cannot be cut with certainty.
var ErrShape = errors.New("the parts of this mail cannot be told apart")

// ErrSealed says that the text itself is signed or encrypted.
var ErrSealed = errors.New("inline PGP")

// Edit replaces the octets from..to of a message; write is nil when nothing
// comes in their place.
type Edit struct {
	from, to int64
	write    func(b Block) ([]byte, error)
}

// maxText is how large a text may be for the links to be written into it. A
// larger one stays untouched, and the links come in a part before it.
const maxText = 1 << 20

// editor finds out what to change in one message.
type editor struct {
	open  func(offset int64) (io.ReadCloser, error)
	root  *mail.Part
	gone  map[*mail.Part]bool
	edits []Edit
}

// Plan makes the edits that take parts out of m, which are of m.Summary, and put
// a block in.
func Plan(ctx context.Context, store *message.Store, m *message.Message, take []*mail.Part) ([]Edit, error) {
	return edits(m.Summary.Root, m.Size, take, func(offset int64) (io.ReadCloser, error) { return store.OpenMessage(ctx, m, offset) })
}

func edits(root *mail.Part, size int64, take []*mail.Part, open func(offset int64) (io.ReadCloser, error)) ([]Edit, error) {
	e := &editor{root: root, gone: map[*mail.Part]bool{}, open: open}
	for _, p := range take {
		e.gone[p] = true
	}
	found := 0
	root.Walk(func(p *mail.Part) {
		if e.gone[p] {
			found++
		}
	})
	if found != len(e.gone) {
		return nil, fmt.Errorf("%d parts to take out are not of this mail", len(e.gone)-found)
	}
	var err error
	if e.gone[e.root] {
		err = e.alone()
	} else {
		err = e.parts()
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(e.edits, func(a, b Edit) int { return int(min(max(a.from-b.from, -1), 1)) })
	at := int64(0)
	for _, x := range e.edits {
		if x.from < at || x.to < x.from || x.to > size {
			return nil, ErrShape
		}
		at = x.to
	}
	return e.edits, nil
}

func (e *editor) read(from, to int64) ([]byte, error) {
	r, err := e.open(from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, to-from)
	_, err = io.ReadFull(r, b)
	return b, err
}

// alone edits a mail that is nothing but one large file.
func (e *editor) alone() error {
	p := e.root
	if p.BodyOffset > 1<<20 {
		return ErrShape
	}
	head, err := e.read(0, p.BodyOffset)
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		return ErrShape
	}
	for _, name := range []string{"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "Content-Description",
		"Content-Language", "Content-Location", "Content-MD5", "Content-Duration"} {
		for _, r := range mail.FieldRanges(head, name) {
			e.edits = append(e.edits, Edit{from: int64(r[0]), to: int64(r[1])})
		}
	}
	e.edits = append(e.edits, Edit{from: p.BodyOffset - 2, to: p.BodyOffset + p.Size, write: func(b Block) ([]byte, error) { return newPart(b) }})
	return nil
}

// parts edits a mail of several parts.
func (e *editor) parts() error {
	if !strings.HasPrefix(e.root.Type, "multipart/") || len(e.root.Children) == 0 {
		return ErrShape
	}
	e.prune(e.root)
	emptied := e.gone[e.root]
	if emptied { // its children go one by one, so that the new part has a place
		delete(e.gone, e.root)
	}
	if err := e.cut(e.root); err != nil {
		return err
	}
	amended := 0
	for _, kind := range []string{"text/plain", "text/html"} {
		p := e.words(e.root, kind)
		if p == nil || p.Size > maxText {
			continue
		}
		ok, err := e.amend(p)
		if err != nil {
			return err
		}
		if ok {
			amended++
		}
	}
	if amended > 0 {
		return nil
	}
	at, mark, err := e.delimiter(e.root.Children[0])
	if err != nil {
		return err
	}
	e.edits = slices.Insert(e.edits, 0, Edit{from: at, to: at, write: func(b Block) ([]byte, error) {
		p, err := newPart(b)
		return slices.Concat(mark, p, []byte("\r\n")), err
	}})
	return nil
}

// prune marks multiparts of which nothing is left.
func (e *editor) prune(p *mail.Part) bool {
	if e.gone[p] || len(p.Children) == 0 {
		return e.gone[p]
	}
	all := true
	for _, c := range p.Children {
		if !e.prune(c) {
			all = false
		}
	}
	e.gone[p] = all
	return all
}

// cut takes what is gone out from below p, each with its delimiter.
func (e *editor) cut(p *mail.Part) error {
	for _, c := range p.Children {
		if !e.gone[c] {
			if err := e.cut(c); err != nil {
				return err
			}
			continue
		}
		from, _, err := e.delimiter(c)
		if err != nil {
			return err
		}
		to := c.BodyOffset + c.Size
		next, err := e.read(to, to+4)
		switch {
		case err == nil && string(next) == "\r\n--": // the line end belongs to the delimiter (RFC 2046 §5.1.1)
			to += 2
		case err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("after part at %d: %w", c.Offset, cmpErr(err))
		}
		e.edits = append(e.edits, Edit{from: from, to: to})
	}
	return nil
}

func cmpErr(err error) error {
	if err == nil {
		return ErrShape
	}
	return err
}

// delimiter is the line before a part: where it begins, and its octets.
func (e *editor) delimiter(p *mail.Part) (at int64, line []byte, err error) {
	from := max(p.Offset-512, 0)
	b, err := e.read(from, p.Offset)
	if err != nil {
		return 0, nil, err
	}
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		return 0, nil, ErrShape
	}
	i := bytes.LastIndexByte(b[:len(b)-2], '\n') + 1
	if !bytes.HasPrefix(b[i:], []byte("--")) || i == 0 && from > 0 {
		return 0, nil, ErrShape
	}
	return from + int64(i), b[i:], nil
}

// words finds the first part of a type that is the mail's own words.
func (e *editor) words(p *mail.Part, kind string) *mail.Part {
	if p.Type == kind && p.Disposition != "attachment" && p.Filename == "" && !e.gone[p] {
		return p
	}
	for _, c := range p.Children {
		if found := e.words(c, kind); found != nil {
			return found
		}
	}
	return nil
}

// amend writes the links into a text part; ok is false when its charset is not
// one that we can write.
func (e *editor) amend(p *mail.Part) (ok bool, err error) {
	head, err := e.read(p.Offset, p.BodyOffset)
	if err != nil {
		return false, err
	}
	body, err := e.read(p.BodyOffset, p.BodyOffset+p.Size)
	if err != nil {
		return false, err
	}
	switch p.Encoding {
	case "", "7bit", "8bit", "binary", "base64", "quoted-printable":
	default:
		return false, nil
	}
	t := text{kind: p.Type, charset: p.Params["charset"], params: p.Params, encoding: p.Encoding, head: head,
		body: mail.AppendDecoded(nil, p.Encoding, body)}
	if strings.Contains(string(t.body), "-----BEGIN PGP ") {
		return false, ErrSealed
	}
	if _, ok, err := t.with(Block{Heading: "é"}); err != nil || !ok {
		return false, err
	}
	e.edits = append(e.edits, Edit{from: p.Offset, to: p.BodyOffset + p.Size, write: func(b Block) ([]byte, error) {
		out, _, err := t.with(b)
		return out, err
	}})
	return true, nil
}
