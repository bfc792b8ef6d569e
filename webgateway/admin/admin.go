// Package admin serves the pages of the volunteers who run a host: how it is,
// who its members are, where mail waits, and what can be changed.
//
// They are plain pages that need no script. Whoever does not run the host finds
// nothing here, at every request anew.
package admin

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"colporteur/accounts"
	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/office"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/webgateway/page"
	"colporteur/webgateway/session"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// Pages is the office of one host.
type Pages struct {
	Pages     *page.Pages
	Doors     *session.Pages
	Office    *office.Service
	Accounts  *accounts.Service
	Mailboxes *mailbox.Store
	Sessions  *session.Service
	Trace     *delivery.Trace
	DB        *store.DB
	Links     *link.Service
	Transfers *transfer.Service
	Albums    *album.Service
	Queue     Queue
	Post      Post

	// Verdicts are sentences about the host, the worst first; Lines what its
	// domains should publish in the DNS.
	Verdicts func(ctx context.Context, p locale.Printer) ([]Verdict, error)
	Lines    func(ctx context.Context, p locale.Printer) ([]Line, error)

	NewPassword func() string
	Now         func() time.Time

	known known
}

// Queue is mail that waits, and what can be done with it.
type Queue interface {
	Waiting(ctx context.Context) ([]Mail, error)
	// Change does "retry", "hold", "release" or "cancel" with one;
	// store.ErrNoRows when it does not wait any more.
	Change(ctx context.Context, do string, id int64) error
}

// Mail is one of it.
type Mail struct {
	ID       int64
	To       string
	Due      time.Time
	Created  time.Time
	Attempts int
	Held     bool
	Reason   string
}

// Post writes to those who are concerned.
type Post interface {
	Welcome(ctx context.Context, u mail.User) error
	Resumed(ctx context.Context, u mail.User, since time.Time) error
	Test(ctx context.Context, by mail.User, to mail.Address) error
}

// Line is a record to publish, as a zone file has it.
type Line struct{ Purpose, Text string }

// Routes adds the paths to mux.
func (p *Pages) Routes(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /admin":                            p.overview,
		"GET /admin/start":                      p.start,
		"POST /admin/start":                     p.startOn,
		"GET /admin/members":                    p.members,
		"GET /admin/members/new":                p.newMember,
		"POST /admin/members/new":               p.addMember,
		"GET /admin/members/{address}":          p.member,
		"POST /admin/members/{address}/{do}":    p.change,
		"GET /admin/directory":                  p.directory,
		"POST /admin/directory/{do}":            p.changeDirectory,
		"GET /admin/queue":                      p.queue,
		"POST /admin/queue/{id}/{do}":           p.changeQueue,
		"GET /admin/trace":                      p.trace,
		"POST /admin/trace":                     p.traceFound,
		"GET /admin/links":                      p.links,
		"POST /admin/links/{kind}/{thing}/{do}": p.changeLink,
		"GET /admin/settings":                   p.settings,
		"POST /admin/settings":                  p.setSettings,
		"GET /admin/acts":                       p.acts,
	} {
		mux.Handle(pattern, p.inside(h))
	}
	// Whatever else is below looks the same to everybody.
	mux.Handle("/admin/", p.inside(func(http.ResponseWriter, *http.Request, *visit) error { return nothing() }))
}

func nothing() error { return mail.Refuse(mail.NotFound, "kind-not-found") }

type handler func(w http.ResponseWriter, r *http.Request, v *visit) error

// visit is one request of somebody who runs the host.
type visit struct {
	page.View
	user mail.User
}

// inside lets those in who run the host; for other members there is nothing here.
func (p *Pages) inside(h handler) http.Handler {
	return p.Doors.Require(func(w http.ResponseWriter, r *http.Request, u mail.User) error {
		yes, err := p.Accounts.Administers(r.Context(), u.ID)
		if err != nil {
			return err
		}
		if !yes {
			return nothing()
		}
		if err := r.ParseForm(); err != nil {
			return mail.Wrap(mail.BadSyntax, err)
		}
		return h(w, r, &visit{View: page.See(r, u.Lang), user: u})
	})
}

// shown is what every template of the office sees.
type shown struct {
	Nav  []place
	Said string // what was just done
	Bad  bool   // and that it was not
	Body any
}

type place struct {
	Path, Title string
	Here        bool
}

var places = []string{"", "members", "directory", "queue", "trace", "links", "settings", "acts"}

// show draws a page; at is its place in the menu.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, v *visit, at string, body any) error {
	said := ""
	if word := r.URL.Query().Get("said"); slices.Contains(sayable, word) {
		said = v.T("office-said-" + word)
	}
	return p.say(w, v, at, shown{Said: said, Body: body})
}

func (p *Pages) say(w http.ResponseWriter, v *visit, at string, s shown) error {
	if v.Title == "" {
		v.Title = v.T("office-" + name(at))
	}
	for _, n := range places {
		one := place{Path: "/admin/" + n + v.Keep(), Title: v.T("office-nav-" + name(n)), Here: n == at}
		if n == "" {
			one.Path = "/admin" + v.Keep()
		}
		s.Nav = append(s.Nav, one)
	}
	v.Wide, v.Data = true, s
	status := http.StatusOK
	if s.Bad {
		status = http.StatusUnprocessableEntity
	}
	return p.Pages.Write(w, status, "office-"+name(at)+".html", v.View)
}

func name(at string) string {
	if at == "" {
		return "overview"
	}
	return at
}

// sayable are what a page can say was done: an address must not make it say
// anything else.
var sayable = append(slices.Clone(office.Whats), "gone", "early", "looked")

// done leads back to a page, which says so: to load it again does nothing twice.
func (v *visit) done(w http.ResponseWriter, r *http.Request, path, word string) error {
	q := url.Values{"said": {word}}
	if lang := r.URL.Query().Get("lang"); lang == "fr" || lang == "en" {
		q.Set("lang", lang)
	}
	if at, query, ok := cutQuery(path); ok {
		path = at
		for k, vs := range query {
			q[k] = vs
		}
	}
	http.Redirect(w, r, path+"?"+q.Encode(), http.StatusSeeOther)
	return nil
}

func cutQuery(path string) (string, url.Values, bool) {
	u, err := url.Parse(path)
	if err != nil || u.RawQuery == "" {
		return path, nil, false
	}
	q := u.Query()
	u.RawQuery = ""
	return u.String(), q, true
}

// note keeps what was done.
func (p *Pages) note(ctx context.Context, v *visit, what, about string) error {
	return p.Office.Note(ctx, v.act(what, about))
}

func (v *visit) act(what, about string) office.Act {
	return office.Act{Who: v.user.Address.String(), What: what, About: about}
}

// day and hour are as people write them.
func (v *visit) day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return v.Date(t.Local())
}

func (v *visit) moment(t time.Time) string {
	return v.T("office-moment", "Date", v.Date(t.Local()), "Hour", t.Local().Format("15:04"))
}
