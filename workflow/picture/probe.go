package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

type kind int

const (
	kindJPEG kind = iota + 1
	kindPNG
	kindWebP
	kindHEIC
	kindAVIF
	kindGIF
	kindTIFF
	kindMP4
	kindMOV
	kindWebM
)

// film says that it moves, and ffmpeg reads it.
func (k kind) film() bool { return k == kindMP4 || k == kindMOV || k == kindWebM }

func (k kind) mediaType() string {
	return map[kind]string{kindJPEG: JPEG, kindPNG: "image/png", kindWebP: "image/webp", kindHEIC: "image/heic", kindAVIF: "image/avif",
		kindGIF: "image/gif", kindTIFF: "image/tiff", kindMP4: "video/mp4", kindMOV: "video/quicktime", kindWebM: "video/webm"}[k]
}

// IsPicture says whether a file begins like a picture or film that Make takes.
// What the sender calls it does not count.
func IsPicture(head []byte) bool { return sniff(head) != 0 }

// SniffLength is how many bytes IsPicture wants to see.
const SniffLength = 64

func sniff(b []byte) kind {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return kindJPEG
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return kindPNG
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		return kindGIF
	case bytes.HasPrefix(b, []byte("II*\x00")), bytes.HasPrefix(b, []byte("MM\x00*")):
		return kindTIFF
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return kindWebP
	case bytes.HasPrefix(b, []byte("\x1a\x45\xdf\xa3")): // EBML: Matroska and WebM
		return kindWebM
	case len(b) >= 16 && string(b[4:8]) == "ftyp":
		return brand(b)
	}
	return 0
}

// brand tells the kinds apart that share the ISO base media format, by the
// brands that their first box names (ISO/IEC 14496-12 §4.3).
func brand(b []byte) kind {
	n := min(int(binary.BigEndian.Uint32(b)), len(b))
	films := kind(0)
	for i := 8; i+4 <= n; i += 4 {
		if i == 12 {
			continue // the version
		}
		switch string(b[i : i+4]) {
		case "heic", "heix", "heim", "heis", "hevc", "hevx":
			return kindHEIC
		case "avif", "avis":
			return kindAVIF
		case "qt  ":
			if films == 0 {
				films = kindMOV
			}
		case "isom", "iso2", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "M4V ", "M4VH", "M4VP", "MSNV", "3gp4", "3gp5", "3gp6", "3g2a", "dash":
			if films == 0 {
				films = kindMP4
			}
		}
	}
	return films
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
	if k.film() {
		return k, 1, 1, nil // its player bounds it
	}
	var cfg image.Config
	switch k {
	case kindJPEG:
		cfg, err = jpeg.DecodeConfig(f)
	case kindPNG:
		cfg, err = png.DecodeConfig(f)
	case kindWebP:
		cfg, err = webp.DecodeConfig(f)
	case kindGIF:
		cfg, err = gif.DecodeConfig(f)
	case kindTIFF:
		cfg, err = tiff.DecodeConfig(f)
	case kindHEIC, kindAVIF:
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
