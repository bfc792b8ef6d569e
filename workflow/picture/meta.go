package picture

import (
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bep/imagemeta"
)

// meta is all we take from a photo's metadata.
type meta struct {
	orientation int // EXIF 1 to 8; 1 when not said
	taken       time.Time
	caption     string
	place       bool // it says where the photo was taken
}

var metaFormats = map[kind]imagemeta.ImageFormat{
	kindJPEG: imagemeta.JPEG, kindPNG: imagemeta.PNG, kindHEIC: imagemeta.HEIF, kindAVIF: imagemeta.AVIF, kindTIFF: imagemeta.TIFF,
}

// readMeta reads EXIF as well as it can: broken metadata is no reason to refuse
// a picture.
func readMeta(f io.ReadSeeker, k kind) (m meta) {
	m.orientation = 1
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return m
	}
	defer func() {
		if recover() != nil { // over bytes of a stranger
			m = meta{orientation: 1}
		}
		f.Seek(0, io.SeekStart)
	}()
	r, format := f, metaFormats[k]
	if k == kindGIF {
		return m // it has none that a camera writes
	}
	if k == kindWebP {
		b := webpEXIF(f)
		if b == nil {
			return m
		}
		r, format = bytes.NewReader(b), imagemeta.TIFF
	}
	var original, digitized string
	said := map[imagemeta.Source]string{}
	imagemeta.Decode(imagemeta.Options{
		R: r, ImageFormat: format, Sources: imagemeta.EXIF | imagemeta.IPTC | imagemeta.XMP, Timeout: 2 * time.Second, LimitNumTags: 2000,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool {
			return t.Tag == "Orientation" && t.Namespace == "IFD0" || t.Tag == "DateTimeOriginal" || t.Tag == "CreateDate" ||
				captioned[t.Tag] || strings.HasPrefix(t.Tag, "GPS")
		},
		HandleTag: func(t imagemeta.TagInfo) error {
			if strings.HasPrefix(t.Tag, "GPSL") { // GPSLatitude and its kin; GPSVersionID alone is no place
				m.place = true
				return nil
			}
			if captioned[t.Tag] {
				if v := described(t.Value); v != "" {
					said[t.Source] = v
				}
				return nil
			}
			switch v := t.Value.(type) {
			case string:
				if t.Tag == "DateTimeOriginal" {
					original = v
				} else {
					digitized = v
				}
			case uint16:
				if t.Tag == "Orientation" && v >= 1 && v <= 8 {
					m.orientation = int(v)
				}
			}
			return nil
		},
		Warnf: func(string, ...any) {},
	})
	// What a person typed into a photo program is in XMP first.
	for _, from := range []imagemeta.Source{imagemeta.XMP, imagemeta.IPTC, imagemeta.EXIF} {
		if m.caption == "" {
			m.caption = said[from]
		}
	}
	for _, s := range []string{original, digitized} {
		if t, err := time.Parse("2006:01:02 15:04:05", strings.TrimRight(strings.TrimSpace(s), "\x00")); err == nil && t.Year() > 1900 {
			m.taken = t
			break
		}
	}
	if k == kindHEIC || k == kindAVIF {
		m.orientation = 1 // HEIC and AVIF turn by a property of their own, which their decoder follows
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

// captioned are the tags in which a photo says what it shows: EXIF, IPTC, XMP.
var captioned = map[string]bool{"ImageDescription": true, "Caption-Abstract": true, "Description": true}

// machines write their own names where a caption belongs.
var machines = regexp.MustCompile(`(?i)^(olympus|sony dsc|samsung|minolta|konica|kodak|digital|dcim|dsc|default|dji|hdr|img|picture|charset|untitled|mde|oznor|btf|cof|edf|nor|ptr|rhdr|sdr)[\w .;:=-]*$|^dcim[/\\]|^[\d\W_]*$|screenshot`)

// described is a caption that a person may have written; "" when a machine did.
func described(v any) string {
	s, ok := v.(string)
	if !ok {
		return ""
	}
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r == utf8.RuneError || unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, s))
	if machines.MatchString(s) {
		return ""
	}
	if r := []rune(s); len(r) > 500 {
		s = strings.TrimSpace(string(r[:499])) + "…"
	}
	return s
}
