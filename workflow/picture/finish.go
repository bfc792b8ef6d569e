package picture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Finished is what Finish made. Its files go with Close.
type Finished struct {
	WebP             [3]string // paths, by Sides; "" where there is none
	Clean, CleanType string    // full size without private metadata; "" when it cannot be had
	Film             string    // as every browser plays it: H.264 and AAC in MP4; "" for pictures

	dir string
}

// Close removes the files.
func (f *Finished) Close() error { return os.RemoveAll(f.dir) }

// Finish makes of the same bytes what Make left for later: the full size without
// private metadata, and what newer browsers take. One runs at a time,
// and makes way before each step: it must not take the machine from those who
// wait for a page.
func (m *Maker) Finish(ctx context.Context, r io.Reader) (out *Finished, err error) {
	enough, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	if err := m.waiting.makeWay(ctx, enough); err != nil {
		return nil, err
	}
	f, done, err := m.open(ctx, func() chan struct{} { return m.later }, r)
	if err != nil {
		return nil, err
	}
	defer done()
	out = &Finished{dir: f.dir}
	defer func() {
		if err != nil {
			os.RemoveAll(f.dir)
		}
	}()
	from, profile := f.path, coloured(f)
	if f.kind.film() {
		profile = false
		if from, err = m.film(ctx, f, out); err != nil || from == "" {
			return out, err
		}
	} else {
		orientation := readMeta(f.File, f.kind).orientation
		if err := m.clean(ctx, f, orientation, profile, out); err != nil {
			return nil, err
		}
	}
	if m.vips == "" {
		return out, nil // Go has no encoder for WebP
	}
	for i := len(Sides) - 1; i >= 0; i-- {
		if err := m.waiting.makeWay(ctx, enough); err != nil {
			return nil, err
		}
		path := filepath.Join(f.dir, fmt.Sprintf("%d.webp", Sides[i]))
		// The large one is made from the photo, not from its JPEG: no loss upon loss.
		if err := m.webp(ctx, f.dir, from, profile, path, "[Q=78,strip,effort=3]", Sides[i]); errors.Is(err, ErrUnreadable) {
			return out, nil // the JPEG files stay what is shown
		} else if err != nil {
			return nil, err
		}
		out.WebP[i] = path
		from, profile = path, false
	}
	return out, nil
}

// clean makes the full size: by leaving out and turning coded data where that
// can be done, by decoding and encoding otherwise.
func (m *Maker) clean(ctx context.Context, f *opened, orientation int, profile bool, out *Finished) error {
	stripped := filepath.Join(f.dir, "stripped")
	err := stripFile(f.File, f.kind, stripped)
	if err != nil && !errors.Is(err, errStrip) {
		return err
	}
	defer os.Remove(stripped)
	if err == nil && orientation <= 1 {
		out.Clean, out.CleanType = filepath.Join(f.dir, "clean"), f.kind.mediaType()
		return os.Rename(stripped, out.Clean)
	}
	if err == nil && f.kind == kindJPEG && m.jpegtran != "" {
		out.Clean, out.CleanType = filepath.Join(f.dir, "clean.jpg"), JPEG
		turn := append([]string{"-copy", "all", "-perfect"}, transforms[orientation]...)
		err := m.run(ctx, job{dir: f.dir, timeout: m.timeout(), name: m.jpegtran, args: append(turn, "-outfile", out.Clean, stripped)})
		if err == nil || !errors.Is(err, ErrUnreadable) {
			return err
		}
		// Not perfect: the edge would be lost, or repeated.
	}
	to, options, mediaType := "clean.jpg", "[Q=92,optimize_coding,strip,background=255]", JPEG
	switch f.kind {
	case kindPNG:
		to, options, mediaType = "clean.png", "[strip,compression=6]", "image/png"
	case kindWebP:
		to, options, mediaType = "clean.webp", "[Q=90,strip]", "image/webp"
	}
	out.Clean, out.CleanType = filepath.Join(f.dir, to), mediaType
	err = errNoTool
	if m.vips != "" && f.kind == kindWebP {
		err = m.webp(ctx, f.dir, f.path, profile, out.Clean, options, MaxSide)
	} else if m.vips != "" {
		err = m.thumbnail(ctx, f.dir, f.path, profile, out.Clean+options, MaxSide)
	}
	if m.vips == "" || f.kind == kindHEIC && errors.Is(err, ErrUnreadable) {
		err = m.pureClean(f.File, f.kind, orientation, out)
	}
	return err
}

// transforms turn what is stored upright, by EXIF orientation (TIFF 6.0, tag 274).
var transforms = map[int][]string{2: {"-flip", "horizontal"}, 3: {"-rotate", "180"}, 4: {"-flip", "vertical"},
	5: {"-transpose"}, 6: {"-rotate", "90"}, 7: {"-transverse"}, 8: {"-rotate", "270"}}
