package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// makers are the two ways pictures are made: each test holds for both.
func makers(t *testing.T, f func(t *testing.T, m *Maker)) {
	t.Run("vips", func(t *testing.T) {
		if _, err := exec.LookPath("vips"); err != nil {
			t.Fatal("libvips is missing: install Debian's package libvips-tools (make deps does)")
		}
		f(t, &Maker{Hurry: true, Dir: t.TempDir()})
	})
	t.Run("pure", func(t *testing.T) { f(t, &Maker{Hurry: true, Dir: t.TempDir(), Tool: "none"}) })
}

// photo is a picture whose four corners differ: red, green, blue, white.
func photo(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 0, 0, 255}
			switch {
			case x >= w/2 && y < h/2:
				c = color.RGBA{0, 255, 0, 255}
			case x < w/2 && y >= h/2:
				c = color.RGBA{0, 0, 255, 255}
			case x >= w/2:
				c = color.RGBA{255, 255, 255, 255}
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func asJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif is a TIFF block with an orientation, an hour and a place.
func exif(orientation int) []byte {
	var b bytes.Buffer
	w16 := func(v ...uint16) { binary.Write(&b, binary.BigEndian, v) }
	w32 := func(v ...uint32) { binary.Write(&b, binary.BigEndian, v) }
	b.WriteString("MM\x00*")
	w32(8)
	w16(3) // IFD0 at 8: 3 entries, ends at 8+2+36+4 = 50
	w16(0x112, 3)
	w32(1)
	w16(uint16(orientation), 0)
	w16(0x8769, 4) // EXIF IFD
	w32(1, 50)
	w16(0x8825, 4) // GPS IFD
	w32(1, 88)
	w32(0)
	w16(1) // EXIF IFD at 50: ends at 50+2+12+4 = 68
	w16(0x9003, 2)
	w32(20, 68)
	w32(0)
	b.WriteString("2026:07:14 16:30:05\x00") // 68 to 88
	w16(2)                                   // GPS IFD at 88: ends at 88+2+24+4 = 118
	w16(1, 2)
	w32(2)
	b.WriteString("N\x00\x00\x00")
	w16(2, 5)
	w32(3, 118)
	w32(0)
	w32(48, 1, 4, 1, 4242, 100)
	return b.Bytes()
}

const place42 = "GPSPLACE-48.0742"

// located adds to a JPEG everything that may tell a place: EXIF with GPS, XMP,
// IPTC, a comment, and bytes behind the end.
func located(j []byte, orientation int) []byte {
	seg := func(marker byte, body string) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2)), body...)
	}
	out := append([]byte{}, j[:2]...)
	out = append(out, seg(0xe1, "Exif\x00\x00"+string(exif(orientation))+place42)...)
	out = append(out, seg(0xe1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>"+place42+"</x:xmpmeta>")...)
	out = append(out, seg(0xed, "Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x10"+place42)...)
	out = append(out, seg(0xe5, "MakerNote "+place42)...)
	out = append(out, seg(0xfe, place42)...)
	out = append(out, j[2:]...)
	return append(out, place42...)
}

// locatedPNG adds eXIf and text chunks.
func locatedPNG(p []byte, orientation int) []byte {
	chunk := func(kind, body string) []byte {
		b := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), kind+body...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	out := append([]byte{}, p[:33]...) // signature and IHDR
	out = append(out, chunk("eXIf", string(exif(orientation)))...)
	out = append(out, chunk("tEXt", "Location\x00"+place42)...)
	return append(out, p[33:]...)
}

func corner(img image.Image, right, bottom bool) string {
	b := img.Bounds()
	x, y := b.Min.X+b.Dx()/8, b.Min.Y+b.Dy()/8
	if right {
		x = b.Max.X - 1 - b.Dx()/8
	}
	if bottom {
		y = b.Max.Y - 1 - b.Dy()/8
	}
	r, g, bl, _ := img.At(x, y).RGBA()
	name := ""
	for _, c := range []struct {
		v uint32
		n string
	}{{r, "R"}, {g, "G"}, {bl, "B"}} {
		if c.v > 0x8000 {
			name += c.n
		}
	}
	return name
}

func corners(img image.Image) string {
	return corner(img, false, false) + " " + corner(img, true, false) + " " + corner(img, false, true) + " " + corner(img, true, true)
}

func open(t testing.TB, path string) (image.Image, []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := decode(bytes.NewReader(b), sniff(b))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return img, b
}

// W-04, W-05: upright and silent about the place, for each of the 8 orientations.
func TestPhotosAreUprightAndTellNoPlace(t *testing.T) {
	t.Parallel()
	makers(t, func(t *testing.T, m *Maker) {
		for orientation := 1; orientation <= 8; orientation++ {
			stored := turned(photo(600, 400), undo(orientation))
			for name, file := range map[string][]byte{
				"jpeg": located(asJPEG(t, stored), orientation),
				"png":  locatedPNG(asPNG(t, stored), orientation),
			} {
				p, err := m.Make(t.Context(), bytes.NewReader(file))
				if err != nil {
					t.Errorf("%s %d: %v", name, orientation, err)
					continue
				}
				if p.Width != 600 || p.Height != 400 {
					t.Errorf("%s %d: %d by %d, want 600 by 400", name, orientation, p.Width, p.Height)
				}
				if want := time.Date(2026, 7, 14, 16, 30, 5, 0, time.UTC); !p.Taken.Equal(want) {
					t.Errorf("%s %d: taken %v, want %v", name, orientation, p.Taken, want)
				}
				_, all := everything(t, m, p, file)
				for _, path := range all {
					img, b := open(t, path)
					if got := corners(img); got != "R G B RGB" {
						t.Errorf("%s %d %s: corners %s, want R G B RGB", name, orientation, filepath.Base(path), got)
					}
					for _, tell := range []string{place42, "Exif", "eXIf", "xmpmeta", "Photoshop", "Location", "2026:07:14"} {
						if bytes.Contains(b, []byte(tell)) {
							t.Errorf("%s %d %s: still has %q", name, orientation, filepath.Base(path), tell)
						}
					}
				}
				p.Close()
			}
		}
	})
}

// everything is all files that Make and Finish make of one.
func everything(t testing.TB, m *Maker, p *Picture, file []byte) (f *Finished, paths []string) {
	t.Helper()
	f, err := m.Finish(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatalf("finish: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	if f.Clean == "" {
		t.Error("no full size for guests")
	}
	for _, path := range append(append(append([]string{f.Clean}, p.JPEG[:]...), f.WebP[:]...), f.Film) {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return f, paths
}

// undo is the orientation that turns an upright picture into one stored with o.
func undo(o int) int {
	switch o {
	case 6:
		return 8
	case 8:
		return 6
	}
	return o
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

// The published set of photos with every orientation, against their upright one.
func TestPublishedOrientations(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "corpora", "images", "exif-orientation")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	makers(t, func(t *testing.T, m *Maker) {
		for _, shape := range []string{"Landscape", "Portrait"} {
			var want, wantWhole image.Image
			for o := 1; o <= 8; o++ {
				name := fmt.Sprintf("%s_%d.jpg", shape, o)
				f, err := os.Open(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				p, err := m.Make(t.Context(), f)
				f.Close()
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				img, _ := open(t, p.JPEG[0])
				full := p.JPEG[2]
				if shape == "Landscape" { // one shape shows it
					b, _ := os.ReadFile(filepath.Join(dir, name))
					later, err := m.Finish(t.Context(), bytes.NewReader(b))
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					defer later.Close()
					full = later.Clean
				}
				big, b := open(t, full)
				whole := fit(big, Sides[0])
				if bytes.Contains(b, []byte("Exif")) {
					t.Errorf("%s: the full size still has EXIF", name)
				}
				if o == 1 {
					want, wantWhole = img, whole
				} else if d, e := difference(img, want), difference(whole, wantWhole); d > 0.03 || e > 0.03 {
					t.Errorf("%s differs from %s_1 by %.1f %%, its full size by %.1f %%", name, shape, 100*d, 100*e)
				}
				p.Close()
			}
		}
	})
}

// difference is the mean over all pixels and colours, 0 to 1.
func difference(a, b image.Image) float64 {
	if a.Bounds().Dx() != b.Bounds().Dx() || a.Bounds().Dy() != b.Bounds().Dy() {
		return 1
	}
	var sum float64
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, d := range []float64{float64(r1) - float64(r2), float64(g1) - float64(g2), float64(b1) - float64(b2)} {
				sum += math.Abs(d) / 0xffff
			}
		}
	}
	return sum / 3 / float64(a.Bounds().Dx()*a.Bounds().Dy())
}

func TestSizes(t *testing.T) {
	t.Parallel()
	makers(t, func(t *testing.T, m *Maker) {
		for _, c := range []struct{ w, h, lw, lh, tw, th int }{
			{3000, 1500, 2048, 1024, 400, 200},
			{1500, 3000, 1024, 2048, 200, 400},
			{300, 200, 300, 200, 300, 200},
			{4000, 1, 2048, 1, 400, 1},
		} {
			p, err := m.Make(t.Context(), bytes.NewReader(asJPEG(t, image.NewGray(image.Rect(0, 0, c.w, c.h)))))
			if err != nil {
				t.Errorf("%d by %d: %v", c.w, c.h, err)
				continue
			}
			large, _ := open(t, p.JPEG[2])
			thumb, _ := open(t, p.JPEG[0])
			if large.Bounds().Dx() != c.lw || large.Bounds().Dy() != c.lh || thumb.Bounds().Dx() != c.tw || thumb.Bounds().Dy() != c.th ||
				p.Width != c.w || p.Height != c.h {
				t.Errorf("%d by %d: large %v, thumb %v, full %d by %d", c.w, c.h, large.Bounds().Max, thumb.Bounds().Max, p.Width, p.Height)
			}
			p.Close()
		}
	})
}

func TestTransparencyBecomesWhite(t *testing.T) {
	t.Parallel()
	makers(t, func(t *testing.T, m *Maker) {
		clear := asPNG(t, image.NewNRGBA(image.Rect(0, 0, 50, 50)))
		p, err := m.Make(t.Context(), bytes.NewReader(clear))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		later, err := m.Finish(t.Context(), bytes.NewReader(clear))
		if err != nil {
			t.Fatal(err)
		}
		defer later.Close()
		img, _ := open(t, p.JPEG[2])
		if r, g, b, _ := img.At(25, 25).RGBA(); r < 0xf000 || g < 0xf000 || b < 0xf000 {
			t.Errorf("got %x %x %x, want white", r, g, b)
		}
		full, _ := open(t, later.Clean)
		if _, _, _, a := full.At(25, 25).RGBA(); later.CleanType != "image/png" || a != 0 {
			t.Errorf("full size: %s with alpha %x, want a PNG that is still transparent", later.CleanType, a)
		}
	})
}

// pngOf is a PNG that says it has these dimensions, and little else.
func pngOf(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 1, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:29]))
	return append(b, 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82)
}

