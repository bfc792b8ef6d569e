package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"mime"
	"path"
	"strings"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store/blob"
)

// signatureImage is up to how many bytes a picture that the HTML body shows by
// its Content-ID is taken for part of somebody's signature.
const signatureImage = 10 << 10

// File is one attachment.
type File struct {
	Seq     int    // which one of the mail, from 0; the same whenever it is asked
	Name    string // one path element, never empty
	Type    string // as the sender says: "image/jpeg"
	Damaged bool   // its encoding was broken: bytes are missing

	part *mail.Part
}

// Files are the attachments of the mail: every leaf with a file name or the
// disposition "attachment", and every other leaf that is not text. Not files are
// small pictures that the HTML body shows (signatures), cryptographic signatures,
// and the words of the mail itself. An attached mail is one file.
func (in *Inbound) Files() []File {
	var out []File
	taken := map[string]int{}
	var walk func(p *mail.Part)
	walk = func(p *mail.Part) {
		if p == nil {
			return
		}
		if strings.HasPrefix(p.Type, "multipart/") {
			for _, c := range p.Children {
				walk(c)
			}
			return
		}
		if !isFile(p) {
			return
		}
		f := File{Seq: len(out), Type: p.Type, Damaged: p.Damaged, part: p}
		f.Name = unique(taken, fileName(p, len(out)+1, locale.For(in.Lang())))
		out = append(out, f)
	}
	walk(in.Summary.Root)
	return out
}

func isFile(p *mail.Part) bool {
	switch p.Type {
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature":
		return false
	}
	if p.Disposition == "attachment" {
		return true
	}
	if strings.HasPrefix(p.Type, "image/") && p.ID != "" && decodedSize(p) < signatureImage {
		return false
	}
	return p.Filename != "" || !strings.HasPrefix(p.Type, "text/")
}

func decodedSize(p *mail.Part) int64 {
	if p.Blob != 0 {
		return p.Decoded
	}
	if p.Encoding == "base64" {
		return p.Size / 4 * 3
	}
	return p.Size
}

// fileName makes a name that is one path element on every system.
func fileName(p *mail.Part, n int, say locale.Printer) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1 // controls, and the marks that make "exe.jpg" of "gpj.exe"
		case r == '/' || r == '\\' || r == ':':
			return '_'
		}
		return r
	}, p.Filename)
	name = strings.TrimSpace(bound(name, 180))
	if strings.Trim(name, ". ") != "" {
		return name
	}
	ext := extensions[p.Type]
	if ext == "" {
		if all, err := mime.ExtensionsByType(p.Type); err == nil && len(all) > 0 {
			ext = all[0]
		}
	}
	return say.T("workflow-unnamed", "Number", n) + ext
}

// extensions for nameless files of the common types: the system's list has
// several for each, in an order that says nothing.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/heic": ".heic", "image/webp": ".webp", "image/gif": ".gif",
	"application/pdf": ".pdf", "message/rfc822": ".eml", "video/mp4": ".mp4", "video/quicktime": ".mov",
	"audio/mpeg": ".mp3", "application/octet-stream": ".bin", "application/zip": ".zip",
}

// unique tells apart files of one name: "a.jpg", "a (2).jpg". Names that differ
// only in case count as one; they would be on many disks.
func unique(taken map[string]int, name string) string {
	stem, ext := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name)
	for {
		k := strings.ToLower(name)
		taken[k]++
		if taken[k] == 1 {
			return name
		}
		name = fmt.Sprintf("%s (%d)%s", stem, taken[k], ext)
	}
}

// Attachments calls f with each file of the mail, decoded, one after the other.
func (in *Inbound) Attachments(ctx context.Context, f func(a File, r io.Reader) error) error {
	for _, a := range in.Files() {
		r, err := in.Open(ctx, a)
		if err != nil {
			return err
		}
		err = f(a, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// Open reads one file, decoded.
func (in *Inbound) Open(ctx context.Context, a File) (io.ReadCloser, error) {
	if id, ok := in.Message.Body(a.part); ok {
		return in.mux.Blobs.Open(ctx, id, 0)
	}
	r, dec, err := in.body(ctx, a.part)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{dec, r}, nil
}

func (in *Inbound) body(ctx context.Context, p *mail.Part) (io.Closer, *mail.Decoder, error) {
	r, err := in.mux.Messages.OpenMessage(ctx, in.Message, p.BodyOffset)
	if err != nil {
		return nil, nil, err
	}
	return r, mail.DecodeBody(p.Encoding, io.LimitReader(r, p.Size)), nil
}

// Kept is a file whose bytes are a blob.
type Kept struct {
	Blob   blob.ID
	Ref    *blob.Ref // to be inserted with the row that names it; nil: it lives already
	Size   int64
	SHA256 string // hex
}

// Keep gives a file as a blob: the one the Door made while the mail streamed
// in, or else a new one. damaged says that bytes are missing.
func (in *Inbound) Keep(ctx context.Context, a File) (k Kept, damaged bool, err error) {
	p := a.part
	if id, ok := in.Message.Body(p); ok {
		k = Kept{Blob: id, Size: p.Decoded, SHA256: p.SHA256}
		if k.SHA256 == "" {
			k.Size, k.SHA256, err = in.sum(ctx, id)
		}
		return k, p.Damaged, err
	}
	r, dec, err := in.body(ctx, p)
	if err != nil {
		return k, false, err
	}
	defer r.Close()
	w := in.mux.Blobs.Create()
	defer w.Abort()
	h := sha256.New()
	if k.Size, err = io.Copy(io.MultiWriter(w, h), dec); err != nil {
		return k, false, fmt.Errorf("file %d: %w", a.Seq, err)
	}
	ref, err := w.Commit(ctx)
	if err != nil {
		return k, false, err
	}
	k.Blob, k.Ref, k.SHA256 = ref.ID, &ref, digest(h)
	return k, p.Damaged || dec.Bad(), nil
}

func (in *Inbound) sum(ctx context.Context, id blob.ID) (int64, string, error) {
	r, err := in.mux.Blobs.Open(ctx, id, 0)
	if err != nil {
		return 0, "", err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	return n, digest(h), err
}

func digest(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
