package notify

import (
	"context"
	"fmt"
	"time"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// Welcome tells a new member what works here by mail.
func (s *Service) Welcome(ctx context.Context, tx *store.Tx, u mail.User) error {
	p := locale.For(u.Lang)
	at := "@" + u.Address.Domain
	l := letter.Letter{Subject: p.T("notify-welcome-subject", "Domain", u.Address.Domain), Heading: p.T("notify-welcome-heading")}
	l.Para(p.T("notify-welcome", "Address", u.Address.String()))
	album := p.T("workflow-guide-album-address", "At", at)
	drop := "envoi" + at
	if p.Lang == "en" {
		drop = "send" + at
	}
	l.Items([]letter.Item{
		{Name: drop, Text: p.T("workflow-guide-transfer")},
		{Name: album, Text: p.T("workflow-guide-album")},
		{Name: "aide" + at, Text: p.T("notify-welcome-help")},
	})
	l.Small(p.T("notify-welcome-foot", "Postmaster", "postmaster"+at))
	return s.Tell(ctx, tx, account(u, p, fmt.Sprintf("welcome/%d", u.ID), l))
}

// Resumed tells a member that a suspension has ended, and since when mail to
// them was refused. That it began they cannot be told: they get no mail.
func (s *Service) Resumed(ctx context.Context, tx *store.Tx, u mail.User, since time.Time) error {
	p := locale.For(u.Lang)
	l := letter.Letter{Subject: p.T("notify-resumed-subject"), Heading: p.T("notify-resumed-subject")}
	l.Para(p.T("notify-resumed", "Address", u.Address.String(), "Date", p.Date(since.In(s.zone()))))
	return s.Tell(ctx, tx, account(u, p, fmt.Sprintf("resumed/%d/%d", u.ID, store.Micros(since)), l))
}

func account(u mail.User, p locale.Printer, key string, l letter.Letter) Note {
	return Note{Kind: Membership, Key: key, Member: u.ID, To: u.Address, ToName: u.Name, Lang: p.Lang, From: house(u.Address), Letter: l, Line: l.Subject}
}

// Removed forgets the member of an account, in the transaction that removes it:
// what they chose, what was still to be told, and where they were.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var members []int64
	rows, err := tx.Query(ctx, `SELECT id FROM member WHERE account = $1`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		members = append(members, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range members {
		if err := s.Links.Revoke(ctx, tx, link.Settings, id); err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM notify_choice WHERE member = $1`, `DELETE FROM notify_note WHERE member = $1`,
			`DELETE FROM notify_place WHERE member = $1`} {
			if _, err := tx.Exec(ctx, q, id); err != nil {
				return err
			}
		}
	}
	_, err = tx.Exec(ctx, `DELETE FROM notify_quota WHERE account = $1`, int64(account))
	return err
}

// kept is how long it is remembered what was told: so long nothing is told twice.
const kept = 30 * 24 * time.Hour

// Sweep forgets what was told long ago, and places nobody signed in from since.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.now()
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM notify_note WHERE told > 0 AND told < $1`, store.Micros(now.Add(-kept))); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM notify_digest WHERE due = 0 AND sent < $1`, store.Micros(now.Add(-kept))); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM notify_place WHERE seen < $1 AND place <> $2`, store.Micros(now.Add(-unseen)), []byte{})
		return err
	})
}
