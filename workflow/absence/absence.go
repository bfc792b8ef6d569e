// Package absence answers mail for members who are away, in their words.
//
// # The path of an answer
//
//	Door   files a mail in the mailbox of somebody who is away, and queues a job
//	       in the same transaction
//	Work   asks whether the mail may be answered; notes that its sender is, which
//	       of several mails at once only one does; hands the answer to the Door
//
// A job that runs again after a crash finds its own note and goes on, and the
// Door takes the same answer once (Envelope.Once): no crash loses or doubles it.
//
// # What is never answered
//
// RFC 3834 §2 and RFC 5230 §4.5, 4.6: mail without a sender, from lists and
// programs, from addresses that nobody reads, in Junk, from the member, not
// written to one of their addresses in To or Cc, whose sender was answered in
// the last four days. An answer has no sender and is marked, so that nothing
// answers it: two who are away write to each other once.
package absence

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
	"colporteur/workflow"
)

// Pause is how long a sender is not answered again (RFC 5230 §4.1: at least one
// day, and seven unless said; a member who is away four days answers once).
const Pause = 4 * 24 * time.Hour

// People knows the members; *accounts.Service does.
type People interface {
	OwnerIn(ctx context.Context, tx *store.Tx, account mail.AccountID) (mail.User, error)
	// CalledAt is the name that a member goes by at an address of ours that leads to
	// them alone; kind NotYours when it does not.
	CalledAt(ctx context.Context, u mail.UserID, a mail.Address) (string, error)
	// Theirs says whether an address is the member's, here or elsewhere.
	Theirs(ctx context.Context, u mail.UserID, a mail.Address) (bool, error)
}

// Service keeps who is away, and answers for them.
type Service struct {
	DB       *store.DB
	Messages *message.Store
	Door     workflow.Door
	People   People
	Hostname string // for Message-ID

	// Renewed runs inside the transaction that changes what a member said:
	// programs that listen are told after its commit. May be nil.
	Renewed func(tx *store.Tx, account mail.AccountID)

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

// Absence is what a member wants answered (RFC 8621 §8).
type Absence struct {
	On       bool
	From, To time.Time // mail that came in between; zero: always
	Subject  *string   // nil: the mail's
	Text     *string   // nil: that of HTML, else a sentence of ours
	HTML     *string   // nil: none; whoever sets it has made it harmless
}

// Covers says whether mail of that hour is answered.
func (a *Absence) Covers(at time.Time) bool {
	return a.On && (a.From.IsZero() || !at.Before(a.From)) && (a.To.IsZero() || at.Before(a.To))
}

// Get is what the member of an account said; state is another number after each
// change, 0 before the first.
func (s *Service) Get(ctx context.Context, account mail.AccountID) (a Absence, state int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		a, state, err = get(ctx, tx, account, "")
		return err
	})
	return a, state, err
}

func get(ctx context.Context, tx *store.Tx, account mail.AccountID, lock string) (a Absence, state int64, err error) {
	var from, to int64
	err = tx.QueryRow(ctx, `SELECT enabled = 1, from_date, to_date, subject, text_body, html_body, state FROM absence WHERE account = $1`+lock, int64(account)).
		Scan(&a.On, &from, &to, &a.Subject, &a.Text, &a.HTML, &state)
	if errors.Is(err, store.ErrNoRows) {
		return Absence{}, 0, nil
	}
	a.From, a.To = store.Time(from), store.Time(to)
	return a, state, err
}

// Change changes it. ifState, when not nil, is the state that the change is meant
// for: kind Conflict when it is another one. change may be called again, and an
// error of it changes nothing.
func (s *Service) Change(ctx context.Context, account mail.AccountID, ifState *int64, change func(a *Absence) error) (before, after int64, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		// The row is there to be locked before it is read.
		if _, err := tx.Exec(ctx, `INSERT INTO absence (account, enabled, from_date, to_date, state) VALUES ($1, 0, 0, 0, 0) ON CONFLICT (account) DO NOTHING`, int64(account)); err != nil {
			return err
		}
		a, state, err := get(ctx, tx, account, " FOR UPDATE")
		if err != nil {
			return err
		}
		if before, after = state, state+1; ifState != nil && *ifState != state {
			return mail.Wrap(mail.Conflict, errors.New("absence: it was changed meanwhile"))
		}
		if err := change(&a); err != nil {
			return err
		}
		on := 0
		if a.On {
			on = 1
		}
		if s.Renewed != nil {
			s.Renewed(tx, account)
		}
		_, err = tx.Exec(ctx, `UPDATE absence SET enabled = $1, from_date = $2, to_date = $3, subject = $4, text_body = $5, html_body = $6, state = $7 WHERE account = $8`,
			on, store.Micros(a.From), store.Micros(a.To), cleaned(a.Subject), cleaned(a.Text), cleaned(a.HTML), after, int64(account))
		return err
	})
	return before, after, err
}

// cleaned is a text for a column, nil for none.
func cleaned(s *string) any {
	if s == nil {
		return nil
	}
	return store.Clean(*s)
}

// Away implements delivery.Absences.
func (s *Service) Away(ctx context.Context, accounts []mail.AccountID, at time.Time) (away []mail.AccountID, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		away = nil
		for _, account := range accounts {
			var one int
			err := tx.QueryRow(ctx, `SELECT 1 FROM absence WHERE account = $1 AND enabled = 1 AND from_date <= $2 AND (to_date = 0 OR to_date > $2)`,
				int64(account), store.Micros(at)).Scan(&one)
			switch {
			case err == nil:
				away = append(away, account)
			case !errors.Is(err, store.ErrNoRows):
				return err
			}
		}
		return nil
	})
	return away, err
}

// Sweep forgets who was answered long enough ago to be answered again.
func (s *Service) Sweep(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM absence_answer WHERE at <= $1`, store.Micros(s.now().Add(-Pause)))
		return err
	})
}

// Removed forgets an account's.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	for _, q := range []string{`DELETE FROM absence_answer WHERE account = $1`, `DELETE FROM absence WHERE account = $1`} {
		if _, err := tx.Exec(ctx, q, int64(account)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
