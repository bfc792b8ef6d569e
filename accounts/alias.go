package accounts

import (
	"context"

	"colporteur/mail"
	"colporteur/store"
)

// Alias is an address of ours that leads to others.
type Alias struct {
	From    string // folded
	Targets []mail.Address
}

// AddAlias leads from, at a domain of ours, to more targets. Targets at our
// domains must exist, save those of postmaster and abuse; those elsewhere need not. Kinds: BadAddress, NotFound,
// Conflict (a member has the address), Loop, TooMany.
func (s *Service) AddAlias(ctx context.Context, from mail.Address, to ...mail.Address) error {
	from, err := checkNew(from)
	if err != nil {
		return err
	}
	domains, _, err := s.domains(ctx)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		if err := lockDomain(ctx, tx, from.Domain); err != nil {
			return err
		}
		what, err := taken(ctx, tx, from)
		if err != nil {
			return err
		}
		if what == "member" {
			return mail.Refuse(mail.Conflict, "accounts-address-exists", "Address", from.String())
		}
		for _, t := range to {
			if t.Key() == from.Key() {
				return mail.Refuse(mail.Loop, "accounts-alias-loop", "Address", from.String())
			}
			if _, err := tx.Exec(ctx, `INSERT INTO alias (key, target) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
				from.Key(), t.String()); err != nil {
				return err
			}
		}
		return s.checkAlias(ctx, tx, domains, from, to)
	})
	return kinded(err)
}

// checkAlias follows the alias as it now is, inside the transaction that
// changed it: what it refuses never was.
func (s *Service) checkAlias(ctx context.Context, tx *store.Tx, domains []string, from mail.Address, to []mail.Address) error {
	for _, t := range to {
		w := walk{Service: s, tx: tx, domains: domains, seen: map[string]bool{}}
		if _, err := w.follow(ctx, t); err != nil {
			return err
		}
		if w.seen[from.Key()] {
			return mail.Refuse(mail.Loop, "accounts-alias-loop", "Address", from.String())
		}
		// Who reads postmaster may be named before they are a member.
		if len(w.dest) == 0 && mail.Is(w.refused, mail.NoSuchUser) && !isRole(from.Local) {
			return w.refused
		}
	}
	w := walk{Service: s, tx: tx, domains: domains, seen: map[string]bool{}}
	if _, err := w.follow(ctx, from); isRole(from.Local) && mail.Is(err, mail.Unavailable) {
		return nil
	} else if err != nil || len(w.dest) > maxTargets {
		return mail.Refuse(mail.TooMany, "accounts-alias-wide", "Address", from.String(), "Max", maxTargets).Because(err)
	}
	return nil
}

// RemoveAlias takes targets off an alias; with none given, all of it. Kind
// NotFound when nothing was removed.
func (s *Service) RemoveAlias(ctx context.Context, from mail.Address, targets ...mail.Address) error {
	var n int64
	err := s.change(ctx, func(tx *store.Tx) (err error) {
		n = 0
		if len(targets) == 0 {
			n, err = tx.Exec(ctx, `DELETE FROM alias WHERE key = $1`, store.Clean(from.Key()))
			return err
		}
		have, err := aliasTargets(ctx, tx, from)
		if err != nil {
			return err
		}
		for _, h := range have {
			for _, t := range targets {
				if h.Key() != t.Key() {
					continue
				}
				one, err := tx.Exec(ctx, `DELETE FROM alias WHERE key = $1 AND target = $2`, from.Key(), h.String())
				if err != nil {
					return err
				}
				n += one
			}
		}
		return nil
	})
	if err == nil && n == 0 {
		return mail.Refuse(mail.NotFound, "accounts-no-alias", "Address", from.String())
	}
	return kinded(err)
}

// Aliases lists all aliases, by address.
func (s *Service) Aliases(ctx context.Context) ([]Alias, error) {
	var all []Alias
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT key, target FROM alias ORDER BY key, target`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var key, text string
			if err := scan(&key, &text); err != nil {
				return err
			}
			t, err := mail.ParseAddress(text)
			if n := len(all); n > 0 && all[n-1].From == key {
				all[n-1].Targets = append(all[n-1].Targets, t)
			} else {
				all = append(all, Alias{From: key, Targets: []mail.Address{t}})
			}
			return err
		})
	})
	return all, kinded(err)
}
