package host

import (
	"colporteur/delivery"
	"colporteur/store/queue"
	"colporteur/workflow/absence"
)

// wireAbsence answers for members who are away.
func (h *Host) wireAbsence() {
	h.Absences = &absence.Service{DB: h.DB, Messages: h.Messages, Door: h.Door, People: h.Accounts, Hostname: h.Config.Hostname,
		Renewed: h.Mailboxes.Renewed, Now: h.opt.Now, Log: h.opt.Log}
	h.Door.Absences = h.Absences
	h.Queue.Handle(delivery.JobAbsence, queue.Options{Workers: 2}, h.Absences.Work)
}
