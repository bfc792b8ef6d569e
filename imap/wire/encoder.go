package wire

import (
	"io"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Encoder gathers responses and writes them when there is enough for a write,
// or when Flush is called: before the server waits for its client. The first
// failure stays; writing goes on into nothing.
type Encoder struct {
	UTF8 bool // the client takes UTF-8 in quoted strings and mailbox names

	w   io.Writer
	buf []byte
	err error
}

// gather is how much is written at once.
const gather = 32 << 10

var outgoing = sync.Pool{New: func() any { b := make([]byte, 0, gather+4<<10); return &b }}

// NewEncoder writes to w. If w has a method Flush() error, as a compressor
// has, it is called when a burst ends.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{w: w} }

// Reset goes on with another writer; what was gathered must be flushed before.
func (e *Encoder) Reset(w io.Writer) { e.w = w }

// Err is the first failure.
func (e *Encoder) Err() error { return e.err }

// room makes sure that a buffer is there, and empties a full one.
func (e *Encoder) room() {
	if e.buf == nil {
		e.buf = *outgoing.Get().(*[]byte)
	}
	if len(e.buf) >= gather {
		e.write()
	}
}

func (e *Encoder) write() {
	if e.err == nil && len(e.buf) > 0 {
		_, e.err = e.w.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

// Flush ends a burst: all is written, and the buffer given back.
func (e *Encoder) Flush() error {
	if e.buf == nil {
		return e.err
	}
	e.write()
	if f, ok := e.w.(interface{ Flush() error }); ok && e.err == nil {
		e.err = f.Flush()
	}
	if b := e.buf[:0]; cap(b) <= 2*gather {
		outgoing.Put(&b)
	}
	e.buf = nil
	return e.err
}

// Raw writes s as it is.
func (e *Encoder) Raw(s string) *Encoder {
	e.room()
	e.buf = append(e.buf, s...)
	return e
}

// Bytes writes b as it is. What would not fit into the buffer goes out at once.
func (e *Encoder) Bytes(b []byte) *Encoder {
	e.room()
	if len(b) > cap(e.buf)-len(e.buf) {
		e.write()
	}
	if len(b) > cap(e.buf) {
		if e.err == nil {
			_, e.err = e.w.Write(b)
		}
		return e
	}
	e.buf = append(e.buf, b...)
	return e
}

// SP writes a space, CRLF ends a response.
func (e *Encoder) SP() *Encoder   { return e.Raw(" ") }
func (e *Encoder) CRLF() *Encoder { return e.Raw("\r\n") }

// Num writes a number.
func (e *Encoder) Num(n uint32) *Encoder { return e.Num64(int64(n)) }

// Num64 writes a number.
func (e *Encoder) Num64(n int64) *Encoder {
	e.room()
	e.buf = strconv.AppendInt(e.buf, n, 10)
	return e
}

// String writes s quoted, or as a literal where it cannot be quoted.
func (e *Encoder) String(s string) *Encoder {
	e.room()
	e.buf = AppendString(e.buf, s, e.UTF8)
	return e
}

// AppendString writes s quoted, or as a literal where it cannot be: line ends,
// 8-bit octets unless utf8 permits them, and what is too long for programs that
// read lines into a small buffer.
func AppendString(b []byte, s string, utf8OK bool) []byte {
	const longest = 1000
	wide := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\r' || c == '\n' || c == 0:
			return appendLiteral(b, s)
		case c >= 0x80:
			wide = true
		}
	}
	if len(s) > longest || wide && !(utf8OK && utf8.ValidString(s)) {
		return appendLiteral(b, s)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func appendLiteral(b []byte, s string) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, "}\r\n"...)
	return append(b, s...)
}

// NString writes s, or NIL when it is empty.
func (e *Encoder) NString(s string) *Encoder {
	if s == "" {
		return e.Raw("NIL")
	}
	return e.String(s)
}

// Mailbox writes a mailbox name: UTF-8 for who enabled it, else modified UTF-7.
func (e *Encoder) Mailbox(name string) *Encoder {
	if name == "INBOX" {
		return e.Raw(name)
	}
	if !e.UTF8 {
		name = EncodeUTF7(name)
	}
	return e.String(name)
}

// Flags writes a list of flags.
func (e *Encoder) Flags(flags []string) *Encoder {
	e.room()
	e.buf = append(e.buf, '(')
	for i, f := range flags {
		if i > 0 {
			e.buf = append(e.buf, ' ')
		}
		e.buf = append(e.buf, f...)
	}
	e.buf = append(e.buf, ')')
	return e
}

// DateTime writes an INTERNALDATE.
func (e *Encoder) DateTime(t time.Time) *Encoder {
	e.room()
	e.buf = t.AppendFormat(e.buf, `"02-Jan-2006 15:04:05 -0700"`)
	return e
}

// Append lets f write to the buffer itself: the quick way for long lists.
func (e *Encoder) Append(f func(b []byte) []byte) *Encoder {
	e.room()
	e.buf = f(e.buf)
	return e
}

// Literal writes size octets of r. When r has fewer, what was begun cannot be
// ended: the connection must be.
func (e *Encoder) Literal(size int64, r io.Reader) error { return e.literal("{", size, r) }

// Literal8 is Literal for octets that may hold NUL (RFC 3516).
func (e *Encoder) Literal8(size int64, r io.Reader) error { return e.literal("~{", size, r) }

func (e *Encoder) literal(open string, size int64, r io.Reader) error {
	e.Raw(open).Num64(size).Raw("}\r\n")
	for size > 0 && e.err == nil {
		e.room()
		if cap(e.buf) == len(e.buf) {
			e.write()
		}
		free := e.buf[len(e.buf):min(int64(cap(e.buf)), int64(len(e.buf))+size)]
		n, err := r.Read(free)
		e.buf = e.buf[:len(e.buf)+n]
		size -= int64(n)
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil && size > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if e.err == nil {
				e.err = err
			}
		}
	}
	return e.err
}
