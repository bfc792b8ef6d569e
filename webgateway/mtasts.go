package webgateway

import (
	"io"
	"net"
	"net/http"
	"strings"

	"colporteur/mail"
)

// sts serves the MTA-STS policy of a domain of ours, at the name that RFC 8461
// §3.2 has for it and at no other: whoever asks our own site for it is lost.
// Over plain HTTP it is never served, for that listener redirects everything.
func (g *Gateway) sts(w http.ResponseWriter, r *http.Request) error {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	domain, ok := strings.CutPrefix(strings.ToLower(strings.TrimSuffix(host, ".")), "mta-sts.")
	if !ok || g.STS == nil {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	body, ok := g.STS(r.Context(), domain)
	if !ok {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	// Senders keep no copies but by max_age (RFC 8461 §3.3); people who look
	// with a browser see what is true now.
	w.Header().Set("Cache-Control", "public, max-age=60")
	io.WriteString(w, body)
	return nil
}
