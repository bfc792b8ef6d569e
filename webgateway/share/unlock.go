package share

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/link"
)

// Cookies that hold what opens a locked link. They stand under the link's own
// path, so that one link's never goes with another's requests.
const (
	byPassword = "u_password"
	byCode     = "u_code"
)

// lockable answers for a link whose password or code was not given: its page is
// the one where they are typed, and nothing below it exists.
func (s *Share) lockable(h page.Handler) page.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		var lock *link.Locked
		if !errors.As(err, &lock) {
			return err
		}
		if r.Method != http.MethodPost && r.URL.Path == base(r) {
			said := ""
			if r.URL.Query().Get("said") == "code" {
				said = "unlock-sent"
			}
			return s.ask(w, r, lock, http.StatusOK, said)
		}
		return notFound()
	}
}

// base is the address of the link itself.
func base(r *http.Request) string { return r.URL.Path[:3] + string(token(r)) }

// unlockPage is what the template sees: nothing of what is behind the link.
type unlockPage struct {
	Path     string
	Password bool
	Code     bool
	Nobody   bool // a code is asked for, and the link is nobody's in particular
	Sent     bool
	Said     string
}

func (s *Share) ask(w http.ResponseWriter, r *http.Request, lock *link.Locked, status int, said string) error {
	v := page.See(r, lock.Link.Lang)
	v.Title = v.T("unlock-title")
	p := unlockPage{Path: base(r), Password: lock.Password, Code: lock.Code && !lock.Password, Sent: said != "" && said != "unlock-wrong"}
	p.Nobody = p.Code && lock.Link.Public
	if said != "" {
		p.Said = v.T(said)
	}
	v.Data = p
	return s.Pages.Write(w, status, "unlock.html", v)
}

// unlock tries what was typed. The browser keeps what opens the link in cookies
// that no script reads; what was typed is kept nowhere.
func (s *Share) unlock(w http.ResponseWriter, r *http.Request) error {
	_, err := s.Transfers.Links.Open(r.Context(), visit(r))
	var lock *link.Locked
	switch {
	case err == nil:
		http.Redirect(w, r, base(r), http.StatusSeeOther) // it is open
		return nil
	case !errors.As(err, &lock):
		return err
	}
	keys, until, err := s.Transfers.Links.Unlock(r.Context(), visit(r), link.Attempt{Password: r.PostFormValue("password"), Code: r.PostFormValue("code"), From: network(r)})
	names := []string{byCode}
	if lock.Password {
		names = []string{byPassword, byCode}
	}
	for i, k := range keys {
		http.SetCookie(w, &http.Cookie{Name: names[i], Value: k, Path: base(r), Expires: until, HttpOnly: true,
			Secure: strings.HasPrefix(s.URL, "https:"), SameSite: http.SameSiteLaxMode})
	}
	var e *mail.Error
	if errors.As(err, &e) && (e.Kind == mail.Policy || e.Kind == mail.TooMany) && e.Text.ID != "" {
		return s.ask(w, r, lock, page.Status(err), e.Text.ID)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, base(r)+page.See(r, lock.Link.Lang).Keep(), http.StatusSeeOther)
	return nil
}

// code mails the link's person a code.
func (s *Share) code(w http.ResponseWriter, r *http.Request) error {
	if err := s.Transfers.Post.MailCode(r.Context(), visit(r)); err != nil {
		return err
	}
	return back(w, r, page.See(r, ""), base(r), "code")
}

// network is where a guess comes from: an address, of IPv6 what one customer gets.
func network(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
