package upload

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/upload"
)

// handPage is what the template sees.
type handPage struct {
	*upload.View
	Path  string
	Share string // address to pass on, for the owner
	Once  string // so that a form sent twice hands in once
	Max   int64  // bytes of one file
	Full  bool
}

// given is what the template of the page afterwards sees.
type givenPage struct {
	*upload.Done
	Path  string
	Share string
	Owner string // the page of the transfer that was made
	Name  string // whose place it is
	Own   bool
}

func (s *Upload) page(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Places.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	v := page.See(r, p.Link.Lang)
	v.Title, v.Script = p.Title, "upload"
	d := handPage{View: p, Path: path(r), Once: once(), Max: s.Places.Limit(), Full: p.Taken >= p.Total}
	if p.Share != "" {
		d.Share = s.URL + "/d/" + string(p.Share)
	}
	v.Data = d
	return s.Pages.Write(w, http.StatusOK, "hand.html", v)
}

func path(r *http.Request) string { return "/d/" + r.PathValue("token") }

func once() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Bounds of a form.
const (
	maxField  = 16 << 10
	maxFields = 400
)

// give takes the form: its files come with it when there is no script, and as
// uploads that are whole when there is.
func (s *Upload) give(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Places.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	g, err := s.read(w, r, p)
	if err != nil {
		return err
	}
	d, err := s.Places.Give(r.Context(), visit(r), g)
	if err != nil {
		s.Places.Discard(g)
		return err
	}
	v := page.See(r, p.Link.Lang)
	v.Title, v.Script = v.T("upload-thanks", "Count", d.Files), "upload"
	out := givenPage{Done: d, Path: path(r), Name: p.Owner.Name, Own: p.Manage && p.Album == 0}
	if out.Name == "" {
		out.Name = p.Owner.Address.String()
	}
	if d.Share != "" {
		out.Share, out.Owner = s.URL+"/t/"+string(d.Share), "/t/"+string(d.Manage)
	}
	if p.Manage && p.Album == 0 {
		v.Title = v.T("upload-ready", "Count", d.Files)
	}
	v.Data = out
	return s.Pages.Write(w, http.StatusOK, "handed.html", v)
}

func (s *Upload) close(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Places.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if err := s.Places.Close(r.Context(), visit(r)); err != nil {
		return err
	}
	v := page.See(r, p.Link.Lang)
	v.Title = v.T("upload-closed-title")
	v.Data = v.T("upload-closed", "Title", p.Title)
	return s.Pages.Write(w, http.StatusOK, "hand-closed.html", v)
}

// read streams the form: files become blobs as they come, everything else is
// small.
func (s *Upload) read(w http.ResponseWriter, r *http.Request, p *upload.View) (*upload.Gift, error) {
	g := &upload.Gift{}
	r.Body = io.NopCloser(s.patient(w, r.Body))
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			return nil, malformed()
		}
		for name, values := range r.PostForm {
			for _, v := range values {
				if err := field(g, name, v); err != nil {
					return nil, err
				}
			}
		}
		return g, nil
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, malformed()
	}
	left := p.Total - p.Taken
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if err == io.EOF {
			return g, nil
		}
		if err == nil && n > maxFields {
			err = mail.Refuse(mail.TooMany, "upload-too-many")
		}
		if err == nil {
			err = s.part(r.Context(), g, part, &left)
		}
		if err != nil {
			s.Places.Discard(g)
			var e *mail.Error
			if !errors.As(err, &e) {
				err = mail.Wrap(mail.BadSyntax, err) // a broken or cut form; nobody may be there to read this
			}
			return nil, err
		}
	}
}

func (s *Upload) part(ctx context.Context, g *upload.Gift, p *multipart.Part, left *int64) error {
	if p.FormName() != "file" {
		b, err := io.ReadAll(io.LimitReader(p, maxField))
		if err != nil {
			return err
		}
		return field(g, p.FormName(), string(b))
	}
	b := s.Places.Blobs.Create()
	defer b.Abort()
	h := sha256.New()
	limit := min(*left, s.Places.Limit())
	n, err := io.Copy(io.MultiWriter(b, h), io.LimitReader(p, limit+1))
	if err != nil {
		return err
	}
	switch {
	case n == 0 && p.FileName() == "":
		return nil // what browsers send for a field that was left empty
	case n > s.Places.Limit():
		return mail.Refuse(mail.TooBig, "upload-too-big", "Limit", s.Places.Limit()/1_000_000)
	case n > *left:
		return mail.Refuse(mail.OverQuota, "upload-place-full")
	}
	*left -= n
	ref, err := b.Commit(ctx)
	if err != nil {
		return mail.Wrap(mail.Unavailable, err)
	}
	g.Files = append(g.Files, upload.Given{Name: p.FileName(), Type: p.Header.Get("Content-Type"), Size: n,
		SHA256: hex.EncodeToString(h.Sum(nil)), Blob: ref.ID, Ref: &ref})
	return nil
}

// field takes one field of the form.
func field(g *upload.Gift, name, value string) error {
	switch name {
	case "once":
		g.Once = value[:min(len(value), 64)]
	case "giver":
		g.Giver = value
	case "message":
		g.Message = value
	case "title":
		g.Title = value
	case "days":
		n, err := strconv.Atoi(value)
		if err != nil {
			return malformed()
		}
		g.Days = n
	case "upload":
		g.Uploads = append(g.Uploads, upload.Secret(value))
	case "guests":
		for _, word := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ,;\r\n\t", r) }) {
			a, err := mail.ParseAddress(word)
			if err != nil {
				return mail.Refuse(mail.BadAddress, "upload-guest", "Address", word[:min(len(word), 100)])
			}
			g.Guests = append(g.Guests, a)
		}
	}
	return nil
}
