package imap

import (
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"

	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
)

// errEncoding: the part cannot be decoded (RFC 3516 §4.3, UNKNOWN-CTE).
var errEncoding = errors.New("imap: unknown transfer encoding")

// binarySection opens BINARY[…]: a part, decoded. A literal's size comes before
// its octets, so the part is read twice rather than held.
func (f *fetch) binarySection(c *mailbox.Content, path []int, partial *proto.SectionPartial) (*section, error) {
	n, err := f.binarySize(c, path)
	if err != nil {
		return nil, err
	}
	where := span{0, n}.partial(partial)
	s, err := f.decoded(c, path)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, s, where.from); err != nil && err != io.EOF {
		s.Close()
		return nil, err
	}
	s.size = where.size()
	return s, nil
}

func (f *fetch) binarySize(c *mailbox.Content, path []int) (int64, error) {
	s, err := f.decoded(c, path)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	n, err := io.Copy(io.Discard, s)
	var bad base64.CorruptInputError
	if errors.As(err, &bad) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, errEncoding
	}
	return n, err
}

func (f *fetch) decoded(c *mailbox.Content, path []int) (*section, error) {
	where, ok := locate(c, path, proto.PartSpecifierNone)
	if !ok {
		where = span{}
	}
	s, err := f.openSpan(c, where)
	if err != nil || len(path) == 0 {
		return s, err
	}
	p := find(c.Summary.Root, path)
	if p == nil {
		return s, nil
	}
	switch p.Encoding {
	case "", "7bit", "8bit", "binary":
	case "base64":
		s.Reader = base64.NewDecoder(base64.StdEncoding, s.Reader) // skips line ends
	case "quoted-printable":
		s.Reader = quotedprintable.NewReader(s.Reader)
	default:
		s.Close()
		return nil, errEncoding
	}
	return s, nil
}
