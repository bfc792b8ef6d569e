package host

import (
	"context"
	"math"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/upload"
)

func (h *Host) wireUpload(post *workflow.Post) {
	h.Places = &upload.Service{DB: h.DB, Blobs: h.Blobs, Links: h.Links, Post: post, Notify: h.Notify, Transfers: h.Transfers, Albums: h.Albums,
		Max: int64(h.Config.Limits.Drop), Room: h.placeRoom, Now: h.opt.Now, Log: h.opt.Log,
		Member: func(ctx context.Context, id mail.UserID) (mail.User, error) {
			m, err := h.Accounts.ByID(ctx, id)
			if err != nil {
				return mail.User{}, err
			}
			return m.User(), nil
		}}
	// One at a time, beside the mails' own.
	h.Queue.Handle(album.JobHand, queue.Options{Workers: 1}, h.Albums.WorkHanded)
	h.Albums.Hand = func(ctx context.Context, tx *store.Tx, a album.ID, name string, owner mail.User) (link.Link, error) {
		return h.Places.HandInto(ctx, tx, owner, int64(a), name, owner.Address.Domain)
	}
}

// placeRoom is how much more the owner of a place may keep.
func (h *Host) placeRoom(ctx context.Context, p *upload.Place) (int64, error) {
	return h.room(ctx, p.Account, p.Member)
}

// room is how much more a member may keep: mail, transfers and albums together
// stay within the account's quota.
func (h *Host) room(ctx context.Context, account mail.AccountID, member mail.UserID) (int64, error) {
	limit, err := h.Accounts.Quota(ctx, account)
	if err != nil || limit == 0 {
		return math.MaxInt64, err
	}
	left, err := h.Mailboxes.Usage(ctx, account)
	if err != nil {
		return 0, err
	}
	left = limit - left
	albums, err := h.Albums.Size(ctx, member)
	if err != nil {
		return 0, err
	}
	left -= albums
	ts, err := h.Transfers.ListByMember(ctx, member)
	for _, t := range ts {
		left -= t.Size()
	}
	return max(left, 0), err
}
