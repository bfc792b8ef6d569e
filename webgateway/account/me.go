package account

import (
	"net/http"
	"strings"

	"colporteur/accounts"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/webgateway/page"
)

// meBody is the first page.
type meBody struct {
	Address, Name, Lang string
	Room                string // how full the mailbox is, in words
}

func (p *Pages) me(w http.ResponseWriter, r *http.Request, v *visit) error {
	m, err := p.Accounts.ByID(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	return p.writeMe(w, r, v, m)
}

func (p *Pages) writeMe(w http.ResponseWriter, r *http.Request, v *visit, m accounts.Member) error {
	used, err := p.Mailboxes.Usage(r.Context(), v.user.Account)
	if err != nil {
		return err
	}
	return v.draw(p, w, "account-me.html", "", "account-title", meBody{m.Address.String(), m.Name, m.Lang, roomWords(v.Printer, used, m.Quota)})
}

// roomWords is how full a mailbox is.
func roomWords(p locale.Printer, used, quota int64) string {
	if quota == 0 {
		return p.T("account-room-free", "Used", p.Size(used))
	}
	percent := min(used, quota) * 100 / quota
	return p.T("account-room-of", "Used", p.Size(used), "Size", p.Size(quota), "Percent", percent)
}

func (p *Pages) setMe(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, lang := strings.TrimSpace(r.PostForm.Get("name")), r.PostForm.Get("lang")
	if lang != "fr" && lang != "en" {
		return mail.Refuse(mail.BadSyntax, "kind-bad-syntax")
	}
	m, err := p.Accounts.Update(r.Context(), v.user.ID, accounts.Update{Name: &name, Lang: &lang})
	if err != nil {
		return v.again(err, func() error {
			return p.writeMe(w, r, v, accounts.Member{Address: v.user.Address, Name: name, Lang: lang})
		})
	}
	// The language that was just chosen is what the next page speaks.
	v.View = page.See(r, m.Lang)
	http.Redirect(w, r, "/account?done=saved", http.StatusSeeOther)
	return nil
}
