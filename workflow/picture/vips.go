package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"os"
	"slices"
	"strconv"
)

// sizes makes the three JPEG files, each smaller one from the next larger, which
// is quicker and cannot differ; and the hash.
func (m *Maker) sizes(ctx context.Context, f *opened, orientation int, p *Picture) error {
	err := errNoTool
	if m.vips != "" {
		err = m.chain(ctx, f.dir, f.path, coloured(f), p)
	}
	// The libheif of older systems cannot read what newer telephones write.
	if m.vips == "" || f.kind == kindHEIC && errors.Is(err, ErrUnreadable) {
		err = m.pure(f.File, f.kind, orientation, p)
	}
	return err
}

// chain makes the JPEG files of a picture; profile says that it names its colours.
func (m *Maker) chain(ctx context.Context, dir, from string, profile bool, p *Picture) error {
	if err := m.thumbnail(ctx, dir, from, profile, p.JPEG[2]+"[Q=84,strip,optimize_coding,background=255]", Sides[2]); err != nil {
		return err
	}
	if err := m.thumbnail(ctx, dir, p.JPEG[2], false, p.JPEG[1]+"[Q=82,strip,optimize_coding]", Sides[1]); err != nil {
		return err
	}
	// The start of a process takes longer than the smallest one, which the hash
	// wants in our own memory anyway. It is a file of our own making by now.
	f, err := os.Open(p.JPEG[1])
	if err != nil {
		return err
	}
	defer f.Close()
	// One at a time: on two cores, the other is for mail, which the kernel cannot
	// prefer to what our own process does.
	one.Lock()
	defer one.Unlock()
	img, err := jpeg.Decode(f)
	if err != nil {
		return err
	}
	return p.smallest(img)
}

// smallest makes the last size, and the hash.
func (p *Picture) smallest(img image.Image) error {
	small := fit(img, Sides[0])
	p.Hash = Hash(small)
	return write(p.JPEG[0], func(w io.Writer) error { return jpeg.Encode(w, small, &jpeg.Options{Quality: 80}) })
}

// thumbnail has libvips make out of in, turned upright, its longer side at most
// side, in sRGB.
func (m *Maker) thumbnail(ctx context.Context, dir, in string, profile bool, out string, side int) error {
	// Both are names of our own making: libvips reads options behind a file name.
	args := []string{"thumbnail", in, out, strconv.Itoa(side), "--height", strconv.Itoa(side), "--size", "down", "--fail-on", "error"}
	if profile {
		// Only then: libvips 8.14 moves the colours of a picture without a profile by it.
		args = append(args, "--export-profile", "srgb")
	}
	return m.run(ctx, job{dir: dir, timeout: m.timeout(), name: m.vips, args: args,
		// No loader that libvips holds unfit for strangers' files.
		env: []string{"VIPS_BLOCK_UNTRUSTED=1", "VIPS_CONCURRENCY=1", "VIPS_DISC_THRESHOLD=600m", "TMPDIR=" + dir}})
}

// webp is thumbnail for a WebP file.
func (m *Maker) webp(ctx context.Context, dir, in string, profile bool, out, options string, side int) error {
	if err := m.thumbnail(ctx, dir, in, profile, out+options, side); err != nil {
		return err
	}
	// The strip of libvips 8.14 leaves EXIF and XMP in WebP.
	f, err := os.Open(out)
	if err != nil {
		return err
	}
	defer f.Close()
	bare := out + ".bare"
	if err := stripFile(f, kindWebP, bare); err != nil {
		return err
	}
	return os.Rename(bare, out)
}

// marks of a colour profile in the containers that hold one.
var marks = [][]byte{[]byte("ICC_PROFILE\x00"), []byte("iCCP"), []byte("ICCP"), []byte("colrprof"), []byte("colrrICC")}

// coloured says whether a picture brings a colour profile; of a telephone it
// mostly is Display P3. It stands before the pixels, except in TIFF, where it may
// stand anywhere, and only its own signature tells it (ICC.1 §7.2.11).
func coloured(f *opened) bool {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false
	}
	if f.kind != kindTIFF {
		head, _ := io.ReadAll(io.LimitReader(f, maxColours))
		return slices.ContainsFunc(marks, func(m []byte) bool { return bytes.Contains(head, m) })
	}
	b := make([]byte, 64<<10)
	kept := 0 // of what was read before: the signature may lie across
	for {
		n, err := f.Read(b[kept:])
		if bytes.Contains(b[:kept+n], []byte("acsp")) {
			return true
		}
		if err != nil {
			return false
		}
		kept = copy(b, b[max(0, kept+n-3):kept+n])
	}
}
