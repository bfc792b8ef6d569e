package push

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/queue"
)

// ID is a subscription's as clients know it.
func ID(id int64) string { return mailbox.ObjectID('p', id) }

// due is a subscription that a job is for.
type due struct {
	id                int64
	member            mail.UserID
	credential, host  string
	place             place
	noted, told       string
	verified, expired bool
}

// Work does a job: it pushes the code of a subscription that is not verified yet,
// or else what changed since the last push.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var o order
	if err := json.Unmarshal(j.Payload, &o); err != nil {
		return queue.Discard("payload: "+err.Error(), nil)
	}
	e, err := s.due(ctx, o.Subscription)
	switch {
	case errors.Is(err, store.ErrNoRows):
		return queue.Done(nil)
	case errors.Is(err, errWrongKey):
		return queue.Discard(err.Error(), s.end(o.Subscription))
	case err != nil:
		return s.later(j, 0, err)
	case e.expired:
		return queue.Done(s.end(e.id))
	}
	if _, err := s.holder(ctx, e.member, e.credential); mail.Is(err, mail.NotFound) {
		return queue.Done(nil)
	} else if err != nil {
		return s.later(j, 0, err)
	}
	messages, err := s.messages(e)
	if err != nil {
		return queue.Discard(err.Error(), nil)
	}
	for _, m := range messages {
		if err := s.send(ctx, e.place, m); err != nil {
			return s.refused(ctx, j, e, err)
		}
	}
	if len(messages) > 0 {
		s.log().InfoContext(ctx, "pushed", "user", e.member, "host", e.host, "verified", e.verified)
	}
	return queue.Done(func(ctx context.Context, tx *store.Tx) error { return s.pushed(ctx, tx, e, len(messages) > 0) })
}

// due reads the subscription of a job; store.ErrNoRows when it is gone.
func (s *Service) due(ctx context.Context, id int64) (*due, error) {
	e := &due{id: id}
	var sealed []byte
	var verified, expires int64
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT member, credential, host, place, noted, told, verified, expires FROM push_subscription WHERE id = $1`, id).
			Scan(&e.member, &e.credential, &e.host, &sealed, &e.noted, &e.told, &verified, &expires)
	})
	if err != nil {
		return nil, err
	}
	e.verified, e.expired = verified == 1, !store.Time(expires).After(s.now())
	raw, err := s.unseal(placeOf(id), sealed)
	if err == nil {
		err = json.Unmarshal(raw, &e.place)
	}
	return e, err
}

// messages are what is to be pushed now; none when all is told.
func (s *Service) messages(e *due) ([]message, error) {
	if !e.verified {
		body, err := json.Marshal(map[string]string{"@type": "PushVerification", "pushSubscriptionId": ID(e.id), "verificationCode": s.code(e.id)})
		return []message{{body: body, ttl: time.Hour, urgency: "high"}}, err
	}
	changed := since(e.told, e.noted)
	var list []message
	part := States{}
	for _, account := range slices.Sorted(maps.Keys(changed)) {
		part[account] = changed[account]
		if m, err := change(part); err != nil {
			return nil, err
		} else if len(m.body) <= maxPayload {
			continue
		}
		// Whoever sees very many accounts hears of them in several pushes.
		if delete(part, account); len(part) > 0 {
			m, err := change(part)
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
		part = States{account: changed[account]}
	}
	if len(part) > 0 {
		m, err := change(part)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// change is a StateChange (RFC 8620 §7.1.1).
func change(states States) (m message, err error) {
	m.ttl, m.urgency = 24*time.Hour, "low"
	// One that waits is replaced by a later one about the same types only: another
	// would not tell what it told.
	var what strings.Builder
	for _, account := range slices.Sorted(maps.Keys(states)) {
		for _, t := range slices.Sorted(maps.Keys(states[account])) {
			fmt.Fprintf(&what, "%s %s\n", account, t)
			if t == "EmailDelivery" {
				m.urgency = "normal"
			}
		}
	}
	sum := sha256.Sum256([]byte(what.String()))
	m.topic = base64.RawURLEncoding.EncodeToString(sum[:24]) // 32 letters are permitted (RFC 8030 §5.4)
	m.body, err = json.Marshal(map[string]any{"@type": "StateChange", "changed": states})
	return m, err
}

// pushed ends a job: what was noted meanwhile gets another one.
func (s *Service) pushed(ctx context.Context, tx *store.Tx, e *due, any bool) error {
	now := s.now()
	var noted, told string
	var verified int
	err := tx.QueryRow(ctx, `UPDATE push_subscription SET awaited = 0, failing = 0, told = CASE WHEN $2 = 1 THEN $3 ELSE told END,
		pushed = CASE WHEN $4 = 1 THEN $5 ELSE pushed END WHERE id = $1 RETURNING noted, told, verified`,
		e.id, one(e.verified), e.noted, one(any), store.Micros(now)).Scan(&noted, &told, &verified)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil || verified == 0 || len(since(told, noted)) == 0 {
		return err
	}
	return s.await(ctx, tx, e.id, e.host, now.Add(gap))
}

func (s *Service) end(id int64) func(context.Context, *store.Tx) error {
	return func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM push_subscription WHERE id = $1`, id)
		return err
	}
}

// refused is what follows a push that was not taken.
func (s *Service) refused(ctx context.Context, j *queue.Job, e *due, err error) queue.Outcome {
	var f *failed
	if !errors.As(err, &f) {
		return s.later(j, 0, err)
	}
	if ctx.Err() != nil { // the host stops: that says nothing about the push service
		return queue.PutBack()
	}
	now := store.Micros(s.now())
	failing := now
	err2 := s.DB.Write(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `UPDATE push_subscription SET failing = CASE WHEN failing = 0 THEN $1 ELSE failing END, awaited = $2 WHERE id = $3 RETURNING failing`,
			now, store.Micros(s.now().Add(patience)), e.id).Scan(&failing)
	})
	switch {
	case errors.Is(err2, store.ErrNoRows):
		return queue.Done(nil)
	case err2 != nil:
		return s.later(j, 0, err2)
	case f.ended() || store.Time(now).Sub(store.Time(failing)) > hopeless:
		s.log().InfoContext(ctx, "push ended", "user", e.member, "host", e.host, "reason", f.Error())
		return queue.Done(s.end(e.id))
	}
	s.log().InfoContext(ctx, "push failed", "user", e.member, "host", e.host, "err", f.Error())
	return s.later(j, f.after, f)
}

// later tries again: half a minute after the first time, then twice as long each
// time up to an hour, and never sooner than the service asks for.
func (s *Service) later(j *queue.Job, after time.Duration, err error) queue.Outcome {
	pause := min(30*time.Second<<min(max(j.Attempts-1, 0), 7), time.Hour)
	return queue.Snooze(s.now().Add(max(pause, after)), err.Error(), nil)
}
