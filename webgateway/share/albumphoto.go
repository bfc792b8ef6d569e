package share

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// photoView is one photo as a page shows it.
type photoView struct {
	ID         album.PhotoID
	Look       string // address of its own page
	Title, Alt string
	Caption    string
	Class      string // its shape, for the style sheet
	Sizes      string // how wide it is drawn
	Src        string
	JPEG, WebP string // srcset
	Paper      string // for printing, and before a film begins
	Wide, High int    // of the largest rendition
	Hash       string
	Video      bool
	Film       string // address of the film that browsers play; "" while there is none
	Words      int
	Lazy       bool
}

// renditions are the sizes that pages are made of: their longer sides.
var renditions = []int{400, 1024, 2048}

// see is photo f, the nth of an album at path.
func see(v page.View, path string, f album.Photo, n, of int) photoView {
	p := photoView{ID: f.ID, Look: path + "/p/" + strconv.FormatInt(int64(f.ID), 10), Caption: f.Caption, Video: f.Film > 0, Words: len(f.Comments)}
	id := "view-photo"
	if p.Video {
		id = "view-film"
	}
	p.Title = v.T(id, "N", n, "Of", of)
	if p.Alt = f.Caption; p.Alt == "" {
		p.Alt = p.Title
	}
	p.Wide, p.High = within(2048, f)
	ratio := shape(p.Wide, p.High)
	p.Class = "r" + strconv.Itoa(ratio)
	p.Sizes = fmt.Sprintf("(max-width: 600px) 92vw, %dpx", ratio*36/10)
	p.JPEG, p.Src, p.Paper = p.set(f, ".jpg"), p.Look+"/400.jpg", p.Look+"/1024.jpg"
	if f.Finished {
		p.WebP = p.set(f, ".webp")
		if p.Video {
			p.Film = p.Look + "/film"
		}
	}
	p.Hash = base64.RawStdEncoding.EncodeToString(f.Hash)
	return p
}

// set is what a browser chooses from, each with its width; a size that is no
// larger than the one before is left out.
func (p photoView) set(f album.Photo, ending string) string {
	var b strings.Builder
	last := 0
	for _, most := range renditions {
		name := strconv.Itoa(most) + ending
		w, _ := within(most, f)
		if w == last {
			continue
		}
		if last > 0 {
			b.WriteString(", ")
		}
		last = w
		b.WriteString(p.Look + "/" + name + " " + strconv.Itoa(w) + "w")
	}
	return b.String()
}

// within is how large a photo is when its longer side is at most most pixels,
// so that the page does not jump while pictures arrive.
func within(most int, f album.Photo) (w, h int) {
	w, h = max(1, f.Width), max(1, f.Height)
	if m := max(w, h); m > most {
		w, h = max(1, (w*most+m/2)/m), max(1, (h*most+m/2)/m)
	}
	return w, h
}

// shapes are the widths in percent of the height that the style sheet knows:
// rows of photos are laid out by them, because the policy allows no styles in
// the page itself.
var shapes = []int{40, 50, 56, 62, 67, 75, 80, 90, 100, 111, 125, 133, 141, 150, 160, 178, 200, 235, 300}

func shape(w, h int) int {
	r := math.Log(float64(w) * 100 / float64(h))
	return slices.MinFunc(shapes, func(a, b int) int {
		if math.Abs(math.Log(float64(a))-r) < math.Abs(math.Log(float64(b))-r) {
			return -1
		}
		return 1
	})
}

// lookPage is one photo, what was said about it, and the way to its neighbours.
type lookPage struct {
	*album.View
	Path           string
	Said           string
	Photo          photoView
	Previous, Next string
	Full           string // the full size, to keep
	Source         string // what the owner sent, untouched, for them
	Back           string
	Talk           talk
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
	i, err := s.Albums.At(r.Context(), a, album.PhotoID(id))
	if err != nil {
		return err
	}
	from := max(0, i-1)
	beside, err := s.Albums.Page(r.Context(), a, from, i-from+2)
	if err != nil {
		return err
	}
	v := page.See(r, a.Link.Lang)
	p := lookPage{View: a, Path: "/a/" + string(token(r)), Said: said(v, r), Back: pageOf("/a/"+string(token(r)), i/perPage+1)}
	for _, f := range beside {
		n := see(v, p.Path, f, i+1, a.Count)
		switch {
		case f.ID == album.PhotoID(id):
			p.Photo = n
			p.Photo.Sizes = "(max-width: 1280px) 100vw, 1248px"
			p.Photo.Src = n.Paper // for a tablet that knows no srcset
			p.Talk = s.talk(v, a, n.Look, v.T("view-photo-words"), f.Comments)
		case p.Photo.ID == 0:
			p.Previous = n.Look
		default:
			p.Next = n.Look
		}
	}
	if p.Photo.ID == 0 {
		return notFound() // taken off just now
	}
	p.Full = p.Photo.Look + "/clean"
	if a.Manage {
		p.Source = p.Photo.Look + "/source"
	}
	v.Title, v.Wide, v.Foot, v.Data = p.Photo.Title+" – "+a.Name, true, s.foot(r, v, a), p
	return s.Pages.Write(w, http.StatusOK, "photo.html", v)
}

// forms are the last path element of a photo's address. There is no other: what
// a cache might take for a style sheet of the site is not found.
var forms = map[string]bool{"400.jpg": true, "1024.jpg": true, "2048.jpg": true, "400.webp": true, "1024.webp": true, "2048.webp": true,
	"clean": true, "source": true, "film": true}

func (s *Share) photo(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r, "photo")
	if err != nil {
		return err
	}
	v := visit(r)
	return s.Photo(w, r, v, album.PhotoID(id), r.PathValue("form"), func() error { return s.Albums.Still(r.Context(), v, album.PhotoID(id)) })
}

// Photo answers with one form of a photo, for whoever makes the visit; a long
// answer goes on while still says nil.
func (s *Share) Photo(w http.ResponseWriter, r *http.Request, v link.Visit, id album.PhotoID, form string, still func() error) error {
	if !forms[form] {
		return notFound()
	}
	f, err := s.Albums.Photo(r.Context(), v, id, album.Form(form))
	if name, ok := strings.CutSuffix(form, ".webp"); ok && mail.Is(err, mail.NotFound) {
		// A picture that could not be made as WebP. Browsers look at the type.
		f, err = s.Albums.Photo(r.Context(), v, id, album.Form(name+".jpg"))
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", safeType(f.MediaType))
	if form == "clean" || form == "source" {
		w.Header().Set("Content-Disposition", attachment(f.Name))
	}
	return s.blob(w, r, f.Blob, answer{tag: strconv.FormatInt(int64(f.Blob), 36), still: still})
}
