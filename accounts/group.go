package accounts

import (
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	"colporteur/mail"
	"colporteur/store"
)

// Group is an account with an address that belongs to several members: a club,
// an office, a family. Nobody signs in as a group; its members see its mailboxes
// beside their own, and what is granted to it is granted to them.
type Group struct {
	Account mail.AccountID
	Address mail.Address
	Name    string
	Lang    string // of its mailboxes
	Quota   int64
	Members []mail.Address
}

// AddGroup adds a group with mailboxes of its own. Account and Members are not
// read. Kinds: as of AddMember.
func (s *Service) AddGroup(ctx context.Context, g Group) (Group, error) {
	address, err := checkNew(g.Address)
	if err != nil {
		return Group{}, err
	}
	if g.Lang != "en" {
		g.Lang = "fr"
	}
	if utf8.RuneCountInString(g.Name) > 200 || g.Quota < 0 {
		return Group{}, mail.Refuse(mail.BadContent, "accounts-bad-settings")
	}
	g.Address, g.Name, g.Members = address, clean(g.Name), nil
	err = s.change(ctx, func(tx *store.Tx) error {
		g.Account = mail.AccountID(store.NewID())
		if err := lockDomain(ctx, tx, address.Domain); err != nil {
			return err
		}
		if err := s.free(ctx, tx, address); err != nil {
			return err
		}
		now := store.Micros(s.now())
		if _, err := tx.Exec(ctx, `INSERT INTO account (id, domain, quota, created) VALUES ($1, $2, $3, $4)`,
			int64(g.Account), address.Domain, g.Quota, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO group_account (account, address, name, lang, created) VALUES ($1, $2, $3, $4, $5)`,
			int64(g.Account), address.String(), g.Name, g.Lang, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO address (key, look, account) VALUES ($1, $2, $3)`,
			address.Key(), look(address), int64(g.Account)); err != nil {
			return err
		}
		if s.CreatedGroup != nil {
			return s.CreatedGroup(ctx, tx, g.Account, g.Lang)
		}
		return nil
	})
	if err != nil {
		return Group{}, kinded(err)
	}
	return g, nil
}

// RemoveGroup deletes a group with its mailboxes. Kind NotFound.
func (s *Service) RemoveGroup(ctx context.Context, a mail.Address) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		g, err := groupAt(ctx, tx, a)
		if err != nil {
			return err
		}
		members, err := groupMembers(ctx, tx, g)
		if err != nil {
			return err
		}
		for _, m := range members {
			if err := s.changed(ctx, tx, m.ID); err != nil {
				return err
			}
		}
		if err := dropTargets(ctx, tx, g); err != nil {
			return err
		}
		if s.Removed != nil {
			if err := s.Removed(ctx, tx, g); err != nil {
				return err
			}
		}
		for _, q := range []string{`DELETE FROM group_member WHERE account = $1`, `DELETE FROM group_account WHERE account = $1`,
			`DELETE FROM address WHERE account = $1`, `DELETE FROM account WHERE id = $1`} {
			if _, err := tx.Exec(ctx, q, int64(g)); err != nil {
				return err
			}
		}
		return nil
	})
	return kinded(err)
}

// Join puts a member into a group; twice is once. Kind NotFound.
func (s *Service) Join(ctx context.Context, group, member mail.Address) error {
	return s.membership(ctx, group, member, `INSERT INTO group_member (account, member) VALUES ($1, $2) ON CONFLICT DO NOTHING`)
}

// Leave takes a member out of a group and cuts their sessions, which may have
// its mailboxes open.
func (s *Service) Leave(ctx context.Context, group, member mail.Address) error {
	return s.membership(ctx, group, member, `DELETE FROM group_member WHERE account = $1 AND member = $2`)
}

func (s *Service) membership(ctx context.Context, group, member mail.Address, q string) error {
	m, err := s.ByAddress(ctx, member)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		g, err := groupAt(ctx, tx, group)
		if err != nil {
			return err
		}
		if _, err := s.byID(ctx, tx, m.ID); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, q, int64(g), int64(m.ID))
		if err != nil || n == 0 {
			return err
		}
		if err := s.changed(ctx, tx, m.ID); err != nil {
			return err
		}
		if s.Regrouped != nil {
			return s.Regrouped(ctx, tx, g)
		}
		return nil
	})
	return kinded(err)
}

func groupAt(ctx context.Context, tx *store.Tx, a mail.Address) (account mail.AccountID, err error) {
	err = tx.QueryRow(ctx, `SELECT g.account FROM address ad JOIN group_account g ON g.account = ad.account WHERE ad.key = $1`,
		store.Clean(a.Key())).Scan(&account)
	if errors.Is(err, store.ErrNoRows) {
		err = mail.Refuse(mail.NotFound, "accounts-no-group", "Address", a.String())
	}
	return account, err
}

func groupMembers(ctx context.Context, tx *store.Tx, g mail.AccountID) (all []Member, err error) {
	rows, err := tx.Query(ctx, `SELECT `+memberColumns+` FROM group_member gm JOIN member m ON m.id = gm.member
		JOIN account a ON a.id = m.account WHERE gm.account = $1 ORDER BY m.address`, int64(g))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		m, err := scanMember(scan)
		all = append(all, m)
		return err
	})
	return all, err
}

