package share

import (
	"net/http"
	"slices"
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

// LookPath is the address of the page that shows one photo.
func (p albumPage) LookPath(f album.Photo) string {
	return p.Path + "/p/" + strconv.FormatInt(int64(f.ID), 10)
}

// PhotoPath is the address of one size of a photo.
func (p albumPage) PhotoPath(f album.Photo, size string) string {
	return p.LookPath(f) + "/" + size + ".jpg"
}

// Number counts photos from one, for people.
func (p albumPage) Number(i int) int { return i + 1 }

// within is how large a photo is when its longer side is at most most pixels,
// so that the page does not jump while pictures arrive.
func within(most int, f album.Photo) (w, h int) {
	w, h = f.Width, f.Height
	if m := max(w, h); m > most {
		w, h = max(1, w*most/m), max(1, h*most/m)
	}
	return w, h
}

func (s *Share) album(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	v := page.See(r, a.Link.Lang)
	v.Title, v.Wide = a.Name, true
	p := albumPage{View: a, Path: "/a/" + string(token(r)), Zip: fileWord(a.Name, "album") + ".zip"}
	if a.Manage && a.Share != "" {
		p.Share = s.URL + "/a/" + string(a.Share)
	}
	v.Data = p
	return s.Pages.Write(w, http.StatusOK, "album.html", v)
}

// lookPage is one photo and the way to its neighbours.
type lookPage struct {
	albumPage
	Photo          album.Photo
	Number         int // from one
	Previous, Next string
	Wide, High     int
}

// look shows one photo as large as the screen. Arrows are links: they work
// without JavaScript, and the browser's own Back does what it always does.
func (s *Share) look(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r, "photo")
	if err != nil {
		return err
	}
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(a.Photos, func(f album.Photo) bool { return f.ID == album.PhotoID(id) })
	if i < 0 {
		return notFound()
	}
	p := lookPage{albumPage: albumPage{View: a, Path: "/a/" + string(token(r))}, Photo: a.Photos[i], Number: i + 1}
	p.Wide, p.High = within(2048, p.Photo)
	if i > 0 {
		p.Previous = p.LookPath(a.Photos[i-1])
	}
	if i+1 < len(a.Photos) {
		p.Next = p.LookPath(a.Photos[i+1])
	}
	v := page.See(r, a.Link.Lang)
	v.Title, v.Wide, v.Data = v.T("share-photo", "N", p.Number, "Of", len(a.Photos))+" – "+a.Name, true, p
	return s.Pages.Write(w, http.StatusOK, "photo.html", v)
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
	f, err := s.Albums.Photo(r.Context(), visit(r), album.PhotoID(id), size)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", f.MediaType)
	return s.bytes(w, r, f.Blob, strconv.FormatInt(int64(f.Blob), 36))
}

func (s *Share) albumZip(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if r.PathValue("zip") != fileWord(a.Name, "album")+".zip" {
		return notFound()
	}
	var files []entry
	for _, p := range a.Photos {
		f, err := s.Albums.Photo(r.Context(), visit(r), p.ID, album.Original)
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
		_, err := s.Albums.Open(r.Context(), visit(r))
		return err
	})
}

func (s *Share) recallAlbum(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if err := s.Albums.Recall(r.Context(), a.ID, link.Holder(a.Link)); err != nil {
		return err
	}
	return s.done(w, page.See(r, a.Link.Lang))
}
