package share

import (
	"net/http"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
)

// yours is what only the owner's page has.
type yours struct {
	EraseAt  time.Time // Over: when the bytes go
	People   []person
	Until    string // as a date field holds it
	Tomorrow string
}

// person is somebody who has a link of their own.
type person struct {
	ID    link.ID
	Name  string
	Quiet bool
}

func (s *Share) yours(a *album.View) yours {
	y := yours{EraseAt: a.Ended}
	if y.EraseAt.IsZero() {
		y.EraseAt = a.Expires
	}
	y.EraseAt = y.EraseAt.Add(album.Grace)
	for _, g := range a.Guests {
		p := person{ID: g.ID, Name: g.Person.String(), Quiet: !g.Quiet.IsZero()}
		if g.Name != "" && g.Name != p.Name {
			p.Name = g.Name + " (" + p.Name + ")"
		}
		y.People = append(y.People, p)
	}
	if !a.Expires.IsZero() {
		y.Until = a.Expires.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	y.Tomorrow = s.now().AddDate(0, 0, 1).Format(time.DateOnly)
	return y
}

func (s *Share) now() time.Time {
	if s.Albums.Now == nil {
		return time.Now()
	}
	return s.Albums.Now()
}

// owned opens an album for its owner; to everybody else what they ask for is not
// there.
func (s *Share) owned(r *http.Request) (*album.View, page.View, error) {
	a, err := s.Albums.Open(r.Context(), visit(r))
	if err == nil && !a.Manage {
		err = notFound()
	}
	if err != nil {
		return nil, page.View{}, err
	}
	return a, page.See(r, a.Link.Lang), nil
}

func (s *Share) captionPhoto(w http.ResponseWriter, r *http.Request) error {
	path, photo, err := here(r)
	if err != nil {
		return err
	}
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	if err := s.Albums.SetCaption(r.Context(), a.ID, photo, caller(a), r.PostFormValue("caption")); err != nil {
		return err
	}
	return back(w, r, v, path, "caption")
}

// removedPage offers the way back at once.
type removedPage struct{ Look, Back string }

func (s *Share) removePhoto(w http.ResponseWriter, r *http.Request) error {
	path, photo, err := here(r)
	if err != nil {
		return err
	}
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	n, err := s.Albums.At(r.Context(), a, photo)
	if err != nil {
		return err
	}
	if err := s.Albums.RemovePhoto(r.Context(), a.ID, photo, caller(a)); err != nil {
		return err
	}
	v.Title = v.T("view-removed-title")
	v.Data = removedPage{Look: path, Back: pageOf("/a/"+string(token(r)), min(n, max(0, a.Count-2))/perPage+1)}
	return s.Pages.Write(w, http.StatusOK, "photo-removed.html", v)
}

func (s *Share) restorePhoto(w http.ResponseWriter, r *http.Request) error {
	path, photo, err := here(r)
	if err != nil {
		return err
	}
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	if err := s.Albums.RestorePhoto(r.Context(), a.ID, photo, caller(a)); err != nil {
		return err
	}
	return back(w, r, v, path, "")
}

func (s *Share) publishAlbum(w http.ResponseWriter, r *http.Request) error {
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	if err := s.Albums.SetPublic(r.Context(), a.ID, caller(a), r.PostFormValue("on") == "1"); err != nil {
		return err
	}
	return back(w, r, v, "/a/"+string(token(r)), "rules")
}

func (s *Share) inviteGuests(w http.ResponseWriter, r *http.Request) error {
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	guests, err := invited(r)
	if err != nil {
		return err
	}
	if len(guests) > 0 {
		if err := s.Albums.Invite(r.Context(), a.ID, caller(a), guests); err != nil {
			return err
		}
	}
	return back(w, r, v, "/a/"+string(token(r)), "invited")
}

// invited are the people that somebody typed into a form.
func invited(r *http.Request) (guests []album.Guest, err error) {
	for _, said := range strings.FieldsFunc(r.PostFormValue("guests"), func(r rune) bool { return strings.ContainsRune(",;\r\n", r) }) {
		if said = strings.TrimSpace(said); said == "" {
			continue
		}
		g, err := guest(said)
		if err != nil {
			return nil, mail.Refuse(mail.BadAddress, "view-invite-bad", "Address", said[:min(len(said), 100)])
		}
		guests = append(guests, g)
	}
	return guests, nil
}

// guest reads an address as people paste them: "mamie@far.test", or with a name,
// "Mamie <mamie@far.test>".
func guest(said string) (album.Guest, error) {
	name, addr := "", said
	if i := strings.IndexByte(said, '<'); i >= 0 && strings.HasSuffix(said, ">") {
		name, addr = strings.Trim(strings.TrimSpace(said[:i]), `"`), said[i+1:len(said)-1]
	}
	a, err := mail.ParseAddress(strings.TrimSpace(addr))
	return album.Guest{Address: a, Name: name}, err
}

func (s *Share) revokeGuest(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r, "guest")
	if err != nil {
		return err
	}
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	if err := s.Albums.RevokeGuest(r.Context(), a.ID, caller(a), link.ID(id)); err != nil {
		return err
	}
	return back(w, r, v, "/a/"+string(token(r)), "revoked")
}