const groupColumns = `g.account, g.address, g.name, g.lang, a.quota`

func scanGroup(scan func(...any) error) (g Group, err error) {
	var address string
	if err = scan(&g.Account, &address, &g.Name, &g.Lang, &g.Quota); err != nil {
		return g, err
	}
	g.Address, err = mail.ParseAddress(address)
	return g, err
}

// AllGroups lists all groups with their members, by address.
func (s *Service) AllGroups(ctx context.Context) (all []Group, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT `+groupColumns+` FROM group_account g JOIN account a ON a.id = g.account ORDER BY a.domain, g.address`)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			g, err := scanGroup(scan)
			all = append(all, g)
			return err
		})
		for i := range all {
			if err != nil {
				return err
			}
			var members []Member
			members, err = groupMembers(ctx, tx, all[i].Account)
			for _, m := range members {
				all[i].Members = append(all[i].Members, m.Address)
			}
		}
		return err
	})
	return all, kinded(err)
}

// Groups implements mailbox.People.
func (s *Service) Groups(ctx context.Context, u mail.UserID) (all []mail.AccountID, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT account FROM group_member WHERE member = $1 ORDER BY account`, int64(u))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var g mail.AccountID
			err := scan(&g)
			all = append(all, g)
			return err
		})
	})
	return all, kinded(err)
}

// GroupsOf are the groups that a member is in, by address; who else is in them is
// not read.
func (s *Service) GroupsOf(ctx context.Context, u mail.UserID) (all []Group, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT g.account, g.address, g.name FROM group_account g JOIN group_member m ON m.account = g.account WHERE m.member = $1 ORDER BY g.address`, int64(u))
		return store.Each(rows, err, func(scan func(...any) error) (err error) {
			var g Group
			var text string
			if err = scan(&g.Account, &text, &g.Name); err != nil {
				return err
			}
			if g.Address, err = mail.ParseAddress(text); err == nil {
				all = append(all, g)
			}
			return err
		})
	})
	return all, kinded(err)
}

// AccountOf implements mailbox.People.
func (s *Service) AccountOf(ctx context.Context, a mail.Address) (account mail.AccountID, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT account FROM address WHERE key = $1`, store.Clean(a.Key())).Scan(&account)
	})
	if errors.Is(err, store.ErrNoRows) {
		err = mail.Refuse(mail.NotFound, "accounts-no-such-user", "Address", a.String())
	}
	return account, kinded(err)
}

// AddressesOf implements mailbox.People.
func (s *Service) AddressesOf(ctx context.Context, accounts []mail.AccountID) (map[mail.AccountID]mail.Address, error) {
	all := map[mail.AccountID]mail.Address{}
	accounts = slices.Clone(accounts)
	slices.Sort(accounts)
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		for _, id := range slices.Compact(accounts) {
			var text string
			err := tx.QueryRow(ctx, `SELECT address FROM group_account WHERE account = $1
				UNION ALL SELECT address FROM (SELECT address FROM member WHERE account = $1 ORDER BY id LIMIT 1) m`, int64(id)).Scan(&text)
			if errors.Is(err, store.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if all[id], err = mail.ParseAddress(text); err != nil {
				return err
			}
		}
		return nil
	})
	return all, kinded(err)
}

// OwnerIn is the member whose account it is; kind NotFound when it is a group's.
func (s *Service) OwnerIn(ctx context.Context, tx *store.Tx, account mail.AccountID) (u mail.User, err error) {
	var text string
	err = tx.QueryRow(ctx, `SELECT id, address, name, lang FROM member WHERE account = $1 ORDER BY id LIMIT 1`, int64(account)).
		Scan(&u.ID, &text, &u.Name, &u.Lang)
	if errors.Is(err, store.ErrNoRows) {
		return u, mail.Refuse(mail.NotFound, "kind-not-found").Because(err)
	}
	if err != nil {
		return u, kinded(err)
	}
	u.Account = account
	u.Address, err = mail.ParseAddress(text)
	return u, err
}

// Quota is the most bytes of mail that an account may keep; 0 is no limit.
func (s *Service) Quota(ctx context.Context, account mail.AccountID) (limit int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT quota FROM account WHERE id = $1`, int64(account)).Scan(&limit)
	})
	if errors.Is(err, store.ErrNoRows) {
		err = mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return limit, kinded(err)
}

// group adds the mailboxes of a group to where mail leads.
func (w *walk) group(ctx context.Context, a mail.Address, detail string) (found bool, err error) {
	g, err := scanGroup(w.tx.QueryRow(ctx, `SELECT `+groupColumns+` FROM address ad JOIN group_account g ON g.account = ad.account
		JOIN account a ON a.id = g.account WHERE ad.key = $1`, store.Clean(a.Key())).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.add(mail.Destination{Where: mail.ToMailbox, Account: g.Account, Quota: g.Quota, Detail: detail, Addr: g.Address, Lang: g.Lang})
	return true, nil
}
