package webmail

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"colporteur/mail"
)

const (
	maxLookedAt = 64 << 20  // of a file that is shown
	maxText     = 512 << 10 // of a text
)

// looks are the types of files that a member may look at without saving them.
var looks = map[string]string{
	"image/jpeg": "picture", "image/png": "picture", "image/gif": "picture", "image/webp": "picture", "image/avif": "picture",
	"application/pdf": "pdf",
	"text/plain":      "text", "text/csv": "text", "text/markdown": "text", "text/x-log": "text", "application/json": "text",
	"text/calendar": "text", "text/vcard": "text", "text/x-vcard": "text", "text/x-diff": "text", "text/x-patch": "text",
}

// file shows a file that came with a mail. What it is called says which of these
// it would be, its first octets whether it is: nothing that a stranger sent
// becomes a page of this site.
func (m *Webmail) file(w http.ResponseWriter, r *http.Request, u mail.User) error {
	f, err := m.JMAP.Look(r.Context(), u, r.PathValue("blob"))
	if err != nil {
		return err
	}
	t, _, err := mime.ParseMediaType(f.Type)
	as := looks[strings.ToLower(t)]
	if err != nil || as == "" || f.Size > maxLookedAt {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	in, err := f.Open(r.Context())
	if err != nil {
		return err
	}
	defer in.Close()
	most := int64(512)
	if as == "text" {
		most = maxText
	}
	head, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return err
	}
	h := w.Header()
	policy := "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	h.Set("Content-Disposition", strings.Replace(mime.FormatMediaType("attachment", map[string]string{"filename": mail.FileName(r.PathValue("name"))}), "attachment", "inline", 1))
	switch as {
	case "text":
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Security-Policy", policy+"; sandbox")
		_, err := w.Write(unicodeText(head, most))
		return err
	case "picture":
		if t = pictureType(head); t == "" {
			return mail.Refuse(mail.NotFound, "kind-not-found")
		}
		policy += "; sandbox"
	case "pdf": // Chromium shows no PDF in a sandbox of ours; it has one of its own for them
		if !bytes.HasPrefix(head, []byte("%PDF-")) {
			return mail.Refuse(mail.NotFound, "kind-not-found")
		}
		t = "application/pdf"
	}
	h.Set("Content-Type", t)
	h.Set("Content-Security-Policy", policy)
	return f.Serve(w, r)
}

// unicodeText is a text as UTF-8; what is not is what Windows wrote. Where it is
// cut a letter may be too.
func unicodeText(b []byte, most int64) []byte {
	if int64(len(b)) == most {
		for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
			if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) {
					b = b[:len(b)-i]
				}
				break
			}
		}
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if utf8.Valid(b) {
		return b
	}
	if out, err := charmap.Windows1252.NewDecoder().Bytes(b); err == nil {
		return out
	}
	return bytes.ToValidUTF8(b, []byte("\uFFFD"))
}
