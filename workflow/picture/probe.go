package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

type kind int

const (
	kindJPEG kind = iota + 1
	kindPNG
	kindWebP
	kindHEIC
)

// IsPicture says whether a file begins like a picture that Make takes. What the
// sender calls it does not count.
func IsPicture(head []byte) bool { return sniff(head) != 0 }

// SniffLength is how many bytes IsPicture wants to see.
const SniffLength = 64

func sniff(b []byte) kind {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return kindJPEG
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return kindPNG
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return kindWebP
	case len(b) >= 16 && string(b[4:8]) == "ftyp":
		// The brands of still pictures coded with HEVC (ISO/IEC 23008-12); "mif1"
		// alone may be AVIF too, which the decoder then says.
		n := min(int(binary.BigEndian.Uint32(b)), len(b))
		for i := 8; i+4 <= n; i += 4 {
			switch string(b[i : i+4]) {
			case "heic", "heix", "heim", "heis", "hevc", "hevx":
				return kindHEIC
			}
		}
	}
	return 0
}

// probe finds kind and dimensions without decoding pixels.
func probe(f io.ReadSeeker) (k kind, w, h int, err error) {
	head := make([]byte, SniffLength)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return 0, 0, 0, err
	}
	if k = sniff(head[:n]); k == 0 {
		return 0, 0, 0, ErrKind
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, 0, 0, err
	}
	defer func() {
		if p := recover(); p != nil { // a decoder's, over bytes of a stranger
			err = fmt.Errorf("%w: panic: %v", ErrUnreadable, p)
		}
		if _, serr := f.Seek(0, io.SeekStart); err == nil {
			err = serr
		}
	}()
	var cfg image.Config
	switch k {
	case kindJPEG:
		cfg, err = jpeg.DecodeConfig(f)
	case kindPNG:
		cfg, err = png.DecodeConfig(f)
	case kindWebP:
		cfg, err = webp.DecodeConfig(f)
	case kindHEIC:
		cfg.Width, cfg.Height, err = heicSize(f)
	}
	if err == nil && (cfg.Width <= 0 || cfg.Height <= 0) {
		err = fmt.Errorf("no dimensions")
	}
	if err != nil {
		return k, 0, 0, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return k, cfg.Width, cfg.Height, nil
}

// heicMeta bounds the box that describes a HEIC file; it holds no pixels.
const heicMeta = 4 << 20

// heicSize is the largest image a HEIC file says it has: meta/iprp/ipco/ispe
// (ISO/IEC 23008-12 §6.5.3). The whole of a grid is among them.
func heicSize(f io.ReadSeeker) (w, h int, err error) {
	for {
		var head [16]byte
		if _, err := io.ReadFull(f, head[:8]); err != nil {
			return 0, 0, fmt.Errorf("no meta box: %w", err)
		}
		n, header := int64(binary.BigEndian.Uint32(head[:4])), int64(8)
		if n == 1 {
			if _, err := io.ReadFull(f, head[8:]); err != nil {
				return 0, 0, err
			}
			n, header = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if n < header { // also 0: to the end of the file, so nothing follows
			return 0, 0, fmt.Errorf("no meta box")
		}
		if string(head[4:8]) == "meta" {
			if n > heicMeta {
				return 0, 0, fmt.Errorf("meta box of %d bytes", n)
			}
			b := make([]byte, n-header)
			if _, err := io.ReadFull(f, b); err != nil {
				return 0, 0, err
			}
			return largest(b)
		}
		if _, err := f.Seek(n-header, io.SeekCurrent); err != nil {
			return 0, 0, err
		}
	}
}

func largest(meta []byte) (w, h int, err error) {
	if len(meta) < 4 {
		return 0, 0, fmt.Errorf("empty meta box")
	}
	boxes(meta[4:], func(kind string, iprp []byte) { // version and flags come first
		if kind != "iprp" {
			return
		}
		boxes(iprp, func(kind string, ipco []byte) {
			if kind != "ipco" {
				return
			}
			boxes(ipco, func(kind string, b []byte) {
				if kind != "ispe" || len(b) < 12 {
					return
				}
				bw, bh := int64(binary.BigEndian.Uint32(b[4:])), int64(binary.BigEndian.Uint32(b[8:]))
				if bw > MaxSide || bh > MaxSide {
					bw, bh = min(bw, MaxSide+1), min(bh, MaxSide+1)
				}
				if bw*bh > int64(w)*int64(h) {
					w, h = int(bw), int(bh)
				}
			})
		})
	})
	return w, h, nil
}

// boxes calls f with each box in b.
func boxes(b []byte, f func(kind string, body []byte)) {
	for len(b) >= 8 {
		n := int64(binary.BigEndian.Uint32(b))
		if n == 0 {
			n = int64(len(b))
		}
		if n < 8 || n > int64(len(b)) {
			return
		}
		f(string(b[4:8]), b[8:n])
		b = b[n:]
	}
}
