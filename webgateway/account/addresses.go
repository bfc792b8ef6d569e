package account

import (
	"net/http"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

type addressesBody struct {
	Outside []outsideRow
	Typed   string
	Drop    string // the secret addresses; "" when there are none
	Album   string
}

type outsideRow struct{ Address, Since string }

// addresses are those from which, and to which, programs take the member's mail
// without their signing in.
func (p *Pages) addresses(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	b := addressesBody{Typed: strings.TrimSpace(r.PostForm.Get("address"))}
	all, err := p.Accounts.Outsides(ctx, v.user.ID)
	if err != nil {
		return err
	}
	for _, o := range all {
		b.Outside = append(b.Outside, outsideRow{o.Address.String(), v.Date(o.Confirmed)})
	}
	switch secret, err := p.Accounts.Secret(ctx, v.user.ID); {
	case err == nil:
		drop, scans := "envoi.", "+scans@"
		if v.Lang == "en" {
			drop = "send."
		}
		b.Drop, b.Album = drop+secret+"@"+v.user.Address.Domain, "album."+secret+scans+v.user.Address.Domain
	case !mail.Is(err, mail.NotFound):
		return err
	}
	return v.draw(p, w, "account-addresses.html", "addresses", "account-addresses-title", b)
}

func (p *Pages) changeAddresses(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, u := r.Context(), v.user
	change := func(f func(tx *store.Tx) error) error { return p.DB.Write(ctx, f) }
	var a mail.Address
	var err error
	if do := r.PathValue("do"); do == "add" || do == "remove" {
		a, err = mail.ParseAddress(strings.TrimSpace(r.PostForm.Get("address")))
	}
	done := ""
	switch r.PathValue("do") {
	case "add":
		// Not before whoever reads there has said yes.
		if done = "asked"; err == nil {
			err = p.Trust.AskOutside(ctx, u, a)
		}
	case "remove":
		if done = "address-removed"; err == nil {
			err = change(func(tx *store.Tx) error { return p.Accounts.RemoveOutside(ctx, tx, u.ID, a) })
		}
	case "secret":
		done, err = "secret", change(func(tx *store.Tx) error { return p.Accounts.NewSecret(ctx, tx, u.ID) })
	case "secret-off":
		done, err = "secret-off", p.Accounts.DropSecret(ctx, u.ID)
	default:
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	if err != nil {
		return v.again(err, func() error { return p.addresses(w, r, v) })
	}
	return v.back(w, r, "/account/addresses", done)
}
