package imap

import (
	"io"
	"sync"

	"colporteur/mail"
)

// newPool keeps buffers that begin with room for n octets.
func newPool(n int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, 0, n); return &b }}
}

// binary finds BINARY[…] and BINARY.SIZE[…]: a part, decoded (RFC 3516). A part
// that has parts itself, and the whole message, are what they are.
func (f *fetch) binary(m *fetched, it *fetchItem) (part, error) {
	if err := f.need(m); err != nil {
		return part{}, err
	}
	sh := m.shape()
	where, ok := it.locate(&sh)
	if !ok {
		return part{absent: it.kind == fetchBinary}, nil
	}
	encoding := ""
	if len(it.path) > 0 {
		if p := findPart(sh.root, it.path); len(p.Children) == 0 && p.Message == nil {
			encoding = p.Encoding
		}
	}
	switch encoding {
	case "", "8bit", "binary":
		if it.kind == fetchBinarySize {
			return part{size: where.size()}, nil
		}
		p, err := f.open(m, it.narrow(where))
		p.binary = true
		return p, err
	case "base64", "quoted-printable":
	default:
		return part{}, f.refuse("UNKNOWN-CTE", "imap-encoding")
	}
	if m.whole != nil {
		in, err := f.open(m, where)
		if err != nil {
			return in, err
		}
		from := len(f.arena)
		f.arena = mail.AppendDecoded(f.arena, encoding, in.bytes)
		p := it.cut(f.kept(from))
		p.binary = true
		return p, nil
	}
	// Too long to be held: it is read once to measure it, and again.
	in, err := f.open(m, where)
	if err != nil {
		return in, err
	}
	if in.reader == nil {
		return part{binary: true}, nil
	}
	n, err := io.Copy(io.Discard, mail.DecodeBody(encoding, in.reader))
	in.close()
	if err != nil || it.kind == fetchBinarySize {
		return part{size: n}, err
	}
	cut := it.narrow(span{0, n})
	if in, err = f.open(m, where); err != nil {
		return in, err
	}
	out := mail.DecodeBody(encoding, in.reader)
	if _, err := io.CopyN(io.Discard, out, cut.from); err != nil {
		in.close()
		return part{}, err
	}
	return part{size: cut.size(), reader: io.LimitReader(out, cut.size()), close: in.close, binary: true}, nil
}
