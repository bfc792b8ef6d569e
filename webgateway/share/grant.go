package share

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/transfer"
)

// file serves one file to whoever asks for its address. Programs that look at
// links do: it counts for nothing, and where downloads are counted there is only
// the button.
func (s *Share) file(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	seq, err := number(r, "seq")
	if err != nil {
		return err
	}
	for _, f := range t.Files {
		if int64(f.Seq) == seq && r.PathValue("name") == f.Name {
			if s.buttonOnly(w, r, t) {
				return nil
			}
			return s.one(w, r, f, nil)
		}
	}
	return notFound()
}

// zip serves all files in one, likewise.
func (s *Share) zip(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if r.PathValue("zip") != zipName(t) {
		return notFound()
	}
	if s.buttonOnly(w, r, t) {
		return nil
	}
	return s.all(w, r, t, nil)
}

// buttonOnly leads to the page with the button when bytes are had through it alone.
func (s *Share) buttonOnly(w http.ResponseWriter, r *http.Request, t *transfer.View) bool {
	if !t.Counted || t.Manage {
		return false
	}
	http.Redirect(w, r, "/t/"+string(token(r))+page.See(r, t.Link.Lang).Keep(), http.StatusSeeOther)
	return true
}

// press is the button: it makes a grant and leads to an address where bytes count.
func (s *Share) press(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	what, name := transfer.All, zipName(t)
	if r.PathValue("what") != "all" {
		seq, err := number(r, "what")
		if err != nil {
			return err
		}
		what, name = int(seq), ""
		for _, f := range t.Files {
			if f.Seq == what {
				name = f.Name
			}
		}
		if name == "" {
			return notFound()
		}
	}
	grant, err := s.Transfers.Grant(r.Context(), visit(r), what)
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/t/"+string(token(r))+"/g/"+grant+"/"+url.PathEscape(name), http.StatusSeeOther)
	return nil
}

// granted serves what a grant is for, and counts the bytes.
func (s *Share) granted(w http.ResponseWriter, r *http.Request) error {
	g, err := s.Transfers.Granted(r.Context(), visit(r), r.PathValue("grant"))
	if err != nil {
		return err
	}
	if g.File == transfer.All {
		if r.PathValue("name") != zipName(g.View) {
			return notFound()
		}
		return s.all(w, r, g.View, g)
	}
	for _, f := range g.View.Files {
		if f.Seq == g.File && r.PathValue("name") == f.Name {
			return s.one(w, r, f, g)
		}
	}
	return notFound()
}

func (s *Share) one(w http.ResponseWriter, r *http.Request, f transfer.File, g *transfer.Grant) error {
	w.Header().Set("Content-Type", safeType(f.MediaType))
	w.Header().Set("Content-Disposition", attachment(f.Name))
	return s.blob(w, r, f.Blob, s.counting(r, f.SHA256, g, f.Size))
}

func (s *Share) all(w http.ResponseWriter, r *http.Request, t *transfer.View, g *transfer.Grant) error {
	files := make([]entry, len(t.Files))
	for i, f := range t.Files {
		crc, err := s.Transfers.CRC(r.Context(), t.ID, f)
		if err != nil {
			return err
		}
		files[i] = entry{name: f.Name, modified: t.Created, blob: f.Blob, size: f.Size, crc: crc}
	}
	z := newArchive(files)
	defer z.Close()
	z.open = func(e entry, offset int64) (reader, error) { return s.Blobs.Open(r.Context(), e.blob, offset) }
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", attachment(zipName(t)))
	return s.serve(w, r, z, s.counting(r, z.tag, g, z.size))
}

// counting is an answer that stops when the link is taken back, and whose bytes
// count under a grant.
func (s *Share) counting(r *http.Request, tag string, g *transfer.Grant, size int64) answer {
	a := answer{tag: tag, still: func() error { return s.Transfers.Still(r.Context(), visit(r)) }}
	if g == nil || r.Method == http.MethodHead {
		return a
	}
	taken := func(from, to int64) {
		// The reader may have gone with the last byte.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
		defer cancel()
		if err := s.Transfers.Taken(ctx, g, from, to, size); err != nil && !mail.Is(err, mail.NotFound) && s.Pages.Log != nil {
			s.Pages.Log.WarnContext(ctx, "download not counted", "thing", strconv.FormatInt(int64(g.View.ID), 10), "err", err)
		}
	}
	if a.took = taken; size == 0 {
		taken(0, 0) // nothing will go out, and all of it has
	}
	return a
}
