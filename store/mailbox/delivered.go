package mailbox

import (
	"context"
	"fmt"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// fresh is how old a mail may be to be news: what an import brings, or a program
// that moves its archive here, wakes nobody's telephone.
const fresh = time.Hour

// Delivered is the modseq at which a mail last came that its owner may want to hear
// of (EmailDelivery, RFC 8621 §1.5): unread, and not in Junk, Trash, Sent, Drafts or
// a program's mailbox. No flag changes it. Kind NotFound.
func (s *Store) Delivered(ctx context.Context, account mail.AccountID) (state ModSeq, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		return missing(tx.QueryRow(ctx, `SELECT delivered FROM mailbox_account WHERE account = $1`, int64(account)).Scan(&state))
	})
	return state, err
}

// nextDelivery is nextModSeq for a mail that is news if it comes into a mailbox where
// people look: one statement, for it is on the path of every mail.
func nextDelivery(ctx context.Context, tx *store.Tx, account mail.AccountID, to ID, used int64) (m ModSeq, err error) {
	err = tx.QueryRow(ctx, `UPDATE mailbox_account SET modseq = modseq + 1, used = used + $2,
		delivered = CASE WHEN EXISTS (SELECT 1 FROM mailbox WHERE id = $3 AND program = '' AND role NOT IN ('junk', 'trash', 'sent', 'drafts'))
			THEN modseq + 1 ELSE delivered END WHERE account = $1 RETURNING modseq`, int64(account), used, int64(to)).Scan(&m)
	if err != nil {
		return 0, fmt.Errorf("account %d: %w", account, missing(err))
	}
	return m, nil
}
