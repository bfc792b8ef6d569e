package share

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// archived is a zip of files that lie in memory.
func archived(files ...[]byte) (*archive, []entry) {
	var es []entry
	for i, b := range files {
		es = append(es, entry{name: fmt.Sprintf("fichier %d – été 日本.bin", i), modified: time.Date(2026, 7, 14, 10, 20, 31, 0, time.UTC), size: int64(len(b)), crc: crc32.ChecksumIEEE(b), blob: 0})
	}
	es[0].name = "nom.bin"
	if len(es) > 1 {
		es[1].name = "NOM.bin" // one file on a desktop that knows no case
	}
	z := newArchive(es)
	byPlace := map[string][]byte{}
	i := 0
	for _, p := range z.parts {
		if p.file != nil {
			byPlace[p.file.name] = files[i]
			i++
		}
	}
	z.open = func(e entry, offset int64) (reader, error) {
		return io.NopCloser(bytes.NewReader(byPlace[e.name][offset:])), nil
	}
	return z, es
}

func random(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(n)})
	src.Read(b)
	return b
}

func TestAnArchiveIsAZipThatEveryProgramReads(t *testing.T) {
	files := [][]byte{random(100_000), random(5), {}, random(70_001)}
	z, _ := archived(files...)
	whole, err := io.ReadAll(z)
	if err != nil || int64(len(whole)) != z.size {
		t.Fatalf("%d of %d bytes, %v", len(whole), z.size, err)
	}
	r, err := zip.NewReader(bytes.NewReader(whole), z.size)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for i, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc) // checks the sum
		if err != nil || !bytes.Equal(b, files[i]) {
			t.Errorf("%s: %v", f.Name, err)
		}
		if names[strings.ToLower(f.Name)] || f.Mode() != 0o644 || !f.Modified.Equal(time.Date(2026, 7, 14, 10, 20, 31, 0, time.UTC)) {
			t.Errorf("%s %v %v", f.Name, f.Mode(), f.Modified)
		}
		names[strings.ToLower(f.Name)] = true
	}
	path := filepath.Join(t.TempDir(), "a.zip")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	// Another reader, which goes by the local headers too.
	if out, err := exec.Command("python3", "-c", "import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;print(len(z.namelist()))", path).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "4" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAnyPartOfAnArchiveIsThatPart(t *testing.T) {
	z, _ := archived(random(30_000), random(1), random(0), random(12_345))
	whole, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		from := rand.IntN(len(whole))
		to := from + rand.IntN(len(whole)-from)
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to))
		r.Header.Set("If-Range", `"`+z.tag+`"`)
		if err := (&Share{}).serve(w, r, z, answer{tag: z.tag}); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), whole[from:to+1]) {
			t.Fatalf("bytes %d to %d: %d, %d bytes", from, to, w.Code, w.Body.Len())
		}
	}
	// Other files are another archive: a half one is not gone on with.
	other, _ := archived(random(30_001), random(1), random(0), random(12_345))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Range", "bytes=10-20")
	r.Header.Set("If-Range", `"`+other.tag+`"`)
	if err := (&Share{}).serve(w, r, z, answer{tag: z.tag}); err != nil || w.Code != http.StatusOK || w.Body.Len() != len(whole) {
		t.Errorf("%d, %d bytes, %v", w.Code, w.Body.Len(), err)
	}
}

// zeros is a file of that many zeros.
type zeros int64

func (z *zeros) Read(b []byte) (int, error) {
	n := min(int64(len(b)), int64(*z))
	if n == 0 {
		return 0, io.EOF
	}
	clear(b[:n])
	*z -= zeros(n)
	return int(n), nil
}

// at reads an archive at places, as archive/zip does: its directory and the file headers.
type at struct{ *archive }

func (a at) ReadAt(b []byte, offset int64) (int, error) {
	if _, err := a.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(a, b)
}

func TestAnArchiveOfMoreThanFourGigabytesSaysSo(t *testing.T) {
	big := entry{name: "film.bin", size: 5 << 30, crc: 1}
	z := newArchive([]entry{big, {name: "petit.txt", size: 3, crc: crc32.ChecksumIEEE([]byte("abc"))}})
	z.open = func(e entry, offset int64) (reader, error) {
		if e.size == 3 {
			return io.NopCloser(strings.NewReader("abc"[offset:])), nil
		}
		n := zeros(e.size - offset)
		return io.NopCloser(&n), nil
	}
	r, err := zip.NewReader(at{z}, z.size)
	if err != nil || len(r.File) != 2 {
		t.Fatal(err)
	}
	if f := r.File[0]; f.UncompressedSize64 != 5<<30 {
		t.Errorf("%s has %d bytes", f.Name, f.UncompressedSize64)
	}
	rc, err := r.File[1].Open()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(rc); err != nil || string(b) != "abc" {
		t.Errorf("what stands behind it: %q, %v", b, err)
	}
}

// A file that ends early must not end like a whole one.
func TestAnArchiveWhoseFileIsDamagedEndsInAnError(t *testing.T) {
	z, _ := archived(random(1000))
	z.open = func(entry, int64) (reader, error) { return io.NopCloser(bytes.NewReader(random(10))), nil }
	if _, err := io.Copy(io.Discard, z); err == nil {
		t.Error("it ended well")
	}
}
