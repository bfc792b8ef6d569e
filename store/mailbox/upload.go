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
	if _, err := s.find(ctx, tx, account, old); err != nil {
		return p, err
	}
	if p, err = s.Append(ctx, tx, account, to, in); err != nil {
		return p, err
	}
	return p, s.Withdraw(ctx, tx, old.Mailbox, []UID{old.UID})
}

// Amend is Replace by the same mail with other octets: it has its folder, date
// and flags, as they are now. Kind Gone as well when another mail is at old.
func (s *Store) Amend(ctx context.Context, tx *store.Tx, account mail.AccountID, was EmailID, in Incoming, old Spot) (p Placed, err error) {
	e, err := s.find(ctx, tx, account, old)
	if err != nil {
		return p, err
	}
	if e.Email != was {
		return p, gone(old)
	}
	in.Flags, in.Date = e.Flags, e.Date
	if p, err = s.Append(ctx, tx, account, old.Mailbox, &in); err != nil {
		return p, err
	}
	return p, s.Withdraw(ctx, tx, old.Mailbox, []UID{old.UID})
}

// find is the mail at a spot, and locks its account together with another.
func (s *Store) find(ctx context.Context, tx *store.Tx, account mail.AccountID, at Spot) (e Entry, err error) {
	from, err := byID(ctx, tx, at.Mailbox)
	if err != nil {
		return e, err
	}
	if err := lockAccounts(ctx, tx, account, from.Account); err != nil {
		return e, err
	}
	entries, err := pick(ctx, tx, at.Mailbox, []UID{at.UID})
	if err != nil {
		return e, err
	}
	if len(entries) == 0 {
		return e, gone(at)
	}
	return entries[0], nil
}

func gone(at Spot) error {
	return mail.Refuse(mail.Gone, "kind-gone").Because(fmt.Errorf("mail %d of mailbox %d", at.UID, at.Mailbox))
}
