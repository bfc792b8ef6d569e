package gazette

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func jpg(t testing.TB, w, h int) func() (io.ReadCloser, error) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(255 * x / w), uint8(255 * y / h), 140, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
}

func paper(t testing.TB) *Paper {
	p := &Paper{Title: "Été à la mer", From: "Ann Œuvrard", Month: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), Lang: "fr", More: 3}
	for i, size := range [][2]int{{1024, 768}, {768, 1024}, {1024, 768}, {1024, 300}, {300, 1024}, {0, 0}} {
		f := Photo{Width: size[0], Height: size[1], Caption: fmt.Sprintf("Photo %d : la plage 🏖 à marée basse", i+1)}
		if i%2 == 0 {
			f.Words = []Words{{"Mamie", "Quelle merveille. Vous avez tous bonne mine, et le petit a bien grandi."}, {"Paul", "Vivement l’été prochain !"}}
		}
		f.Open = jpg(t, max(size[0], 40), max(size[1], 30))
		p.Photos = append(p.Photos, f)
	}
	return p
}

func (p *Paper) write(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.WritePDF(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPaperCanBeReadAndPrinted keeps the pages as pictures in $COLPORTEUR_SHOTS, if that is set.
func TestPaperCanBeReadAndPrinted(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Fatal("pdftotext is missing: install Debian's package poppler-utils (make deps does)")
	}
	path := filepath.Join(t.TempDir(), "paper.pdf")
	if err := os.WriteFile(path, paper(t).write(t), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdftotext", "-layout", path, "-").CombinedOutput()
	if err != nil {
		t.Fatalf("pdftotext: %v: %s", err, out)
	}
	text := string(out)
	for _, want := range []string{"Été à la mer", "août 2026 – par Ann Œuvrard", "Photo 1 : la plage à marée basse", "Photo 6", "Mamie : Quelle merveille", "l’été prochain !", "Et encore 3 photos"} {
		if !strings.Contains(strings.ReplaceAll(text, "\u00a0", " "), want) {
			t.Errorf("the paper lacks %q:\n%s", want, text)
		}
	}
	sizes, _ := exec.Command("pdfinfo", path).CombinedOutput()
	if !strings.Contains(string(sizes), "A4") {
		t.Errorf("not A4: %s", sizes)
	}
	list, _ := exec.Command("pdfimages", "-list", path).CombinedOutput()
	if n := strings.Count(string(list), " image "); n != 6 {
		t.Errorf("%d pictures, want 6:\n%s", n, list)
	}
	if dir := os.Getenv("COLPORTEUR_SHOTS"); dir != "" {
		if out, err := exec.Command("pdftoppm", "-r", "40", "-png", path, filepath.Join(dir, "gazette")).CombinedOutput(); err != nil {
			t.Errorf("pdftoppm: %v: %s", err, out)
		}
	}
}

func TestPaperTakesWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	p := paper(t)
	p.Title = strings.Repeat("Unmottrèslongsansespace", 20)
	p.Photos[0].Caption = strings.Repeat("mot ", 2000)
	p.Photos[1].Words = []Words{{"\x00\u202e", "👩‍👩‍👧‍👦 (Text) \\) ]] endobj"}}
	p.write(t)
}

func TestBrokenPictureIsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	p := paper(t)
	p.Photos[0].Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("\xff\xd8\xff\xe0junk")), nil }
	if err := p.WritePDF(io.Discard); err == nil {
		t.Error("a picture that cannot be read went unnoticed")
	}
}
