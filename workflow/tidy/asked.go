package tidy

import (
	"context"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
)

// Found is what could move when a member asks for it themselves: photos in mails
// of more than a year, whatever part of the quota they are.
type Found struct {
	Photos int
	Size   int64
	Before time.Time
	Busy   bool // it is under way already
}

// Look looks for what could move from an account; nothing is changed.
func (s *Service) Look(ctx context.Context, account mail.AccountID) (f Found, err error) {
	if err := s.DB.Read(ctx, func(tx *store.Tx) error {
		f.Busy, err = busy(ctx, tx, account)
		return err
	}); err != nil || f.Busy {
		return f, err
	}
	f.Before = s.now().AddDate(-1, 0, 0)
	list, err := s.find(ctx, account, f.Before, s.now())
	for _, c := range list {
		f.Photos += len(c.photos)
		f.Size += c.weight()
	}
	return f, err
}

// Start moves them, as an answer to our question does. While it is under way
// another start is none.
func (s *Service) Start(ctx context.Context, u mail.User) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if yes, err := busy(ctx, tx, u.Account); err != nil || yes {
			return err
		}
		return s.begin(ctx, tx, store.NewID(), u.Account, locale.For(u.Lang).Lang, store.Micros(s.now().AddDate(-1, 0, 0)))
	})
}

func busy(ctx context.Context, tx *store.Tx, account mail.AccountID) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM tidy WHERE account = $1`, int64(account)).Scan(&n)
	return n > 0, err
}
