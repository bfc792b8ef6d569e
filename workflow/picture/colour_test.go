package picture

import (
	"bytes"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is coded in other ways than a telephone's sRGB looks as it should, in
// what every browser shows.
func TestColoursKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.png"), asPNG(t, patches()), 0o600); err != nil {
		t.Fatal(err)
	}
	// Display P3, as telephones have it: the same colours under other numbers.
	do(t, dir, "vips", "icc_transform", "a.png", "p3.tif", "p3", "--input-profile", "srgb", "--embedded=false")
	do(t, dir, "vips", "copy", "p3.tif", "p3.jpg[Q=98,subsample-mode=off]")
	do(t, dir, "vips", "copy", "p3.tif", "p3.png")
	do(t, dir, "vips", "copy", "p3.tif", "p3.webp[lossless]")
	do(t, dir, "vips", "icc_transform", "a.png", "cmyk.jpg[Q=98]", "cmyk", "--input-profile", "srgb", "--embedded=false")
	do(t, dir, "cwebp", "-quiet", "-q", "90", "a.png", "-o", "plain.webp")
	do(t, dir, "vips", "colourspace", "a.png", "deep.png", "rgb16")
	do(t, dir, "vips", "colourspace", "a.png", "grey.jpg[Q=98]", "b-w")
	for _, c := range []struct {
		file string
		most float64 // mean difference; print cannot do every colour
	}{{"plain.webp", 4}, {"p3.jpg", 4}, {"p3.png", 4}, {"p3.webp", 4}, {"p3.tif", 4}, {"cmyk.jpg", 14}, {"deep.png", 4}, {"a.png", 4}} {
		b, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		m := &Maker{Hurry: true, Dir: t.TempDir()}
		p, err := m.Make(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		defer p.Close()
		f, err := m.Finish(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		defer f.Close()
		shown := append([]string{p.JPEG[0], p.JPEG[2]}, f.WebP[:]...)
		if !strings.HasSuffix(f.Clean, "clean") {
			shown = append(shown, f.Clean) // encoded anew; what was only stripped has its profile still
		}
		for _, path := range shown {
			img, _ := open(t, path)
			if d := off(img, patches()); d > c.most {
				t.Errorf("%s: %s is off by %.1f of 255", c.file, filepath.Base(path), d)
			}
		}
	}
	// Without libvips too, where no profile is followed.
	for _, name := range []string{"plain.webp", "a.png", "deep.png"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		p, err := (&Maker{Hurry: true, Dir: t.TempDir(), Tool: "none"}).Make(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if img, _ := open(t, p.JPEG[0]); off(img, patches()) > 4 {
			t.Errorf("%s without libvips is off by %.1f of 255", name, off(img, patches()))
		}
	}
	b, _ := os.ReadFile(filepath.Join(dir, "grey.jpg"))
	p, err := (&Maker{Hurry: true, Dir: t.TempDir()}).Make(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if img, _ := open(t, p.JPEG[2]); img.Bounds().Dx() != 400 {
		t.Errorf("grey: %v", img.Bounds())
	}
}

// patches are colours that sRGB and Display P3 number differently.
func patches() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 400, 100))
	for x := range 400 {
		for y := range 100 {
			copy(img.Pix[img.PixOffset(x, y):], [][]byte{{200, 60, 50, 255}, {60, 170, 70, 255}, {50, 70, 180, 255}, {200, 180, 160, 255}}[x/100])
		}
	}
	return img
}

// off is how far the middles of the patches are from what they are to be.
func off(got image.Image, want *image.RGBA) float64 {
	sum, w := 0.0, got.Bounds().Dx()
	for i := range 4 {
		r, g, b, _ := got.At(got.Bounds().Min.X+(2*i+1)*w/8, got.Bounds().Dy()/2).RGBA()
		o := want.PixOffset((2*i+1)*50, 50)
		for j, v := range []uint32{r >> 8, g >> 8, b >> 8} {
			sum += math.Abs(float64(v) - float64(want.Pix[o+j]))
		}
	}
	return sum / 12
}
