package delivery

import (
	"context"
	"io"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
)

// Quotas says how much an account may keep, in octets; 0 is no limit.
type Quotas interface {
	Quota(ctx context.Context, account mail.AccountID) (int64, error)
}

// uploaded is a mail whose bytes are spooled.
type uploaded struct {
	*spooled
	in *mailbox.Incoming
}

// File files what a member's own program brings (IMAP APPEND, REPLACE): the same
// spool, no routing, and one transaction for all that next yields. An old that
// is not nil is taken away in it.
func (d *Door) File(ctx context.Context, u mail.User, to mailbox.Mailbox, next func() (*mailbox.Upload, error), old *mailbox.Spot) (placed []mailbox.Placed, err error) {
	var mails []uploaded
	defer func() {
		// Nothing names these bytes. If nobody knows whether the transaction
		// committed, something may: then the sweeper finds out.
		if err != nil && !mail.Is(err, mail.Unavailable) {
			d.Blobs.Discard(refsOf(mails)...)
		}
	}()
	size := int64(0)
	for {
		up, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, kinded(err)
		}
		if err := d.roomIn(ctx, u, to.Account, size+max(up.Size, 0)); err != nil {
			return nil, err
		}
		var s *spooled
		if up.Size >= ownCopy {
			s, err = d.spoolApart(ctx, up.Body)
		} else {
			s, err = d.spool(ctx, up.Body, nil, nil, encoded(d.dropLimit()), u.Address.Domain)
		}
		if err != nil {
			return nil, kinded(err)
		}
		date := up.Date
		if date.IsZero() {
			date = d.now()
		}
		in := s.incoming(nil, date)
		in.Flags = up.Flags
		mails = append(mails, uploaded{s, in})
		size += s.draft.Size
		if up.Size < 0 {
			if err := d.roomIn(ctx, u, to.Account, size); err != nil {
				return nil, err
			}
		}
	}
	err = d.DB.Write(ctx, func(tx *store.Tx) error {
		placed = placed[:0]
		for _, m := range mails {
			draft, err := d.shared(ctx, tx, to.Account, m.draft)
			if err != nil {
				return err
			}
			if err := d.Messages.Insert(ctx, tx, draft); err != nil {
				return err
			}
			var p mailbox.Placed
			if old == nil {
				p, err = d.Mailboxes.Append(ctx, tx, to.Account, to.ID, m.in)
			} else {
				p, err = d.Mailboxes.Replace(ctx, tx, to.Account, to.ID, m.in, *old)
			}
			if err != nil {
				return err
			}
			placed = append(placed, p)
		}
		return nil
	})
	if err != nil {
		return nil, kinded(err)
	}
	return placed, nil
}

func refsOf(mails []uploaded) (refs []blob.Ref) {
	for _, m := range mails {
		refs = append(refs, m.draft.Refs...)
	}
	return refs
}

// roomIn is room in an account that may be somebody else's: a shared mailbox
// takes the space of who shares it.
func (d *Door) roomIn(ctx context.Context, u mail.User, account mail.AccountID, size int64) error {
	if account == u.Account || d.Quotas == nil {
		return d.room(ctx, u, size)
	}
	limit, err := d.Quotas.Quota(ctx, account)
	if err != nil || limit == 0 {
		return kinded(err)
	}
	used, err := d.Mailboxes.Usage(ctx, account)
	if err != nil {
		return kinded(err)
	}
	if used+size > limit {
		return mail.Refuse(mail.OverQuota, "kind-over-quota")
	}
	return nil
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
