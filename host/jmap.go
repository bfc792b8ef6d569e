package host

import (
	"strings"

	"colporteur/accounts"
	"colporteur/config"
	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/outward"
	"colporteur/store/queue"
	"colporteur/webgateway/autoconfig"
	"colporteur/webgateway/jmap"
	"colporteur/webgateway/session"
	"colporteur/webgateway/webmail"
	"colporteur/workflow/absence"
	"colporteur/workflow/snooze"
)

var (
	_ jmap.Accounts   = (*accounts.Service)(nil)
	_ jmap.Filer      = (*delivery.Door)(nil)
	_ jmap.Identities = (*accounts.Service)(nil)
	_ jmap.Absences   = (*absence.Service)(nil)

	_ session.Accounts = (*accounts.Service)(nil)
	_ session.Codes    = (*accounts.Service)(nil)
)

// wireJMAP serves over HTTP what IMAP serves, says so to IMAP programs, and has
// the webmail on it.
func (h *Host) wireJMAP(render func(lang string, t mail.Text) string) {
	url := h.Config.Web.URL
	h.Sessions = &session.Service{DB: h.DB, Accounts: h.Accounts, Codes: h.Accounts, Secure: strings.HasPrefix(url, "https:"), SignedIn: h.Notify.SignedIn, Now: h.opt.Now, Log: h.opt.Log}
	h.Submissions = &delivery.Submissions{DB: h.DB, Queue: h.Queue, Now: h.opt.Now}
	h.Snooze = &snooze.Service{DB: h.DB, Queue: h.Queue, Mailboxes: h.Mailboxes, Now: h.opt.Now,
		Name: func(lang string) string { return locale.For(lang).T("mailbox-snoozed") }}
	h.Queue.Handle(snooze.JobWake, queue.Options{Workers: 2, PerLane: 1}, h.Snooze.Work)
	h.JMAP = &jmap.Server{URL: url, Hostname: h.Config.Hostname, MaxMessage: int64(h.Config.Limits.Message), Mailboxes: h.Mailboxes, Blobs: h.Blobs, Uploads: h.Uploads, Contacts: h.Contacts,
		Accounts: h.Accounts, Identities: h.Accounts, Absences: h.Absences,
		Filer: h.Door, Submitter: h.SMTP, Submissions: h.Submissions, Snooze: h.Snooze,
		Transfers: h.Transfers, Places: h.Places, Albums: h.Albums, Links: h.Links, Trace: h.Trace, Photo: h.Gateway.Share.Photo, Room: h.room,
		Outward: outward.New(outward.Options{AllowPrivate: h.Config.Relay.AllowPrivate}),
		Cookie:  h.Sessions.User, SignedIn: h.Notify.SignedIn, Render: render, Now: h.opt.Now, Log: h.opt.Log}
	h.Gateway.JMAP = h.JMAP
	doors := &session.Pages{Pages: h.Gateway.Pages, Sessions: h.Sessions, Home: "/mail"}
	h.Gateway.Doors = doors
	h.Gateway.Webmail = &webmail.Webmail{Pages: h.Gateway.Pages, Doors: doors, JMAP: h.JMAP, Title: h.Config.Hostname, Administers: h.Accounts.Administers,
		Pictures: h.Accounts, Proven: h.proven, Fetch: pictures(), Key: subkey(h.opt.Key, "picture"), Now: h.opt.Now, Log: h.opt.Log}
	h.wireAutoconfig()
	h.wireAccount()
	h.IMAP.JMAP = url + "/jmap/session"
}

// wireAutoconfig tells programs where to connect.
func (h *Host) wireAutoconfig() {
	c := h.Config
	at := func(l config.List) int {
		n, _ := port(l)
		return int(n)
	}
	h.Gateway.Autoconfig = &autoconfig.Server{Host: c.Hostname, IMAPS: at(c.IMAP.TLS), IMAP: at(c.IMAP.StartTLS), Submissions: at(c.SMTP.Submissions),
		Submission: at(c.SMTP.Submission), Site: c.Web.URL, Ours: h.Accounts.Ours, FirstDomain: h.firstDomain, Pages: h.Gateway.Pages}
}
