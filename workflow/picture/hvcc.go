package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// hush overwrites the notes (supplemental enhancement information) that stand in
// the decoder's configuration of an HEVC film of our own making, where ffmpeg's
// filter does not come: its box has lists of NAL units (ISO/IEC 14496-15 §8.3.3.1).
// They become filler of the same length (ITU-T H.265 §D.2.4), so that nothing moves.
func hush(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// We had it written with the description of the film first, the pictures' before the sound's.
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if !hushed(head[:n]) {
		return nil
	}
	_, err = f.WriteAt(head[:n], 0)
	return err
}

// hushed does it to the head of a file, and says whether there was anything.
func hushed(b []byte) (any bool) {
	at := bytes.Index(b, []byte("hvcC"))
	if at < 0 || len(b) < at+4+23 {
		return false
	}
	lists, b := int(b[at+4+22]), b[at+4+23:]
	for range lists {
		if len(b) < 3 {
			return any
		}
		note, units := b[0]&63 == 39 || b[0]&63 == 40, int(binary.BigEndian.Uint16(b[1:]))
		b = b[3:]
		for range units {
			if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
				return any
			}
			unit := b[2:][:binary.BigEndian.Uint16(b)]
			if b = b[2+len(unit):]; note && len(unit) > 5 {
				fill(unit[2:]) // behind its header
				any = true
			}
		}
	}
	return any
}

// fill makes a message of nothing: its type, its length in steps of 255, and so
// many times 0xff; the last byte ends it.
func fill(b []byte) {
	for i := range b {
		b[i] = 0xff
	}
	b[len(b)-1] = 0x80
	if (len(b)-2)%256 == 0 {
		b = b[1:] // no length fills this one: of type 255 + 3, which is reserved and so passed over
	}
	b[0] = 3
	n := len(b) - 2 // for length and filler
	steps := (n - 1) / 256
	b[1+steps] = byte(n - 1 - steps - 255*steps)
}
