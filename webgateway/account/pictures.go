package account

import (
	"net/http"

	"colporteur/mail"
)

// pictures are the senders whose pictures from elsewhere are always shown. One is
// added where a mail of theirs is read, for there it is known who they are.
func (p *Pages) pictures(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := p.Accounts.PictureSenders(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	return v.draw(p, w, "account-pictures.html", "pictures", "account-pictures-title", list)
}

func (p *Pages) forgetPictures(w http.ResponseWriter, r *http.Request, v *visit) error {
	a, err := mail.ParseAddress(r.PostForm.Get("sender"))
	if err == nil {
		err = p.Accounts.ShowPictures(r.Context(), v.user.ID, a, false)
	}
	if err != nil {
		return err
	}
	return v.back(w, r, "/account/pictures", "pictures")
}
