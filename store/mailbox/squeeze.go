package mailbox

import (
	"errors"

	"github.com/klauspost/compress/s2"
)

// Texts that searches read are packed with S2: the standard library's flate
// would make them a third smaller, take a tenth of a delivery's time for it, and
// twenty times as long to unpack.

// squeeze appends src, packed, to dst.
func squeeze(dst, src []byte) []byte {
	n := len(dst)
	if most := n + s2.MaxEncodedLen(len(src)); cap(dst) < most {
		dst = append(make([]byte, 0, most), dst...)
	}
	return dst[:n+len(s2.Encode(dst[n:cap(dst)], src))]
}

var errSqueezed = errors.New("packed text is damaged")

// unsqueeze appends the size octets that src was made of to dst, no more.
func unsqueeze(dst, src []byte, size int) ([]byte, error) {
	if n, err := s2.DecodedLen(src); err != nil || n != size {
		return nil, errSqueezed
	}
	start := len(dst)
	if cap(dst)-start < size {
		dst = append(make([]byte, 0, start+size), dst...)
	}
	if out, err := s2.Decode(dst[start:start+size], src); err != nil || len(out) != size {
		return nil, errSqueezed
	}
	return dst[:start+size], nil
}
