package host

import (
	"context"
	"strings"

	"colporteur/mail"
	"colporteur/outward"
	"colporteur/store/queue"
	"colporteur/webgateway/push"
)

// wirePush tells browsers and telephones what changed while nobody holds a connection.
func (h *Host) wirePush() {
	c := h.Config
	contact := "mailto:postmaster@" + c.Hostname
	if strings.HasPrefix(c.Web.URL, "https:") {
		contact = c.Web.URL
	}
	h.Push = &push.Service{DB: h.DB, Queue: h.Queue, Key: subkey(h.opt.Key, "push"), Contact: contact,
		Client: outward.New(outward.Options{AllowPrivate: c.Relay.AllowPrivate}), AllowPrivate: c.Relay.AllowPrivate,
		Holds: h.holds, States: h.JMAP.PushStates, Watch: h.Mailboxes.Watch, Now: h.opt.Now, Log: h.opt.Log}
	h.Queue.Handle(push.JobPush, queue.Options{Workers: 4, PerLane: 2}, h.Push.Work)
	h.JMAP.Push = h.Push
}

// holds asks whoever let a member in whether that still counts.
func (h *Host) holds(ctx context.Context, id mail.UserID, credential string) (mail.User, error) {
	if u, ours, err := h.Sessions.Holds(ctx, id, credential); ours {
		return u, err
	}
	return h.Accounts.Holds(ctx, id, credential)
}
