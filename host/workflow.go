package host

import (
	"context"
	"path/filepath"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
	"colporteur/webgateway"
	askpage "colporteur/webgateway/ask"
	"colporteur/webgateway/page"
	"colporteur/webgateway/settings"
	"colporteur/webgateway/share"
	uploadpage "colporteur/webgateway/upload"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/ask"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/picture"
	"colporteur/workflow/transfer"
	"colporteur/workflow/trust"
	"colporteur/workflow/verify"
	"colporteur/workflow/vouch"
)

// paths is where a link of a kind is opened.
var paths = map[string]string{link.Transfer: "/t/", link.Album: "/a/", link.Hand: "/d/", link.Question: "/c/", link.Settings: "/n/"}

func (h *Host) wireWorkflow(ctx context.Context) error {
	now, log, url := h.opt.Now, h.opt.Log, h.Config.Web.URL
	h.Links = &link.Service{DB: h.DB, Key: subkey(h.opt.Key, "link"), Now: now}
	post := &workflow.Post{Queue: h.Queue, Door: h.Door, Links: h.Links, Hostname: h.Config.Hostname, Now: now, Log: log,
		WebURL: func(kind string, t link.Token) string { return url + paths[kind] + string(t) }}
	lang := func(ctx context.Context, a mail.Address) string {
		m, err := h.Accounts.ByAddress(ctx, a)
		if err != nil {
			return ""
		}
		return m.Lang
	}
	h.Transfers = &transfer.Service{DB: h.DB, Blobs: h.Blobs, Messages: h.Messages, Links: h.Links, Post: post, LangOf: lang, Now: now, Log: log}
	h.Albums = &album.Service{DB: h.DB, Blobs: h.Blobs, Links: h.Links, Post: post, LangOf: lang, Now: now, Log: log,
		Pictures: &picture.Maker{Dir: filepath.Join(h.Config.Data, "tmp"), Hurry: h.opt.Hurry}}
	h.Mux = &workflow.Mux{DB: h.DB, Blobs: h.Blobs, Messages: h.Messages, Post: post, Trace: h.Trace.Note, Now: now, Log: log}
	h.Notify = &notify.Service{DB: h.DB, Links: h.Links, Post: post, Key: subkey(h.opt.Key, "place"), Now: now, Log: log}
	h.Transfers.Notify = h.Notify
	h.Transfers.Changed, h.Albums.Changed = h.Mailboxes.Renewed, h.Mailboxes.Renewed
	h.Albums.Notify, h.Albums.Queue = h.Notify, h.Queue
	h.Questions = &ask.Service{DB: h.DB, Links: h.Links, Post: post, To: map[string]ask.Answered{}, Now: now, Log: log}
	h.wireOutgoing(post)
	h.wireUpload(post)
	h.wireFolders(post)
	h.wireGazette()
	h.wireTidy(post)
	h.wireAbsence()
	doubts := &vouch.Service{DB: h.DB, Links: h.Links, Mux: h.Mux, Asker: h.Questions, Now: now, Log: log}
	h.Questions.To[vouch.Question] = doubts
	check := &verify.Service{DB: h.DB, Mailboxes: h.Mailboxes, DNS: h.opt.DNS, Hostname: h.Config.Hostname, Now: now, Log: log}
	guide := &trust.Service{Guide: &workflow.Guide{Site: url, Words: h.houseWords}}
	h.Trust = guide
	h.wireTrust()
	post.Secret = h.Accounts.Secret
	for pattern, p := range map[string]workflow.Processor{
		"envoi": h.Transfers, "envoi+{days}": h.Transfers, "send": h.Transfers, "send+{days}": h.Transfers,
		"album+{name}": h.Albums, "album-{name}": h.Albums,
		"envoi.{secret}": h.Transfers, "send.{secret}": h.Transfers, "album.{secret}": h.Albums,
		"aide": guide, "help": guide,
		"verifier": check, "check": check,
		"r.{token}": &workflow.Replies{Links: h.Links, Doubts: doubts, To: map[string]workflow.Commanded{link.Transfer: h.Transfers, link.Album: h.Albums, link.Question: h.Questions, link.Settings: h.Notify, link.Hand: h.Places}},
		"depot":     h.Places, "collect": h.Places,
	} {
		h.Mux.Handle(pattern, p)
	}
	// Pictures are heavy: few at once, and one person's many do not hold up the others.
	h.Queue.Handle(delivery.JobProgram, queue.Options{Workers: 4, PerLane: 2}, h.Mux.Work)
	// What can wait gives way to what somebody waits for.
	h.Queue.Handle(album.JobFinish, queue.Options{Workers: 1}, h.Albums.Finish)
	h.Queue.Handle(workflow.JobNotice, queue.Options{Workers: 8}, post.Work)
	h.Queue.Handle(notify.JobDigest, queue.Options{}, h.Notify.Work)
	h.Accounts.Removed = func(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
		if err := h.Transfers.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Albums.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Outgoing.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Places.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Tidy.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Sessions.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Push.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Absences.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Submissions.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Contacts.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Uploads.Removed(ctx, tx, account); err != nil {
			return err
		}
		if err := h.Notify.Removed(ctx, tx, account); err != nil {
			return err
		}
		return h.Mailboxes.DeleteAccount(ctx, tx, account)
	}

	pages := &page.Pages{Log: log}
	h.Gateway = &webgateway.Gateway{Hostname: h.Config.Hostname, URL: url, Pages: pages, Healthy: h.Healthy, Log: log,
		Domain:   h.firstDomain,
		Ask:      &askpage.Pages{Pages: pages, Questions: h.Questions},
		Settings: &settings.Pages{Pages: pages, Notify: h.Notify},
		Upload:   &uploadpage.Upload{Pages: pages, Places: h.Places, URL: url, Log: log},
		Share:    &share.Share{Pages: pages, Transfers: h.Transfers, Albums: h.Albums, Blobs: h.Blobs, URL: url, Domain: h.firstDomain}}
	return nil
}

// firstDomain is the mail domain the home page speaks of.
func (h *Host) firstDomain(ctx context.Context) string {
	ds, err := h.Accounts.Domains(ctx)
	if err != nil || len(ds) == 0 {
		return h.Config.Hostname
	}
	return ds[0]
}
