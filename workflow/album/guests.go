package album

import (
	"context"
	"fmt"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
)

// Guest is somebody the owner invites on the page.
type Guest struct {
	Address mail.Address
	Name    string
}

// MaxGuests of one album.
const MaxGuests = 500

// ownLinks are the owner's: one to pass on, unless they turned it off, and one to
// manage; made with the album.
func (s *Service) ownLinks(ctx context.Context, tx *store.Tx, a *Album, u mail.User, lang string) (share, manage link.Link, err error) {
	have, err := s.Links.In(ctx, tx, link.Album, int64(a.ID))
	if err != nil {
		return share, manage, err
	}
	for _, l := range have {
		switch {
		case l.Manage && manage.ID == 0:
			manage = l
		case l.Public && share.ID == 0:
			share = l
		}
	}
	if manage.ID != 0 {
		return share, manage, nil
	}
	own := link.Link{Kind: link.Album, Thing: int64(a.ID), Owner: a.Member, Person: u.Address, Lang: lang, Public: true}
	if share, _, err = s.Links.Add(ctx, tx, own); err != nil {
		return share, manage, err
	}
	own.Public, own.Manage = false, true
	manage, _, err = s.Links.Add(ctx, tx, own)
	return share, manage, err
}

// shownAs is how other guests read who has a link: their address is nobody
// else's business.
func shownAs(l link.Link) string {
	name := strings.TrimSpace(store.Clean(l.Name))
	if name == "" || strings.Contains(name, "@") {
		name = l.Person.Local
	}
	if r := []rune(name); len(r) > 60 {
		name = string(r[:60])
	}
	return name
}

// linkOf is the living link of one person to an album.
func (s *Service) linkOf(ctx context.Context, tx *store.Tx, id ID, a mail.Address) (link.Link, error) {
	have, err := s.Links.In(ctx, tx, link.Album, int64(id))
	for _, l := range have {
		if !l.Manage && !l.Public && l.Person.Key() == a.Key() {
			return l, nil
		}
	}
	if err == nil {
		err = mail.Wrap(mail.NotFound, fmt.Errorf("album %d has no such guest", id))
	}
	return link.Link{}, err
}

// invite writes to each guest of a mail, with the link they have or a new one of
// their own.
func (s *Service) invite(ctx context.Context, tx *store.Tx, in *workflow.Inbound, guests []guest, photos int, a *Album) ([]guest, error) {
	var invited []guest
	for _, g := range guests {
		sent, err := s.inviteOne(ctx, tx, a, g, photos, in.Key(), in.Address)
		if err != nil {
			return nil, err
		}
		if sent {
			invited = append(invited, g)
		}
	}
	return invited, nil
}

func (s *Service) inviteOne(ctx context.Context, tx *store.Tx, a *Album, g guest, photos int, key string, at mail.Address) (bool, error) {
	l, err := s.linkOf(ctx, tx, a.ID, g.addr)
	known := err == nil
	if mail.Is(err, mail.NotFound) {
		l, _, err = s.Links.Add(ctx, tx, link.Link{Kind: link.Album, Thing: int64(a.ID), Owner: a.Member, Person: g.addr, Name: g.called(), Lang: g.lang})
	}
	if err != nil {
		return false, err
	}
	if !l.Quiet.IsZero() {
		return false, nil // who said STOP said it about this album
	}
	p := locale.For(g.lang)
	return s.Post.Send(ctx, tx, workflow.Notice{Mail: name(a.ID) + " " + key, What: "invitation", To: g.addr, ToName: g.called(),
		From: at, FromName: p.T("workflow-on-behalf", "Name", a.From), ReplyLink: int64(l.ID),
		Lang: g.lang, Letter: invitation(p, a, photos, known, l)})
}

// tellOwner tells the owner what a guest did. One note for each mail or form.
func (s *Service) tellOwner(ctx context.Context, tx *store.Tx, a *Album, key, who, words string, added []Photo) error {
	manage, err := s.manageLink(ctx, tx, a.ID)
	if err != nil {
		return err
	}
	p := locale.For(manage.Lang)
	return s.Notify.Tell(ctx, tx, notify.Note{Kind: notify.Album, Key: name(a.ID) + "/" + key, Member: a.Member, To: manage.Person, Lang: p.Lang,
		From: mail.Address{Local: "aide", Domain: manage.Person.Domain}, Link: manage.ID,
		Letter: activity(p, a, who, words, len(added), manage), Line: line(p, a, who, words, len(added))})
}

