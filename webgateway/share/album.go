package share

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"colporteur/webgateway/page"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// albumRoutes adds the paths of albums. What is shown is a GET and changes
// nothing; what is done is a POST that ends in a page that can be read again.
func (s *Share) albumRoutes(handle func(pattern string, h page.Handler)) {
	handle("GET /a/{token}", s.album)
	handle("GET /a/{token}/page/{page}", s.album)
	handle("GET /a/{token}/print", s.print)
	handle("GET /a/{token}/print/{page}", s.print)
	handle("GET /a/{token}/p/{photo}", s.look)
	handle("GET /a/{token}/p/{photo}/{form}", s.photo)
	handle("GET /a/{token}/{zip}", s.albumZip)

	handle("POST /a/{token}/word", s.leaveWord)
	handle("POST /a/{token}/word/{word}/remove", s.removeWord)
	handle("POST /a/{token}/p/{photo}/word", s.leaveWord)
	handle("POST /a/{token}/p/{photo}/word/{word}/remove", s.removeWord)
	handle("POST /a/{token}/quiet", s.quietAlbum)
	handle("POST /a/{token}/gazette", s.askPaper)
	handle("POST /a/{token}/add", s.addPhotos)

	handle("POST /a/{token}/p/{photo}/caption", s.captionPhoto)
	handle("POST /a/{token}/p/{photo}/remove", s.removePhoto)
	handle("POST /a/{token}/p/{photo}/restore", s.restorePhoto)
	handle("POST /a/{token}/public", s.publishAlbum)
	handle("POST /a/{token}/invite", s.inviteGuests)
	handle("POST /a/{token}/guest/{guest}/revoke", s.revokeGuest)
	handle("POST /a/{token}/rules", s.ruleAlbum)
	handle("POST /a/{token}/recall", s.recallAlbum)
	handle("POST /a/{token}/restore", s.restoreAlbum)
}

// perPage is how many photos stand on one page: what an old tablet scrolls
// through without losing its breath.
const perPage = 60

// albumPage is what the template sees.
type albumPage struct {
	*album.View
	Photos []album.Photo
	Path   string // of the link, for everything below it
	Zip    string
	Share  string // address to pass on, for the owner
	When   string // the months it is about
	Said   string // what was just done
	Shown  []photoView
	Page   int // from one
	Pages  int
	Per    int    // photos on a page
	Before string // addresses of the pages beside this one
	After  string
	Back   string
	Print  string
	Add    bool
	Paper  string // "ask" or "stop": what the button about the paper does; "" is none
	Talk   talk
	yours
}

func (s *Share) album(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	v, p, err := s.albumView(r, a, "/page/")
	if err != nil {
		return err
	}
	p.Print = p.Path + "/print"
	if p.Page > 1 {
		p.Print += "/" + strconv.Itoa(p.Page)
	}
	for i := range p.Shown {
		p.Shown[i].Lazy = i >= 6 // what a first screen can hold comes at once
	}
	if p.Page == 1 {
		words, err := s.Albums.Words(r.Context(), a)
		if err != nil {
			return err
		}
		p.Talk = s.talk(v, a, p.Path, v.T("view-words"), words)
	}
	p.Add = a.MayAdd && !a.Over && s.Albums.Hand != nil
	if p.Paper, err = s.paper(r, a); err != nil {
		return err
	}
	if a.Manage {
		p.yours = s.yours(a)
	}
	v.Script, v.Data = "album", p
	return s.Pages.Write(w, http.StatusOK, "album.html", v)
}

// albumView is one page of an album; its neighbours are at the link's path, then
// step, then their number.
func (s *Share) albumView(r *http.Request, a *album.View, step string) (page.View, albumPage, error) {
	v := page.See(r, a.Link.Lang)
	p := albumPage{View: a, Path: "/a/" + string(token(r)), Zip: fileWord(a.Name, "album") + ".zip", Page: 1, Per: perPage,
		Pages: max(1, (a.Count+perPage-1)/perPage), Said: said(v, r)}
	if r.PathValue("page") != "" {
		n, err := number(r, "page")
		if err != nil || n < 2 || n > int64(p.Pages) {
			return v, p, notFound()
		}
		p.Page = int(n)
	}
	photos, err := s.Albums.Page(r.Context(), a, (p.Page-1)*perPage, perPage)
	if err != nil {
		return v, p, err
	}
	for i, f := range photos {
		p.Shown = append(p.Shown, see(v, p.Path, f, (p.Page-1)*perPage+i+1, a.Count))
	}
	p.When = when(v, photos)
	first := p.Path
	if step == "/print/" {
		first += "/print"
	}
	if p.Page == 2 {
		p.Before = first
	} else if p.Page > 2 {
		p.Before = p.Path + step + strconv.Itoa(p.Page-1)
	}
	if p.Page < p.Pages {
		p.After = p.Path + step + strconv.Itoa(p.Page+1)
	}
	p.Back = pageOf(p.Path, p.Page)
	if a.Manage && a.Share != "" {
		p.Share = s.URL + "/a/" + string(a.Share)
	}
	v.Title, v.Wide, v.Foot = a.Name, true, s.foot(r, v, a)
	return v, p, nil
}

// pageOf is the address of page n of an album.
func pageOf(path string, n int) string {
	if n < 2 {
		return path
	}
	return path + "/page/" + strconv.Itoa(n)
}

// when is the month of the photos, or the first and the last.
func when(v page.View, photos []album.Photo) string {
	var from, to time.Time
	for _, f := range photos {
		if f.Taken.IsZero() {
			continue
		}
		if from.IsZero() || f.Taken.Before(from) {
			from = f.Taken
		}
		if f.Taken.After(to) {
			to = f.Taken
		}
	}
	if from.IsZero() {
		return ""
	}
	if a, b := v.Month(from), v.Month(to); a != b {
		return a + " – " + b
	}
	return v.Month(from)
}

// foot is how a guest complains, or has the mails stop.
func (s *Share) foot(r *http.Request, v page.View, a *album.View) *page.Foot {
	if a.Manage {
		return nil
	}
	f := &page.Foot{}
	if s.Domain != nil {
		// The title says which album; the link would let others in.
		f.Report = "mailto:abuse@" + s.Domain(r.Context()) + "?subject=" + url.PathEscape(v.T("view-report-subject", "Title", a.Name))
	}
	if !a.Link.Public {
		f.Quiet, f.Silent = "/a/"+string(token(r))+"/quiet", !a.Link.Quiet.IsZero()
	}
	return f
}

// print is a page for paper: larger pictures, two to a sheet, no buttons.
func (s *Share) print(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	v, p, err := s.albumView(r, a, "/print/")
	if err != nil {
		return err
	}
	v.Data = p
	return s.Pages.Write(w, http.StatusOK, "print.html", v)
}

func (s *Share) albumZip(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if r.PathValue("zip") != fileWord(a.Name, "album")+".zip" {
		return notFound()
	}
	all, taken, err := s.Albums.All(r.Context(), visit(r))
	if err != nil {
		return err
	}
	files := make([]entry, len(all))
	for i, f := range all {
		files[i] = entry{name: f.Name, modified: taken[i], blob: f.Blob}
	}
	return s.stream(w, r, r.PathValue("zip"), files, func() error {
		return s.Albums.Still(r.Context(), visit(r), 0)
	})
}

// caller is whoever holds a's link.
func caller(a *album.View) link.Caller { return link.Holder(a.Link) }
