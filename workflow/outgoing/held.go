package outgoing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// waits is how long a question waits for its member's answer, and joins how long
// another mail may still wait for the same one: each has a day at least.
const (
	waits = 48 * time.Hour
	joins = 24 * time.Hour
)

// hold keeps the mail until its member has answered. Only the first one asks;
// those that come meanwhile wait for the same answer.
func (s *Service) hold(ctx context.Context, tx *store.Tx, j *queue.Job, o *delivery.Outgoing, m *message.Message, take []*mail.Part) error {
	if err := s.lock(ctx, tx, o.Sender.ID); err != nil {
		return err
	}
	answer, _, err := s.Settings.Outgoing(ctx, tx, o.Sender.ID)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if answer != Ask { // said meanwhile: the job does it again
		_, _, err := s.Queue.Add(ctx, tx, again(o, payload, int64(j.ID)))
		return err
	}
	id := store.NewID()
	var asked int64
	switch err := tx.QueryRow(ctx, `SELECT asked FROM outgoing_held WHERE member = $1 AND id = asked AND created > $2 ORDER BY id DESC LIMIT 1`,
		int64(o.Sender.ID), store.Micros(s.now().Add(-joins))).Scan(&asked); {
	case errors.Is(err, store.ErrNoRows):
		asked = id
		if err := s.ask(ctx, tx, id, o, question(locale.For(o.Sender.Lang), o, m, take)); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO outgoing_held (id, member, message, asked, payload, created) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, int64(o.Sender.ID), int64(o.Message), asked, payload, store.Micros(s.now()))
	if err == nil && s.Trace != nil {
		err = s.Trace(ctx, tx, delivery.Event{Mail: o.Mail, At: s.now(), What: delivery.Held})
	}
	return err
}

// lock makes changes of one member's answer wait for each other. Of a member who
// is gone there is nothing to lock.
func (s *Service) lock(ctx context.Context, tx *store.Tx, u mail.UserID) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM member WHERE id = $1 FOR UPDATE`, int64(u)).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	return err
}

// again is the job of a mail that waited; n tells it from the one before.
func again(o *delivery.Outgoing, payload []byte, n int64) queue.Job {
	return queue.Job{Kind: delivery.JobOutgoing, Key: fmt.Sprintf("%s/%d", delivery.OutgoingKey(o.Mail), n), Lane: o.Sender.Address.Key(),
		Payload: payload, Message: int64(o.Message)}
}

// held is a mail that waits.
type held struct {
	id int64
	o  delivery.Outgoing
}

// waiting are a member's held mails, those of one question or (0) all.
func (s *Service) waiting(ctx context.Context, tx *store.Tx, u mail.UserID, asked int64) (all []held, err error) {
	rows, err := tx.Query(ctx, `SELECT id, payload FROM outgoing_held WHERE member = $1 AND (asked = $2 OR $2 = 0) ORDER BY id`, int64(u), asked)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var h held
		var payload []byte
		if err := scan(&h.id, &payload); err != nil {
			return err
		}
		all = append(all, h)
		return json.Unmarshal(payload, &all[len(all)-1].o)
	})
	return all, err
}

// settle ends the wait of mails: why "" sends them on, else they are returned.
func (s *Service) settle(ctx context.Context, tx *store.Tx, all []held, why string) error {
	for _, h := range all {
		if _, err := tx.Exec(ctx, `DELETE FROM outgoing_held WHERE id = $1`, h.id); err != nil {
			return err
		}
		if why != "" {
			if err := s.bounce(ctx, tx, &h.o, why); err != nil {
				return err
			}
			continue
		}
		h.o.At = s.now() // what failed mails are tried for counts from here
		payload, err := json.Marshal(&h.o)
		if err != nil {
			return err
		}
		if _, _, err := s.Queue.Add(ctx, tx, again(&h.o, payload, h.id)); err != nil {
			return err
		}
	}
	return nil
}

// Set changes what a member said, and what becomes of the mails that wait for
// it: yes sends them, no returns them. answer "" and a limit below 0 leave
// theirs as it is.
func (s *Service) Set(ctx context.Context, u mail.UserID, answer string, limit int64) error {
	if limit > 0 && limit < delivery.LightenLeast {
		return mail.Refuse(mail.BadContent, "accounts-bad-settings")
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.lock(ctx, tx, u); err != nil {
			return err
		}
		if err := s.Settings.SetOutgoing(ctx, tx, u, answer, limit); err != nil {
			return err
		}
		if answer != Yes && answer != No {
			return nil
		}
		all, err := s.waiting(ctx, tx, u, 0)
		if err != nil {
			return err
		}
		return s.settle(ctx, tx, all, map[string]string{No: "outgoing-no"}[answer])
	})
}

// Removed forgets the held mails of an account that goes, in the transaction
// that removes it.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var us []mail.UserID
	rows, err := tx.Query(ctx, `SELECT id FROM member WHERE account = $1`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var u mail.UserID
		err := scan(&u)
		us = append(us, u)
		return err
	})
	for _, u := range us {
		if err != nil {
			break
		}
		var all []held
		if all, err = s.waiting(ctx, tx, u, 0); err != nil {
			break
		}
		for _, h := range all {
			if _, err := tx.Exec(ctx, `DELETE FROM outgoing_held WHERE id = $1`, h.id); err != nil {
				return err
			}
			if err := s.Messages.DeleteUnnamed(ctx, tx, h.o.Message); err != nil {
				return err
			}
		}
	}
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM body WHERE account = $1`, int64(account))
	}
	return err
}
