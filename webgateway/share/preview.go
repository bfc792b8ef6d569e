package share

import (
	"context"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"colporteur/webgateway/page"
	"colporteur/workflow/transfer"
)

// Bounds of what is shown of files before they are taken.
const (
	peekText  = 64 << 10 // of a text
	peekTexts = 5        // texts of one transfer
	peekBytes = 20 << 20 // of a picture: whoever pays for each megabyte chose to look at a page
)

// shown is one file as the page shows it.
type shown struct {
	transfer.File
	Kind string // in words
	Peek string // address of what can be looked at; "" when nothing can
	As   string // "picture", "sound", "film", "pdf"
	Text string // the beginning of a text
	More bool   // it goes on
	Open bool   // there is nothing else to look at
	View page.View
}

// shows are the types that a browser shows by itself and that run nothing. What
// the sender said is not believed further than that: nosniff keeps a browser from
// finding a page in a picture.
var shows = map[string]string{
	"image/jpeg": "picture", "image/png": "picture", "image/gif": "picture", "image/webp": "picture", "image/avif": "picture",
	"audio/mpeg": "sound", "audio/mp4": "sound", "audio/ogg": "sound", "audio/wav": "sound", "audio/x-wav": "sound", "audio/flac": "sound", "audio/aac": "sound",
	"video/mp4": "film", "video/webm": "film", "video/ogg": "film", "video/quicktime": "film",
	"application/pdf": "pdf",
}

// texts are shown as what they are: letters in our own page, escaped.
var texts = map[string]bool{"text/plain": true, "text/csv": true, "text/markdown": true, "application/json": true, "text/x-log": true}

func mediaType(f transfer.File) string {
	m, _, err := mime.ParseMediaType(f.MediaType)
	if err != nil {
		return ""
	}
	return strings.ToLower(m)
}

// mayPeek says whether files can be looked at without being taken. Where takes
// are counted a look would be one.
func mayPeek(t *transfer.View) bool {
	return !t.Sealed() && (t.Manage || t.Link.Rules.Downloads == 0)
}

func (s *Share) shown(ctx context.Context, v page.View, p transferPage) ([]shown, error) {
	out := make([]shown, len(p.Files))
	read := 0
	for i, f := range p.Files {
		m := mediaType(f)
		out[i] = shown{File: f, Kind: v.T(kindOf(m, f.Name)), View: v}
		if !mayPeek(p.View) {
			continue
		}
		switch as := shows[m]; {
		case as == "picture" && f.Size > peekBytes:
		case as != "":
			out[i].As, out[i].Peek = as, p.peekPath(f)
			out[i].Open = len(p.Files) == 1 && as == "picture"
		case texts[m] && read < peekTexts:
			read++
			var err error
			if out[i].Text, err = s.beginning(ctx, f); err != nil {
				return nil, err
			}
			out[i].More = f.Size > peekText
		}
	}
	return out, nil
}

// beginning is the first part of a text, as Unicode: what is not UTF-8 is what
// Windows wrote.
func (s *Share) beginning(ctx context.Context, f transfer.File) (string, error) {
	r, err := s.Blobs.Open(ctx, f.Blob, 0)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, peekText))
	if err != nil {
		return "", err
	}
	whole := b
	if len(b) == peekText { // a letter may be cut in two
		for i := 1; i < utf8.UTFMax; i++ {
			if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) {
					whole = b[:len(b)-i]
				}
				break
			}
		}
	}
	if utf8.Valid(whole) {
		return strings.ReplaceAll(string(whole), "\x00", ""), nil
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	return strings.ReplaceAll(string(out), "\x00", ""), err
}

// peek serves a file to be looked at, in a sandbox: a document of its own, with no
// right to run or to load anything, and no access to this site.
func (s *Share) peek(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	seq, err := number(r, "seq")
	if err != nil {
		return err
	}
	for _, f := range t.Files {
		as := shows[mediaType(f)]
		if int64(f.Seq) != seq || as == "" || !mayPeek(t) || as == "picture" && f.Size > peekBytes {
			continue
		}
		h := w.Header()
		h.Set("Content-Type", mediaType(f))
		h.Set("Content-Disposition", strings.Replace(attachment(f.Name), "attachment", "inline", 1))
		// The styles are those of the page that a browser makes around a picture.
		policy := "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
		if as != "pdf" { // Chromium shows no PDF in a sandbox of ours; it has one of its own for them
			policy += "; sandbox"
		}
		h.Set("Content-Security-Policy", policy)
		return s.blob(w, r, f.Blob, s.counting(r, f.SHA256, nil, f.Size))
	}
	return notFound()
}

// kindOf is the id of what people call a file of a type.
func kindOf(m, name string) string {
	switch group, _, _ := strings.Cut(m, "/"); {
	case m == "application/pdf":
		return "share-kind-pdf"
	case group == "image":
		return "share-kind-picture"
	case group == "audio":
		return "share-kind-sound"
	case group == "video":
		return "share-kind-film"
	case group == "text":
		return "share-kind-text"
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".zip", ".7z", ".rar", ".gz", ".tar", ".xz", ".bz2", ".zst":
		return "share-kind-archive"
	case ".doc", ".docx", ".odt", ".rtf":
		return "share-kind-document"
	case ".xls", ".xlsx", ".ods":
		return "share-kind-sheet"
	case ".ppt", ".pptx", ".odp":
		return "share-kind-slides"
	case ".jpg", ".jpeg", ".png", ".heic", ".webp", ".avif", ".gif":
		return "share-kind-picture"
	case ".mp4", ".mov", ".mkv", ".webm", ".avi":
		return "share-kind-film"
	}
	return "share-kind-file"
}
