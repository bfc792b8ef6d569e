package accounts

import (
	"context"
	"errors"

	"colporteur/mail"
	"colporteur/store"
)

// What a member said about their mail that is too large for hosts elsewhere.
const (
	OutgoingAsk = "ask" // nothing yet: they are asked when there is one
	OutgoingYes = "yes" // its large files are taken out, and links put in
	OutgoingNo  = "no"  // it leaves as they wrote it, if it can
)

// Outgoing is what they said, and from how many octets on a mail is too large;
// 0 is the host's limit.
func (s *Service) Outgoing(ctx context.Context, tx *store.Tx, id mail.UserID) (answer string, limit int64, err error) {
	err = tx.QueryRow(ctx, `SELECT outgoing, outgoing_limit FROM member WHERE id = $1`, int64(id)).Scan(&answer, &limit)
	if errors.Is(err, store.ErrNoRows) {
		err = mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return answer, limit, err
}

// SetOutgoing changes it. answer "" and a limit below 0 leave theirs as it is.
func (s *Service) SetOutgoing(ctx context.Context, tx *store.Tx, id mail.UserID, answer string, limit int64) error {
	switch answer {
	case "", OutgoingAsk, OutgoingYes, OutgoingNo:
	default:
		return mail.Refuse(mail.BadContent, "accounts-bad-settings")
	}
	n, err := tx.Exec(ctx, `UPDATE member SET outgoing = CASE WHEN $1 = '' THEN outgoing ELSE $1 END,
		outgoing_limit = CASE WHEN $2 < CAST(0 AS BIGINT) THEN outgoing_limit ELSE $2 END WHERE id = $3`, answer, limit, int64(id))
	if err == nil && n == 0 {
		return mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return err
}
