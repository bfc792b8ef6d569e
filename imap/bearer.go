package imap

import (
	"context"
	"strings"

	"colporteur/mail"
)

// Bearer checks access tokens (RFC 7628, OAUTHBEARER).
type Bearer interface {
	// Token says whose a token is. name is who the client says it is, "" when it
	// does not say. Kinds: AuthFailed, Suspended, RateLimited, Unavailable.
	Token(ctx context.Context, name, token string, c mail.Client) (mail.User, error)
}

// bearer signs in with "n,a=name,^Ahost=…^Aauth=Bearer token^A^A".
func (s *session) bearer(initial string, given bool) error {
	raw, err := s.first(initial, given)
	if err != nil {
		return err
	}
	name, token, ok := parseBearer(string(raw))
	if !ok {
		return errSASL
	}
	u, err := s.srv.Bearer.Token(s.ctx, name, token, s.client())
	if mail.Is(err, mail.AuthFailed) {
		// The client learns why and says that it has, before the NO (RFC 7628 §3.2.3).
		if _, err := s.challenge([]byte(`{"status":"invalid_token"}`)); err != nil && s.d.Broken() != nil {
			return err
		}
	}
	return s.enter(name, u, err)
}

func parseBearer(msg string) (name, token string, ok bool) {
	header, rest, ok := strings.Cut(msg, "\x01")
	if !ok {
		return "", "", false
	}
	flag, authz, _ := strings.Cut(strings.TrimSuffix(header, ","), ",")
	if flag != "n" && flag != "y" { // there is no channel binding
		return "", "", false
	}
	if authz != "" {
		as, isName := strings.CutPrefix(authz, "a=")
		if name, ok = unescapeName(as); !ok || !isName {
			return "", "", false
		}
	}
	fields, end, ok := strings.Cut(rest, "\x01\x01")
	if !ok || end != "" {
		return "", "", false
	}
	for _, f := range strings.Split(fields, "\x01") {
		if key, value, _ := strings.Cut(f, "="); key == "auth" {
			scheme, t, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "bearer") || token != "" {
				return "", "", false
			}
			token = strings.TrimSpace(t)
		}
	}
	return name, token, token != "" && printable(token)
}
