package mail

import (
	"bytes"
	"encoding/base64"
	"slices"
)

// unbase64 decodes base64 that comes in pieces. What is outside the alphabet
// is ignored (RFC 2045 §6.8); what is neither white space nor of the alphabet
// is remembered as damage, as is an end in the middle of a group.
type unbase64 struct {
	quad [4]byte
	n    int // characters in quad
	bad  bool
}

// values: what a character stands for; or one of the marks below.
var base64Values = func() (t [256]byte) {
	for i := range t {
		t[i] = base64Junk
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = byte(i)
	}
	for _, c := range "\r\n\t " {
		t[c] = base64Space
	}
	t['='] = base64Pad
	return t
}()

const (
	base64Junk  = 0xff
	base64Space = 0xfe
	base64Pad   = 0xfd
)

func (d *unbase64) decode(dst, src []byte) []byte {
	dst = slices.Grow(dst, len(src)/4*3+6)
	for len(src) > 0 {
		if d.n > 0 {
			dst, src = d.slow(dst, src, true)
			continue
		}
		// Whole lines go through the library at once.
		end := bytes.IndexByte(src, '\n') + 1
		if end == 0 {
			end = len(src)
		}
		line := src[:end]
		for len(line) > 0 && base64Values[line[len(line)-1]] == base64Space {
			line = line[:len(line)-1]
		}
		whole := line[:len(line)&^3]
		n := len(dst)
		k, err := base64.StdEncoding.Decode(dst[n:cap(dst)], whole)
		if err != nil {
			dst, _ = d.slow(dst, src[:end], false)
			src = src[end:]
			continue
		}
		dst = dst[:n+k]
		dst, _ = d.slow(dst, line[len(whole):], false)
		src = src[end:]
	}
	return dst
}

// slow decodes by character; with once, only until a group is complete.
func (d *unbase64) slow(dst, src []byte, once bool) ([]byte, []byte) {
	for i, c := range src {
		switch v := base64Values[c]; v {
		case base64Space:
		case base64Junk:
			d.bad = true
		case base64Pad:
			// Also in the middle: some programs encode piece by piece.
			if d.n > 0 {
				dst = d.group(dst)
			}
		default:
			d.quad[d.n] = v
			if d.n++; d.n == 4 {
				dst = d.group(dst)
				if once {
					return dst, src[i+1:]
				}
			}
		}
	}
	return dst, nil
}

func (d *unbase64) group(dst []byte) []byte {
	q, n := d.quad, d.n
	d.quad, d.n = [4]byte{}, 0
	switch n {
	case 4:
		return append(dst, q[0]<<2|q[1]>>4, q[1]<<4|q[2]>>2, q[2]<<6|q[3])
	case 3:
		return append(dst, q[0]<<2|q[1]>>4, q[1]<<4|q[2]>>2)
	case 2:
		return append(dst, q[0]<<2|q[1]>>4)
	}
	d.bad = true // six bits are no octet
	return dst
}

func (d *unbase64) end(dst []byte) []byte {
	if d.n > 0 {
		d.bad = true // cut short
		dst = d.group(dst)
	}
	return dst
}
