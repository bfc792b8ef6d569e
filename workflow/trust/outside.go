package trust

import (
	"context"
	"fmt"
	"time"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/ask"
)

// askOutside asks at an address elsewhere whether it is this member's; false when
// the member asked too often today.
func (s *Service) askOutside(ctx context.Context, tx *store.Tx, u mail.User, a mail.Address) (bool, error) {
	p, domain := locale.For(u.Lang), u.Address.Domain
	q := ask.Question{Kind: Outside, Ref: int64(u.ID), Key: fmt.Sprintf("%d %s %d", u.ID, a.Key(), s.now().Unix()/86400), To: a, Lang: p.Lang,
		From: mail.Address{Local: "aide", Domain: domain}, Yes: p.T("trust-outside-yes-button"), No: p.T("trust-outside-no-button"), Until: s.now().Add(3 * 24 * time.Hour)}
	q.Letter = letter.Letter{Subject: p.T("trust-outside-subject", "Domain", domain), Heading: p.T("trust-outside-ask", "Name", u.Name, "Address", a.String())}
	q.Letter.Para(p.T("trust-outside-why", "Name", u.Name, "Domain", domain))
	return s.ask(ctx, tx, q)
}

// AskOutside is what AJOUTER in a mail to aide@ does, for a member who is signed
// in. Kinds: BadAddress (it is of this host), RateLimited (too many today).
func (s *Service) AskOutside(ctx context.Context, u mail.User, a mail.Address) error {
	ours, err := s.Directory.Ours(ctx, a.Domain)
	if err != nil {
		return err
	}
	if ours || a.Domain == "" {
		return mail.Refuse(mail.BadAddress, "accounts-outside-ours", "Address", a.String())
	}
	if u.Name == "" {
		u.Name = u.Address.String()
	}
	if r := []rune(u.Name); len(r) > 60 { // a stranger reads it
		u.Name = string(r[:60])
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		asked, err := s.askOutside(ctx, tx, u, a)
		if err == nil && !asked {
			err = mail.Refuse(mail.RateLimited, "trust-outside-many")
		}
		return err
	})
}
