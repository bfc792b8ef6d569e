package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// do runs one of the tools that make photos as cameras and telephones do.
func do(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// tells is what exiftool finds of the place, the person and the camera.
func tells(t testing.TB, paths ...string) string {
	t.Helper()
	out, err := exec.Command("exiftool", append([]string{"-q", "-a", "-G1", "-s", "-ee3", "-api", "largefilesupport=1", "-GPS*", "-Location*", "-City", "-Artist", "-By-line", "-Creator", "-Make", "-Model",
		"-SerialNumber", "-OwnerName", "-ThumbnailImage", "-Comment", "-DateTimeOriginal", "-Caption-Abstract", "-Description", "-XMP:all", "-IPTC:all", "-MakerNotes:all", "-Orientation"}, paths...)...).CombinedOutput()
	if err != nil && len(bytes.TrimSpace(out)) > 0 {
		t.Fatalf("exiftool: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// W-04: a place and a person in every container that holds them, and in nothing
// that guests get.
func TestNothingThatGuestsGetSaysWhereOrWho(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), asJPEG(t, photo(640, 480)), 0o600); err != nil {
		t.Fatal(err)
	}
	var moving gif.GIF
	for i := range 3 {
		frame := image.NewPaletted(image.Rect(0, 0, 640, 480), color.Palette{color.Black, color.White, color.RGBA{255, 0, 0, 255}})
		frame.SetColorIndex(i, i, 1)
		moving.Image, moving.Delay = append(moving.Image, frame), append(moving.Delay, 10)
	}
	var g bytes.Buffer
	if err := gif.EncodeAll(&g, &moving); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.gif"), g.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, dir, "vips", "copy", "a.jpg", "a.png")
	do(t, dir, "vips", "copy", "a.jpg", "a.tif")
	do(t, dir, "cwebp", "-quiet", "a.jpg", "-o", "a.webp")
	do(t, dir, "heif-enc", "-o", "a.heic", "a.jpg")
	do(t, dir, "avifenc", "-s", "10", "a.jpg", "a.avif")
	do(t, dir, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x480:rate=10:duration=2", "-f", "lavfi", "-i", "sine=duration=2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", "aac", "a.mp4")
	do(t, dir, "ffmpeg", "-v", "error", "-i", "a.mp4", "-c", "copy", "-metadata", "location=+48.0742+007.0000/", "-metadata", "com.apple.quicktime.location.ISO6709=+48.0742+007.0000/", "-movflags", "use_metadata_tags", "a.mov")
	do(t, dir, "ffmpeg", "-v", "error", "-i", "a.mp4", "-c:v", "libvpx", "-an", "-metadata", "location=+48.0742+007.0000/", "a.webm")
	tags := []string{"-overwrite_original", "-GPSLatitude=48.0742", "-GPSLatitudeRef=N", "-GPSLongitude=7.0", "-GPSLongitudeRef=E", "-Artist=Ann Petit", "-XMP:Creator=Ann Petit", "-XMP:City=Gérardmer",
		"-XMP:GPSLatitude=48.0742", "-Make=Apple", "-Model=iPhone 15", "-EXIF:DateTimeOriginal=2026:07:14 16:30:05", "-XMP:Description=Le lac de Longemer"}
	for _, c := range []struct {
		file, source, clean string
	}{
		{file: "a.jpg", source: "image/jpeg", clean: "image/jpeg"}, {file: "a.png", source: "image/png", clean: "image/png"},
		{file: "a.webp", source: "image/webp", clean: "image/webp"}, {file: "a.heic", source: "image/heic", clean: "image/jpeg"},
		{file: "a.avif", source: "image/avif", clean: "image/jpeg"}, {file: "a.tif", source: "image/tiff", clean: "image/jpeg"},
		{file: "a.gif", source: "image/gif", clean: "image/gif"}, {file: "a.mp4", source: "video/mp4", clean: "video/mp4"},
		{file: "a.mov", source: "video/quicktime", clean: "video/mp4"}, {file: "a.webm", source: "video/webm", clean: "video/webm"},
	} {
		path := filepath.Join(dir, c.file)
		switch filepath.Ext(c.file) {
		case ".webm":
		case ".gif":
			do(t, dir, "exiftool", "-overwrite_original", "-XMP:GPSLatitude=48.0742", "-XMP:Creator=Ann Petit", "-Comment=Gérardmer", c.file)
		case ".mp4", ".mov":
			do(t, dir, "exiftool", "-overwrite_original", "-XMP:GPSLatitude=48.0742", "-XMP:Creator=Ann Petit", "-QuickTime:GPSCoordinates=48.0742, 7.0", "-Keys:Artist=Ann Petit", c.file)
		default:
			do(t, dir, "exiftool", append(tags, c.file)...)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if said := tells(t, path); filepath.Ext(c.file) != ".webm" && !strings.Contains(said, "48") {
			t.Fatalf("%s: the source has no place to begin with: %s", c.file, said)
		}
		m := &Maker{Hurry: true, Dir: t.TempDir()}
		p, err := m.Make(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		defer p.Close()
		if p.Source != c.source || p.Width != 640 || p.Height != 480 || len(p.Hash) < 5 {
			t.Errorf("%s: %s, %d by %d, hash of %d bytes", c.file, p.Source, p.Width, p.Height, len(p.Hash))
		}
		if p.Video != strings.HasPrefix(c.source, "video/") || p.Video && (p.Duration < time.Second || p.Duration > 3*time.Second) {
			t.Errorf("%s: video %v of %v", c.file, p.Video, p.Duration)
		}
		if !p.Place && c.file != "a.gif" { // where only XMP could say it, which we do not read there
			t.Errorf("%s: nobody noticed that it says where it was", c.file)
		}
		f, all := everything(t, m, p, b)
		if said := tells(t, all...); said != "" {
			t.Errorf("%s: what is made of it still says\n%s", c.file, said)
		}
		for _, made := range all {
			raw, _ := os.ReadFile(made)
			for _, word := range []string{"Ann Petit", "48.0742", "+48.", "Gérardmer", "iPhone"} {
				if bytes.Contains(raw, []byte(word)) {
					t.Errorf("%s: %s has the bytes %q", c.file, filepath.Base(made), word)
				}
			}
		}
		if f.CleanType != c.clean {
			t.Errorf("%s: the full size is %q, want %s", c.file, f.CleanType, c.clean)
		}
	}
}

// The coded pixels of a photo that stands upright are not touched.
func TestTheFullSizeOfAnUprightPhotoLosesNothing(t *testing.T) {
	t.Parallel()
	file := located(asJPEG(t, photo(600, 400)), 1)
	p, err := (&Maker{Hurry: true, Dir: t.TempDir()}).Finish(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	was, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	is, _ := open(t, p.Clean)
	if d := difference(was, is); d != 0 {
		t.Errorf("the full size differs by %f", d)
	}
}

func TestCaptionsOfPeopleAreTakenAndThoseOfMachinesAreNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, c := range []struct{ tag, want string }{
		{"-XMP:Description=Le lac, au petit matin", "Le lac, au petit matin"},
		{"-EXIF:ImageDescription=Mamie et les enfants", "Mamie et les enfants"},
		{"-IPTC:Caption-Abstract=The lake", "The lake"},
		{"-EXIF:ImageDescription=OLYMPUS DIGITAL CAMERA", ""},
		{"-EXIF:ImageDescription=SONY DSC", ""},
		{"-EXIF:ImageDescription=DCIM/100MEDIA/DJI_0001.JPG", ""},
		{"-EXIF:ImageDescription=   ", ""},
	} {
		name := fmt.Sprintf("%d.jpg", i)
		if err := os.WriteFile(filepath.Join(dir, name), asJPEG(t, photo(60, 40)), 0o600); err != nil {
			t.Fatal(err)
		}
		do(t, dir, "exiftool", "-overwrite_original", c.tag, name)
		b, _ := os.ReadFile(filepath.Join(dir, name))
		p, err := (&Maker{Hurry: true, Dir: t.TempDir()}).Make(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if p.Caption != c.want {
			t.Errorf("%s: caption %q, want %q", c.tag, p.Caption, c.want)
		}
		p.Close()
	}
}

// irot has a HEIC turned by quarters against the clock, as telephones do beside
// the EXIF tag, which must not turn it once more: the box that says how deep its
// colours are becomes the one that says so (ISO 23008-12, 6.5.10).
func irot(t *testing.T, b []byte, quarters byte) []byte {
	t.Helper()
	at := bytes.Index(b, []byte("pixi"))
	if at < 0 || bytes.Contains(b, []byte("irot")) {
		t.Fatal("heif-enc writes other boxes now")
	}
	return append(append(append(b[:at:at], "irot"...), quarters), b[at+5:]...)
}

// W-05: what other programs write turned, stands upright.
func TestWebPAndTIFFAndHEICStandUpright(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, o := range []int{1, 3, 6, 8} {
		for _, ext := range []string{"webp", "tif", "heic"} {
			src, name := fmt.Sprintf("s%d.jpg", o), fmt.Sprintf("a%d.%s", o, ext)
			if err := os.WriteFile(filepath.Join(dir, src), asJPEG(t, turned(photo(600, 400), undo(o))), 0o600); err != nil {
				t.Fatal(err)
			}
			switch ext {
			case "heic":
				do(t, dir, "exiftool", "-overwrite_original", "-n", fmt.Sprintf("-Orientation=%d", o), src)
				do(t, dir, "heif-enc", "-o", name, src)
			default:
				do(t, dir, "vips", "copy", src, name)
				do(t, dir, "exiftool", "-overwrite_original", "-n", fmt.Sprintf("-Orientation=%d", o), name)
			}
			b, _ := os.ReadFile(filepath.Join(dir, name))
			if ext == "heic" && o != 1 {
				b = irot(t, b, map[int]byte{3: 2, 6: 3, 8: 1}[o])
			}
			m := &Maker{Hurry: true, Dir: t.TempDir()}
			p, err := m.Make(t.Context(), bytes.NewReader(b))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			defer p.Close()
			if p.Width != 600 || p.Height != 400 {
				t.Errorf("%s: %d by %d", name, p.Width, p.Height)
			}
			_, all := everything(t, m, p, b)
			for _, made := range all {
				if img, _ := open(t, made); corners(img) != "R G B RGB" {
					t.Errorf("%s: %s: corners %s", name, filepath.Base(made), corners(img))
				}
			}
		}
	}
}

// A playlist that calls itself a film must not make ffmpeg read our files or the network.
func TestAFilmThatIsNoneIsKeptWithAPlainPicture(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret.mp4")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]string{
		"playlist": "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile://" + secret + "\n",
		"junk":     "\x1a\x45\xdf\xa3" + strings.Repeat("junk", 1000),
	} {
		for _, films := range []string{"", "none"} {
			m := &Maker{Hurry: true, Dir: t.TempDir(), Films: films}
			p, err := m.Make(t.Context(), strings.NewReader(b))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			defer p.Close()
			if !p.Video {
				t.Errorf("%s: no video", name)
			}
			f, err := m.Finish(t.Context(), strings.NewReader(b))
			if err != nil || f.Film != "" || f.Clean != "" {
				t.Errorf("%s: finished %+v, %v: what nobody could look into must not reach guests", name, f, err)
			}
		}
	}
}

func TestHashIsSmallAndTellsPicturesApart(t *testing.T) {
	t.Parallel()
	red, blue := image.NewRGBA(image.Rect(0, 0, 300, 200)), image.NewRGBA(image.Rect(0, 0, 300, 200))
	for i := 0; i < len(red.Pix); i += 4 {
		copy(red.Pix[i:], []byte{200, 20, 20, 255})
		copy(blue.Pix[i:], []byte{20, 20, 200, 255})
	}
	a, b, c := Hash(red), Hash(blue), Hash(photo(300, 200))
	if bytes.Equal(a, b) || len(c) > 25 || len(c) < 10 {
		t.Errorf("%x %x %x", a, b, c)
	}
	// The mean of a picture of one colour comes back: 6 bits each of luminance and
	// two differences.
	l := float64(a[0]&63) / 63
	if want := (200.0 + 20 + 20) / 3 / 255; l < want-0.02 || l > want+0.02 {
		t.Errorf("luminance %f, want %f", l, want)
	}
}

// FuzzStrip: no file makes a stripper panic, and what it lets pass it lets pass
// again unchanged.
func FuzzStrip(f *testing.F) {
	f.Add(located(asJPEG(f, photo(8, 8)), 6))
	f.Add(locatedPNG(asPNG(f, photo(8, 8)), 6))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xfe\x03abc\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := sniff(b)
		dir := t.TempDir()
		once, twice := filepath.Join(dir, "1"), filepath.Join(dir, "2")
		if err := stripFile(bytes.NewReader(b), k, once); err != nil {
			if !errors.Is(err, errStrip) {
				t.Errorf("%v is not said as errStrip", err)
			}
			return
		}
		first, _ := os.ReadFile(once)
		if err := stripFile(bytes.NewReader(first), k, twice); err != nil {
			t.Fatalf("what was stripped cannot be stripped: %v", err)
		}
		if second, _ := os.ReadFile(twice); !bytes.Equal(first, second) {
			t.Error("stripping twice is not stripping once")
		}
	})
}

// BenchmarkRenditions makes what is shown first of the photo that COLPORTEUR_PHOTO
// names; core-s/op is what it costs of a core, with the processes it starts.
func BenchmarkRenditions(b *testing.B) {
	path := os.Getenv("COLPORTEUR_PHOTO")
	if path == "" {
		b.Skip("COLPORTEUR_PHOTO names no photo")
	}
	file, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	m, before := &Maker{Hurry: true, Dir: b.TempDir()}, spent()
	for b.Loop() {
		p, err := m.Make(b.Context(), bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
	b.ReportMetric((spent()-before).Seconds()/float64(b.N), "core-s/op")
}

// spent is the processor time of this process and of those it waited for.
func spent() (d time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			d += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return d
}
