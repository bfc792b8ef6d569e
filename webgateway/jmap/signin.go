package jmap

import (
	"net/http"
	"strings"

	"colporteur/accounts"
	"colporteur/mail"
)

// member says who asks, or answers that nobody is known. A request with an
// Authorization field is that member's, whatever cookie a browser adds to it.
func (s *Server) member(w http.ResponseWriter, r *http.Request) (mail.User, bool) {
	u, err := s.who(r)
	if err == nil {
		return u, true
	}
	k := mail.KindOf(err)
	if ours(k) {
		s.log().ErrorContext(r.Context(), "jmap sign-in", "err", err)
	}
	if k == mail.AuthFailed || k == mail.AuthRequired {
		// Not to our own application: the browser would ask for a password in a
		// window of its own.
		if r.Header.Get("Authorization") != "" || r.Header.Get("Sec-Fetch-Mode") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="Colporteur", charset="UTF-8"`)
		}
	}
	(&problem{Type: "about:blank", Status: kinds[k].status, Detail: (&Call{srv: s}).sentence(err)}).write(w)
	return u, false
}

func (s *Server) who(r *http.Request) (mail.User, error) {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	var name, password string
	var ok bool
	switch {
	case strings.EqualFold(scheme, "Basic"):
		name, password, ok = r.BasicAuth()
	case strings.EqualFold(scheme, "Bearer"):
		name, password, ok = accounts.ParseToken(strings.TrimSpace(rest))
	case scheme == "" && s.Cookie != nil:
		return s.Cookie(r)
	case scheme == "":
		return mail.User{}, mail.Refuse(mail.AuthRequired, "kind-auth-required")
	}
	if !ok {
		return mail.User{}, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	c := clientOf(r)
	u, err := s.Accounts.Login(r.Context(), name, password, c)
	if err == nil && s.SignedIn != nil {
		s.SignedIn(r.Context(), u, c)
	}
	return u, err
}
