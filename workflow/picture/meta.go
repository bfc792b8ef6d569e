package picture

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"time"

	"github.com/bep/imagemeta"
)

// meta is all we take from a photo's metadata.
type meta struct {
	orientation int // EXIF 1 to 8; 1 when not said
	taken       time.Time
}

var metaFormats = map[kind]imagemeta.ImageFormat{
	kindJPEG: imagemeta.JPEG, kindPNG: imagemeta.PNG, kindHEIC: imagemeta.HEIF,
}

// readMeta reads EXIF as well as it can: broken metadata is no reason to refuse
// a picture.
func readMeta(f io.ReadSeeker, k kind) (m meta) {
	m.orientation = 1
	defer func() {
		if recover() != nil { // over bytes of a stranger
			m = meta{orientation: 1}
		}
		f.Seek(0, io.SeekStart)
	}()
	r, format := f, metaFormats[k]
	if k == kindWebP {
		b := webpEXIF(f)
		if b == nil {
			return m
		}
		r, format = bytes.NewReader(b), imagemeta.TIFF
	}
	var original, digitized string
	imagemeta.Decode(imagemeta.Options{
		R: r, ImageFormat: format, Sources: imagemeta.EXIF, Timeout: 2 * time.Second, LimitNumTags: 2000,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool {
			return t.Tag == "Orientation" && t.Namespace == "IFD0" || t.Tag == "DateTimeOriginal" || t.Tag == "CreateDate"
		},
		HandleTag: func(t imagemeta.TagInfo) error {
			switch v := t.Value.(type) {
			case string:
				if t.Tag == "DateTimeOriginal" {
					original = v
				} else {
					digitized = v
				}
			case uint16:
				if v >= 1 && v <= 8 {
					m.orientation = int(v)
				}
			}
			return nil
		},
		Warnf: func(string, ...any) {},
	})
	for _, s := range []string{original, digitized} {
		if t, err := time.Parse("2006:01:02 15:04:05", strings.TrimRight(strings.TrimSpace(s), "\x00")); err == nil && t.Year() > 1900 {
			m.taken = t
			break
		}
	}
	if k == kindHEIC {
		m.orientation = 1 // HEIC turns by a property of its own, which its decoder follows
	}
	return m
}

// maxEXIF bounds the metadata that is looked at; a camera writes 64 KiB at most.
const maxEXIF = 1 << 20

// webpEXIF is the EXIF chunk of a WebP file. libwebp's tools put JPEG's
// "Exif\0\0" before it, which the specification does not and imagemeta does not
// expect.
func webpEXIF(f io.ReadSeeker) []byte {
	if _, err := f.Seek(12, io.SeekStart); err != nil {
		return nil
	}
	for range 1000 {
		var head [8]byte
		if _, err := io.ReadFull(f, head[:]); err != nil {
			return nil
		}
		n := int64(binary.LittleEndian.Uint32(head[4:]))
		if string(head[:4]) == "EXIF" {
			if n > maxEXIF {
				return nil
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(f, b); err != nil {
				return nil
			}
			return bytes.TrimPrefix(b, []byte("Exif\x00\x00"))
		}
		if _, err := f.Seek(n+n&1, io.SeekCurrent); err != nil {
			return nil
		}
	}
	return nil
}
