package account

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/webgateway/page"
)

// Kinds of devices, in the order people look for theirs. What is set up by the
// phone itself is handed over with a code.
var (
	kinds     = []string{"apple", "android", "thunderbird", "outlook", "other"}
	handsOver = []string{"apple", "android"}
)

type deviceBody struct {
	Kind    string
	Address string
	Where   where
	Steps   []string
	Profile bool // there is a file that sets it up
	Code    bool // the phone can open it itself
	Signed  bool

	QR    *QR
	Link  string
	Until string
}

func (p *Pages) devices(w http.ResponseWriter, r *http.Request, v *visit) error {
	type row struct{ Path, Title, About string }
	var rows []row
	for _, k := range kinds {
		rows = append(rows, row{"/account/devices/" + k + v.Keep(), v.T("account-device-" + k), v.T("account-device-" + k + "-about")})
	}
	return v.draw(p, w, "account-devices.html", "devices", "account-devices-title", rows)
}

// kind is the device in the address; kind NotFound when there is none like it.
func kindOf(r *http.Request, of []string) (string, error) {
	k := r.PathValue("kind")
	if !slices.Contains(of, k) {
		return "", mail.Refuse(mail.NotFound, "kind-not-found")
	}
	return k, nil
}

// where is what a person types into a program that asks for everything.
type where struct {
	View    page.View
	Address string
	Servers Servers
}

func (p *Pages) body(v page.View, kind, address string) deviceBody {
	b := deviceBody{Kind: kind, Address: address, Where: where{v, address, p.Servers}, Profile: kind == "apple", Code: slices.Contains(handsOver, kind)}
	for _, n := range []string{"1", "2", "3"} {
		id := "account-device-" + kind + "-" + n
		b.Steps = append(b.Steps, v.T(id, "Address", address, "Host", p.Servers.Host))
	}
	return b
}

func (p *Pages) device(w http.ResponseWriter, r *http.Request, v *visit) error {
	k, err := kindOf(r, kinds)
	if err != nil {
		return err
	}
	return p.writeDevice(w, v, p.body(v.View, k, v.user.Address.String()))
}

func (p *Pages) writeDevice(w http.ResponseWriter, v *visit, b deviceBody) error {
	if b.Profile {
		_, signed, err := p.sign(nil)
		if err != nil {
			return err
		}
		b.Signed = signed
	}
	return v.draw(p, w, "account-device.html", "devices", "account-device-"+b.Kind, b)
}

// profile makes an app password and answers the file that has it.
func (p *Pages) profile(w http.ResponseWriter, r *http.Request, v *visit) error {
	k, err := kindOf(r, []string{"apple"})
	if err != nil {
		return err
	}
	made, err := p.Accounts.AddAppPassword(r.Context(), v.user.ID, p.deviceName(v.T("account-device-"+k)))
	if err != nil {
		return v.again(err, func() error { return p.device(w, r, v) })
	}
	return p.answerProfile(w, v.user, made)
}

// deviceName is what the app password of a device is called.
func (p *Pages) deviceName(kind string) string { return kind + ", " + p.now().Format(time.DateOnly) }

// deviceCode shows a code that the phone reads: it leads to a page that works
// once, for minutes, and knows nothing of this browser.
func (p *Pages) deviceCode(w http.ResponseWriter, r *http.Request, v *visit) error {
	k, err := kindOf(r, handsOver)
	if err != nil {
		return err
	}
	token, until, err := p.Accounts.NewDeviceLink(r.Context(), v.user.ID, k)
	if err != nil {
		return err
	}
	b := p.body(v.View, k, v.user.Address.String())
	b.Link = p.URL + "/p/" + url.PathEscape(token)
	b.Until = until.Local().Format("15:04")
	if b.QR, err = makeQR(b.Link); err != nil {
		return err
	}
	return p.writeDevice(w, v, b)
}
