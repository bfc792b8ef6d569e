package share

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"colporteur/locale"
	"colporteur/webgateway/page"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

var noTime time.Time

// transferPage is what the template sees.
type transferPage struct {
	*transfer.View
	Path  string // of the link, for everything below it
	Zip   string // name of the whole in one file
	Share string // address to pass on, for the owner
}

// FilePath is the address of a file; its name stands at the end for browsers
// and people. There is no other: what a cache might take for a style sheet of
// the site is not found.
func (p transferPage) FilePath(f transfer.File) string {
	return p.Path + "/f/" + strconv.Itoa(f.Seq) + "/" + url.PathEscape(f.Name)
}

func (s *Share) transfer(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	v := page.See(r, t.Link.Lang)
	if v.Title = t.Subject; v.Title == "" {
		v.Title = v.T("share-untitled")
	}
	p := transferPage{View: t, Path: "/t/" + string(token(r)), Zip: zipName(t)}
	if t.Manage && t.Share != "" {
		p.Share = s.URL + "/t/" + string(t.Share)
	}
	v.Data = p
	if t.Sealed() {
		return s.sealed(w, v)
	}
	return s.Pages.Write(w, http.StatusOK, "transfer.html", v)
}

func (s *Share) recallTransfer(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if err := s.Transfers.Recall(r.Context(), t.ID, link.Holder(t.Link)); err != nil {
		return err
	}
	return s.done(w, page.See(r, t.Link.Lang))
}

func (s *Share) extendTransfer(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if _, err := s.Transfers.Extend(r.Context(), t.ID, link.Holder(t.Link)); err != nil {
		return err
	}
	http.Redirect(w, r, "/t/"+string(token(r))+page.See(r, t.Link.Lang).Keep(), http.StatusSeeOther)
	return nil
}

// zipName is the last element of the whole's address, and the name it is saved
// under: the same in whatever language the page is read.
func zipName(t *transfer.View) string {
	return fileWord(t.Subject, locale.For(t.Link.Lang).T("share-zip")) + ".zip"
}