// tellGuests has the guests' next digest say what is new; not those in but, who
// were told or did it.
func (s *Service) tellGuests(ctx context.Context, tx *store.Tx, a *Album, key, who, words string, added []Photo, but []guest) error {
	if len(added) == 0 && words == "" {
		return nil
	}
	have, err := s.Links.In(ctx, tx, link.Album, int64(a.ID))
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, g := range but {
		told[g.addr.Key()] = true
	}
	for _, l := range have {
		if l.Manage || l.Public || told[l.Person.Key()] {
			continue
		}
		p := locale.For(l.Lang)
		if err := s.Notify.Tell(ctx, tx, notify.Note{Kind: notify.Album, Key: name(a.ID) + "/" + key, To: l.Person, ToName: l.Name, Lang: p.Lang,
			From: mail.Address{Local: "aide", Domain: s.domain(have)}, FromName: p.T("workflow-on-behalf", "Name", a.From), Link: l.ID,
			Letter: news(p, a, who, words, len(added), l), Line: line(p, a, who, words, len(added))}); err != nil {
			return err
		}
	}
	return nil
}

// domain is the owner's, which mails about an album come from.
func (s *Service) domain(ls []link.Link) string {
	for _, l := range ls {
		if l.Manage {
			return l.Person.Domain
		}
	}
	return ""
}

func (s *Service) manageLink(ctx context.Context, tx *store.Tx, id ID) (link.Link, error) {
	have, err := s.Links.In(ctx, tx, link.Album, int64(id))
	for _, l := range have {
		if l.Manage {
			return l, nil
		}
	}
	if err == nil {
		err = mail.Wrap(mail.NotFound, fmt.Errorf("album %d has no owner's link", id))
	}
	return link.Link{}, err
}

// Invite gives guests a link of their own, by mail. Kinds: NotFound, TooMany.
func (s *Service) Invite(ctx context.Context, id ID, by link.Caller, guests []Guest) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		have, err := s.Links.In(ctx, tx, link.Album, int64(id))
		if err != nil {
			return err
		}
		if len(have)+len(guests) > MaxGuests {
			return mail.Refuse(mail.TooMany, "album-too-many-guests", "Max", MaxGuests)
		}
		manage, err := s.manageLink(ctx, tx, id)
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM photo WHERE album = $1 AND hidden = 0`, int64(id)).Scan(&n); err != nil {
			return err
		}
		at := mail.Address{Local: "album+" + key(a.Name), Domain: manage.Person.Domain}
		for _, g := range guests {
			lang := manage.Lang
			who := s.guest(ctx, g.Address, strings.TrimSpace(g.Name), lang)
			if who.name == "" {
				who.name = g.Address.String()
			}
			// A day's invitations to one person are one: a button pressed twice.
			if _, err := s.inviteOne(ctx, tx, a, who, n, "page "+s.now().UTC().Format(time.DateOnly), at); err != nil {
				return err
			}
		}
		return nil
	})
}

// RevokeGuest ends one guest's link, at once.
func (s *Service) RevokeGuest(ctx context.Context, id ID, by link.Caller, guest link.ID) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.allowed(ctx, tx, by, link.Manage, id); err != nil {
			return err
		}
		have, err := s.Links.In(ctx, tx, link.Album, int64(id))
		if err != nil {
			return err
		}
		for _, l := range have {
			if l.ID == guest && !l.Manage {
				return s.Links.RevokeOne(ctx, tx, guest)
			}
		}
		return mail.Wrap(mail.NotFound, fmt.Errorf("album %d has no link %d", id, guest))
	})
}

// SetPublic turns the link to pass on off, or a new one on: the old one never
// opens again.
func (s *Service) SetPublic(ctx context.Context, id ID, by link.Caller, on bool) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		have, err := s.Links.In(ctx, tx, link.Album, int64(id))
		if err != nil {
			return err
		}
		for _, l := range have {
			if l.Public && on {
				return nil
			}
			if l.Public {
				if err := s.Links.RevokeOne(ctx, tx, l.ID); err != nil {
					return err
				}
			}
		}
		if !on {
			return nil
		}
		manage, err := s.manageLink(ctx, tx, id)
		if err != nil {
			return err
		}
		_, _, err = s.Links.Add(ctx, tx, link.Link{Kind: link.Album, Thing: int64(id), Owner: a.Member, Person: manage.Person, Lang: manage.Lang, Public: true})
		return err
	})
}

// SetRules changes what guests may do; it holds from the next request on.
func (s *Service) SetRules(ctx context.Context, id ID, by link.Caller, r link.Rules) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.allowed(ctx, tx, by, link.Manage, id); err != nil {
			return err
		}
		return s.Links.SetRules(ctx, tx, link.Album, int64(id), r)
	})
}

// Expire sets when the album ends by itself; zero: never.
func (s *Service) Expire(ctx context.Context, id ID, by link.Caller, at time.Time) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.allowed(ctx, tx, by, link.Manage, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE album SET expires = $1 WHERE id = $2`, store.Micros(at), int64(id))
		return err
	})
}

// Silence: the person of a link wants no more mails about its album, or again.
func (s *Service) Silence(ctx context.Context, by link.Visit, quiet bool) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		l, _, err := s.open(ctx, tx, by)
		if err != nil || l.Public {
			return err
		}
		return s.Links.Silence(ctx, tx, l.ID, quiet)
	})
}
