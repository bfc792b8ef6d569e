package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"path/filepath"
	"testing"

	"colporteur/mail"
)

func TestAMailOfFilesIsAsLongAsItSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var paths []string
	var contents [][]byte
	for i, n := range []int{0, 1, 56, 57, 58, 100_003} {
		b := make([]byte, n)
		rand.Read(b)
		path := filepath.Join(dir, string(rune('a'+i))+" été.bin")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		paths, contents = append(paths, path), append(contents, b)
	}
	s := sendCommand{To: []string{"envoi@home.test"}, Cc: []string{"mamie@else.test"}, Text: "Voilà", Files: paths}
	from := mail.MustAddress("ann@home.test")
	composed := s.compose(from)
	want, err := s.size(composed)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := composed.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != want {
		t.Errorf("the mail has %d octets, %d were announced", b.Len(), want)
	}
	if bytes.Contains(bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), nil), []byte("\n")) {
		t.Error("a line ends in LF alone")
	}
	m, err := netmail.ReadMessage(&b)
	if err != nil {
		t.Fatal(err)
	}
	if subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); subject != "a été.bin" {
		t.Errorf("subject %q", subject)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for i := -1; i < len(paths); i++ {
		p, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if i < 0 {
			if text, err := io.ReadAll(p); err != nil || string(text) != "Voilà\r\n" { // NextPart undoes quoted-printable
				t.Errorf("text %q, %v", text, err)
			}
			continue
		}
		got, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, contents[i]) || p.FileName() != filepath.Base(paths[i]) {
			t.Errorf("%s came as %q with %d bytes", paths[i], p.FileName(), len(got))
		}
	}
}
