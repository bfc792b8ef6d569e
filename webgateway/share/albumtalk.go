package share

import (
	"net/http"
	"strconv"
	"strings"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/webgateway/page"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// talk is what people wrote, under an album or one photo of it.
type talk struct {
	View  page.View
	Title string
	Path  string // where words are posted
	List  []word
	May   bool // the reader may add to it
}

// word is what one person wrote.
type word struct {
	album.Comment
	Mine bool // the reader may take it away
}

func (s *Share) talk(v page.View, a *album.View, path, title string, list []album.Comment) talk {
	t := talk{View: v, Title: title, Path: path, May: a.MayComment && !a.Over}
	for _, c := range list {
		t.List = append(t.List, word{c, a.Manage || c.Link == a.Link.ID && !a.Link.Public})
	}
	return t
}

// sentences are what a page can say about what was just done, by the word in its
// address: nothing that a stranger writes there is ever shown.
var sentences = map[string]string{
	"word": "view-word-left", "empty": "view-word-empty", "unsaid": "view-word-removed", "quiet": "view-quiet-done", "loud": "view-loud-done",
	"caption": "view-caption-saved", "invited": "view-invited", "revoked": "view-revoked", "rules": "view-rules-saved", "restored": "view-restored", "recalled": "view-recalled", "paper": "view-paper-asked", "paper-no": "view-paper-stopped",
	"t-invited": "share-invited", "t-revoked": "share-revoked", "t-restored": "share-restored", "t-recalled": "share-recalled", "t-extended": "share-extended",
}

func said(v page.View, r *http.Request) string {
	if id := sentences[r.URL.Query().Get("said")]; id != "" {
		return v.T(id)
	}
	return ""
}

// back sends the reader to a page that says what was done; loading it again does
// nothing again.
func back(w http.ResponseWriter, r *http.Request, v page.View, path, what string) error {
	to := path + v.Keep()
	switch {
	case what == "":
	case v.Keep() == "":
		to += "?said=" + what
	default:
		to += "&said=" + what
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// here is the page that a form of an album or one of its photos belongs to.
func here(r *http.Request) (path string, photo album.PhotoID, err error) {
	path = "/a/" + string(token(r))
	if r.PathValue("photo") == "" {
		return path, 0, nil
	}
	id, err := number(r, "photo")
	return path + "/p/" + strconv.FormatInt(id, 10), album.PhotoID(id), err
}

func (s *Share) leaveWord(w http.ResponseWriter, r *http.Request) error {
	path, photo, err := here(r)
	if err != nil {
		return err
	}
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	v := page.See(r, a.Link.Lang)
	text := strings.TrimSpace(strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n"))
	if text == "" {
		return back(w, r, v, path, "empty")
	}
	if err := s.Albums.Comment(r.Context(), visit(r), photo, text); err != nil {
		return err
	}
	return back(w, r, v, path, "word")
}

func (s *Share) removeWord(w http.ResponseWriter, r *http.Request) error {
	path, _, err := here(r)
	if err != nil {
		return err
	}
	word, err := number(r, "word")
	if err != nil {
		return err
	}
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if err := s.Albums.RemoveComment(r.Context(), visit(r), word); err != nil {
		return err
	}
	return back(w, r, page.See(r, a.Link.Lang), path, "unsaid")
}

// quietAlbum ends the mails to the link's person, or begins them again.
func (s *Share) quietAlbum(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if a.Link.Public || a.Manage {
		return notFound()
	}
	quiet := a.Link.Quiet.IsZero()
	if err := s.Albums.Silence(r.Context(), visit(r), quiet); err != nil {
		return err
	}
	what := "loud"
	if quiet {
		what = "quiet"
	}
	return back(w, r, page.See(r, a.Link.Lang), "/a/"+string(token(r)), what)
}

// paper is what the button about the paper does for the reader: everybody with a
// link of their own may have it by mail.
func (s *Share) paper(r *http.Request, a *album.View) (string, error) {
	if s.Albums.Gazette == nil || a.Link.Public || a.Over {
		return "", nil
	}
	if asked, err := s.Albums.Gazette.Asked(r.Context(), a.Link.ID); err != nil || asked {
		return "stop", err
	}
	return "ask", nil
}

func (s *Share) askPaper(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	yes, what := r.PostFormValue("on") == "1", "paper-no"
	if yes {
		what = "paper"
	}
	if err := s.Albums.AskPaper(r.Context(), visit(r), yes); err != nil {
		return err
	}
	return back(w, r, page.See(r, a.Link.Lang), "/a/"+string(token(r)), what)
}

// addPhotos leads to a page where files can be chosen.
func (s *Share) addPhotos(w http.ResponseWriter, r *http.Request) error {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if !a.MayAdd || s.Albums.Hand == nil {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	var to link.Token
	err = s.Albums.DB.Write(r.Context(), func(tx *store.Tx) error {
		ls, err := s.Albums.Links.In(r.Context(), tx, link.Album, int64(a.ID))
		if err != nil || len(ls) == 0 || !ls[0].Manage {
			return mail.Wrap(mail.NotFound, err)
		}
		owner := mail.User{ID: a.Member, Account: a.Account, Address: ls[0].Person, Name: a.From, Lang: ls[0].Lang}
		l, err := s.Albums.Hand(r.Context(), tx, a.ID, a.Name, owner)
		to = s.Albums.Links.Token(l)
		return err
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/d/"+string(to)+page.See(r, a.Link.Lang).Keep(), http.StatusSeeOther)
	return nil
}
