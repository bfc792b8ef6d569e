package picture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errStrip is said of a file whose private metadata cannot be left out without
// decoding it: of an unknown build, or broken.
var errStrip = errors.New("its metadata cannot be left out as it is")

// maxColours bounds a colour profile that is kept; a camera's has a few kilobytes.
const maxColours = 1 << 20

// stripFile copies a picture's coded data without anything that is not known to
// be needed to show it. errStrip when that cannot be done.
func stripFile(f io.ReadSeeker, k kind, path string) error {
	strip := map[kind]func(*bufio.Reader, io.Writer) error{kindJPEG: stripJPEG, kindPNG: stripPNG, kindGIF: stripGIF}[k]
	if strip == nil && k != kindWebP {
		return errStrip
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return write(path, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 64<<10)
		var err error
		if k == kindWebP {
			err = stripWebP(f, out)
		} else {
			err = strip(bufio.NewReaderSize(f, 64<<10), out)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: it ends early", errStrip)
		}
		if err != nil {
			return err
		}
		return out.Flush()
	})
}

// stripJPEG keeps what decoding needs (ISO/IEC 10918-1 §B.1.1.3), the density of
// JFIF without its thumbnail, the colour profile (APP2 ICC_PROFILE) and Adobe's
// mark of the colour transform. Everything else that an application put there
// goes, and whatever follows the picture's end: telephones hang films and second
// pictures there.
func stripJPEG(r *bufio.Reader, w io.Writer) error {
	var b [2]byte
	if _, err := io.ReadFull(r, b[:]); err != nil || b != [2]byte{0xff, 0xd8} {
		return errStrip
	}
	if _, err := w.Write(b[:]); err != nil {
		return err
	}
	colours := 0
	marker, err := nextMarker(r)
	for {
		if err != nil {
			return err
		}
		switch {
		case marker == 0xd9: // EOI
			_, err := w.Write([]byte{0xff, 0xd9})
			return err
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd8: // stand alone, and not here
			return errStrip
		}
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint16(b[:])) - 2
		if n < 0 {
			return errStrip
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		if marker == 0xe2 {
			colours += n
		}
		if body = keptOfJPEG(marker, body, colours); body != nil {
			head := []byte{0xff, marker, 0, 0}
			binary.BigEndian.PutUint16(head[2:], uint16(len(body)+2))
			if _, err := w.Write(append(head, body...)); err != nil {
				return err
			}
		}
		if marker != 0xda {
			marker, err = nextMarker(r)
			continue
		}
		marker, err = copyScan(r, w)
	}
}

// keptOfJPEG is what of a segment stays; nil is nothing.
func keptOfJPEG(marker byte, body []byte, colours int) []byte {
	has := func(s string) bool { return len(body) >= len(s) && string(body[:len(s)]) == s }
	switch {
	case marker == 0xe0 && has("JFIF\x00") && len(body) >= 14:
		body = body[:14]
		body[12], body[13] = 0, 0 // its thumbnail
		return body
	case marker == 0xe2 && has("ICC_PROFILE\x00") && colours <= maxColours:
		return body
	case marker == 0xee && has("Adobe") && len(body) >= 12:
		return body[:12]
	case marker >= 0xe0 && marker <= 0xef, marker == 0xfe, marker == 0xf0, marker >= 0xf7 && marker <= 0xfd:
		return nil // applications', comments, reserved
	}
	return body
}

// nextMarker reads up to a marker; fill bytes may stand before it.
func nextMarker(r *bufio.Reader) (byte, error) {
	c, err := r.ReadByte()
	if err != nil || c != 0xff {
		return 0, errors.Join(err, errStrip)
	}
	for c == 0xff {
		if c, err = r.ReadByte(); err != nil {
			return 0, err
		}
	}
	if c == 0 {
		return 0, errStrip
	}
	return c, nil
}

// copyScan copies entropy-coded data up to the next marker that is none of its own.
func copyScan(r *bufio.Reader, w io.Writer) (marker byte, err error) {
	for {
		p, err := r.ReadSlice(0xff)
		if err == bufio.ErrBufferFull {
			if _, err := w.Write(p); err != nil {
				return 0, err
			}
			continue
		}
		if err != nil {
			return 0, err
		}
		if _, err := w.Write(p[:len(p)-1]); err != nil {
			return 0, err
		}
		c := byte(0xff)
		for c == 0xff {
			if c, err = r.ReadByte(); err != nil {
				return 0, err
			}
		}
		if c != 0 && (c < 0xd0 || c > 0xd7) { // not a stuffed byte, not a restart
			return c, nil
		}
		if _, err := w.Write([]byte{0xff, c}); err != nil {
			return 0, err
		}
	}
}

// pngKept are the chunks of PNG that say how its pixels look; the third edition's
// and APNG's too.
var pngKept = map[string]bool{"IHDR": true, "PLTE": true, "IDAT": true, "IEND": true, "tRNS": true, "gAMA": true, "cHRM": true, "sRGB": true,
	"iCCP": true, "sBIT": true, "bKGD": true, "pHYs": true, "cICP": true, "acTL": true, "fcTL": true, "fdAT": true}

