package accounts

import (
	"context"
	"crypto/rand"
	"errors"
	"unicode/utf8"

	"colporteur/mail"
	"colporteur/store"
)

// NewMember is what AddMember needs to know.
type NewMember struct {
	Address  mail.Address
	Name     string // display name, may be empty
	Lang     string // "fr" or "en"; "" is "fr"
	Plan     string // "" is "free"
	Quota    int64  // bytes; 0 is no limit
	Password string // "": cannot sign in until one is set
}

// AddMember adds a member with an account of their own. Kinds: BadAddress,
// NotFound (the domain is not ours), Conflict (somebody has the address, or one
// that looks like it), BadContent (password or name).
func (s *Service) AddMember(ctx context.Context, n NewMember) (Member, error) {
	address, err := checkNew(n.Address)
	if err != nil {
		return Member{}, err
	}
	if n.Lang != "en" {
		n.Lang = "fr"
	}
	if n.Plan == "" {
		n.Plan = "free"
	}
	if utf8.RuneCountInString(n.Name) > 200 || n.Quota < 0 {
		return Member{}, mail.Refuse(mail.BadContent, "accounts-bad-settings")
	}
	phc := ""
	if n.Password != "" {
		if phc, err = s.hash(ctx, n.Password); err != nil {
			return Member{}, err
		}
	}
	m := Member{Address: address, Name: clean(n.Name), Lang: n.Lang, Plan: clean(n.Plan), Quota: n.Quota}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	err = s.change(ctx, func(tx *store.Tx) error {
		m.Account, m.ID, m.Created = mail.AccountID(store.NewID()), mail.UserID(store.NewID()), store.Time(store.Micros(s.now()))
		if err := lockDomain(ctx, tx, address.Domain); err != nil {
			return err
		}
		if err := s.free(ctx, tx, address); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO account (id, domain, quota, created) VALUES ($1, $2, $3, $4)`,
			int64(m.Account), address.Domain, m.Quota, store.Micros(m.Created)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO member (id, account, address, name, lang, plan, password, salt, suspended, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`,
			int64(m.ID), int64(m.Account), address.String(), m.Name, m.Lang, m.Plan, phc, salt, store.Micros(m.Created)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO address (key, look, account) VALUES ($1, $2, $3)`,
			address.Key(), look(address), int64(m.Account)); err != nil {
			return err
		}
		if s.Created != nil {
			return s.Created(ctx, tx, m.Account, m.Lang)
		}
		return nil
	})
	if err != nil {
		return Member{}, kinded(err)
	}
	return m, nil
}

// free says nil when nobody has the address nor one that reads like it.
func (s *Service) free(ctx context.Context, tx *store.Tx, a mail.Address) error {
	what, err := taken(ctx, tx, a)
	if err != nil {
		return err
	}
	if what != "" {
		return mail.Refuse(mail.Conflict, "accounts-address-exists", "Address", a.String())
	}
	var like string
	switch err := tx.QueryRow(ctx, `SELECT key FROM address WHERE look = $1`, look(a)).Scan(&like); {
	case err == nil:
		return mail.Refuse(mail.Conflict, "accounts-address-alike", "Address", a.String(), "Other", like)
	case !errors.Is(err, store.ErrNoRows):
		return err
	}
	return nil
}

// Update is new settings of a member; nil leaves one as it is.
type Update struct {
	Name, Lang, Plan *string
	Quota            *int64
}

// Update sets them.
func (s *Service) Update(ctx context.Context, id mail.UserID, u Update) (Member, error) {
	var m Member
	err := s.change(ctx, func(tx *store.Tx) (err error) {
		if m, err = s.byID(ctx, tx, id); err != nil {
			return err
		}
		was := m.Name
		if u.Name != nil {
			m.Name = clean(*u.Name)
		}
		if u.Lang != nil {
			m.Lang = "fr"
			if *u.Lang == "en" {
				m.Lang = "en"
			}
		}
		if u.Plan != nil {
			m.Plan = clean(*u.Plan)
		}
		if u.Quota != nil {
			m.Quota = *u.Quota
		}
		if utf8.RuneCountInString(m.Name) > 200 || m.Quota < 0 {
			return mail.Refuse(mail.BadContent, "accounts-bad-settings")
		}
		if _, err := tx.Exec(ctx, `UPDATE account SET quota = $1 WHERE id = $2`, m.Quota, int64(m.Account)); err != nil {
			return err
		}
		if m.Name != was {
			if err := s.renamed(ctx, tx, m.Account); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE member SET name = $1, lang = $2, plan = $3 WHERE id = $4`, m.Name, m.Lang, m.Plan, int64(id))
		return err
	})
	return m, kinded(err)
}

