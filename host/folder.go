package host

import (
	"context"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/folder"
	"colporteur/workflow/gazette"
)

// wireFolders has albums and transfers shown as mailboxes.
func (h *Host) wireFolders(post *workflow.Post) {
	h.Folders = &folder.Service{DB: h.DB, Blobs: h.Blobs, Messages: h.Messages, Mailboxes: h.Mailboxes, Queue: h.Queue, Links: h.Links,
		Albums: h.Albums, Transfers: h.Transfers, Owner: h.Accounts.OwnerIn, Hostname: h.Config.Hostname, WebURL: post.WebURL, Now: h.opt.Now, Log: h.opt.Log}
	h.Mailboxes.Programs = h.Folders.Programs()
	h.Albums.Shelf, h.Transfers.Shelf = h.Folders.AlbumShelf(), h.Folders.TransferShelf()
	h.Queue.Handle(folder.JobShelf, queue.Options{Workers: 2, PerLane: 1}, h.Folders.Work)
	h.Accounts.Created = func(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error {
		if err := h.Mailboxes.CreateAccount(ctx, tx, account, lang); err != nil {
			return err
		}
		return h.Folders.Created(ctx, tx, account, lang)
	}
}

// wireGazette has months of albums made into papers.
func (h *Host) wireGazette() {
	h.Gazette = &gazette.Service{DB: h.DB, Blobs: h.Blobs, Queue: h.Queue, Links: h.Links, Albums: h.Albums, Door: h.Door,
		Hostname: h.Config.Hostname, Now: h.opt.Now, Log: h.opt.Log}
	h.Albums.Gazette = h.Gazette
	h.Queue.Handle(gazette.Job, queue.Options{Workers: 1}, h.Gazette.Work)
}
