// Package deflate is the stream under IMAP's COMPRESS=DEFLATE (RFC 4978), made
// for connections that mostly wait.
//
// # Why the standard library's reader will not do
//
// compress/flate gives out what it has read when a stored block ends (a
// Z_SYNC_FLUSH) or its window is full. K-9 and neomutt end a burst with
// Z_PARTIAL_FLUSH, an empty block of another kind: the library goes on to the
// next block's header, which comes with the client's next command, and so the
// server waits for the client and the client for the server. Reader gives out
// all that can be known from the octets that have come before it asks for more.
//
// # Memory
//
// A Reader's window grows with what the client has sent, to 32 KB. A Writer
// holds a compressor (most of a megabyte) only during a burst.
package deflate

import (
	"errors"
	"io"
)

// ErrCorrupt is returned for what is no deflate stream.
var ErrCorrupt = errors.New("deflate: the stream is corrupt")

const (
	windowSize = 32 << 10
	inputSize  = 2 << 10
)

// Reader decompresses (RFC 1951).
type Reader struct {
	r   io.Reader
	in  [inputSize]byte
	at  int
	end int
	err error

	bits  uint64 // not used yet, from the lowest on
	count uint

	window []byte // the last octets given out or to be given out, a ring once it is full
	pos    int    // where the next octet goes
	full   bool   // it has begun again at its beginning
	out    int    // octets before pos that are still to be given out

	state  func(*Reader) error // runs until it needs more input or there is something to give out
	final  bool
	left   int // of a stored block
	lit    huffman
	dist   huffman
	length int // of a copy that is under way
	far    int // its distance
}

// NewReader reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r, state: (*Reader).header} }

// errStarved: the octets that have come do not tell more.
var errStarved = errors.New("deflate: starved")

func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for z.out == 0 {
		if z.err != nil {
			return 0, z.err
		}
		switch err := z.state(z); err {
		case nil:
		case errStarved:
			if z.out == 0 {
				z.err = z.fill()
			}
		default:
			z.err = err
		}
	}
	n := 0
	for n < len(p) && z.out > 0 {
		from := z.pos - z.out
		if from < 0 {
			from += len(z.window)
		}
		k := copy(p[n:], z.window[from:min(from+z.out, len(z.window))])
		n += k
		z.out -= k
	}
	return n, nil
}

// fill waits for more input.
func (z *Reader) fill() error {
	for range 100 {
		n, err := z.r.Read(z.in[:])
		if z.at, z.end = 0, n; n > 0 {
			return nil
		}
		if err == io.EOF && z.count > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// gather puts as much input into bits as there is room for.
func (z *Reader) gather() {
	for z.count <= 56 && z.at < z.end {
		z.bits |= uint64(z.in[z.at]) << z.count
		z.at++
		z.count += 8
	}
}

func (z *Reader) take(n uint) uint32 {
	v := uint32(z.bits & (1<<n - 1))
	z.bits >>= n
	z.count -= n
	return v
}

// need is take for headers: nothing waits to be given out, so it may wait itself.
func (z *Reader) need(n uint) (uint32, error) {
	for z.count < n {
		if z.gather(); z.count >= n {
			break
		}
		if err := z.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
	return z.take(n), nil
}

// put appends an octet to the window; room says whether it may, for what was
// not given out yet must not be overwritten.
func (z *Reader) put(c byte) {
	if z.pos == len(z.window) {
		if len(z.window) < windowSize {
			grown := make([]byte, min(windowSize, max(512, 2*len(z.window))))
			copy(grown, z.window)
			z.window = grown
		} else {
			z.pos, z.full = 0, true
		}
	}
	z.window[z.pos] = c
	z.pos++
	z.out++
}

// room is how much may be put before something is given out.
func (z *Reader) room() bool { return z.out < windowSize/2 }

// header begins a block. Between two blocks all is given out first, so that
// waiting for a header keeps nothing back.
func (z *Reader) header() error {
	if z.out > 0 {
		return nil
	}
	if z.final {
		return io.EOF
	}
	if z.count < 3 {
		if z.gather(); z.count < 3 {
			return errStarved
		}
	}
	z.final = z.take(1) == 1
	switch z.take(2) {
	case 0:
		return z.stored()
	case 1:
		z.lit, z.dist = fixedLit, fixedDist
	case 2:
		if err := z.dynamic(); err != nil {
			return err
		}
	default:
		return ErrCorrupt
	}
	z.state = (*Reader).symbols
	return nil
}

func (z *Reader) stored() error {
	z.take(z.count % 8)
	n, err := z.need(16)
	if err != nil {
		return err
	}
	inverse, err := z.need(16)
	if err != nil {
		return err
	}
	if n != ^inverse&0xffff {
		return ErrCorrupt
	}
	z.left = int(n)
	z.state = (*Reader).storedOctets
	return nil
}

func (z *Reader) storedOctets() error {
	for z.left > 0 {
		if !z.room() {
			return nil
		}
		switch {
		case z.count >= 8:
			z.put(byte(z.take(8)))
		case z.at < z.end:
			z.put(z.in[z.at])
			z.at++
		default:
			return errStarved
		}
		z.left--
	}
	z.state = (*Reader).header
	return nil
}

// symbols decodes literals and copies. A symbol is taken whole or not at all, so
// that a client that stops in its middle keeps nothing back.
func (z *Reader) symbols() error {
	for {
		if !z.room() {
			return nil
		}
		if z.length > 0 {
			z.copyOut()
			continue
		}
		z.gather()
		bits, count := z.bits, z.count // to go back to
		sym, ok := z.lit.decode(z)
		if ok && sym < 256 {
			z.put(byte(sym))
			continue
		}
		if ok && sym == 256 {
			z.state = (*Reader).header
			return nil
		}
		if ok {
			ok = z.pair(sym)
		}
		if !ok {
			if z.far < 0 || z.lit.bad || z.dist.bad {
				return ErrCorrupt
			}
			z.bits, z.count = bits, count
			if count >= 48 { // the longest symbol: more input would not help
				return ErrCorrupt
			}
			return errStarved
		}
	}
}

// pair reads what follows a length symbol; far is -1 when it is corrupt.
func (z *Reader) pair(sym int) bool {
	z.far = -1
	if sym -= 257; sym >= len(lengthBase) {
		return false
	}
	extra := uint(lengthExtra[sym])
	if z.count < extra {
		z.far = 0
		return false
	}
	length := int(lengthBase[sym]) + int(z.take(extra))
	d, ok := z.dist.decode(z)
	if !ok {
		z.far = 0
		return false
	}
	if d >= len(distBase) {
		return false
	}
	extra = uint(distExtra[d])
	if z.count < extra {
		z.far = 0
		return false
	}
	far := int(distBase[d]) + int(z.take(extra))
	if have := z.have(); far > have {
		return false
	}
	z.length, z.far = length, far
	return true
}

// have is how many octets a copy can reach back.
func (z *Reader) have() int {
	if z.full {
		return windowSize
	}
	return z.pos
}

func (z *Reader) copyOut() {
	for z.length > 0 && z.room() {
		from := z.pos - z.far
		if from < 0 {
			from += windowSize
		}
		z.put(z.window[from])
		z.length--
	}
}
