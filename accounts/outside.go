package accounts

import (
	"context"
	"errors"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// MaxOutside is how many addresses at other hosts one member may have.
const MaxOutside = 20

// Outside is an address at another host that a member writes to programs from.
type Outside struct {
	Address   mail.Address
	Confirmed time.Time
}

// AddOutside notes that an address elsewhere is a member's. Whoever calls it knows:
// the operator said so, or the person at that address confirmed it. Kinds: NotFound,
// BadAddress (it is of this host), Conflict (it is another member's), TooMany.
func (s *Service) AddOutside(ctx context.Context, tx *store.Tx, id mail.UserID, a mail.Address) error {
	if _, err := s.byID(ctx, tx, id); err != nil {
		return err
	}
	var ours int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM domain WHERE name = $1`, a.Domain).Scan(&ours); err != nil {
		return err
	}
	if ours > 0 || a.Domain == "" {
		return mail.Refuse(mail.BadAddress, "accounts-outside-ours", "Address", a.String())
	}
	var whose, n int64
	err := tx.QueryRow(ctx, `SELECT member FROM outside_address WHERE key = $1`, store.Clean(a.Key())).Scan(&whose)
	switch {
	case errors.Is(err, store.ErrNoRows):
	case err != nil:
		return err
	case whose == int64(id):
		return nil
	default:
		return mail.Refuse(mail.Conflict, "accounts-outside-taken", "Address", a.String())
	}
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM outside_address WHERE member = $1`, int64(id)).Scan(&n); err != nil {
		return err
	}
	if n >= MaxOutside {
		return mail.Refuse(mail.TooMany, "accounts-outside-many", "Max", MaxOutside)
	}
	_, err = tx.Exec(ctx, `INSERT INTO outside_address (key, address, member, confirmed) VALUES ($1, $2, $3, $4)`,
		store.Clean(a.Key()), store.Clean(a.String()), int64(id), store.Micros(s.now()))
	return err
}

// RemoveOutside takes one away; kind NotFound when it is not theirs.
func (s *Service) RemoveOutside(ctx context.Context, tx *store.Tx, id mail.UserID, a mail.Address) error {
	n, err := tx.Exec(ctx, `DELETE FROM outside_address WHERE key = $1 AND member = $2`, store.Clean(a.Key()), int64(id))
	if err == nil && n == 0 {
		err = mail.Refuse(mail.NotFound, "accounts-outside-none", "Address", a.String())
	}
	return err
}

// Outsides are a member's addresses elsewhere.
func (s *Service) Outsides(ctx context.Context, id mail.UserID) (all []Outside, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT address, confirmed FROM outside_address WHERE member = $1 ORDER BY address`, int64(id))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var text string
			var at int64
			if err := scan(&text, &at); err != nil {
				return err
			}
			a, err := mail.ParseAddress(text)
			all = append(all, Outside{a, store.Time(at)})
			return err
		})
	})
	return all, kinded(err)
}

// ByOutside is the member who confirmed an address elsewhere; kind NotFound when
// nobody did, or they are suspended.
func (s *Service) ByOutside(ctx context.Context, a mail.Address) (Member, error) {
	return s.whose(ctx, `SELECT member FROM outside_address WHERE key = $1`, store.Clean(a.Key()))
}

// Theirs says whether an address is a member's alone, here or elsewhere.
func (s *Service) Theirs(ctx context.Context, id mail.UserID, a mail.Address) (bool, error) {
	switch err := s.MaySend(ctx, id, a); {
	case err == nil:
		return true, nil
	case mail.KindOf(err).Temporary():
		return false, err
	}
	m, err := s.ByOutside(ctx, a)
	if mail.Is(err, mail.NotFound) {
		return false, nil
	}
	return m.ID == id, err
}

// whose is the member that a query finds.
func (s *Service) whose(ctx context.Context, query string, arg any) (m Member, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, query, arg).Scan(&id)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		if err == nil {
			m, err = s.byID(ctx, tx, mail.UserID(id))
		}
		if err == nil && !m.Suspended.IsZero() {
			err = mail.Wrap(mail.NotFound, errors.New("the member is suspended"))
		}
		return err
	})
	return m, kinded(err)
}
