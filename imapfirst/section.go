package imap

import (
	"errors"
	"io"
	"strings"

	"colporteur/mail"
	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
)

// section is one BODY[…] or BINARY[…] of a response, open and measured.
type section struct {
	io.Reader
	close  func() error
	size   int64
	body   *proto.FetchItemBodySection
	binary *proto.FetchItemBinarySection
	bare   *proto.FetchItemBinarySectionSize // BINARY.SIZE: nothing is read
}

func (s *section) Close() {
	if s.close != nil {
		s.close()
	}
}

// sections opens everything a response will need.
func (f *fetch) sections(c *mailbox.Content) (list []*section, err error) {
	defer func() {
		if err != nil {
			for _, s := range list {
				s.Close()
			}
			list = nil
		}
	}()
	for _, item := range f.options.BodySection {
		s, err := f.bodySection(c, item)
		if err != nil {
			return list, err
		}
		s.body = item
		list = append(list, s)
	}
	for _, item := range f.options.BinarySection {
		s, err := f.binarySection(c, item.Part, item.Partial)
		if errors.Is(err, errEncoding) {
			f.undecodable = f.refuse(proto.ResponseCodeUnknownCTE, "imap-encoding")
			continue
		}
		if err != nil {
			return list, err
		}
		s.binary = item
		list = append(list, s)
	}
	for _, item := range f.options.BinarySectionSize {
		n, err := f.binarySize(c, item.Part)
		if errors.Is(err, errEncoding) {
			f.undecodable = f.refuse(proto.ResponseCodeUnknownCTE, "imap-encoding")
			continue
		}
		if err != nil {
			return list, err
		}
		list = append(list, &section{size: n, bare: item})
	}
	return list, nil
}

// span is octets [from, to) of the message as it is served, Prefix included.
type span struct{ from, to int64 }

func (s span) size() int64 { return max(0, s.to-s.from) }

// partial narrows a span to <offset.size> (RFC 3501 §6.4.5).
func (s span) partial(p *proto.SectionPartial) span {
	if p == nil {
		return s
	}
	from := s.from + min(p.Offset, s.size())
	return span{from, from + min(p.Size, s.to-from)}
}

// bodySection opens BODY[…]. A part that does not exist is empty.
func (f *fetch) bodySection(c *mailbox.Content, item *proto.FetchItemBodySection) (*section, error) {
	where, ok := locate(c, item.Part, item.Specifier)
	if !ok {
		return &section{Reader: strings.NewReader("")}, nil
	}
	if len(item.HeaderFields) > 0 || len(item.HeaderFieldsNot) > 0 {
		return f.headerSection(c, where, item)
	}
	return f.openSpan(c, where.partial(item.Partial))
}

func (f *fetch) openSpan(c *mailbox.Content, where span) (*section, error) {
	n := where.size()
	if n == 0 {
		return &section{Reader: strings.NewReader("")}, nil
	}
	r, err := f.srv.Mailboxes.Open(f.ctx, c, where.from)
	if err != nil {
		return nil, err
	}
	return &section{Reader: io.LimitReader(r, n), close: r.Close, size: n}, nil
}

// locate finds a section (RFC 3501 §6.4.5). The header of the message begins
// with our Prefix; the offsets of its parts do not count it.
func locate(c *mailbox.Content, path []int, what proto.PartSpecifier) (span, bool) {
	prefix := int64(len(c.Prefix))
	root := c.Summary.Root
	if len(path) == 0 {
		body := c.Size
		if root != nil {
			body = min(prefix+root.BodyOffset, c.Size)
		}
		switch what {
		case proto.PartSpecifierHeader:
			return span{0, body}, true
		case proto.PartSpecifierText:
			return span{body, c.Size}, true
		case proto.PartSpecifierNone:
			return span{0, c.Size}, true
		}
		return span{}, false // MIME needs a part
	}
	p := find(root, path)
	if p == nil {
		return span{}, false
	}
	at := func(from, to int64) (span, bool) {
		return span{min(prefix+from, c.Size), min(prefix+to, c.Size)}, true
	}
	switch what {
	case proto.PartSpecifierMIME:
		return at(p.Offset, p.BodyOffset)
	case proto.PartSpecifierNone:
		return at(p.BodyOffset, p.BodyOffset+p.Size)
	}
	// HEADER and TEXT are of the message that the part is.
	if p.Message == nil || p.Message.Root == nil {
		return span{}, false
	}
	inner := p.Message.Root
	if what == proto.PartSpecifierHeader {
		return at(inner.Offset, inner.BodyOffset)
	}
	return at(inner.BodyOffset, p.BodyOffset+p.Size)
}

// find walks a part number. A message whose body is no multipart has one part,
// number 1 (RFC 3501 §6.4.5).
func find(root *mail.Part, path []int) *mail.Part {
	p := root // a message's body
	for i, n := range path {
		if p == nil || n < 1 {
			return nil
		}
		if i > 0 && p.Message != nil {
			if p = p.Message.Root; p == nil {
				return nil
			}
		} else if i > 0 && !isMultipart(p) {
			return nil
		}
		switch {
		case isMultipart(p):
			if n > len(p.Children) {
				return nil
			}
			p = p.Children[n-1]
		case n != 1:
			return nil
		}
	}
	return p
}

func isMultipart(p *mail.Part) bool { return len(p.Children) > 0 }
