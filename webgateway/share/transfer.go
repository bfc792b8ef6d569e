package share

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"colporteur/locale"
	"colporteur/webgateway/page"
	"colporteur/workflow/transfer"
)

var noTime time.Time

// transferPage is what the template sees.
type transferPage struct {
	*transfer.View
	Path  string // of the link, for everything below it
	Zip   string // name of the whole in one file
	Share string // address to pass on, for the owner
	Said  string // what was just done
	Most  int    // downloads that its rules allow in all; 0 is any number
	Shown []shown
	transferYours
}

// Takes says whether there is anything to take for who sees the page.
func (p transferPage) Takes() bool { return !p.Over && (p.Most == 0 || p.Left > 0) }

// FilePath is the address of a file; its name stands at the end for browsers
// and people. There is no other: what a cache might take for a style sheet of
// the site is not found.
func (p transferPage) FilePath(f transfer.File) string {
	return p.Path + "/f/" + strconv.Itoa(f.Seq) + "/" + url.PathEscape(f.Name)
}

// peekPath is the address where a file can be looked at.
func (p transferPage) peekPath(f transfer.File) string {
	return p.Path + "/v/" + strconv.Itoa(f.Seq)
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
	p := transferPage{View: t, Path: "/t/" + string(token(r)), Zip: zipName(t), Said: said(v, r)}
	if !t.Manage {
		p.Most = t.Link.Rules.Downloads
	} else {
		if t.Share != "" {
			p.Share = s.URL + "/t/" + string(t.Share)
		}
		p.transferYours = transferOf(t)
	}
	if !t.Sealed() {
		if p.Shown, err = s.shown(r.Context(), v, p); err != nil {
			return err
		}
	}
	v.Data = p
	if t.Sealed() {
		return s.sealed(w, v)
	}
	return s.Pages.Write(w, http.StatusOK, "transfer.html", v)
}

// zipName is the last element of the whole's address, and the name it is saved
// under: the same in whatever language the page is read.
func zipName(t *transfer.View) string {
	return fileWord(t.Subject, locale.For(t.Link.Lang).T("share-zip")) + ".zip"
}
