// Package settings serves the page where somebody chooses what they are told:
// a member by kind of news, a guest about the one thing their mails are about.
package settings

import (
	"net/http"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
)

// OneClick is the pattern of the button that mail programs show. Whoever knows
// the address may push it, from wherever: there is no cookie to abuse (RFC 8058 §3.1).
const OneClick = "POST /n/{token}/stop/{what}"

// Pages is the settings pages of one host.
type Pages struct {
	Pages  *page.Pages
	Notify *notify.Service
}

// Routes adds the paths of settings to mux.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.Handle("GET /n/{token}", p.Pages.Handle(p.show))
	mux.Handle("GET /n/{token}/stop/{what}", p.Pages.Handle(p.ask))
	mux.Handle(OneClick, p.Pages.Handle(p.stop))
	mux.Handle("POST /n/{token}/resume", p.Pages.Handle(p.resume))
	mux.Handle("POST /n/{token}/set", p.Pages.Handle(p.set))
}

func visit(r *http.Request) link.Visit { return link.Visit{Token: link.Token(r.PathValue("token"))} }

// shown is what the template sees.
type shown struct {
	Path  string
	Said  string // what was just done
	Words string
	Kinds []kind // a member's choices
	Stop  string // what the button stops; "" shows none
	Again bool   // a guest may take it back
	All   bool   // leads to all choices
}

type kind struct {
	Name, About, Title string
	Whens              []when
}

type when struct {
	Name, Title string
	Chosen      bool
}

// show is everything somebody can set.
func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	st, err := p.Notify.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	return p.write(w, r, st, "")
}

func (p *Pages) set(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return mail.Wrap(mail.BadSyntax, err)
	}
	chosen := map[notify.Kind]notify.When{}
	for _, k := range notify.Kinds {
		if w := r.PostForm.Get(string(k)); w != "" {
			chosen[k] = notify.When(w)
		}
	}
	st, err := p.Notify.Set(r.Context(), visit(r), chosen)
	if err != nil {
		return err
	}
	return p.write(w, r, st, "notify-page-saved")
}

func (p *Pages) resume(w http.ResponseWriter, r *http.Request) error {
	st, err := p.Notify.Resume(r.Context(), visit(r))
	if err != nil {
		return err
	}
	return p.write(w, r, st, "notify-page-resumed")
}

// write draws the page of all choices, or the guest's one.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, st *notify.Settings, said string) error {
	v := page.See(r, st.Link.Lang)
	s := shown{Path: path(r)}
	if said != "" {
		s.Said = v.T(said)
	}
	if !st.Link.Manage {
		v.Title = v.T("notify-page-guest-title")
		s.Words, s.Stop = v.T("notify-page-guest"), notify.Everything
		if st.Quiet {
			s.Words, s.Stop, s.Again = v.T("notify-page-guest-quiet"), "", true
		}
		return p.draw(w, v, s)
	}
	v.Title = v.T("notify-page-title")
	s.Words = v.T("notify-page-lead")
	for _, c := range st.Choices {
		s.Kinds = append(s.Kinds, row(v.Printer, c))
	}
	return p.draw(w, v, s)
}

func row(p locale.Printer, c notify.Choice) kind {
	k := kind{Name: string(c.Kind), Title: p.T("notify-kind-" + string(c.Kind)), About: p.T("notify-about-" + string(c.Kind))}
	if c.Kind == notify.Album && !c.Chosen {
		k.About += " " + p.T("notify-page-album-first")
	}
	for _, w := range notify.Whens {
		k.Whens = append(k.Whens, when{Name: string(w), Title: p.T("notify-when-" + string(w)), Chosen: w == c.When})
	}
	return k
}

// ask is where the address of the button leads who opens it: a second button,
// for what looks at mails opens addresses too.
func (p *Pages) ask(w http.ResponseWriter, r *http.Request) error {
	st, err := p.Notify.Open(r.Context(), visit(r))
	if err != nil {
		return err
	}
	if !st.Link.Manage {
		return p.write(w, r, st, "")
	}
	what := r.PathValue("what")
	if !notify.Stoppable(what) {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	v := page.See(r, st.Link.Lang)
	v.Title = v.T("notify-page-stop-title")
	s := shown{Path: path(r), Words: v.T("notify-page-stop-daily"), Stop: what, All: true}
	if what != notify.Everything {
		s.Words = v.T("notify-page-stop-kind", "What", v.T("notify-kind-"+what))
	}
	return p.draw(w, v, s)
}

func (p *Pages) stop(w http.ResponseWriter, r *http.Request) error {
	st, err := p.Notify.Stop(r.Context(), visit(r), r.PathValue("what"))
	if err != nil {
		return err
	}
	return p.write(w, r, st, "notify-page-stopped")
}

func path(r *http.Request) string { return "/n/" + r.PathValue("token") }

func (p *Pages) draw(w http.ResponseWriter, v page.View, s shown) error {
	v.Data = s
	return p.Pages.Write(w, http.StatusOK, "settings.html", v)
}
