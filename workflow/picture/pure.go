package picture

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/image/draw"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// one picture at a time in our own memory, however many slots there are.
var one sync.Mutex

// pure makes the three sizes without libvips.
func (m *Maker) pure(f io.ReadSeeker, k kind, orientation int, p *Picture) (err error) {
	one.Lock()
	defer one.Unlock()
	img, err := decode(f, k)
	if err != nil {
		return err
	}
	made := upright(fit(img, Sides[2]), orientation)
	return p.encode(made)
}

// encode makes the three sizes of what is upright and in our memory.
func (p *Picture) encode(img image.Image) error {
	for i := len(Sides) - 1; i > 0; i-- {
		made := fit(img, Sides[i])
		if err := write(p.JPEG[i], func(w io.Writer) error { return jpeg.Encode(w, made, &jpeg.Options{Quality: 82}) }); err != nil {
			return err
		}
		img = made
	}
	return p.smallest(img)
}

// pureClean makes the full size without libvips.
func (m *Maker) pureClean(f io.ReadSeeker, k kind, orientation int, out *Finished) error {
	one.Lock()
	defer one.Unlock()
	img, err := decode(f, k)
	if err != nil {
		return err
	}
	if k == kindPNG {
		return write(out.Clean, func(w io.Writer) error { return png.Encode(w, turned(img, orientation)) })
	}
	out.Clean, out.CleanType = strings.TrimSuffix(out.Clean, ".webp"), JPEG
	return write(out.Clean, func(w io.Writer) error {
		return jpeg.Encode(w, upright(opaque(img, img.Bounds().Dx(), img.Bounds().Dy()), orientation), &jpeg.Options{Quality: 92})
	})
}

func decode(f io.Reader, k kind) (img image.Image, err error) {
	defer func() {
		if p := recover(); p != nil { // over bytes of a stranger
			err = fmt.Errorf("%w: panic: %v", ErrUnreadable, p)
		}
	}()
	if s, ok := f.(io.Seeker); ok {
		s.Seek(0, io.SeekStart)
	}
	switch k {
	case kindJPEG:
		img, err = jpeg.Decode(f)
	case kindPNG:
		img, err = png.Decode(f)
	case kindWebP:
		img, err = webp.Decode(f)
		switch i := img.(type) {
		case *image.YCbCr:
			widen(i)
		case *image.NYCbCrA:
			widen(&i.YCbCr)
		}
	case kindGIF:
		img, err = gif.Decode(f) // the first picture
	case kindTIFF:
		img, err = tiff.Decode(f)
	case kindHEIC:
		img, err = decodeHEIC(f)
	default:
		err = errors.New("no decoder for this kind without libvips")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return img, nil
}

// widen brings luminance and colour of lossy WebP from the range of television, 16
// to 235 and 240 (RFC 6386 §9.2, ITU-R BT.601), to all 256 steps, which package
// image takes them for: black would be grey.
func widen(img *image.YCbCr) {
	var luma, chroma [256]uint8
	for i := range 256 {
		luma[i] = uint8(min(max((float64(i)-16)*255/219+0.5, 0), 255))
		chroma[i] = uint8(min(max((float64(i)-128)*255/224+128.5, 0), 255))
	}
	for i, v := range img.Y {
		img.Y[i] = luma[v]
	}
	for _, plane := range [][]uint8{img.Cb, img.Cr} {
		for i, v := range plane {
			plane[i] = chroma[v]
		}
	}
}

func write(path string, f func(io.Writer) error) error {
	w, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = f(w)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

// fit makes img no longer than side on either side, on white.
func fit(img image.Image, side int) *image.RGBA {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	if w > side || h > side {
		if w >= h {
			w, h = side, max(1, (h*side+w/2)/w)
		} else {
			w, h = max(1, (w*side+h/2)/h), side
		}
	}
	return opaque(img, w, h)
}

func opaque(img image.Image, w, h int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if o, ok := img.(interface{ Opaque() bool }); !ok || !o.Opaque() {
		draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	}
	// Both look at every pixel, which ApproxBiLinear would not; where many become
	// one, half the weights do.
	var s draw.Scaler = draw.CatmullRom
	switch dx, dy := img.Bounds().Dx(), img.Bounds().Dy(); {
	case dx == w && dy == h:
		s = draw.NearestNeighbor
	case dx >= 2*w:
		s = draw.BiLinear
	}
	s.Scale(out, out.Bounds(), img, img.Bounds(), draw.Over, nil)
	return out
}

// upright turns and mirrors as the EXIF orientation says (TIFF 6.0, tag 274).
func upright(in *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return in
	}
	w, h := in.Bounds().Dx(), in.Bounds().Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			to := out.PixOffset(place(x, y, w, h, orientation))
			from := in.PixOffset(x, y)
			copy(out.Pix[to:to+4:to+4], in.Pix[from:from+4])
		}
	}
	return out
}

// turned is upright for pictures whose transparency is kept.
func turned(img image.Image, orientation int) image.Image {
	if orientation < 2 || orientation > 8 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewNRGBA(size)
	for y := range h {
		for x := range w {
			tx, ty := place(x, y, w, h, orientation)
			out.Set(tx, ty, img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	return out
}

// place is where the stored pixel x, y belongs.
func place(x, y, w, h, orientation int) (int, int) {
	switch orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return h - 1 - y, x
	case 7:
		return h - 1 - y, w - 1 - x
	case 8:
		return y, w - 1 - x
	}
	return x, y
}
