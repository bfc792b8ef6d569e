package host

import (
	"colporteur/delivery"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/outgoing"
)

// wireOutgoing makes members' mail to hosts elsewhere lighter where it must be.
func (h *Host) wireOutgoing(post *workflow.Post) {
	ordinary := int64(h.Config.Limits.Message)
	h.Outgoing = &outgoing.Service{DB: h.DB, Messages: h.Messages, Queue: h.Queue, Links: h.Links, Transfers: h.Transfers, Post: post,
		Settings: h.Accounts, Asker: h.Questions, Limit: int64(h.Config.Limits.Outgoing), Ordinary: ordinary + ordinary*2/5,
		Trace: h.Trace.Note, Now: h.opt.Now, Log: h.opt.Log}
	h.Questions.To[outgoing.Question] = h.Outgoing
	h.Door.Lightener = h.Outgoing
	// Files are read and written: few at once, and one member's many do not hold up the others.
	h.Queue.Handle(delivery.JobOutgoing, queue.Options{Workers: 2, PerLane: 1}, h.Outgoing.Work)
}
