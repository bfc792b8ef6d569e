package delivery

import (
	"context"
	"io"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
)

// Append files what a member's own program brings (IMAP APPEND): the same
// spool, no routing. size is as announced, for the limit and the quota.
func (d *Door) Append(ctx context.Context, u mail.User, box mailbox.ID, flags []string, date time.Time, r io.Reader, size int64) (mailbox.Placed, error) {
	var placed mailbox.Placed
	if err := d.room(ctx, u, size); err != nil {
		return placed, err
	}
	if date.IsZero() {
		date = d.now()
	}
	limit := encoded(d.dropLimit())
	s, err := d.spool(ctx, r, nil, nil, limit, u.Address.Domain)
	if err != nil {
		return placed, kinded(err)
	}
	in := s.incoming(nil, date)
	in.Flags = flags
	err = d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := d.Messages.Insert(ctx, tx, s.draft); err != nil {
			return err
		}
		placed, err = d.Mailboxes.Append(ctx, tx, u.Account, box, in)
		return err
	})
	return placed, kinded(err)
}

// room says whether size more bytes fit the member's quota.
func (d *Door) room(ctx context.Context, u mail.User, size int64) error {
	dest, err := d.Directory.Resolve(ctx, u.Address)
	if err != nil {
		return kinded(err)
	}
	for _, to := range dest {
		if to.Where != mail.ToMailbox || to.Account != u.Account || to.Quota == 0 {
			continue
		}
		used, err := d.Mailboxes.Usage(ctx, u.Account)
		if err != nil {
			return kinded(err)
		}
		if used+size > to.Quota {
			return mail.Refuse(mail.OverQuota, "mailbox-full", "Address", u.Address.String())
		}
	}
	return nil
}
