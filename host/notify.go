package host

import (
	"context"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/notify"
	"colporteur/workflow/tidy"
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

// wireTidy offers to move old photos into albums to members whose mailbox is
// nearly full.
func (h *Host) wireTidy(post *workflow.Post) {
	h.Tidy = &tidy.Service{DB: h.DB, Mailboxes: h.Mailboxes, Messages: h.Messages, Albums: h.Albums, Queue: h.Queue, Post: post,
		Asker: h.Questions, Owner: h.Accounts.OwnerIn, Now: h.opt.Now, Log: h.opt.Log}
	h.Notify.Tidier = h.Tidy
	h.Questions.To[tidy.Question] = h.Tidy
	h.Queue.Handle(tidy.Job, queue.Options{Workers: 1, PerLane: 1}, h.Tidy.Work)
}
