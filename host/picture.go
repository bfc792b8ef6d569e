package host

import (
	"strings"
	"time"

	"colporteur/accounts"
	"colporteur/dkim/authres"
	"colporteur/mail"
	"colporteur/outward"
	"colporteur/webgateway/webmail"
)

var _ webmail.Pictures = (*accounts.Service)(nil)

// proven says whether the author of a mail is who it says: somebody of this house
// who had signed in, or of a domain that vouched for the mail when it came.
func (h *Host) proven(prefix []byte, author mail.Address) bool {
	v, member, ok := authres.FromPrefix(prefix, h.Config.Hostname)
	if !ok {
		return false
	}
	switch b := authres.BadgeOf(v, member); b.Level {
	case authres.Member: // the door takes no From of theirs that is not theirs
		return true
	case authres.Proven, authres.Forwarded:
		return strings.EqualFold(b.Domain, author.Domain)
	}
	return false
}

// pictures fetches what mails show from elsewhere: from the Internet only, also
// where mail may go to the house's own network. How long a host is waited for is
// counted by the webmail, without its readers' slow lines.
func pictures() webmail.Fetcher {
	return outward.New(outward.Options{HTTP: true, Timeout: 10 * time.Minute, Redirects: 5})
}