func heicOf(w, h uint32) []byte {
	box := func(kind string, body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+8)), append([]byte(kind), body...)...)
	}
	ispe := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 4), w), h)
	meta := append(make([]byte, 4), box("iprp", box("ipco", box("ispe", ispe)))...)
	return append(box("ftyp", []byte("heic\x00\x00\x00\x00mif1heic")), box("meta", meta)...)
}

// W-06: bombs are refused by what they say of themselves, at once, and the next
// photo is fine.
func TestBombsAreRefusedBeforeDecoding(t *testing.T) {
	t.Parallel()
	makers(t, func(t *testing.T, m *Maker) {
		var wg sync.WaitGroup
		for range 10 {
			for name, b := range map[string][]byte{"66 bytes of 65535^2": pngOf(65535, 65535), "20000^2, 1 bit": pngOf(20000, 20000),
				"HEIC": heicOf(60000, 60000), "HEIC just over": heicOf(10001, 10000)} {
				wg.Go(func() {
					start := time.Now()
					if _, err := m.Make(t.Context(), bytes.NewReader(b)); !errors.Is(err, ErrTooBig) {
						t.Errorf("%s: got %v, want ErrTooBig", name, err)
					}
					if d := time.Since(start); d > 5*time.Second {
						t.Errorf("%s took %v", name, d)
					}
				})
			}
		}
		wg.Wait()
		p, err := m.Make(t.Context(), bytes.NewReader(asJPEG(t, photo(60, 40))))
		if err != nil {
			t.Fatalf("the next photo: %v", err)
		}
		p.Close()
		empty(t, m.Dir)
	})
}

