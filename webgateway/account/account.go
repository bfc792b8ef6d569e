// Package account serves the pages where members look after their own account:
// what they are called, the room that their mail takes, passwords, devices, news,
// addresses, and everything of theirs to take along.
//
// They are plain pages that need no script. Each acts for who is signed in, and
// no address names a member: nobody reaches what is another's.
package account

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/webgateway/page"
	"colporteur/webgateway/session"
	"colporteur/workflow/notify"
	"colporteur/workflow/tidy"
	"colporteur/workflow/trust"
)

// Pages is the account pages of one host.
type Pages struct {
	Pages     *page.Pages
	Doors     *session.Pages
	Accounts  *accounts.Service
	Mailboxes *mailbox.Store
	Notify    *notify.Service
	Tidy      *tidy.Service
	Trust     *trust.Service
	DB        *store.DB
	Servers   Servers
	URL       string // of this site: codes that a telephone reads lead there
	// Sign signs what is given to a device with the host's certificate (CMS, RFC
	// 5652). signed is false when there is none that a stranger would believe.
	Sign func(content []byte) (out []byte, signed bool, err error)
	Now  func() time.Time // nil is time.Now

	mu      sync.Mutex
	exports map[mail.UserID]bool // that are under way
}

// Servers are where mail programs connect; a port of 0 is not there.
type Servers struct {
	Host                    string
	IMAPS, IMAP             int
	Submissions, Submission int
}

// Routes adds the paths to mux.
func (p *Pages) Routes(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /account":                         p.me,
		"POST /account":                        p.setMe,
		"GET /account/room":                    p.room,
		"GET /account/room/photos":             p.photos,
		"POST /account/room/photos":            p.movePhotos,
		"GET /account/password":                p.password,
		"POST /account/password":               p.setPassword,
		"GET /account/code":                    p.second,
		"POST /account/code/{do}":              p.changeSecond,
		"GET /account/programs":                p.programs,
		"POST /account/programs":               p.addProgram,
		"POST /account/programs/{id}/remove":   p.removeProgram,
		"GET /account/sessions":                p.sessions,
		"POST /account/sessions/{id}/end":      p.endSession,
		"GET /account/devices":                 p.devices,
		"GET /account/devices/{kind}":          p.device,
		"POST /account/devices/{kind}/profile": p.profile,
		"POST /account/devices/{kind}/code":    p.deviceCode,
		"GET /account/news":                    p.news,
		"POST /account/news":                   p.setNews,
		"GET /account/addresses":               p.addresses,
		"POST /account/addresses/{do}":         p.changeAddresses,
		"GET /account/pictures":                p.pictures,
		"POST /account/pictures":               p.forgetPictures,
		"GET /account/export":                  p.export,
		"POST /account/export":                 p.send,
	} {
		mux.Handle(pattern, p.inside(h))
	}
	mux.Handle("GET /p/{token}", p.Pages.Handle(p.arrive))
	mux.Handle("POST /p/{token}", p.Pages.Handle(p.take))
}

type handler func(w http.ResponseWriter, r *http.Request, v *visit) error

// visit is one request of a member.
type visit struct {
	page.View
	user   mail.User
	status int
	said   string
	bad    bool
}

// inside lets members in.
func (p *Pages) inside(h handler) http.Handler {
	return p.Doors.Require(func(w http.ResponseWriter, r *http.Request, u mail.User) error {
		if err := r.ParseForm(); err != nil {
			return mail.Wrap(mail.BadSyntax, err)
		}
		v := &visit{View: page.See(r, u.Lang), user: u, status: http.StatusOK}
		if done := r.URL.Query().Get("done"); r.Method == http.MethodGet && slices.Contains(dones, done) {
			v.said = v.T("account-done-" + done)
		}
		return h(w, r, v)
	})
}

// dones are what a page may be told to say, by its address: nobody else's words.
var dones = []string{"saved", "password", "removed", "ended", "ended-all", "code-off", "news", "asked", "address-removed", "secret", "secret-off", "photos", "pictures"}

// shown is what every template of the account sees.
type shown struct {
	Up   string // to the first page, from the others
	Nav  []place
	Said string // what was just done
	Bad  bool   // and that it was not
	Body any
}

type place struct {
	Path, Title string
	Here        bool
}

var places = []string{"", "room", "password", "code", "programs", "devices", "sessions", "news", "addresses", "pictures", "export"}

func (v *visit) draw(p *Pages, w http.ResponseWriter, name, here, title string, body any) error {
	s := shown{Said: v.said, Bad: v.bad, Body: body}
	if here != "" {
		s.Up = "/account" + v.Keep()
	}
	for _, at := range places {
		path, id := "/account", "account-nav-me"
		if at != "" {
			path, id = path+"/"+at, "account-nav-"+at
		}
		s.Nav = append(s.Nav, place{path + v.Keep(), v.T(id), at == here})
	}
	v.Title, v.Wide, v.Data = v.T(title), true, s
	return p.Pages.Write(w, v.status, name, v.View)
}

// back leads to a page that says what was done: reloading it does nothing again.
func (v *visit) back(w http.ResponseWriter, r *http.Request, path, done string) error {
	q := url.Values{"done": {done}}
	if lang := r.URL.Query().Get("lang"); lang != "" {
		q.Set("lang", lang)
	}
	http.Redirect(w, r, path+"?"+q.Encode(), http.StatusSeeOther)
	return nil
}

// again draws the page that was sent once more, with why nothing was done; what a
// person cannot mend is returned.
func (v *visit) again(err error, draw func() error) error {
	var e *mail.Error
	if !errors.As(err, &e) || e.Text.ID == "" {
		return err
	}
	switch e.Kind {
	case mail.AuthFailed, mail.BadContent, mail.BadAddress:
		v.status = http.StatusUnprocessableEntity
	case mail.RateLimited, mail.TooMany, mail.Conflict:
		v.status = page.Status(err)
	default:
		return err
	}
	v.said, v.bad = v.Text(e.Text), true
	return draw()
}

// own says whether somebody who is signed in knows their password: whoever finds
// an open browser does not.
func (p *Pages) own(ctx context.Context, r *http.Request, u mail.User, password string) error {
	got, _, err := p.Accounts.SignIn(ctx, u.Address.String(), password, session.Client(r))
	switch {
	case mail.Is(err, mail.AuthFailed):
		return mail.Refuse(mail.AuthFailed, "account-wrong-password")
	case err == nil && got.ID != u.ID:
		return mail.Refuse(mail.AuthFailed, "account-wrong-password")
	}
	return err
}

func (p *Pages) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}
