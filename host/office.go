package host

import (
	"context"
	"errors"
	"strconv"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/webgateway/admin"
	"colporteur/workflow"
)

// wireOffice makes the pages of those who run the host.
func (h *Host) wireOffice() {
	h.Gateway.Office = h.Office
	h.Gateway.Admin = &admin.Pages{Pages: h.Gateway.Pages, Doors: h.Gateway.Doors, Office: h.Office, Accounts: h.Accounts, Mailboxes: h.Mailboxes,
		Sessions: h.Sessions, Trace: h.Trace, DB: h.DB, Links: h.Links, Transfers: h.Transfers, Albums: h.Albums, Queue: mailQueue{h}, Post: newcomers{h},
		Verdicts: h.Verdicts, Lines: h.lines, NewPassword: NewPassword, Now: h.opt.Now}
}

// houseWords is the help that the house wrote for its members.
func (h *Host) houseWords(ctx context.Context, lang string) []string {
	c, err := h.Office.Settings(ctx)
	if err != nil {
		h.opt.Log.WarnContext(ctx, "the help of the house cannot be read", "err", err)
		return nil
	}
	return []string{c.Help.In(lang), c.Contact}
}

// mailQueue is the queue in package admin's words.
type mailQueue struct{ host *Host }

func (q mailQueue) Waiting(ctx context.Context) ([]admin.Mail, error) {
	have, err := q.host.WaitingMails(ctx)
	out := make([]admin.Mail, len(have))
	for i, w := range have {
		out[i] = admin.Mail(w)
	}
	return out, err
}

func (q mailQueue) Change(ctx context.Context, do string, id int64) error {
	err := q.host.ChangeMail(ctx, do, id)
	var early TooEarly
	if errors.As(err, &early) {
		return mail.Refuse(mail.Conflict, "office-said-early").Because(err)
	}
	return err
}

// newcomers is whom the office writes to.
type newcomers struct{ *Host }

// Test sends a mail that says that mail leaves here.
func (n newcomers) Test(ctx context.Context, by mail.User, to mail.Address) error {
	p := locale.For(by.Lang)
	var l letter.Letter
	l.Subject, l.Heading = p.T("office-test-subject", "Host", n.Config.Hostname), p.T("office-test-subject", "Host", n.Config.Hostname)
	l.Para(p.T("office-test", "Address", by.Address.String())).Para(p.T("office-test-look"))
	return n.DB.Write(ctx, func(tx *store.Tx) error {
		sent, err := n.Notify.Post.Send(ctx, tx, workflow.Notice{Mail: "test " + strconv.FormatInt(store.NewID(), 10), What: "test", To: to, ReplyTo: &by.Address,
			From: mail.Address{Local: "postmaster", Domain: by.Address.Domain}, Lang: p.Lang, Letter: l})
		if err == nil && !sent {
			err = mail.Refuse(mail.RateLimited, "kind-rate-limited")
		}
		return err
	})
}
