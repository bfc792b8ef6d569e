package accounts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// remembersIdentities is for how many changes it is known which were removed.
const remembersIdentities = 1000

// IdentityChanges is what became of a member's identities between two states.
type IdentityChanges struct {
	Created, Updated, Removed []int64
	To                        int64 // the state that this leads to
	More                      bool  // it is not the newest
}

// IdentityState is the number that Identities says, alone.
func (s *Service) IdentityState(ctx context.Context, account mail.AccountID) (state int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT identities FROM account WHERE id = $1`, int64(account)).Scan(&state)
	})
	if errors.Is(err, store.ErrNoRows) {
		err = mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return state, kinded(err)
}

// IdentityChanges says what changed since a state, at most so many identities
// when most is not 0. Kind Gone: the state is none of this account's, or one of
// too long ago.
func (s *Service) IdentityChanges(ctx context.Context, account mail.AccountID, since int64, most int) (c IdentityChanges, err error) {
	type event struct{ at, id, created, gone int64 }
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		c = IdentityChanges{}
		if err := tx.QueryRow(ctx, `SELECT identities FROM account WHERE id = $1`, int64(account)).Scan(&c.To); err != nil {
			return err
		}
		if since < 0 || since > c.To || since < c.To-remembersIdentities {
			return mail.Wrap(mail.Gone, fmt.Errorf("state %d of identities", since))
		}
		var events []event
		rows, err := tx.Query(ctx, `SELECT id, created, changed, gone FROM identity WHERE account = $1 AND changed > $2`, int64(account), since)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var e event
			err := scan(&e.id, &e.created, &e.at, &e.gone)
			if e.created > since { // what a client must know at a state between the two
				e.at = e.created
			}
			events = append(events, e)
			return err
		})
		if err != nil {
			return err
		}
		slices.SortFunc(events, func(x, y event) int { return cmp.Compare(x.at, y.at) })
		if most > 0 && len(events) > most {
			events, c.More = events[:most], true
			c.To = events[most-1].at
		}
		for _, e := range events {
			switch {
			case e.gone > 0 && e.created > since: // came and went
			case e.gone > 0:
				c.Removed = append(c.Removed, e.id)
			case e.created > since:
				c.Created = append(c.Created, e.id)
			default:
				c.Updated = append(c.Updated, e.id)
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrNoRows) {
		err = mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return c, kinded(err)
}