// maxPassword is more than anybody types; hashing more would be work for nothing.
const maxPassword = 1000

func (s *Share) ruleAlbum(w http.ResponseWriter, r *http.Request) error {
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	until, err := s.until(r.PostFormValue("until"))
	if err != nil {
		return err
	}
	rules := a.Rules
	rules.Comment, rules.Add, rules.Place = ticked(r, "comment"), ticked(r, "add"), ticked(r, "place")
	if err := password(r, &rules); err != nil {
		return err
	}
	if err := s.Albums.SetRules(r.Context(), a.ID, caller(a), rules); err != nil {
		return err
	}
	if !until.Equal(a.Expires) {
		if err := s.Albums.Expire(r.Context(), a.ID, caller(a), until); err != nil {
			return err
		}
	}
	return back(w, r, v, "/a/"+string(token(r)), "rules")
}

// password sets the password that a form says, or takes it away.
func password(r *http.Request, rules *link.Rules) (err error) {
	switch typed := r.PostFormValue("password"); {
	case len(typed) > maxPassword:
		return mail.Refuse(mail.BadSyntax, "kind-bad-syntax")
	case typed != "":
		rules.Password, err = link.HashPassword(r.Context(), typed)
	case ticked(r, "open"):
		rules.Password = ""
	}
	return err
}

func ticked(r *http.Request, name string) bool { return r.PostFormValue(name) != "" }

// until is the end of a day as a date field sends it; zero for none.
func (s *Share) until(said string) (time.Time, error) {
	if said = strings.TrimSpace(said); said == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, said)
	if err != nil || day.Year() > 2200 {
		return time.Time{}, mail.Refuse(mail.BadSyntax, "view-until-bad")
	}
	day = day.AddDate(0, 0, 1)
	if !day.After(s.now()) {
		return time.Time{}, mail.Refuse(mail.BadSyntax, "view-until-past")
	}
	return day, nil
}

func (s *Share) recallAlbum(w http.ResponseWriter, r *http.Request) error {
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	if err := s.Albums.Recall(r.Context(), a.ID, caller(a)); err != nil {
		return err
	}
	// Their page stays, and shows how to bring the album back.
	return back(w, r, v, "/a/"+string(token(r)), "recalled")
}

func (s *Share) restoreAlbum(w http.ResponseWriter, r *http.Request) error {
	a, v, err := s.owned(r)
	if err != nil {
		return err
	}
	if err := s.Albums.Restore(r.Context(), a.ID, caller(a)); err != nil {
		return err
	}
	return back(w, r, v, "/a/"+string(token(r)), "restored")
}
