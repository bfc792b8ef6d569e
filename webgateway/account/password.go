package account

import (
	"net/http"
	"unicode/utf8"

	"colporteur/mail"
)

// passwordLength is what we ask of a password that a person chooses: length is
// what guessing costs; signs and capitals make it harder for people alone (NIST
// SP 800-63B §5.1.1.2). Whether it stands in a list of leaked ones we cannot
// look up here without telling somebody.
const passwordLength = 10

func (p *Pages) password(w http.ResponseWriter, r *http.Request, v *visit) error {
	return v.draw(p, w, "account-password.html", "password", "account-password-title", map[string]any{"Min": passwordLength, "Name": v.user.Address.String()})
}

func (p *Pages) setPassword(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, f := r.Context(), r.PostForm
	err := p.own(ctx, r, v.user, f.Get("old"))
	if err == nil {
		err = fit(f.Get("new"), f.Get("again"), f.Get("old"), v.user)
	}
	if err == nil {
		err = p.Doors.Sessions.Outlive(r, func() error { return p.Accounts.SetPassword(ctx, v.user.ID, f.Get("new")) })
	}
	if err != nil {
		return v.again(err, func() error { return p.password(w, r, v) })
	}
	return v.back(w, r, "/account/password", "password")
}

// fit says whether a new password will do.
func fit(password, again, old string, u mail.User) error {
	switch {
	case password != again:
		return mail.Refuse(mail.BadContent, "account-password-differ")
	case utf8.RuneCountInString(password) < passwordLength:
		return mail.Refuse(mail.BadContent, "accounts-password-short", "Min", passwordLength)
	case password == old:
		return mail.Refuse(mail.BadContent, "account-password-same")
	case password == u.Address.String() || password == u.Name || all(password):
		return mail.Refuse(mail.BadContent, "account-password-plain")
	}
	return nil
}

// all says whether a password is one letter again and again.
func all(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	for _, r := range s {
		if r != first {
			return false
		}
	}
	return true
}
