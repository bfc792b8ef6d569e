package share

import (
	"net/http"
	"strconv"

	"colporteur/webgateway/page"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// albumPage is what the template sees.
type albumPage struct {
	*album.View
	Path  string
	Zip   string
	Share string
}

// PhotoPath is the address of one size of a photo.
func (p albumPage) PhotoPath(f album.Photo, size string) string {
	return p.Path + "/p/" + strconv.FormatInt(int64(f.ID), 10) + "/" + size + ".jpg"
}

// Number counts photos from one, for people.
func (p albumPage) Number(i int) int { return i + 1 }

// thumbnail is how large the 400 px thumbnail of a photo is, so that the page
// does not jump while they arrive.
func thumbnail(f album.Photo) (w, h int) {
	w, h = f.Width, f.Height
	if m := max(w, h); m > 400 {
		w, h = max(1, w*400/m), max(1, h*400/m)
	}
	return w, h
}

func (p albumPage) Wide(f album.Photo) int { w, _ := thumbnail(f); return w }
func (p albumPage) High(f album.Photo) int { _, h := thumbnail(f); return h }

func (s *Share) album(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), token(r))
	if err != nil {
		return err
	}
	v := page.View{Printer: page.Language(r, a.Link.Lang), Title: a.Name, Wide: true}
	p := albumPage{View: a, Path: "/a/" + string(token(r)), Zip: fileWord(a.Name, "album") + ".zip"}
	if a.Manage && a.Share != "" {
		p.Share = s.URL + "/a/" + string(a.Share)
	}
	v.Data = p
	return s.Pages.Write(w, http.StatusOK, "album.html", v)
}

// sizes are the last path element of a photo's address.
var sizes = map[string]album.Size{"thumb.jpg": album.Thumb, "large.jpg": album.Large}

func (s *Share) photo(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r, "photo")
	if err != nil {
		return err
	}
	size, ok := sizes[r.PathValue("name")]
	if !ok {
		return notFound()
	}
	f, err := s.Albums.Photo(r.Context(), token(r), album.PhotoID(id), size)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", f.MediaType)
	return s.bytes(w, r, f.Blob, strconv.FormatInt(int64(f.Blob), 36))
}

func (s *Share) albumZip(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), token(r))
	if err != nil {
		return err
	}
	if r.PathValue("zip") != fileWord(a.Name, "album")+".zip" {
		return notFound()
	}
	var files []entry
	for _, p := range a.Photos {
		f, err := s.Albums.Photo(r.Context(), token(r), p.ID, album.Original)
		if err != nil {
			return err
		}
		when := p.Taken
		if when.IsZero() {
			when = p.Created
		}
		files = append(files, entry{name: f.Name, modified: when, blob: f.Blob})
	}
	return s.stream(w, r, r.PathValue("zip"), files, func() error {
		_, err := s.Albums.Open(r.Context(), token(r))
		return err
	})
}

func (s *Share) recallAlbum(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), token(r))
	if err != nil {
		return err
	}
	if err := s.Albums.Recall(r.Context(), a.ID, link.Holder(a.Link)); err != nil {
		return err
	}
	return s.done(w, r, page.Language(r, a.Link.Lang))
}