// W-07: what is broken is an error of the file, never ours.
func TestBrokenPicturesAreUnreadable(t *testing.T) {
	t.Parallel()
	good := asJPEG(t, photo(400, 300))
	makers(t, func(t *testing.T, m *Maker) {
		for name, b := range map[string][]byte{
			"a JPEG that was cut":        good[:len(good)/2],
			"a JPEG's first three bytes": good[:3],
			"a PNG without pixels":       pngOf(100, 100),
			"a PNG that was cut":         asPNG(t, photo(400, 300))[:200],
			"HEIC without pixels":        heicOf(100, 100),
			"HEIC without boxes":         heicOf(100, 100)[:24],
			"AVIF without boxes":         []byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00avifmif1"),
			"a TIFF that was cut":        []byte("II*\x00...."),
			"a GIF that was cut":         []byte("GIF89a...."),
			"WebP of nothing":            []byte("RIFF\x10\x00\x00\x00WEBPVP8 \x00\x00\x00\x00"),
		} {
			if _, err := m.Make(t.Context(), bytes.NewReader(b)); !errors.Is(err, ErrUnreadable) {
				t.Errorf("%s: got %v, want ErrUnreadable", name, err)
			}
		}
		for name, b := range map[string]string{"text": "hello", "nothing": "", "SVG": "<svg xmlns='http://www.w3.org/2000/svg'/>",
			"PDF": "%PDF-1.7"} {
			if _, err := m.Make(t.Context(), strings.NewReader(b)); !errors.Is(err, ErrKind) {
				t.Errorf("%s: got %v, want ErrKind", name, err)
			}
		}
		empty(t, m.Dir)
	})
}

