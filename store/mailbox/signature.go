package mailbox

import (
	"encoding/binary"
	"math/bits"

	"colporteur/mail"
)

// A signature is a bitmap of the three-octet sequences in a mail's folded
// words. A word that a person searches for is made of such sequences: if one of
// them is missing in the bitmap, the word is not in the mail, and the mail need
// not be read. What the bitmap cannot rule out is verified against the mail.
//
// It is a power of two octets long, at least four bits for each sequence, so that
// at most one bit in four is set and a word of six letters passes by chance in
// fewer than one mail of two hundred.
const (
	minSignature = 64
	maxSignature = 4096
)

// slot is where a sequence stands in a bitmap of maxSignature octets; in a
// smaller one, its low bits say where.
func slot(a, b, c byte) uint32 { return slotOf(uint32(a)<<16 | uint32(b)<<8 | uint32(c)) }

func slotOf(sequence uint32) uint32 {
	return sequence * 0x9e3779b1 >> 15 & (maxSignature*8 - 1) // Fibonacci hashing
}

// isSigned says whether the words of a header field are in the signature.
func isSigned(field string) bool {
	switch field {
	case "subject", "from", "to", "cc", "bcc", "reply-to", "message-id":
		return true
	}
	return false
}

// Sign makes the search signature of a message from its folded text, which has
// the fields a person reads, and from its Message-ID, which programs look for.
func Sign(sum *mail.Summary, text []byte) []byte {
	var full [maxSignature / 8]uint64
	mark(&full, text)
	if sum != nil && sum.MessageID != "" {
		mark(&full, []byte(mail.Fold(sum.MessageID)))
	}
	set := 0
	for _, w := range full {
		set += bits.OnesCount64(w)
	}
	n := len(full)
	for n > minSignature/8 && n*64/2 >= 4*set {
		n /= 2
		for i := range n {
			full[i] |= full[n+i]
		}
	}
	sig := make([]byte, 0, n*8)
	for _, w := range full[:n] {
		sig = binary.LittleEndian.AppendUint64(sig, w)
	}
	return sig
}

// mark sets the bits of text. It sees every octet of every mail, hence no
// exception for the line ends between two fields: their few sequences are in no word.
func mark(full *[maxSignature / 8]uint64, text []byte) {
	if len(text) < 3 {
		return
	}
	sequence := uint32(text[0])<<8 | uint32(text[1])
	for _, c := range text[2:] {
		sequence = (sequence<<8 | uint32(c)) & 0xffffff
		h := slotOf(sequence)
		full[h>>6] |= 1 << (h & 63)
	}
}

// mayBeIn says whether a mail with this signature may have the word. False is
// certain.
func (w word) mayBeIn(sig []byte) bool {
	mask := uint32(len(sig)*8 - 1)
	for _, h := range w.slots {
		if h &= mask; sig[h>>3]&(1<<(h&7)) == 0 {
			return false
		}
	}
	return true
}
