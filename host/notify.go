package host

import (
	"context"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/notify"
)

// watchQuotas tells members whose mailbox is nearly full.
func (h *Host) watchQuotas(ctx context.Context) error {
	all, err := h.Accounts.Members(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Quota == 0 || !m.Suspended.IsZero() {
			continue
		}
		used, err := h.Mailboxes.Usage(ctx, m.Account)
		if mail.Is(err, mail.NotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		if err := h.Notify.Filled(ctx, notify.Member{User: m.User(), Used: used, Quota: m.Quota}); err != nil {
			return err
		}
	}
	return nil
}

// Welcome mails a new member what works here.
func (h *Host) Welcome(ctx context.Context, u mail.User) error {
	return h.DB.Write(ctx, func(tx *store.Tx) error { return h.Notify.Welcome(ctx, tx, u) })
}

// Resumed mails a member that their suspension has ended.
func (h *Host) Resumed(ctx context.Context, u mail.User, since time.Time) error {
	return h.DB.Write(ctx, func(tx *store.Tx) error { return h.Notify.Resumed(ctx, tx, u, since) })
}
