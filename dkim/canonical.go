package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"math"
	"slices"
)

const crlf = "\r\n"

// AppendRelaxed appends field in the relaxed form (RFC 6376 §3.4.2), with its
// CRLF: name in lower case, unfolded, blanks in a row become one.
func AppendRelaxed(dst []byte, f Field) []byte {
	name := f[:max(bytes.IndexByte(f, ':'), 0)]
	for _, c := range bytes.TrimRight(name, " \t") {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	dst = append(dst, ':')
	start, blank := len(dst), false
	for v := f.value(); len(v) > 0; {
		i := bytes.IndexAny(v, " \t\r")
		if i < 0 {
			i = len(v)
		}
		if i > 0 {
			if blank && len(dst) > start {
				dst = append(dst, ' ')
			}
			blank = false
			dst, v = append(dst, v[:i]...), v[i:]
			continue
		}
		switch {
		case v[0] != '\r':
			blank, v = true, v[1:]
		case len(v) > 1 && v[1] == '\n':
			v = v[2:] // unfolding removes the line end only; the blank after it counts
		default: // a bare CR is an octet like any other
			if blank && len(dst) > start {
				dst = append(dst, ' ')
			}
			blank = false
			dst, v = append(dst, '\r'), v[1:]
		}
	}
	return append(dst, crlf...)
}

// Body hashes a body in its canonical form (RFC 6376 §3.4.3, §3.4.4) with
// SHA-256 as it is written. It keeps counts of what may turn out to be the end,
// never the octets, so that a body of blank lines only costs nothing.
type Body struct {
	relaxed bool
	hash    hash.Hash
	length  int64   // octets hashed so far
	cuts    []int64 // where l= wants to know the hash, ascending
	at      map[int64][]byte

	lines   int64 // line ends seen and not yet hashed
	blank   bool  // relaxed: blanks seen and not yet hashed
	cr      bool  // the last octet was CR
	written bool
	n       int
	buf     [1024]byte
}

// NewBody starts a body in the relaxed form, or the simple one.
func NewBody(relaxed bool) *Body { return &Body{relaxed: relaxed, hash: sha256.New()} }

// cut asks for the hash of the first n octets too. It comes before Write.
func (b *Body) cut(n int64) {
	if b.at == nil {
		b.at = map[int64][]byte{}
	}
	if i, found := slices.BinarySearch(b.cuts, n); !found {
		b.cuts = slices.Insert(b.cuts, i, n)
	}
}

// Write never fails.
func (b *Body) Write(p []byte) (int, error) {
	size := len(p)
	for len(p) > 0 {
		if b.cr {
			b.cr = false
			if p[0] == '\n' {
				b.lines++
				b.blank = false
				p = p[1:]
				continue
			}
			b.pending()
			b.octet('\r')
			continue
		}
		i := b.special(p)
		if i > 0 {
			b.pending()
			b.octets(p[:i])
			p = p[i:]
			continue
		}
		if p[0] == '\r' {
			b.cr = true
		} else {
			b.blank = true
		}
		p = p[1:]
	}
	return size, nil
}

// special is where the next octet stands that has to be looked at.
func (b *Body) special(p []byte) int {
	if !b.relaxed {
		if i := bytes.IndexByte(p, '\r'); i >= 0 {
			return i
		}
		return len(p)
	}
	for i, c := range p {
		if c <= ' ' && (c == ' ' || c == '\t' || c == '\r') {
			return i
		}
	}
	return len(p)
}

// pending hashes the line ends and the blank that turned out not to be at the end.
func (b *Body) pending() {
	for ; b.lines > 0; b.lines-- {
		b.octet('\r')
		b.octet('\n')
	}
	if b.blank {
		b.octet(' ')
		b.blank = false
	}
}

func (b *Body) octet(c byte) {
	if b.n == len(b.buf) {
		b.flush()
	}
	b.buf[b.n] = c
	b.n++
	b.written = true
}

func (b *Body) octets(p []byte) {
	for len(p) > 0 {
		if b.n == len(b.buf) {
			b.flush()
		}
		n := copy(b.buf[b.n:], p)
		b.n += n
		p = p[n:]
	}
	b.written = true
}

// flush hashes what is in the buffer, and notes the hash at each cut.
func (b *Body) flush() {
	p := b.buf[:b.n]
	b.n = 0
	for len(b.cuts) > 0 && b.cuts[0] <= b.length+int64(len(p)) {
		n := b.cuts[0] - b.length
		b.hash.Write(p[:n])
		b.at[b.cuts[0]] = b.hash.Sum(nil)
		b.length, p, b.cuts = b.cuts[0], p[n:], b.cuts[1:]
	}
	b.hash.Write(p)
	b.length += int64(len(p))
}

// Close hashes the end. Nothing may be written after it.
func (b *Body) Close() error {
	if b.cr {
		b.cr = false
		b.pending()
		b.octet('\r')
	}
	// RFC 6376 §3.4.3: an empty body is one CRLF when simple; §3.4.4: nothing when relaxed.
	if b.written || !b.relaxed {
		b.octet('\r')
		b.octet('\n')
	}
	b.flush()
	return nil
}

// Sum is the hash, after Close.
func (b *Body) Sum() []byte { return b.hash.Sum(nil) }

// sum is the hash of the first limit octets, nil when the body has fewer.
// A limit below zero is no limit.
func (b *Body) sum(limit int64) []byte {
	if limit < 0 {
		return b.Sum()
	}
	return b.at[limit]
}

// noLimit is the l= of a signature that has none.
const noLimit = -1

// maxLimit stands for every l= larger than a body can be.
const maxLimit = math.MaxInt64
