package host

import (
	"strings"

	"colporteur/accounts"
	"colporteur/config"
	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/webgateway/autoconfig"
	"colporteur/webgateway/jmap"
	"colporteur/webgateway/session"
	"colporteur/webgateway/webmail"
)

var (
	_ jmap.Accounts = (*accounts.Service)(nil)
	_ jmap.Filer    = (*delivery.Door)(nil)

	_ session.Accounts = (*accounts.Service)(nil)
)

// wireJMAP serves over HTTP what IMAP serves, says so to IMAP programs, and has
// the webmail on it.
func (h *Host) wireJMAP(render func(lang string, t mail.Text) string) {
	url := h.Config.Web.URL
	h.Sessions = &session.Service{DB: h.DB, Accounts: h.Accounts, Secure: strings.HasPrefix(url, "https:"), SignedIn: h.Notify.SignedIn, Now: h.opt.Now, Log: h.opt.Log}
	h.Submissions = &delivery.Submissions{DB: h.DB, Queue: h.Queue, Now: h.opt.Now}
	h.JMAP = &jmap.Server{Mailboxes: h.Mailboxes, Blobs: h.Blobs, Uploads: h.Uploads, Filer: h.Door, Accounts: h.Accounts, Submitter: h.SMTP, Submissions: h.Submissions, URL: url,
		Transfers: h.Transfers, Albums: h.Albums, Links: h.Links, Trace: h.Trace, Photo: h.Gateway.Share.Photo, Room: h.room,
		Cookie: h.Sessions.User, SignedIn: h.Notify.SignedIn, Render: render, Now: h.opt.Now, Log: h.opt.Log}
	h.Gateway.JMAP = h.JMAP
	doors := &session.Pages{Pages: h.Gateway.Pages, Sessions: h.Sessions, Home: "/mail"}
	h.Gateway.Doors = doors
	h.Gateway.Webmail = &webmail.Webmail{Pages: h.Gateway.Pages, Doors: doors, JMAP: h.JMAP, Title: h.Config.Hostname}
	h.wireAutoconfig()
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
