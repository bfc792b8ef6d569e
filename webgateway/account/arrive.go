package account

import (
	"net/http"

	"colporteur/mail"
	"colporteur/webgateway/page"
)

type arriveBody struct {
	deviceBody
	Path string
	Made string // the app password, shown this once
}

// arrive is what a phone opens: it says whose account comes here, and changes
// nothing. What looks at links before people do takes nothing from them.
func (p *Pages) arrive(w http.ResponseWriter, r *http.Request) error {
	u, kind, err := p.Accounts.DeviceLink(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return p.writeArrive(w, r, u, kind, "")
}

func (p *Pages) writeArrive(w http.ResponseWriter, r *http.Request, u mail.User, kind, made string) error {
	v := page.See(r, u.Lang)
	v.Title = v.T("account-arrive-title")
	b := arriveBody{deviceBody: p.body(v, kind, u.Address.String()), Path: "/p/" + r.PathValue("token"), Made: made}
	if b.Profile {
		_, signed, err := p.sign(nil)
		if err != nil {
			return err
		}
		b.Signed = signed
	}
	v.Data = b
	return p.Pages.Write(w, http.StatusOK, "account-arrive.html", v)
}

// take ends the link and gives what it is for.
func (p *Pages) take(w http.ResponseWriter, r *http.Request) error {
	ctx, token := r.Context(), r.PathValue("token")
	u, kind, err := p.Accounts.DeviceLink(ctx, token)
	if err != nil {
		return err
	}
	v := page.See(r, u.Lang)
	u, made, err := p.Accounts.UseDeviceLink(ctx, token, p.deviceName(v.T("account-device-"+kind)))
	if err != nil {
		return err
	}
	if kind == "apple" {
		return p.answerProfile(w, u, made)
	}
	return p.writeArrive(w, r, u, kind, made)
}
