package picture

import (
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
	kindJPEG: imagemeta.JPEG, kindPNG: imagemeta.PNG, kindWebP: imagemeta.WebP, kindHEIC: imagemeta.HEIF,
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
	var original, digitized string
	imagemeta.Decode(imagemeta.Options{
		R: f, ImageFormat: metaFormats[k], Sources: imagemeta.EXIF, Timeout: 2 * time.Second, LimitNumTags: 2000,
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
