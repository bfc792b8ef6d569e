package mailbox

import (
	"context"
	"fmt"
	"io"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Upload is a mail that a member's own program brings.
type Upload struct {
	Flags []string
	Date  time.Time // INTERNALDATE; zero is now
	Size  int64     // octets of Body; below 0 when that is not known before they were read
	Body  io.Reader
}

// Spot is one mail where it lies.
type Spot struct {
	Mailbox ID
	UID     UID
}

// Replace is Append, and takes the mail at old away, in the caller's transaction
// (RFC 8508). Kind Gone: there is no mail at old any more, so whoever meant to
// replace it does not know what happened to it.
func (s *Store) Replace(ctx context.Context, tx *store.Tx, account mail.AccountID, to ID, in *Incoming, old Spot) (p Placed, err error) {
	from, err := byID(ctx, tx, old.Mailbox)
	if err != nil {
		return p, err
	}
	if err := lockAccounts(ctx, tx, account, from.Account); err != nil {
		return p, err
	}
	entries, err := pick(ctx, tx, old.Mailbox, []UID{old.UID})
	if err != nil {
		return p, err
	}
	if len(entries) == 0 {
		return p, mail.Refuse(mail.Gone, "kind-gone").Because(fmt.Errorf("mail %d of mailbox %d", old.UID, old.Mailbox))
	}
	if p, err = s.Append(ctx, tx, account, to, in); err != nil {
		return p, err
	}
	return p, s.Withdraw(ctx, tx, old.Mailbox, []UID{old.UID})
}
