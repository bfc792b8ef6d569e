package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"colporteur/mail"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// JobAbsence is a mail that came while its reader is away: payload Absence. It
// is queued in the transaction that files the mail, so that neither is without
// the other.
const JobAbsence = "absence"

// Absence is the payload of a JobAbsence.
type Absence struct {
	Mail    string // our id of the mail
	Message message.ID
	Account mail.AccountID // whose mailbox it is in
	From    mail.Address   // envelope sender: who is answered
	At      time.Time      // when it came
}

// Absences knows who is away; *absence.Service does.
type Absences interface {
	// Away are those of the accounts whose mail of that hour is to be answered.
	Away(ctx context.Context, accounts []mail.AccountID, at time.Time) ([]mail.AccountID, error)
}

// absences makes the jobs of a mail that some of its readers want answered. What
// can be known here about mail that must not be answered is looked at here, so
// that most mail costs nothing: the rest is the job's.
func (d *Door) absences(ctx context.Context, env *mail.Envelope, head *header, s *spooled, to []mail.Destination) (jobs []queue.Job, err error) {
	if d.Absences == nil || len(to) == 0 || !answerable(env, head, s.draft.Summary) {
		return nil, nil
	}
	accounts := make([]mail.AccountID, len(to))
	for i, t := range to {
		accounts[i] = t.Account
	}
	away, err := d.Absences.Away(ctx, accounts, env.Received)
	if err != nil {
		return nil, fmt.Errorf("who is away: %w", err)
	}
	for _, account := range away {
		payload, err := json.Marshal(Absence{Mail: env.ID, Message: s.draft.ID, Account: account, From: env.From, At: env.Received})
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, queue.Job{Kind: JobAbsence, Lane: env.From.Domain, Payload: payload, Message: int64(s.draft.ID)})
	}
	return jobs, nil
}

// answerable says whether a person may have sent the mail, and from the address
// that it says (RFC 3834 §2). An answer to an address that somebody else wrote
// there would be spam of ours: from outside its domain must have proven itself.
func answerable(env *mail.Envelope, head *header, sum *mail.Summary) bool {
	switch {
	case env.From.IsZero(), env.Origin == mail.FromSystem, head.decision.junk, sum == nil || sum.Auto != "":
		return false
	case env.Origin == mail.FromMember:
		return true
	}
	return head.verdict != nil && aligned(env.From.Domain, head.verdict)
}