// A picture that hangs its decoder is given up, and the decoder with it.
func TestDecoderThatHangsIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tool := filepath.Join(dir, "vips")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\nsleep 600 & wait\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &Maker{Hurry: true, Dir: t.TempDir(), Tool: tool, Timeout: 200 * time.Millisecond}
	start := time.Now()
	if _, err := m.Make(t.Context(), bytes.NewReader(asJPEG(t, photo(60, 40)))); !errors.Is(err, ErrUnreadable) {
		t.Errorf("got %v, want ErrUnreadable", err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	empty(t, m.Dir)
}

func TestWhatACrashLeftIsRemoved(t *testing.T) {
	t.Parallel()
	m := &Maker{Dir: filepath.Join(t.TempDir(), "pictures"), Tool: "none"}
	if err := os.MkdirAll(filepath.Join(m.Dir, "picture-123"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.Dir, "picture-123", "in"), []byte(place42), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := m.Make(t.Context(), bytes.NewReader(asJPEG(t, photo(6, 4))))
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	empty(t, m.Dir)
}

// FuzzProbe: no file makes the reader of dimensions panic or allocate for them.
func FuzzProbe(f *testing.F) {
	f.Add(pngOf(10, 10))
	f.Add(heicOf(10, 10))
	f.Add(located(asJPEG(f, photo(8, 8)), 6))
	f.Add(locatedPNG(asPNG(f, photo(8, 8)), 6))
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		k, w, h, err := probe(r)
		if err == nil && (w <= 0 || h <= 0) {
			t.Errorf("no error for %d by %d", w, h)
		}
		if k != 0 {
			if m := readMeta(r, k); m.orientation < 1 || m.orientation > 8 {
				t.Errorf("orientation %d", m.orientation)
			}
		}
	})
}
