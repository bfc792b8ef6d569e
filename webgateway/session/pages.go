package session

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/page"
)

// Pages are the doors: in and out.
type Pages struct {
	Pages    *page.Pages
	Sessions *Service
	Home     string // where somebody goes who wants nowhere in particular: "/mail"
}

// Routes adds them to mux.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.Handle("GET /login", p.Pages.Handle(p.ask))
	mux.Handle("POST /login", p.Pages.Handle(p.in))
	mux.Handle("GET /login/code", p.Pages.Handle(p.askCode))
	mux.Handle("POST /login/code", p.Pages.Handle(p.code))
	mux.Handle("POST /logout", p.Pages.Handle(p.out))
}

// form is what the template sees.
type form struct {
	To, Name string
	Said     string
	Keep     bool
}

// inside is a path of this site to go to, or home: never another site, however
// it is written.
func (p *Pages) inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t\x00") || strings.HasPrefix(u.Path, "/login") || strings.HasPrefix(u.Path, "/logout") {
		return p.Home
	}
	return to
}

func (p *Pages) ask(w http.ResponseWriter, r *http.Request) error {
	to := p.inside(r.URL.Query().Get("to"))
	if _, err := p.Sessions.User(r); err == nil {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	return p.write(w, r, http.StatusOK, form{To: to, Keep: true})
}

func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, f form) error {
	v := page.See(r, "")
	v.Title, v.Data = v.T("session-title"), f
	return p.Pages.Write(w, status, "login.html", v)
}

func (p *Pages) in(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return mail.Wrap(mail.BadSyntax, err)
	}
	f := form{To: p.inside(r.PostForm.Get("to")), Name: strings.TrimSpace(r.PostForm.Get("name")), Keep: r.PostForm.Get("keep") != ""}
	_, err := p.Sessions.Open(w, r, f.Name, r.PostForm.Get("password"), f.Keep)
	var e *mail.Error
	switch {
	case errors.Is(err, ErrCode):
		http.Redirect(w, r, codePage(r, f.To), http.StatusSeeOther)
		return nil
	case err == nil:
		http.Redirect(w, r, f.To, http.StatusSeeOther)
		return nil
	case errors.As(err, &e) && (e.Kind == mail.AuthFailed || e.Kind == mail.Suspended || e.Kind == mail.RateLimited):
		v := page.See(r, "")
		f.Said = v.Text(e.Text)
		status := http.StatusUnauthorized
		if e.Kind == mail.RateLimited {
			status = http.StatusTooManyRequests
		}
		return p.write(w, r, status, f)
	}
	return err
}

// codePage is where the code is asked for, in the language of the page before.
func codePage(r *http.Request, to string) string {
	q := url.Values{"to": {to}}
	if lang := r.URL.Query().Get("lang"); lang != "" {
		q.Set("lang", lang)
	}
	return "/login/code?" + q.Encode()
}

func (p *Pages) askCode(w http.ResponseWriter, r *http.Request) error {
	half, err := p.Sessions.Halfway(r)
	if err != nil {
		return err
	}
	to := p.inside(r.URL.Query().Get("to"))
	if !half { // too late, or nobody
		http.Redirect(w, r, "/login?to="+url.QueryEscape(to), http.StatusSeeOther)
		return nil
	}
	return p.writeCode(w, r, http.StatusOK, form{To: to})
}

func (p *Pages) writeCode(w http.ResponseWriter, r *http.Request, status int, f form) error {
	v := page.See(r, "")
	v.Title, v.Data = v.T("session-code-title"), f
	return p.Pages.Write(w, status, "login-code.html", v)
}

func (p *Pages) code(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return mail.Wrap(mail.BadSyntax, err)
	}
	f := form{To: p.inside(r.PostForm.Get("to"))}
	_, err := p.Sessions.Finish(w, r, r.PostForm.Get("code"))
	var e *mail.Error
	switch {
	case err == nil:
		http.Redirect(w, r, f.To, http.StatusSeeOther)
		return nil
	case mail.Is(err, mail.AuthRequired):
		http.Redirect(w, r, "/login?to="+url.QueryEscape(f.To), http.StatusSeeOther)
		return nil
	case errors.As(err, &e) && (e.Kind == mail.AuthFailed || e.Kind == mail.RateLimited):
		v := page.See(r, "")
		f.Said = v.Text(e.Text)
		status := http.StatusUnauthorized
		if e.Kind == mail.RateLimited {
			status = http.StatusTooManyRequests
		}
		return p.writeCode(w, r, status, f)
	}
	return err
}

func (p *Pages) out(w http.ResponseWriter, r *http.Request) error {
	if err := p.Sessions.Close(w, r); err != nil {
		return err
	}
	// What the application kept on this device goes with the session, whatever page
	// ended it.
	w.Header().Set("Clear-Site-Data", `"storage"`)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// Require lets members through to next, and sends everybody else to the door.
func (p *Pages) Require(next func(w http.ResponseWriter, r *http.Request, u mail.User) error) http.Handler {
	return p.Pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
		u, err := p.Sessions.User(r)
		if mail.Is(err, mail.AuthRequired) {
			to := "/login?to=" + url.QueryEscape(r.URL.RequestURI())
			if lang := r.URL.Query().Get("lang"); lang != "" { // what the reader chose goes with them
				to += "&lang=" + url.QueryEscape(lang)
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return nil
		}
		if err != nil {
			return err
		}
		return next(w, r, u)
	})
}
