// Package snooze puts mails aside until an hour that a member chose: they wait
// in a mailbox of their own, "Plus tard", and come back unread, marked $new.
package snooze

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/store/queue"
)

// JobWake is the kind of jobs that bring a mail back.
const JobWake = "wake"

// Longest is how far away the hour may be.
const Longest = 2 * 366 * 24 * time.Hour

// most is how many mails of one account may wait.
const most = 5000

// Service puts aside and brings back.
type Service struct {
	DB        *store.DB
	Queue     *queue.Queue
	Mailboxes *mailbox.Store
	Name      func(lang string) string // of the mailbox where mails wait
	Now       func() time.Time         // nil is time.Now
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// waiting is a row.
type waiting struct {
	Email        mailbox.EmailID
	Member       mail.UserID
	Asleep, Back mailbox.ID
	Until        time.Time
}

// Put puts emails of u's own account aside until an hour. errs has one entry for
// each, as in mailbox.Patch. Kinds of err: BadSyntax (the hour), TooMany.
//
// What is written down comes first and the move after it: when only the first
// happens, a mail that never left comes back, which nobody notices.
func (s *Service) Put(ctx context.Context, u mail.User, ids []mailbox.EmailID, until time.Time) (errs []error, err error) {
	if now := s.now(); !until.After(now) || until.After(now.Add(Longest)) {
		return nil, mail.Wrap(mail.BadSyntax, fmt.Errorf("until %v", until))
	}
	emails, err := s.Mailboxes.Emails(ctx, u, u.Account, ids)
	if err != nil {
		return nil, err
	}
	asleep, inbox, err := s.boxes(ctx, u)
	if err != nil {
		return nil, err
	}
	errs = make([]error, len(ids))
	var rows []waiting
	var patches []mailbox.EmailPatch
	var at []int
	for i, e := range emails {
		if e == nil {
			errs[i] = mail.Wrap(mail.NotFound, errors.New("no such email"))
			continue
		}
		back := backTo(e, asleep, inbox)
		rows = append(rows, waiting{Email: e.ID, Member: u.ID, Asleep: asleep, Back: back, Until: until})
		patches = append(patches, mailbox.EmailPatch{ID: e.ID, Into: []mailbox.ID{asleep}, From: without(back, asleep), Clear: []string{"$new"}})
		at = append(at, i)
	}
	if len(rows) == 0 {
		return errs, nil
	}
	if err := s.note(ctx, u.Account, rows); err != nil {
		return nil, err
	}
	refused, _, _, err := s.Mailboxes.Patch(ctx, u, u.Account, nil, patches)
	if err != nil {
		return nil, err
	}
	var off []mailbox.EmailID
	for n, e := range refused {
		if errs[at[n]] = e; e != nil {
			off = append(off, rows[n].Email)
		}
	}
	return errs, s.forget(ctx, u.Account, off)
}

// Wake brings emails back before their hour; those that do not wait stay as they
// are.
func (s *Service) Wake(ctx context.Context, u mail.User, ids []mailbox.EmailID) error {
	rows, err := s.find(ctx, u.Account, ids)
	if err != nil || len(rows) == 0 {
		return err
	}
	for _, w := range rows {
		if err := s.bring(ctx, u.Account, w, false); err != nil {
			return err
		}
	}
	return s.forget(ctx, u.Account, ids)
}

// Of says until when emails wait; those that do not are not in it.
func (s *Service) Of(ctx context.Context, account mail.AccountID, ids []mailbox.EmailID) (map[mailbox.EmailID]time.Time, error) {
	rows, err := s.find(ctx, account, ids)
	out := map[mailbox.EmailID]time.Time{}
	for _, w := range rows {
		out[w.Email] = w.Until
	}
	return out, err
}

// payload of a job.
type payload struct {
	Account mail.AccountID
	Email   mailbox.EmailID
	Until   int64
}

// Work is the queue's handler of JobWake.
func (s *Service) Work(ctx context.Context, j *queue.Job) queue.Outcome {
	var p payload
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return queue.Discard(err.Error(), nil)
	}
	rows, err := s.find(ctx, p.Account, []mailbox.EmailID{p.Email})
	if err != nil {
		return queue.Snooze(s.now().Add(time.Minute), err.Error(), nil)
	}
	if len(rows) == 0 || store.Micros(rows[0].Until) != p.Until {
		return queue.Discard("it does not wait for this hour any more", nil)
	}
	come := func() error { return s.bring(ctx, p.Account, rows[0], true) }
	if rows[0].Asleep == 0 {
		come = func() error { return s.remind(ctx, p.Account, rows[0]) }
	}
	if err := come(); err != nil {
		return queue.Snooze(s.now().Add(time.Minute), err.Error(), nil)
	}
	return queue.Done(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM snooze WHERE email = $1 AND until = $2`, int64(p.Email), p.Until)
		return err
	})
}

// bring moves a mail back, if it is still where it was put: what its member moved
// meanwhile stays there. tell makes it unread and $new.
func (s *Service) bring(ctx context.Context, account mail.AccountID, w waiting, tell bool) error {
	u := mail.User{ID: w.Member, Account: account}
	emails, err := s.Mailboxes.Emails(ctx, u, account, []mailbox.EmailID{w.Email})
	if err != nil || emails[0] == nil {
		return err
	}
	if !placed(emails[0], w.Asleep) {
		return nil
	}
	p := mailbox.EmailPatch{ID: w.Email, From: []mailbox.ID{w.Asleep}, Into: []mailbox.ID{w.Back}}
	if tell {
		p.Set, p.Clear = []string{"$new"}, []string{`\Seen`}
	}
	errs, _, _, err := s.Mailboxes.Patch(ctx, u, account, nil, []mailbox.EmailPatch{p})
	if err != nil {
		return err
	}
	if errs[0] == nil {
		return nil
	}
	// The mailbox that it came from is gone, or takes nothing any more.
	_, inbox, err := s.boxes(ctx, u)
	if err != nil {
		return err
	}
	p.Into = []mailbox.ID{inbox}
	errs, _, _, err = s.Mailboxes.Patch(ctx, u, account, nil, []mailbox.EmailPatch{p})
	return errors.Join(err, first(errs))
}

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// boxes are where u's mails wait, which is made at the first time, and the inbox.
func (s *Service) boxes(ctx context.Context, u mail.User) (asleep, inbox mailbox.ID, err error) {
	list, err := s.Mailboxes.List(ctx, u.Account)
	if err != nil {
		return 0, 0, err
	}
	for _, m := range list {
		switch m.Role {
		case mailbox.Snoozed:
			asleep = m.ID
		case mailbox.Inbox:
			inbox = m.ID
		}
	}
	if asleep == 0 {
		m, err := s.Mailboxes.CreateAs(ctx, u.Account, s.Name(u.Lang), mailbox.Snoozed)
		if err != nil {
			return 0, 0, err
		}
		asleep = m.ID
	}
	return asleep, inbox, nil
}

func placed(e *mailbox.Email, in mailbox.ID) bool {
	for _, p := range e.Places {
		if p.Mailbox == in {
			return true
		}
	}
	return false
}

// backTo is the mailbox that a mail comes back to: the inbox where it lies there.
func backTo(e *mailbox.Email, asleep, inbox mailbox.ID) mailbox.ID {
	if placed(e, inbox) {
		return inbox
	}
	for _, p := range e.Places {
		if p.Mailbox != asleep {
			return p.Mailbox
		}
	}
	return inbox
}

func without(box, asleep mailbox.ID) []mailbox.ID {
	if box == asleep {
		return nil
	}
	return []mailbox.ID{box}
}

// note writes down who waits, in place of what was written before, with jobs that
// bring them back; one for an hour that holds no more finds that out by itself. A
// mail that waits already comes back to where it was first.
func (s *Service) note(ctx context.Context, account mail.AccountID, rows []waiting) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM snooze WHERE account = $1`, int64(account)).Scan(&n); err != nil {
			return err
		}
		if n+len(rows) > most {
			return mail.Refuse(mail.TooMany, "kind-too-many")
		}
		for _, w := range rows {
			until := store.Micros(w.Until)
			if _, err := tx.Exec(ctx, `INSERT INTO snooze (email, account, member, asleep, back, until) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (email) DO UPDATE SET until = excluded.until, asleep = excluded.asleep`,
				int64(w.Email), int64(account), int64(w.Member), int64(w.Asleep), int64(w.Back), until); err != nil {
				return err
			}
			body, err := json.Marshal(payload{Account: account, Email: w.Email, Until: until})
			if err != nil {
				return err
			}
			if _, _, err := s.Queue.Add(ctx, tx, queue.Job{Kind: JobWake, Lane: strconv.FormatInt(int64(account), 36), Payload: body, Due: w.Until}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) forget(ctx context.Context, account mail.AccountID, ids []mailbox.EmailID) error {
	if len(ids) == 0 {
		return nil
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			if _, err := tx.Exec(ctx, `DELETE FROM snooze WHERE email = $1 AND account = $2`, int64(id), int64(account)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) find(ctx context.Context, account mail.AccountID, ids []mailbox.EmailID) (list []waiting, err error) {
	wanted := map[mailbox.EmailID]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT email, member, asleep, back, until FROM snooze WHERE account = $1`, int64(account))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var email, member, asleep, back, until int64
			if err := scan(&email, &member, &asleep, &back, &until); err != nil {
				return err
			}
			if wanted[mailbox.EmailID(email)] {
				list = append(list, waiting{mailbox.EmailID(email), mail.UserID(member), mailbox.ID(asleep), mailbox.ID(back), store.Time(until)})
			}
			return nil
		})
	})
	return list, err
}
