package workflow

import (
	"strings"
	"testing"

	"colporteur/mail"
	"colporteur/store/message"
)

func inboundOf(root *mail.Part) *Inbound {
	sum := &mail.Summary{Root: root}
	return &Inbound{Sender: mail.User{Lang: "fr"}, Summary: sum, Message: &message.Message{Summary: sum}}
}

func TestWhatIsAFile(t *testing.T) {
	t.Parallel()
	root := &mail.Part{Type: "multipart/mixed", Children: []*mail.Part{
		{Type: "multipart/related", Children: []*mail.Part{
			{Type: "multipart/alternative", Children: []*mail.Part{{Type: "text/plain"}, {Type: "text/html"}}},
			{Type: "image/png", ID: "<logo@x>", Filename: "logo.png", Disposition: "inline", Blob: 1, Decoded: 4000},
			{Type: "image/jpeg", ID: "<photo@x>", Filename: "photo.jpg", Disposition: "inline", Blob: 2, Decoded: 400_000},
		}},
		{Type: "image/png", ID: "<x@x>", Filename: "petit.png", Disposition: "attachment", Blob: 3, Decoded: 90},
		{Type: "text/plain", Filename: "notes.txt"},
		{Type: "text/plain"},
		{Type: "text/csv", Disposition: "attachment"},
		{Type: "application/pdf"},
		{Type: "message/rfc822", Message: &mail.Summary{Root: &mail.Part{Type: "image/png", Filename: "inside.png"}}},
		{Type: "application/pgp-signature", Filename: "signature.asc"},
		{Type: "application/pkcs7-signature", Filename: "smime.p7s", Disposition: "attachment"},
	}}
	var got []string
	for i, f := range inboundOf(root).Files() {
		if f.Seq != i {
			t.Errorf("file %d has number %d", i, f.Seq)
		}
		got = append(got, f.Name)
	}
	want := "photo.jpg petit.png notes.txt fichier-4.csv fichier-5.pdf fichier-6.eml"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

func TestFileNamesAreSafeAndDistinct(t *testing.T) {
	t.Parallel()
	var parts []*mail.Part
	for _, n := range []string{"a.jpg", "A.JPG", "a.jpg", "a (2).jpg", "../../etc/passwd", `C:\x.exe`, "..", " ", "photo\u202egpj.exe", "x\r\ny\x00.txt", strings.Repeat("é", 300) + ".txt"} {
		parts = append(parts, &mail.Part{Type: "application/octet-stream", Filename: n, Disposition: "attachment"})
	}
	seen := map[string]bool{}
	for i, f := range inboundOf(&mail.Part{Type: "multipart/mixed", Children: parts}).Files() {
		switch {
		case seen[strings.ToLower(f.Name)]:
			t.Errorf("%q stands twice", f.Name)
		case strings.ContainsAny(f.Name, "/\\\r\n\x00\u202e"), strings.Trim(f.Name, ". ") == "", len([]rune(f.Name)) > 200:
			t.Errorf("%q became %q", parts[i].Filename, f.Name)
		}
		seen[strings.ToLower(f.Name)] = true
	}
	if len(seen) != len(parts) {
		t.Errorf("%d files of %d", len(seen), len(parts))
	}
}

func TestKeyKnowsTheMailAgain(t *testing.T) {
	t.Parallel()
	a := &Inbound{Mail: "1", Summary: &mail.Summary{MessageID: "x@y"}}
	b := &Inbound{Mail: "2", Summary: &mail.Summary{MessageID: "x@y"}}
	c := &Inbound{Mail: "3", Summary: &mail.Summary{}}
	d := &Inbound{Mail: "4", Summary: &mail.Summary{}}
	if a.Key() != b.Key() {
		t.Error("one Message-ID, two keys")
	}
	if c.Key() == d.Key() || a.Key() == c.Key() {
		t.Error("different mails share a key")
	}
}
