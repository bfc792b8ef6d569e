package report

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
)

// maxPacked is how much of a packed file is read.
const maxPacked = 10 << 20

// Forms of a file, as its first octets say.
const (
	XML  = "xml"
	JSON = "json"
)

// File is a report taken out of whatever it is packed in.
type File struct {
	Form string // XML, JSON
	io.Reader
}

// errNoReport says that a file is neither of the forms.
var errNoReport = errors.New("this is not a report")

// Open looks at what r holds, unpacks it, and says what it is. Names and media
// types are not believed: reporters send gzip named .zip, and the other way
// round. At most 16 MB come out of it, then ErrTooBig.
//
// A zip is read from its front, as it streams: its first file is the report,
// and the directory at its end, which a stranger can make large, is never
// looked at.
func Open(r io.Reader) (*File, error) {
	left := int64(maxXML)
	return open(r, &left)
}

// open is Open when several files share what may come out of them.
func open(r io.Reader, left *int64) (*File, error) {
	packedLeft := int64(maxPacked)
	b := bufio.NewReader(&limited{r, &packedLeft})
	for packed := 0; ; packed++ {
		head, err := b.Peek(4)
		if err != nil && len(head) < 2 {
			if err == io.EOF {
				err = errNoReport
			}
			return nil, err
		}
		var inner io.Reader
		switch {
		case head[0] == 0x1f && head[1] == 0x8b:
			inner, err = gzip.NewReader(b)
		case string(head) == "PK\x03\x04":
			inner, err = unzip(b)
		default:
			return form(b)
		}
		if err != nil {
			return nil, err
		}
		if packed == 2 {
			return nil, errNoReport
		}
		b = bufio.NewReader(&limited{inner, left})
	}
}

// form finds out what is not packed.
func form(b *bufio.Reader) (*File, error) {
	head, err := b.Peek(3)
	if err == nil && bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
	}
	for range 1024 {
		c, err := b.ReadByte()
		switch {
		case err == io.EOF:
			return nil, errNoReport
		case err != nil:
			return nil, err
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		}
		b.UnreadByte()
		switch c {
		case '<':
			return &File{XML, b}, nil
		case '{':
			return &File{JSON, b}, nil
		}
		break
	}
	return nil, errNoReport
}

// unzip opens the first file of a zip that has anything in it.
func unzip(b *bufio.Reader) (io.Reader, error) {
	const (
		size      = 30 // of a local header
		encrypted = 1 << 0
		later     = 1 << 3 // the lengths follow the file
		stored    = 0
		deflated  = 8
	)
	for range 16 {
		var h [size]byte
		if _, err := io.ReadFull(b, h[:]); err != nil {
			return nil, errNoReport
		}
		u16 := func(at int) int { return int(binary.LittleEndian.Uint16(h[at:])) }
		if string(h[:4]) != "PK\x03\x04" {
			return nil, errNoReport
		}
		flags, method, length := u16(6), u16(8), int64(binary.LittleEndian.Uint32(h[18:]))
		name := make([]byte, u16(26))
		if _, err := io.ReadFull(b, name); err != nil {
			return nil, errNoReport
		}
		if _, err := b.Discard(u16(28)); err != nil {
			return nil, errNoReport
		}
		switch {
		case flags&encrypted != 0:
			return nil, errors.New("the zip is locked with a password")
		case flags&later == 0 && (length == 0 || bytes.HasSuffix(name, []byte("/"))):
			if _, err := io.CopyN(io.Discard, b, length); err != nil {
				return nil, errNoReport
			}
		case method == deflated:
			return flate.NewReader(b), nil
		case method == stored && flags&later == 0:
			return io.LimitReader(b, length), nil
		default:
			return nil, errNoReport
		}
	}
	return nil, errNoReport
}

// limited is io.LimitReader, but says so when there is more.
type limited struct {
	r    io.Reader
	left *int64
}

func (l *limited) Read(p []byte) (int, error) {
	if *l.left < 0 {
		return 0, ErrTooBig
	}
	if int64(len(p)) > *l.left+1 {
		p = p[:*l.left+1]
	}
	n, err := l.r.Read(p)
	if *l.left -= int64(n); *l.left < 0 {
		return n - 1, ErrTooBig
	}
	return n, err
}