// Suspend keeps a member out: they cannot sign in, and mail to them is
// refused. Nothing is deleted. Twice is once.
func (s *Service) Suspend(ctx context.Context, id mail.UserID) error { return s.suspend(ctx, id, true) }

// Resume ends a suspension.
func (s *Service) Resume(ctx context.Context, id mail.UserID) error { return s.suspend(ctx, id, false) }

func (s *Service) suspend(ctx context.Context, id mail.UserID, on bool) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		m, err := s.byID(ctx, tx, id)
		if err != nil || m.Suspended.IsZero() != on {
			return err
		}
		at := int64(0)
		if on {
			at = store.Micros(s.now())
			if err := s.changed(ctx, tx, id); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE member SET suspended = $1 WHERE id = $2`, at, int64(id))
		return err
	})
	return kinded(err)
}

// Remove deletes a member with their account, its mailboxes, their passwords,
// and the aliases that lead to them: nobody who gets the address later gets
// their mail.
func (s *Service) Remove(ctx context.Context, id mail.UserID) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		m, err := s.byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.changed(ctx, tx, id); err != nil {
			return err
		}
		if err := dropTargets(ctx, tx, m.Account); err != nil {
			return err
		}
		if s.Removed != nil {
			if err := s.Removed(ctx, tx, m.Account); err != nil {
				return err
			}
		}
		for _, q := range []string{`DELETE FROM app_password WHERE member = $1`, `DELETE FROM known_client WHERE member = $1`,
			`DELETE FROM group_member WHERE member = $1`, `DELETE FROM outside_address WHERE member = $1`,
			`DELETE FROM secret_address WHERE member = $1`, `DELETE FROM device_link WHERE member = $1`,
			`DELETE FROM second_factor WHERE member = $1`, `DELETE FROM recovery_code WHERE member = $1`,
			`DELETE FROM picture_sender WHERE member = $1`,
			`DELETE FROM member WHERE id = $1`} {
			if _, err := tx.Exec(ctx, q, int64(id)); err != nil {
				return err
			}
		}
		for _, q := range []string{`DELETE FROM identity WHERE account = $1`, `DELETE FROM address WHERE account = $1`, `DELETE FROM account WHERE id = $1`} {
			if _, err := tx.Exec(ctx, q, int64(m.Account)); err != nil {
				return err
			}
		}
		return nil
	})
	return kinded(err)
}

// dropTargets removes the addresses of an account, with any detail, from aliases.
func dropTargets(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	keys := map[string]bool{}
	rows, err := tx.Query(ctx, `SELECT key FROM address WHERE account = $1`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var key string
		err := scan(&key)
		keys[key] = true
		return err
	})
	if err != nil {
		return err
	}
	var drop [][2]string
	rows, err = tx.Query(ctx, `SELECT key, target FROM alias`)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var key, target string
		if err := scan(&key, &target); err != nil {
			return err
		}
		t, err := mail.ParseAddress(target)
		if err == nil && (keys[t.Key()] || keys[withoutDetail(t).Key()]) {
			drop = append(drop, [2]string{key, target})
		}
		return err
	})
	for _, d := range drop {
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM alias WHERE key = $1 AND target = $2`, d[0], d[1])
		}
	}
	return err
}

// SetPassword gives the member another password and cuts their sessions.
func (s *Service) SetPassword(ctx context.Context, id mail.UserID, password string) error {
	phc, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		if err := s.changed(ctx, tx, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE member SET password = $1 WHERE id = $2`, phc, int64(id))
		if err == nil && n == 0 {
			return mail.Refuse(mail.NotFound, "accounts-no-member")
		}
		return err
	})
	return kinded(err)
}
