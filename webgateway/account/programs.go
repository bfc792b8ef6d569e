package account

import (
	"net/http"
	"strconv"
	"strings"

	"colporteur/accounts"
	"colporteur/mail"
)

type programsBody struct {
	List  []programRow
	Name  string // that the form begins with
	Made  string // the password that was just made, shown this once
	Token string // the same for programs that ask for a token
	For   string
	Where where
}

type programRow struct {
	ID            int64
	Name, Created string
}

func (p *Pages) programs(w http.ResponseWriter, r *http.Request, v *visit) error {
	return p.writePrograms(w, r, v, programsBody{})
}

func (p *Pages) writePrograms(w http.ResponseWriter, r *http.Request, v *visit, b programsBody) error {
	apps, err := p.Accounts.AppPasswords(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	for _, a := range apps {
		b.List = append(b.List, programRow{a.ID, a.Name, v.Date(a.Created)})
	}
	b.Where = where{v.View, v.user.Address.String(), p.Servers}
	return v.draw(p, w, "account-programs.html", "programs", "account-programs-title", b)
}

func (p *Pages) addProgram(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := strings.TrimSpace(r.PostForm.Get("name"))
	made, err := p.Accounts.AddAppPassword(r.Context(), v.user.ID, name)
	if err != nil {
		return v.again(err, func() error { return p.writePrograms(w, r, v, programsBody{Name: name}) })
	}
	return p.writePrograms(w, r, v, programsBody{Made: made, For: name, Token: accounts.Token(v.user.Address.String(), made)})
}

func (p *Pages) removeProgram(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := number(r)
	if err != nil {
		return err
	}
	if err := p.Accounts.RevokeAppPassword(r.Context(), v.user.ID, id); err != nil {
		return err
	}
	return v.back(w, r, "/account/programs", "removed")
}

// number is the one in the address; what is none is not there.
func number(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, mail.Refuse(mail.NotFound, "kind-not-found")
	}
	return id, nil
}
