package transfer

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
)

// MaxGuests of one transfer.
const MaxGuests = 500

// Invite gives guests a link of their own, by mail. Kinds: NotFound, TooMany.
func (s *Service) Invite(ctx context.Context, id ID, by link.Caller, guests []mail.Address) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil || t.over(s.now()) {
			return err
		}
		if t.Files, err = files(ctx, tx, id); err != nil {
			return err
		}
		have, err := s.Links.In(ctx, tx, link.Transfer, int64(id))
		if err != nil {
			return err
		}
		if len(have)+len(guests) > MaxGuests {
			return mail.Refuse(mail.TooMany, "transfer-too-many-guests", "Max", MaxGuests)
		}
		manage, err := s.manageLink(ctx, tx, id)
		if err != nil {
			return err
		}
		known := map[string]link.Link{}
		for _, l := range have {
			if !l.Manage && !l.Public {
				known[l.Person.Key()] = l
			}
		}
		for _, a := range guests {
			lang := manage.Lang
			if s.LangOf != nil {
				if l := s.LangOf(ctx, a); l != "" {
					lang = l
				}
			}
			l, ok := known[a.Key()]
			if !ok {
				if l, _, err = s.Links.Add(ctx, tx, link.Link{Kind: link.Transfer, Thing: int64(id), Owner: t.Member, Person: a, Lang: lang, Expires: t.Expires}); err != nil {
					return err
				}
			}
			p := locale.For(lang)
			if _, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: name(id) + " " + s.now().UTC().Format(time.DateOnly), What: "invitation", To: a,
				From: mail.Address{Local: "envoi", Domain: manage.Person.Domain}, FromName: p.T("workflow-on-behalf", "Name", t.From),
				ReplyTo: &manage.Person, Lang: p.Lang, Letter: invitation(p, t, l)}); err != nil {
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
		have, err := s.Links.In(ctx, tx, link.Transfer, int64(id))
		for _, l := range have {
			if l.ID == guest && !l.Manage {
				return s.Links.RevokeOne(ctx, tx, guest)
			}
		}
		if err == nil {
			err = mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has no link %d", id, guest))
		}
		return err
	})
}

// SetPublic turns the link to pass on off, or a new one on: the old one never
// opens again.
func (s *Service) SetPublic(ctx context.Context, id ID, by link.Caller, on bool) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		have, err := s.Links.In(ctx, tx, link.Transfer, int64(id))
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
		_, _, err = s.Links.Add(ctx, tx, link.Link{Kind: link.Transfer, Thing: int64(id), Owner: t.Member, Person: manage.Person, Lang: manage.Lang, Public: true, Expires: t.Expires})
		return err
	})
}

// SetRules changes what guests must show and may do; it holds from the next
// request on.
func (s *Service) SetRules(ctx context.Context, id ID, by link.Caller, r link.Rules) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.allowed(ctx, tx, by, link.Manage, id); err != nil {
			return err
		}
		return s.Links.SetRules(ctx, tx, link.Transfer, int64(id), r)
	})
}

// soon is how long before the end reminders go out.
const soon = 48 * time.Hour

// remind writes to those who have not fetched what ends soon, and to its owner;
// once for each end.
func (s *Service) remind(ctx context.Context) error {
	var ids []ID
	now := s.now()
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		// What lives for two days in all reminds nobody.
		rows, err := tx.Query(ctx, `SELECT id FROM transfer WHERE ended = 0 AND expires > $1 AND expires <= $2 AND reminded <> expires AND expires - created > $3 LIMIT 200`,
			store.Micros(now), store.Micros(now.Add(soon)), (2 * soon).Microseconds())
		return store.Each(rows, err, func(scan func(...any) error) error {
			var id ID
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	for _, id := range ids {
		if err == nil {
			err = s.DB.Write(ctx, func(tx *store.Tx) error { return s.remindOf(ctx, tx, id) })
		}
	}
	return err
}

func (s *Service) remindOf(ctx context.Context, tx *store.Tx, id ID) error {
	t, err := get(ctx, tx, id, true)
	if err != nil || t.over(s.now()) {
		return err
	}
	if n, err := tx.Exec(ctx, `UPDATE transfer SET reminded = expires WHERE id = $1 AND reminded <> expires`, int64(id)); err != nil || n == 0 {
		return err
	}
	if t.Files, err = files(ctx, tx, id); err != nil {
		return err
	}
	v := View{Transfer: *t}
	if err := s.people(ctx, tx, &v); err != nil {
		return err
	}
	manage, err := s.manageLink(ctx, tx, id)
	if err != nil {
		return err
	}
	from := mail.Address{Local: "envoi", Domain: manage.Person.Domain}
	key := name(id) + "/" + strconv.FormatInt(t.Expires.Unix(), 10)
	var late []string
	for _, g := range v.Guests {
		if !g.All.IsZero() {
			continue
		}
		late = append(late, g.Called())
		p := locale.For(g.Lang)
		if err := s.Notify.Tell(ctx, tx, notify.Note{Kind: notify.Reminder, Key: key, To: g.Person, ToName: g.Name, Lang: p.Lang, From: from,
			FromName: p.T("workflow-on-behalf", "Name", t.From), Link: g.ID, Letter: reminder(p, t, g.Link),
			Line: p.T("transfer-reminder-line", "Subject", t.Subject, "Date", p.Date(t.Expires))}); err != nil {
			return err
		}
	}
	p := locale.For(manage.Lang)
	return s.Notify.Tell(ctx, tx, notify.Note{Kind: notify.Reminder, Key: key, Member: t.Member, To: manage.Person, Lang: p.Lang, From: from, Link: manage.ID,
		Letter: endsSoon(p, t, late, manage), Line: p.T("transfer-reminder-line", "Subject", t.Subject, "Date", p.Date(t.Expires))})
}
