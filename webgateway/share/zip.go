package share

import (
	"archive/zip"
	"context"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"colporteur/store/blob"
)

// entry is one file of a zip.
type entry struct {
	name     string
	modified time.Time
	blob     blob.ID

	size int64 // of an archive's file
	crc  uint32
}

// stream writes files whose sums nobody knows as a zip while it is read: nothing
// is stored, and files that are compressed already are not compressed again. An
// album's photos are so: whoever wants a part of it again opens the page.
func (s *Share) stream(w http.ResponseWriter, r *http.Request, name string, files []entry, still func() error) error {
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", attachment(name))
	if r.Method == http.MethodHead {
		return nil
	}
	z := zip.NewWriter(s.flow(w, answer{still: still}))
	seen := map[string]int{}
	for _, f := range files {
		if err := s.add(r.Context(), z, unique(f.name, seen), f); err != nil {
			return err
		}
	}
	return z.Close()
}

func (s *Share) add(ctx context.Context, z *zip.Writer, name string, f entry) error {
	b, err := s.Blobs.Open(ctx, f.blob, 0)
	if err != nil {
		return err
	}
	defer b.Close()
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: f.modified})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, b)
	return err
}

// unique keeps two files of one name apart, as desktops do: "a.txt", "a (2).txt".
func unique(name string, seen map[string]int) string {
	key := strings.ToLower(name)
	seen[key]++
	n := seen[key]
	if n == 1 {
		return name
	}
	ext := path.Ext(name)
	return unique(strings.TrimSuffix(name, ext)+" ("+strconv.Itoa(n)+")"+ext, seen)
}

// fileWord makes a title fit for a file name and an address.
func fileWord(title, otherwise string) string {
	var b strings.Builder
	for _, r := range title {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() > 60 {
			break
		}
	}
	if w := strings.Trim(b.String(), "-"); w != "" {
		return w
	}
	return otherwise
}
