package deflate

import "io"

const (
	maxBits   = 15
	quickBits = 9
)

// huffman is a code: codes of up to quickBits in a table, longer ones by
// counting (RFC 1951 §3.2.2).
type huffman struct {
	quick   [1 << quickBits]uint16 // symbol<<4 | length; 0: a longer code
	counts  [maxBits + 1]uint16
	symbols []uint16 // in the order of their codes
	bad     bool     // bits were met that are no code
}

// make makes the code of the given lengths; false when they are none.
func (h *huffman) make(lengths []uint8) bool {
	*h = huffman{}
	used := 0
	for _, l := range lengths {
		if l > 0 {
			h.counts[l]++
			used++
		}
	}
	left := 1
	var next, offset [maxBits + 2]int
	code := 0
	for l := 1; l <= maxBits; l++ {
		if left = left<<1 - int(h.counts[l]); left < 0 {
			return false // more codes than there can be
		}
		code = (code + int(h.counts[l-1])) << 1
		next[l] = code
		offset[l+1] = offset[l] + int(h.counts[l])
	}
	if left > 0 && used > 1 {
		return false // only a code of one symbol may be incomplete
	}
	h.symbols = make([]uint16, used)
	for sym, l := range lengths {
		if l == 0 {
			continue
		}
		h.symbols[offset[l]] = uint16(sym)
		offset[l]++
		c := next[l]
		next[l]++
		if l > quickBits {
			continue
		}
		// Codes stand in the stream from their highest bit on.
		back := 0
		for i := range int(l) {
			back |= c >> i & 1 << (int(l) - 1 - i)
		}
		for i := back; i < 1<<quickBits; i += 1 << l {
			h.quick[i] = uint16(sym)<<4 | uint16(l)
		}
	}
	return true
}

// decode takes one symbol; false when the bits that are there do not make one.
func (h *huffman) decode(z *Reader) (int, bool) {
	if q := h.quick[z.bits&(1<<quickBits-1)]; q != 0 {
		if l := uint(q & 15); l <= z.count {
			z.take(l)
			return int(q >> 4), true
		}
		return 0, false
	}
	code, first, index := 0, 0, 0
	for l := uint(1); l <= maxBits; l++ {
		if l > z.count {
			return 0, false
		}
		code |= int(z.bits >> (l - 1) & 1)
		n := int(h.counts[l])
		if code-n < first {
			z.take(l)
			return int(h.symbols[index+code-first]), true
		}
		index += n
		first = (first + n) << 1
		code <<= 1
	}
	h.bad = true
	return 0, false
}

var (
	lengthBase  = [...]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [...]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	lengthOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

var fixedLit, fixedDist = fixed()

// fixed are the codes of RFC 1951 §3.2.6.
func fixed() (lit, dist huffman) {
	var l [288]uint8
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	lit.make(l[:])
	var d [32]uint8
	for i := range d {
		d[i] = 5
	}
	dist.make(d[:])
	return lit, dist
}

// dynamic reads the codes of a block (RFC 1951 §3.2.7).
func (z *Reader) dynamic() error {
	counts, err := z.need(14)
	if err != nil {
		return err
	}
	nlit, ndist, nlen := int(counts&31)+257, int(counts>>5&31)+1, int(counts>>10)+4
	if nlit > 286 || ndist > 30 {
		return ErrCorrupt
	}
	var lengths [286 + 30]uint8
	for i := range nlen {
		n, err := z.need(3)
		if err != nil {
			return err
		}
		lengths[lengthOrder[i]] = uint8(n)
	}
	var code huffman
	if !code.make(lengths[:19]) {
		return ErrCorrupt
	}
	clear(lengths[:])
	for i := 0; i < nlit+ndist; {
		sym, err := z.needSymbol(&code)
		if err != nil {
			return err
		}
		if sym < 16 {
			lengths[i] = uint8(sym)
			i++
			continue
		}
		repeat, bits, base := uint8(0), uint(2), 3
		switch sym {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			repeat = lengths[i-1]
		case 17:
			bits = 3
		case 18:
			bits, base = 7, 11
		}
		n, err := z.need(bits)
		if err != nil {
			return err
		}
		for n := base + int(n); n > 0; n-- {
			if i == nlit+ndist {
				return ErrCorrupt
			}
			lengths[i] = repeat
			i++
		}
	}
	if lengths[256] == 0 || !z.lit.make(lengths[:nlit]) || !z.dist.make(lengths[nlit:nlit+ndist]) {
		return ErrCorrupt
	}
	return nil
}

// needSymbol waits for the octets of a symbol in a header.
func (z *Reader) needSymbol(h *huffman) (int, error) {
	for {
		z.gather()
		if sym, ok := h.decode(z); ok {
			return sym, nil
		}
		if h.bad {
			return 0, ErrCorrupt
		}
		if err := z.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
}
