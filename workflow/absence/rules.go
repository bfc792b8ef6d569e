package absence

import (
	"context"
	"strings"

	"colporteur/mail"
)

// maxNamed bounds how many addresses of a mail are looked at.
const maxNamed = 200

// own finds the address of the member's that a mail was written to, in To and
// Cc, as which they answer: who writes to an alias need not learn where it leads.
// The zero Mailbox: to none of theirs (RFC 5230 §4.5), so it is a blind copy, or
// of a list that does not say what it is.
func (s *Service) own(ctx context.Context, u mail.User, sum *mail.Summary) (mail.Mailbox, error) {
	named := append(append([]mail.Mailbox(nil), sum.To...), sum.Cc...)
	for _, m := range named[:min(len(named), maxNamed)] {
		a, err := mail.ParseAddress(m.Addr)
		if err != nil || a.Domain == "" {
			continue
		}
		switch name, err := s.People.CalledAt(ctx, u.ID, a); {
		case err == nil:
			return mail.Mailbox{Name: name, Addr: a.String()}, nil
		case mail.KindOf(err).Temporary():
			return mail.Mailbox{}, err
		}
	}
	return mail.Mailbox{}, nil
}

// robotic says whether nobody reads what is sent to an address, by the names that
// such addresses have (RFC 5230 §4.6, RFC 3834 §2, and what is seen).
func robotic(a mail.Address) bool {
	local := strings.ToLower(a.Local)
	bare := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, local)
	for _, word := range []string{"noreply", "donotreply", "nepasrepondre", "nepasrépondre", "mailerdaemon", "listserv", "majordomo", "mailman", "bounce"} {
		if strings.Contains(bare, word) {
			return true
		}
	}
	return bare == "postmaster" || strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-owner") ||
		strings.HasSuffix(local, "-request") || strings.HasSuffix(local, "-errors")
}
