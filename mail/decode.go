package mail

import (
	"encoding/base64"
	"io"
)

// Decoder undoes a transfer encoding as it streams by. It never fails on what
// a stranger wrote: octets that make no sense are skipped, and Bad says so.
type Decoder struct {
	r   io.Reader
	bad bool
	err error

	base64 bool
	qp     bool
	in     [16 << 10]byte
	rest   []byte // of in, not decoded yet
	out    []byte // decoded, not read yet
	buf    [16 << 10]byte
	quad   [4]byte
	quads  int
	held   []byte // white space at the end of a quoted-printable line
	esc    []byte // an escape under way
}

// DecodeBody decodes the body r of a part with that Content-Transfer-Encoding.
// 7bit, 8bit, binary and unknown encodings pass as they are.
func DecodeBody(encoding string, r io.Reader) *Decoder {
	return &Decoder{r: r, base64: encoding == "base64", qp: encoding == "quoted-printable"}
}

// Bad reports whether the encoding was broken in what was read so far: octets
// may be missing or wrong.
func (d *Decoder) Bad() bool { return d.bad }

// Read returns decoded octets.
func (d *Decoder) Read(p []byte) (int, error) {
	if !d.base64 && !d.qp {
		return d.r.Read(p)
	}
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		n, err := d.r.Read(d.in[:])
		out := d.buf[:0]
		if d.base64 {
			out = d.base64Octets(out, d.in[:n])
		} else {
			out = d.qpOctets(out, d.in[:n])
		}
		if err != nil {
			d.err = err
			if err == io.EOF {
				out = d.end(out)
			}
		}
		d.out = out
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// base64Octets decodes whole regular lines at once and the rest by character
// (RFC 2045 §6.8: what is outside the alphabet is ignored).
func (d *Decoder) base64Octets(out, in []byte) []byte {
	for len(in) > 0 {
		if d.quads == 0 && len(in) >= 78 && in[76] == '\r' && in[77] == '\n' {
			n := len(out)
			if k, err := base64.StdEncoding.Decode(out[n:n+57], in[:76]); err == nil && k == 57 {
				out = out[:n+57]
				in = in[78:]
				continue
			}
		}
		c := in[0]
		in = in[1:]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			d.quad[d.quads] = c
			if d.quads++; d.quads == 4 {
				out = d.quantum(out)
			}
		case c == '=':
			if d.quads > 0 {
				out = d.quantum(out)
			}
		case c == '\r', c == '\n', c == ' ', c == '\t':
		default:
			d.bad = true
		}
	}
	return out
}

func (d *Decoder) quantum(out []byte) []byte {
	var three [3]byte
	k, err := base64.RawStdEncoding.Decode(three[:], d.quad[:d.quads])
	if err != nil {
		d.bad = true
	}
	d.quads = 0
	return append(out, three[:k]...)
}

// qpOctets decodes quoted-printable (RFC 2045 §6.7).
func (d *Decoder) qpOctets(out, in []byte) []byte {
	for _, c := range in {
		if len(d.esc) > 0 {
			d.esc = append(d.esc, c)
			out = d.escape(out)
			continue
		}
		switch c {
		case '=':
			out = append(out, d.held...)
			d.held = d.held[:0]
			d.esc = append(d.esc, c)
		case ' ', '\t':
			d.held = append(d.held, c) // at the end of a line it was added on the way
			if len(d.held) > 1000 {
				out = append(out, d.held...)
				d.held = d.held[:0]
			}
		case '\r':
			out = append(out, c)
			d.held = d.held[:0]
		case '\n':
			out = append(out, c)
			d.held = d.held[:0]
		default:
			out = append(append(out, d.held...), c)
			d.held = d.held[:0]
		}
	}
	return out
}

// escape decides on what follows a "=".
func (d *Decoder) escape(out []byte) []byte {
	e := d.esc
	switch c := e[len(e)-1]; {
	case len(e) == 3 && hexDigit(e[1]) >= 0 && hexDigit(c) >= 0:
		out = append(out, byte(hexDigit(e[1])<<4|hexDigit(c)))
	case len(e) == 2 && hexDigit(c) >= 0:
		return out
	case c == '\n': // a soft line break
	case len(e) < 100 && (c == '\r' || c == ' ' || c == '\t') && hexDigit(e[1]) < 0:
		return out
	default:
		d.bad = true
		out = append(out, e...)
	}
	d.esc = d.esc[:0]
	return out
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

func (d *Decoder) end(out []byte) []byte {
	if d.base64 && d.quads > 0 {
		d.bad = true // it was cut short
		out = d.quantum(out)
	}
	if len(d.esc) > 1 && hexDigit(d.esc[1]) >= 0 {
		d.bad = true
		out = append(out, d.esc...)
	}
	d.esc = nil
	return out
}
