package delivery

import (
	"context"
	"errors"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
)

// Submission is a mail that a member's program sent, as it can be asked about
// afterwards (RFC 8621 §7).
type Submission struct {
	ID            int64
	Identity      string
	Email, Thread int64
	Mail          string // as the trace knows it
	Envelope      []byte // JSON, the client's
	SendAt        time.Time
	Canceled      bool
	Created       time.Time
}

// Submissions remembers them.
type Submissions struct {
	DB    *store.DB
	Queue *queue.Queue
	Now   func() time.Time // nil is time.Now
}

const submissionColumns = `id, identity, email, thread, mail, envelope, send_at, canceled, created`

func scanSubmission(scan func(...any) error) (s Submission, err error) {
	var at, canceled, created int64
	err = scan(&s.ID, &s.Identity, &s.Email, &s.Thread, &s.Mail, &s.Envelope, &at, &canceled, &created)
	s.SendAt, s.Canceled, s.Created = store.Time(at), canceled != 0, store.Time(created)
	return s, err
}

// Pending says whether it can still be taken back.
func (s *Submissions) Pending(x Submission) bool { return !x.Canceled && x.SendAt.After(s.now()) }

// Note remembers a submission that the Door has taken.
func (s *Submissions) Note(ctx context.Context, account mail.AccountID, x Submission) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO submission (id, account, identity, email, thread, mail, envelope, send_at, canceled, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`,
			x.ID, int64(account), store.Clean(x.Identity), x.Email, x.Thread, x.Mail, x.Envelope, store.Micros(x.SendAt), store.Micros(x.Created))
		return err
	})
}

// List is an account's, the latest first; at most 1,000.
func (s *Submissions) List(ctx context.Context, account mail.AccountID) (list []Submission, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT `+submissionColumns+` FROM submission WHERE account = $1 ORDER BY created DESC, id DESC LIMIT 1000`, int64(account))
		return store.Each(rows, err, func(scan func(...any) error) error {
			x, err := scanSubmission(scan)
			list = append(list, x)
			return err
		})
	})
	return list, err
}

// Cancel takes a submission back while its mail waits. Kinds: NotFound; Conflict:
// it is on its way.
func (s *Submissions) Cancel(ctx context.Context, account mail.AccountID, id int64) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		x, err := scanSubmission(tx.QueryRow(ctx, `SELECT `+submissionColumns+` FROM submission WHERE id = $1 AND account = $2 FOR UPDATE`, id, int64(account)).Scan)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		if err != nil || x.Canceled {
			return err
		}
		// The job, not the clock, says whether it has left.
		ok, err := s.Queue.CancelWaiting(ctx, tx, JobRelease, ReleaseKey(x.Mail))
		if err != nil {
			return err
		}
		if !ok {
			return mail.Wrap(mail.Conflict, errors.New("the mail is on its way"))
		}
		_, err = tx.Exec(ctx, `UPDATE submission SET canceled = $1 WHERE id = $2`, store.Micros(s.now()), id)
		return err
	})
}

// Sweep forgets those of long ago.
func (s *Submissions) Sweep(ctx context.Context, age time.Duration) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM submission WHERE created < $1 AND send_at < $1`, store.Micros(s.now().Add(-age)))
		return err
	})
}

// Removed forgets an account's.
func (s *Submissions) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	_, err := tx.Exec(ctx, `DELETE FROM submission WHERE account = $1`, int64(account))
	return err
}

func (s *Submissions) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
