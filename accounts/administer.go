package accounts

import (
	"context"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Administers says whether a member runs this host: postmaster@ of a domain of
// ours leads to them, by their address, by an alias, or by a group they belong
// to. The directory is read anew each time, so that whoever is taken off the
// alias is out at the next request. Mail to postmaster also reaches the first
// member where nobody was named for it (role); that gives no rights.
func (s *Service) Administers(ctx context.Context, u mail.UserID) (yes bool, err error) {
	m, err := s.ByID(ctx, u)
	if mail.Is(err, mail.NotFound) {
		return false, nil
	}
	if err != nil || !m.Suspended.IsZero() {
		return false, err
	}
	offices, err := s.offices(ctx)
	if err != nil || len(offices) == 0 {
		return false, err
	}
	if slices.Contains(offices, m.Account) {
		return true, nil
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		yes = false
		for _, o := range offices {
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM group_member WHERE account = $1 AND member = $2`, int64(o), int64(u)).Scan(&n); err != nil || n > 0 {
				yes = n > 0
				return err
			}
		}
		return nil
	})
	return yes && err == nil, kinded(err)
}

// Administered says whether anybody can be an administrator: whether postmaster of
// some domain leads to a member or a group because somebody said so.
func (s *Service) Administered(ctx context.Context) (bool, error) {
	offices, err := s.offices(ctx)
	return len(offices) > 0, err
}

// offices are the accounts that postmaster of our domains leads to.
func (s *Service) offices(ctx context.Context) (list []mail.AccountID, err error) {
	domains, _, err := s.domains(ctx)
	if err != nil {
		return nil, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		for _, d := range domains {
			w := walk{Service: s, tx: tx, domains: domains, seen: map[string]bool{}}
			a, err := w.resolve(ctx, mail.Address{Local: "postmaster", Domain: d})
			if err != nil {
				// An alias with too many ends, or nobody there yet: no rights from it.
				if mail.KindOf(err) == mail.Policy || mail.KindOf(err) == mail.Unavailable && len(w.dest) == 0 {
					continue
				}
				return err
			}
			if a.err != nil || a.fallback {
				continue
			}
			for _, to := range a.dest {
				if to.Where == mail.ToMailbox {
					list = append(list, to.Account)
				}
			}
		}
		return nil
	})
	return list, kinded(err)
}

// LastSeen is the day of each member's last sign-in, with a program or a
// browser; who is not in it has not signed in for long, or never.
func (s *Service) LastSeen(ctx context.Context) (map[mail.UserID]time.Time, error) {
	seen := map[mail.UserID]time.Time{}
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT member, max(seen) FROM known_client GROUP BY member`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var u mail.UserID
			var at int64
			err := scan(&u, &at)
			seen[u] = store.Time(at)
			return err
		})
	})
	return seen, kinded(err)
}