func stripPNG(r *bufio.Reader, w io.Writer) error {
	if _, err := io.CopyN(w, r, 8); err != nil {
		return err
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n, name := int64(binary.BigEndian.Uint32(head[:])), string(head[4:])
		if n > 1<<31-1 || name == "iCCP" && n > maxColours {
			return errStrip
		}
		if !pngKept[name] {
			if name[0]&0x20 == 0 {
				return errStrip // critical, and unknown: left out, the picture would be another
			}
			if _, err := io.CopyN(io.Discard, r, n+4); err != nil {
				return err
			}
			continue
		}
		if _, err := w.Write(head[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(w, r, n+4); err != nil {
			return err
		}
		if name == "IEND" {
			return nil
		}
	}
}

// stripGIF keeps pictures, their timing and the loop; comments, plain text and
// other applications' blocks (XMP lives there) go.
func stripGIF(r *bufio.Reader, w io.Writer) error {
	var head [13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if err := copyTable(r, w, head[10]); err != nil {
		return err
	}
	for {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		switch c {
		case 0x3b: // the end
			_, err := w.Write([]byte{c})
			return err
		case 0x2c: // a picture
			var d [9]byte
			if _, err := io.ReadFull(r, d[:]); err != nil {
				return err
			}
			if _, err := w.Write(append([]byte{c}, d[:]...)); err != nil {
				return err
			}
			if err := copyTable(r, w, d[8]); err != nil {
				return err
			}
			if _, err := io.CopyN(w, r, 1); err != nil {
				return err
			}
			if err := copyBlocks(r, w); err != nil {
				return err
			}
		case 0x21: // an extension
			label, err := r.ReadByte()
			if err != nil {
				return err
			}
			to := io.Writer(io.Discard)
			if name, _ := r.Peek(12); label == 0xf9 || label == 0xff && len(name) == 12 && (string(name[1:]) == "NETSCAPE2.0" || string(name[1:]) == "ANIMEXTS1.0") {
				to = w
			}
			if _, err := to.Write([]byte{c, label}); err != nil {
				return err
			}
			if err := copyBlocks(r, to); err != nil {
				return err
			}
		default:
			return errStrip
		}
	}
}

func copyTable(r io.Reader, w io.Writer, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	_, err := io.CopyN(w, r, 3<<(flags&7+1))
	return err
}

func copyBlocks(r *bufio.Reader, w io.Writer) error {
	for {
		n, err := r.ReadByte()
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte{n}); err != nil || n == 0 {
			return err
		}
		if _, err := io.CopyN(w, r, int64(n)); err != nil {
			return err
		}
	}
}

// webpKept are the chunks of a WebP file that make up its picture.
var webpKept = map[string]bool{"VP8 ": true, "VP8L": true, "VP8X": true, "ICCP": true, "ANIM": true, "ANMF": true, "ALPH": true}

// stripWebP reads the file twice: its header says how long all is.
func stripWebP(f io.ReadSeeker, w io.Writer) error {
	total := int64(4)
	sum := func(name string, n int64, _ io.Reader) error {
		if name == "ICCP" && n > maxColours {
			return errStrip
		}
		total += 8 + n + n&1
		return nil
	}
	if err := webpChunks(f, sum); err != nil {
		return err
	}
	head := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(head[4:], uint32(total))
	if _, err := w.Write(append(head, "WEBP"...)); err != nil {
		return err
	}
	return webpChunks(f, func(name string, n int64, r io.Reader) error {
		head := append([]byte(name), 0, 0, 0, 0)
		binary.LittleEndian.PutUint32(head[4:], uint32(n))
		if _, err := w.Write(head); err != nil {
			return err
		}
		if name == "VP8X" && n >= 1 {
			var flags [1]byte
			if _, err := io.ReadFull(r, flags[:]); err != nil {
				return err
			}
			flags[0] &^= 0x08 | 0x04 // EXIF and XMP are not here any more
			if _, err := w.Write(flags[:]); err != nil {
				return err
			}
			n--
			_, err := io.CopyN(w, r, n)
			if err == nil && n&1 == 0 {
				_, err = w.Write([]byte{0})
			}
			return err
		}
		if _, err := io.CopyN(w, r, n); err != nil || n&1 == 0 {
			return err
		}
		_, err := w.Write([]byte{0})
		return err
	})
}

// webpChunks calls f with each chunk that is kept; f reads none or all of it.
func webpChunks(f io.ReadSeeker, use func(name string, n int64, r io.Reader) error) error {
	if _, err := f.Seek(4, io.SeekStart); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(f, size[:]); err != nil {
		return err
	}
	end, at := 8+int64(binary.LittleEndian.Uint32(size[:])), int64(12)
	for at+8 <= end {
		var head [8]byte
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(f, head[:]); err != nil {
			return err
		}
		n := int64(binary.LittleEndian.Uint32(head[4:]))
		if at+8+n > end {
			return errStrip
		}
		if name := string(head[:4]); webpKept[name] {
			if err := use(name, n, f); err != nil {
				return err
			}
		}
		at += 8 + n + n&1
	}
	return nil
}
