package mail

import (
	"io"
	"strings"
)

// Decoder undoes a transfer encoding as it streams by. It never fails on what
// a stranger wrote: octets that make no sense are skipped, and Bad says so.
type Decoder struct {
	r    io.Reader
	code transfer
	in   []byte
	buf  []byte
	out  []byte // of buf, not read yet
	err  error
}

// decodeChunk is how much is read at a time.
const decodeChunk = 32 << 10

// DecodeBody decodes the body r of a part with that Content-Transfer-Encoding.
// 7bit, 8bit, binary and unknown encodings pass as they are; an unknown one
// counts as bad.
func DecodeBody(encoding string, r io.Reader) *Decoder {
	d := &Decoder{r: r}
	d.code.reset(strings.ToLower(strings.TrimSpace(encoding)))
	return d
}

// Bad reports whether the encoding was broken in what was read so far: octets
// may be missing or wrong. Only after io.EOF it is the last word.
func (d *Decoder) Bad() bool { return d.code.isBad() }

// Read returns decoded octets; errors are those of the reader below.
func (d *Decoder) Read(p []byte) (int, error) {
	if d.code.kind == identity {
		return d.r.Read(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if d.in == nil {
		d.in = make([]byte, decodeChunk)
	}
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		var n int
		n, d.err = d.r.Read(d.in)
		d.buf = d.code.decode(d.buf[:0], d.in[:n])
		if d.err == io.EOF {
			d.buf = d.code.end(d.buf)
		}
		d.out = d.buf
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// transfer decodes one body that comes in pieces.
type transfer struct {
	kind   transferKind
	base64 unbase64
	quoted unquote
	bad    bool
}

type transferKind int

const (
	identity transferKind = iota
	base64Encoded
	quotedPrintable
)

// reset makes ready for a body in that encoding, written in lower case.
func (t *transfer) reset(encoding string) {
	t.kind, t.bad = identity, false
	t.base64 = unbase64{}
	t.quoted = unquote{esc: t.quoted.esc[:0], held: t.quoted.held[:0]}
	switch encoding {
	case "base64":
		t.kind = base64Encoded
	case "quoted-printable":
		t.kind = quotedPrintable
	case "", "7bit", "8bit", "binary":
	default:
		t.bad = true
	}
}

func (t *transfer) decode(dst, src []byte) []byte {
	switch t.kind {
	case base64Encoded:
		return t.base64.decode(dst, src)
	case quotedPrintable:
		return t.quoted.decode(dst, src)
	}
	return append(dst, src...)
}

func (t *transfer) end(dst []byte) []byte {
	switch t.kind {
	case base64Encoded:
		return t.base64.end(dst)
	case quotedPrintable:
		return t.quoted.end(dst)
	}
	return dst
}

func (t *transfer) isBad() bool { return t.bad || t.base64.bad || t.quoted.bad }

// AppendDecoded appends what DecodeBody gives of a body that is at hand.
func AppendDecoded(dst []byte, encoding string, body []byte) []byte {
	var code transfer
	code.reset(strings.ToLower(strings.TrimSpace(encoding)))
	return code.end(code.decode(dst, body))
}
