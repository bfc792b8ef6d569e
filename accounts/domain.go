package accounts

import (
	"context"
	"errors"

	"colporteur/mail"
	"colporteur/store"
)

// AddDomain makes a domain ours; kind Conflict when it is already.
func (s *Service) AddDomain(ctx context.Context, name string) error {
	d, err := mail.Domain(name)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO domain (name, created) VALUES ($1, $2)`, d, store.Micros(s.now()))
		return err
	})
	if errors.Is(err, store.ErrUnique) {
		return mail.Refuse(mail.Conflict, "accounts-domain-exists", "Domain", d)
	}
	return kinded(err)
}

// Domains lists our domains, the first one first.
func (s *Service) Domains(ctx context.Context) ([]string, error) {
	d, _, err := s.domains(ctx)
	return append([]string(nil), d...), err
}

func (s *Service) domains(ctx context.Context) ([]string, uint64, error) {
	known, generation := s.cache.getDomains(s.fresh)
	if known != nil {
		return known, generation, nil
	}
	domains := []string{}
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT name FROM domain ORDER BY created, name`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var d string
			err := scan(&d)
			domains = append(domains, d)
			return err
		})
	})
	if err != nil {
		return nil, 0, kinded(err)
	}
	s.cache.putDomains(domains, s.now(), generation)
	return domains, generation, nil
}

// change runs f in a transaction and then forgets what was remembered of the directory.
func (s *Service) change(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(s.cache.clear)
		return f(tx)
	})
}

// lockDomain makes changes of one domain's addresses wait for each other:
// members and aliases share one name space but not one table.
func lockDomain(ctx context.Context, tx *store.Tx, d string) error {
	var name string
	err := tx.QueryRow(ctx, `SELECT name FROM domain WHERE name = $1 FOR UPDATE`, d).Scan(&name)
	if errors.Is(err, store.ErrNoRows) {
		return mail.Refuse(mail.NotFound, "accounts-domain-not-ours", "Domain", d)
	}
	return err
}

// taken says what has exactly this address: "member", "alias" or "".
func taken(ctx context.Context, tx *store.Tx, a mail.Address) (string, error) {
	var one int
	for _, t := range []struct{ what, query string }{
		{"member", `SELECT 1 FROM address WHERE key = $1`},
		{"alias", `SELECT 1 FROM alias WHERE key = $1 LIMIT 1`},
	} {
		switch err := tx.QueryRow(ctx, t.query, store.Clean(a.Key())).Scan(&one); {
		case err == nil:
			return t.what, nil
		case !errors.Is(err, store.ErrNoRows):
			return "", err
		}
	}
	return "", nil
}
