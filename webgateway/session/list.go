package session

import (
	"context"
	"net/http"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Session is one of a member's.
type Session struct {
	ID            int64
	Created, Seen time.Time
	Expires       time.Time
	Kept          bool
	Agent         string // "Firefox, Windows"
	Network       string
	This          bool // it is the one that asks
}

// List is where the member who asks is signed in, the latest first.
func (s *Service) List(r *http.Request) (list []Session, err error) {
	u, this, err := s.find(r)
	if err != nil {
		return nil, err
	}
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(r.Context(), `SELECT id, created, seen, expires, kept, agent, network FROM web_session WHERE member = $1 AND expires > $2 ORDER BY seen DESC, id`,
			int64(u.ID), store.Micros(s.now()))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var e Session
			var created, seen, expires int64
			var keep int
			err := scan(&e.ID, &created, &seen, &expires, &keep, &e.Agent, &e.Network)
			e.Created, e.Seen, e.Expires, e.Kept, e.This = store.Time(created), store.Time(seen), store.Time(expires), keep == 1, e.ID == this
			list = append(list, e)
			return err
		})
	})
	return list, err
}

// Revoke ends one of a member's sessions; with id 0 all but the one that asks.
func (s *Service) Revoke(r *http.Request, id int64) error {
	u, this, err := s.find(r)
	if err != nil {
		return err
	}
	return s.DB.Write(r.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(r.Context(), `DELETE FROM web_session WHERE member = $1 AND (id = $2 OR $2 = 0 AND id <> $3)`, int64(u.ID), id, this)
		return err
	})
}

// End ends all sessions of a member, for whoever runs the host.
func (s *Service) End(ctx context.Context, u mail.UserID) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM web_session WHERE member = $1`, int64(u))
		return err
	})
}

// Sweep forgets what has ended.
func (s *Service) Sweep(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"web_session", "web_half"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE expires <= $1`, store.Micros(s.now())); err != nil {
				return err
			}
		}
		return nil
	})
}

// Removed forgets a member who is removed.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	for _, table := range []string{"web_session", "web_half"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE member IN (SELECT id FROM member WHERE account = $1)`, int64(account)); err != nil {
			return err
		}
	}
	return nil
}

// Restored ends all sessions: a database out of a backup has some that were ended
// since it was made.
func (s *Service) Restored(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		for _, table := range []string{"web_session", "web_half"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
		}
		return nil
	})
}
