package mailbox

import (
	"math/bits"

	"colporteur/mail"
)

// A signature is a bitmap of the three-octet sequences in a mail's folded
// words. A word that a person searches for is made of such sequences: if one of
// them is missing in the bitmap, the word is not in the mail, and the mail need
// not be read. What the bitmap cannot rule out is verified against the mail.
//
// It is a power of two octets long, about two bits for each sequence, so that
// one bit in three is set and a word of seven letters passes by chance in one
// mail of two hundred.
const (
	minSignature = 64
	maxSignature = 4096
)

// slot is where a sequence stands in a bitmap of maxSignature octets; in a
// smaller one, its low bits.
func slot(a, b, c byte) uint32 {
	h := uint32(a) | uint32(b)<<8 | uint32(c)<<16
	h *= 0x9e3779b1 // Fibonacci hashing
	return (h >> 15) & (maxSignature*8 - 1)
}

// Sign makes the search signature of a message from its folded text.
func Sign(_ *mail.Summary, text []byte) []byte {
	var full [maxSignature]byte
	for i := 0; i+2 < len(text); i++ {
		a, b, c := text[i], text[i+1], text[i+2]
		if a == '\n' || b == '\n' || c == '\n' {
			continue // between two fields there is no word
		}
		h := slot(a, b, c)
		full[h>>3] |= 1 << (h & 7)
	}
	set := 0
	for _, b := range full {
		set += bits.OnesCount8(b)
	}
	size := minSignature
	for size < maxSignature && size*8 < 2*set {
		size *= 2
	}
	for n := maxSignature / 2; n >= size; n /= 2 {
		for i := range n {
			full[i] |= full[n+i]
		}
	}
	return append([]byte(nil), full[:size]...)
}

// may says whether a mail with this signature may hold the folded words. False
// is certain.
func may(sig []byte, words string) bool {
	if len(sig) == 0 {
		return true
	}
	mask := uint32(len(sig)*8 - 1)
	for i := 0; i+2 < len(words); i++ {
		h := slot(words[i], words[i+1], words[i+2]) & mask
		if sig[h>>3]&(1<<(h&7)) == 0 {
			return false
		}
	}
	return true
}
