package delivery

import (
	"colporteur/mail"
	"colporteur/store/contact"
)

// wroteTo is whom a member's mail goes to, under the names that it calls them by:
// they are offered when the member writes the next one. Programs are no company.
func (d *Door) wroteTo(env *mail.Envelope, s *spooled) (to []contact.Address) {
	if d.Contacts == nil || env.Origin != mail.FromMember {
		return nil
	}
	names := map[string]string{}
	if sum := s.draft.Summary; sum != nil {
		for _, list := range [][]mail.Mailbox{sum.To, sum.Cc} {
			for _, m := range list {
				if a, err := mail.ParseAddress(m.Addr); err == nil && m.Name != "" && m.Name != m.Addr {
					names[a.Key()] = m.Name
				}
			}
		}
	}
	for _, r := range env.To {
		if !isProgram(r.Dest) && r.Address.Key() != env.User.Address.Key() {
			to = append(to, contact.Address{Address: r.Address, Name: names[r.Address.Key()]})
		}
	}
	return to
}
