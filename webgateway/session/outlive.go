package session

import (
	"net/http"

	"colporteur/store"
)

// Outlive makes a change that ends all sessions of the member who asks, such as
// another password, and keeps the one session that asks.
func (s *Service) Outlive(r *http.Request, change func() error) error {
	u, this, err := s.find(r)
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	ctx := r.Context()
	_, stamp, err := s.Accounts.Standing(ctx, u.ID)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM web_session WHERE member = $1 AND id <> $2`, int64(u.ID), this); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE web_session SET stamp = $1 WHERE id = $2`, stamp, this)
		return err
	})
}
