package notify

import (
	"context"
	"fmt"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/store"
)

// Levels of a mailbox, in percent: told once when one is reached; below armed
// both may be told again.
const (
	nearly = 80
	full   = 95
	armed  = 75
)

// Tidier knows what could be moved out of a mailbox that is filling up.
type Tidier interface {
	// Find looks for it; nil when nothing is worth a question.
	Find(ctx context.Context, m Member) (Offer, error)
}

// Offer is a question that takes the place of a note.
type Offer interface {
	Ask(ctx context.Context, tx *store.Tx, n Note) error
}

// Filled looks at how full a mailbox is, and tells its member once when it is
// nearly full, and once when there is next to no room left.
func (s *Service) Filled(ctx context.Context, m Member) error {
	percent := 0
	if m.Quota > 0 {
		percent = int(100*(m.Used/m.Quota)) + int(m.Used%m.Quota*100/m.Quota)
	}
	level := 0
	switch {
	case percent >= full:
		level = full
	case percent >= nearly:
		level = nearly
	}
	told, err := s.told(ctx, m)
	if err != nil || told >= level && (percent >= armed || told == 0) {
		return err
	}
	var offer Offer
	if s.Tidier != nil && level > told {
		if offer, err = s.Tidier.Find(ctx, m); err != nil { // they are told all the same
			s.log().WarnContext(ctx, "what could be moved is not known", "user", m.ID, "err", err)
			offer = nil
		}
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		if percent < armed {
			_, err := tx.Exec(ctx, `DELETE FROM notify_quota WHERE account = $1`, int64(m.Account))
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO notify_quota (account, level) VALUES ($1, $2)
			ON CONFLICT (account) DO UPDATE SET level = excluded.level WHERE notify_quota.level < excluded.level`, int64(m.Account), level)
		if err != nil || n == 0 {
			return err // they know
		}
		note := quota(m, level, percent, fmt.Sprintf("%d/%d/%d", m.Account, level, store.Micros(s.now())))
		if when, err := s.when(ctx, tx, &note); err != nil || when == Never {
			return err
		}
		if offer != nil {
			return offer.Ask(ctx, tx, note)
		}
		return s.Tell(ctx, tx, note)
	})
	if err != nil {
		return fmt.Errorf("quota of %d: %w", m.Account, err)
	}
	return nil
}

// told is the level that m heard of last.
func (s *Service) told(ctx context.Context, m Member) (level int, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT level FROM notify_quota WHERE account = $1`, int64(m.Account)).Scan(&level)
		if err == store.ErrNoRows {
			return nil
		}
		return err
	})
	return level, err
}

func quota(m Member, level, percent int, key string) Note {
	p := locale.For(m.Lang)
	line := p.T("notify-quota", "Percent", percent, "Used", p.Size(m.Used), "Size", p.Size(m.Quota))
	l := letter.Letter{Subject: p.T("notify-quota-subject", "Percent", percent), Heading: line}
	if level == full {
		l.Para(p.T("notify-quota-full"))
	}
	l.Para(p.T("notify-quota-advice")).Para(p.T("notify-quota-more", "Postmaster", "postmaster@"+m.Address.Domain))
	return Note{Kind: Quota, Key: key, Member: m.ID, To: m.Address, ToName: m.Name, Lang: p.Lang, From: house(m.Address), Letter: l, Line: line}
}
