package world_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"colporteur/world"
)

// corpus finds third-party pictures beside the checkout.
func corpus(t *testing.T, parts ...string) string {
	t.Helper()
	p := filepath.Join(append([]string{"..", "..", "shared", "corpora", "images"}, parts...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	return p
}

// photo makes a JPEG whose upper half is red and lower half is blue.
func photo(w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{200, 30, 30, 255}
			if y > h/2 {
				c = color.RGBA{30, 30, 200, 255}
			}
			m.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

var photoPath = regexp.MustCompile(`(/a/[a-z2-7]+/p/\d+/)400\.jpg`)

// photos are the addresses of an album's photos, each once, without the form.
func photos(p *world.Page) []string {
	var list []string
	for _, m := range photoPath.FindAllStringSubmatch(p.Body, -1) {
		if !slices.Contains(list, m[1]) {
			list = append(list, m[1])
		}
	}
	return list
}

func TestPhotosByMailBecomeAnAlbum(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	home, far := w.Server("home.test"), w.Server("far.test")
	ann, mamie := home.Member("ann"), far.Member("mamie")
	ann.Send("album+vacances@home.test", world.Subject("La mer"), world.Cc(mamie),
		world.Attach("un.jpg", "image/jpeg", photo(800, 600)), world.Attach("deux.jpg", "image/jpeg", photo(600, 800)),
		world.Attach("liste.txt", "text/plain", []byte("du pain\r\n")), world.Attach("faux.jpg", "image/jpeg", []byte("not a picture")))
	w.Settle()
	receipt := ann.Inbox().One().Says("Vacances", "liste.txt", "faux.jpg")
	invitation := mamie.Inbox().One()
	if invitation.Link() == receipt.Link() || len(invitation.Files) > 0 {
		t.Error("mamie has no link of her own, or the raw mail")
	}
	page := home.Browse(invitation.Link()).Sees("Vacances").SeesNot("Retirer")
	if n := len(photos(page)); n != 2 {
		t.Fatalf("the album shows %d photos, want 2", n)
	}
	for _, p := range photos(page) {
		for size, most := range map[string]int{"400.jpg": 400, "2048.jpg": 2048} {
			got := home.Browse("http://x" + p + size)
			m, err := jpeg.Decode(strings.NewReader(got.Body))
			if err != nil || max(m.Bounds().Dx(), m.Bounds().Dy()) > most {
				t.Errorf("%s: %v, %d %s", size, err, got.Status, got.Header.Get("Content-Type"))
			}
		}
	}

	// The next day: the same album.
	ann.Send("album+Vacances@home.test", world.Attach("trois.jpg", "image/jpeg", photo(300, 300)))
	w.Settle()
	page = home.Browse(invitation.Link())
	if n := len(photos(page)); n != 3 {
		t.Errorf("the album shows %d photos, want 3", n)
	}
	z := regexp.MustCompile(`/a/[a-z2-7]+/[^"/]+\.zip`).FindString(page.Body)
	all := home.Browse("http://x" + z)
	r, err := zip.NewReader(strings.NewReader(all.Body), int64(len(all.Body)))
	if err != nil || len(r.File) != 3 {
		t.Fatalf("the zip: %v, %d files", err, len(r.File))
	}

	// Another member's album of that name is another album.
	home.Member("bob").Send("album+vacances@home.test", world.Attach("quatre.jpg", "image/jpeg", photo(300, 300)))
	w.Settle()
	if n := len(photos(home.Browse(invitation.Link()))); n != 3 {
		t.Errorf("the album shows %d photos, want 3", n)
	}

	ann.Send(receipt.ReplyTo(), world.Subject("Re: album"), world.Text("rappeler\r\n"))
	w.Settle()
	home.Browse(invitation.Link()).Gone().SeesNot("Vacances")
	for _, p := range photos(page) {
		home.Browse("http://x" + p + "2048.jpg").Gone()
	}
}

func TestPhotosStandUprightAndSayNothingOfThePlace(t *testing.T) {
	t.Parallel()
	dir := corpus(t, "exif-orientation")
	exiftool, err := exec.LookPath("exiftool")
	if err != nil {
		t.Fatal("exiftool is missing: install Debian's package libimage-exiftool-perl (make deps does)")
	}
	tmp := t.TempDir()
	var options []world.Option
	for i := 1; i <= 8; i++ {
		name := fmt.Sprintf("Landscape_%d.jpg", i)
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(exiftool, "-q", "-overwrite_original", "-GPSLatitude=47.9", "-GPSLatitudeRef=N", "-GPSLongitude=6.8", "-GPSLongitudeRef=E",
			"-XMP:Location=Gerardmer", "-IPTC:City=Gerardmer", "-Comment=Gerardmer", path).CombinedOutput(); err != nil {
			t.Fatalf("exiftool: %v\n%s", err, out)
		}
		options = append(options, world.Photo(path))
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	ann.Send("album+droit@home.test", options...)
	w.Settle()
	page := home.Browse(ann.Inbox().One().Link())
	list := photos(page)
	if len(list) != 8 {
		t.Fatalf("the album shows %d photos, want 8", len(list))
	}
	var files []string
	for i, p := range list {
		for _, size := range []string{"400.jpg", "2048.jpg"} {
			b := home.Browse("http://x" + p + size)
			m, err := jpeg.Decode(strings.NewReader(b.Body))
			if err != nil {
				t.Fatal(err)
			}
			if m.Bounds().Dx() <= m.Bounds().Dy() {
				t.Errorf("photo %d %s lies on its side: %v", i, size, m.Bounds())
			}
			f := filepath.Join(tmp, fmt.Sprintf("got%d-%s", i, size))
			os.WriteFile(f, []byte(b.Body), 0o600)
			files = append(files, f)
		}
	}
	all := home.Browse("http://x" + regexp.MustCompile(`/a/[a-z2-7]+/[^"/]+\.zip`).FindString(page.Body))
	r, err := zip.NewReader(strings.NewReader(all.Body), int64(len(all.Body)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.ReadFrom(rc)
		path := filepath.Join(tmp, fmt.Sprintf("zip%d.jpg", i))
		os.WriteFile(path, b.Bytes(), 0o600)
		files = append(files, path)
	}
	out, _ := exec.Command(exiftool, append([]string{"-a", "-G1", "-s"}, files...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if regexp.MustCompile(`(?i)gps|gerardmer|Orientation|MakerNote|SerialNumber`).MatchString(line) {
			t.Errorf("a picture still says: %s", line)
		}
	}
}

func TestAnIPhonesPictureIsShown(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	src := filepath.Join(tmp, "a.jpg")
	os.WriteFile(src, photo(640, 480), 0o600)
	heic := filepath.Join(tmp, "a.heic")
	// vips writes HEIC when Debian's libheif can encode; the decoder is what is tested.
	if out, err := exec.Command("vips", "copy", src, heic).CombinedOutput(); err != nil {
		if out2, err2 := exec.Command("heif-enc", src, "-o", heic).CombinedOutput(); err2 != nil {
			t.Fatalf("no HEIC can be made for the test: %v %s; %v %s (install Debian's libheif-examples and libvips-tools)", err, out, err2, out2)
		}
	}
	w := world.New(t)
	home := w.Server("home.test")
	ann := home.Member("ann")
	b, err := os.ReadFile(heic)
	if err != nil {
		t.Fatal(err)
	}
	ann.Send("album+iphone@home.test", world.Attach("IMG_0001.HEIC", "image/heic", b))
	w.Settle()
	list := photos(home.Browse(ann.Inbox().One().Link()))
	if len(list) != 1 {
		t.Fatalf("the album shows %d photos, want 1:\n%s", len(list), ann.Inbox().One().Text)
	}
	m, err := jpeg.Decode(strings.NewReader(home.Browse("http://x" + list[0] + "2048.jpg").Body))
	if err != nil {
		t.Fatal(err)
	}
	top, _, _, _ := m.At(m.Bounds().Dx()/2, 10).RGBA()
	if top>>8 < 150 {
		t.Errorf("the upper half is not red: %v", m.At(m.Bounds().Dx()/2, 10))
	}
}
