package push

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
)

// JobPush pushes to one subscription what it is to be told.
const JobPush = "push"

// order is the payload of a job.
type order struct {
	Subscription int64 `json:"subscription"`
}

// await adds the job of a subscription, for at.
func (s *Service) await(ctx context.Context, tx *store.Tx, id int64, host string, at time.Time) error {
	payload, err := json.Marshal(order{id})
	if err != nil {
		return err
	}
	if _, _, err := s.Queue.Add(ctx, tx, queue.Job{Kind: JobPush, Lane: host, Payload: payload, Due: at}); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE push_subscription SET awaited = $1 WHERE id = $2`, store.Micros(at.Add(patience)), id)
	return err
}

// verified is a subscription that is to be told of changes.
type verified struct {
	id                      int64
	credential, host, noted string
	types                   []string
}

// note notes for all subscriptions of a member what the states are now, and has
// pushed what is new. any says whether there are subscriptions.
func (s *Service) note(ctx context.Context, id mail.UserID) (accounts []mail.AccountID, any bool, err error) {
	for {
		list, err := s.verified(ctx, id)
		if err != nil || len(list) == 0 {
			return nil, false, err
		}
		var u *mail.User
		held := map[string]bool{}
		for _, e := range list {
			if _, known := held[e.credential]; known {
				continue
			}
			h, err := s.holder(ctx, id, e.credential)
			if err != nil && !mail.Is(err, mail.NotFound) {
				return nil, false, err
			}
			if held[e.credential] = err == nil; err == nil {
				u = &h
			}
		}
		if u == nil {
			continue // they are gone now, unless there are new ones
		}
		accounts, states, err := s.States(ctx, *u, wanted(list))
		if err != nil {
			return nil, false, err
		}
		late := false
		for _, e := range list {
			if now := states.of(e.types); held[e.credential] && now != e.noted {
				ok, err := s.noteOne(ctx, e, now)
				if err != nil {
					return nil, false, err
				}
				late = late || !ok
			}
		}
		if !late {
			return accounts, true, nil
		}
	}
}

// wanted are the types that somebody wants to hear of, nil when that is all.
func wanted(list []verified) (types []string) {
	for _, e := range list {
		if len(e.types) == 0 {
			return nil
		}
		types = append(types, e.types...)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

func (s *Service) verified(ctx context.Context, id mail.UserID) (list []verified, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT id, credential, host, noted, types FROM push_subscription WHERE member = $1 AND verified = 1 AND expires > $2 ORDER BY id`,
			int64(id), store.Micros(s.now()))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var e verified
			var types string
			err := scan(&e.id, &e.credential, &e.host, &e.noted, &types)
			e.types = listed(types)
			list = append(list, e)
			return err
		})
	})
	return list, err
}

// noteOne notes states in place of those that were read before; false when
// somebody else has noted others, perhaps newer ones.
func (s *Service) noteOne(ctx context.Context, e verified, states string) (ok bool, err error) {
	now := s.now()
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		var awaited, pushed int64
		err := tx.QueryRow(ctx, `UPDATE push_subscription SET noted = $1 WHERE id = $2 AND noted = $3 RETURNING awaited, pushed`, states, e.id, e.noted).Scan(&awaited, &pushed)
		if errors.Is(err, store.ErrNoRows) {
			ok = false
			return nil
		}
		ok = true
		if err != nil || awaited > store.Micros(now) {
			return err
		}
		at := now
		if pushed > 0 && store.Time(pushed).Add(gap).After(now) {
			at = store.Time(pushed).Add(gap)
		}
		return s.await(ctx, tx, e.id, e.host, at)
	})
	return ok, err
}
