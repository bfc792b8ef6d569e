package account

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/session"
)

type secondBody struct {
	On       bool
	Since    string
	Recovery int // codes that are left

	QR     *QR          // to read with the telephone, while it is set up
	Secret string       // the same for those who type
	URI    template.URL // the same for the telephone itself

	Codes []string // recovery codes, shown this once
}

// second is whether a code is asked for, and how to begin.
func (p *Pages) second(w http.ResponseWriter, r *http.Request, v *visit) error {
	return p.writeSecond(w, r, v, secondBody{})
}

func (p *Pages) writeSecond(w http.ResponseWriter, r *http.Request, v *visit, b secondBody) error {
	f, err := p.Accounts.SecondOf(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	b.On, b.Recovery = !f.Since.IsZero(), f.Recovery
	if b.On {
		b.Since = v.Date(f.Since)
	}
	return v.draw(p, w, "account-code.html", "code", "account-code-title", b)
}

func (p *Pages) changeSecond(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, u, f := r.Context(), v.user, r.PostForm
	switch r.PathValue("do") {
	case "begin":
		if err := p.own(ctx, r, u, f.Get("password")); err != nil {
			return v.again(err, func() error { return p.second(w, r, v) })
		}
		return p.offer(w, r, v)
	case "on":
		var codes []string
		err := p.Doors.Sessions.Outlive(r, func() (err error) {
			codes, err = p.Accounts.StartSecond(ctx, u.ID, f.Get("code"), session.Client(r))
			return err
		})
		if mail.Is(err, mail.Conflict) {
			return v.again(err, func() error { return p.second(w, r, v) })
		}
		if err != nil {
			return v.again(err, func() error { return p.offer(w, r, v) })
		}
		return p.writeSecond(w, r, v, secondBody{Codes: codes})
	case "recovery":
		if err := p.own(ctx, r, u, f.Get("password")); err != nil {
			return v.again(err, func() error { return p.second(w, r, v) })
		}
		codes, err := p.Accounts.RenewRecovery(ctx, u.ID)
		if err != nil {
			return err
		}
		return p.writeSecond(w, r, v, secondBody{Codes: codes})
	case "off":
		err := p.own(ctx, r, u, f.Get("password"))
		if err == nil {
			err = p.Doors.Sessions.Outlive(r, func() error { return p.Accounts.StopSecond(ctx, u.ID) })
		}
		if err != nil {
			return v.again(err, func() error { return p.second(w, r, v) })
		}
		return v.back(w, r, "/account/code", "code-off")
	}
	return mail.Refuse(mail.NotFound, "kind-not-found")
}

// offer shows the secret. It is the member's own password that leads here, and
// the first right code that switches it on.
func (p *Pages) offer(w http.ResponseWriter, r *http.Request, v *visit) error {
	secret, err := p.Accounts.OfferSecond(r.Context(), v.user.ID)
	if err != nil {
		return v.again(err, func() error { return p.second(w, r, v) })
	}
	uri := keyURI(p.Servers.Host, v.user.Address.String(), secret)
	qr, err := makeQR(uri)
	if err != nil {
		return err
	}
	return p.writeSecond(w, r, v, secondBody{QR: qr, Secret: fours(secret), URI: template.URL(uri)})
}

// keyURI is how applications for codes are told a secret
// (github.com/google/google-authenticator/wiki/Key-Uri-Format).
func keyURI(issuer, account, secret string) string {
	q := url.Values{"secret": {secret}, "issuer": {issuer}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+account) + "?" + q.Encode()
}

// fours writes ABCDEFGH as ABCD EFGH.
func fours(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}
