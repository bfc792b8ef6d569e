package share_test

import (
	"archive/zip"
	"bytes"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/workflowtest"
)

func TestADownloadMayComeInPartsAndOnlyItsBytesCount(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		b := film(20) // less than any page of words
		guest, owner := s.send("Le mot", workflowtest.File{Name: "a.bin", Bytes: b})
		at := s.press(guest + "/get/0").header.Get("Location")
		nothing := "N&#39;a encore rien pris"
		for range 20 { // programs that ask what is there
			if a := s.ask(http.MethodHead, at); a.status != http.StatusOK || a.header.Get("Content-Length") != "20" {
				t.Fatalf("HEAD: %d %v", a.status, a.header)
			}
		}
		if a := s.get(at, "Range", "bytes=100-"); a.status != http.StatusRequestedRangeNotSatisfiable {
			t.Fatalf("beyond the end: %d", a.status)
		}
		if a := s.get(at, "If-Match", `"other"`); a.status != http.StatusPreconditionFailed {
			t.Fatalf("other bytes: %d", a.status)
		}
		second := s.get(at, "Range", "bytes=7-19")
		if second.status != http.StatusPartialContent || second.body != string(b[7:]) {
			t.Fatalf("the second part: %d %q", second.status, second.body)
		}
		if a := s.get(at, "If-None-Match", second.header.Get("ETag")); a.status != http.StatusNotModified {
			t.Fatalf("known bytes: %d", a.status)
		}
		s.get(owner).sees(t, nothing)
		if a := s.get(at, "Range", "bytes=0-6", "If-Range", second.header.Get("ETag")); a.status != http.StatusPartialContent || a.body != string(b[:7]) {
			t.Fatalf("the first part: %d %q", a.status, a.body)
		}
		s.get(owner).sees(t, "A tout reçu")
	})
}

// noise is a photo that no compression makes small.
func noise(t testing.TB, side int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	rand.NewChaCha8([32]byte{1}).Read(m.Pix)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPhotoTakenOffIsNotInTheZipUnderWay(t *testing.T) {
	big := noise(t, 2600)
	if len(big) < 12_000_000 { // more than the sockets between us hold
		t.Fatalf("the first photo has %d bytes", len(big))
	}
	each(t, func(t *testing.T, s *site) {
		s.Send(workflowtest.Mail{To: []string{"album+vacances@home.test", mamie.String()}, Subject: "vacances", Files: []workflowtest.File{
			{Name: "IMG_1.jpg", Type: "image/jpeg", Bytes: big}, {Name: "IMG_2.jpg", Type: "image/jpeg", Bytes: photo(t, 20)}, {Name: "IMG_3.jpg", Type: "image/jpeg", Bytes: photo(t, 30)}}})
		guest, owner := s.links()
		photos := s.photos(guest)
		path := regexp.MustCompile(`href="(/a/[^"]+\.zip)"`).FindStringSubmatch(s.get(guest).body)[1]
		take := func(photo string) {
			t.Helper()
			by := link.Visit{Token: link.Token(owner[len("/a/"):])}
			v, err := s.Albums.Open(t.Context(), by)
			if err != nil {
				t.Fatal(err)
			}
			id, err := strconv.ParseInt(photoPath.FindStringSubmatch(photo)[1], 10, 64)
			if err == nil {
				err = s.Albums.RemovePhoto(t.Context(), v.ID, album.PhotoID(id), link.Holder(v.Link))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var whole bytes.Buffer
		if _, err := io.CopyN(&whole, resp.Body, 1000); err != nil {
			t.Fatal(err)
		}
		take(photos[1]) // its turn has not come
		if _, err := io.Copy(&whole, resp.Body); err != nil {
			t.Fatalf("what is left of the album: %v", err)
		}
		r, err := zip.NewReader(bytes.NewReader(whole.Bytes()), int64(whole.Len()))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range r.File {
			names = append(names, f.Name)
		}
		if len(names) != 2 || names[0] != "IMG_1.jpg" || names[1] != "IMG_3.jpg" {
			t.Errorf("the zip holds %v", names)
		}
		// The one that is on its way stops, and the zip does not look whole.
		n, err := s.slow(path, func() { take(photos[0]) })
		if err == nil || n >= int64(len(big)) {
			t.Errorf("%d bytes came after the photo was taken off, and the end looked right (%v)", n, err)
		}
	})
}
