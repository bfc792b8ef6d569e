package admin

import (
	"errors"
	"net/http"
	"strconv"

	"colporteur/mail"
	"colporteur/office"
	"colporteur/store"
)

type waiting struct {
	ID                     int64
	To, Since, Next, Why   string
	Tries                  int
	Held                   bool
	Path, Keep, RetryTitle string
}

func (p *Pages) queue(w http.ResponseWriter, r *http.Request, v *visit) error {
	all, err := p.Queue.Waiting(r.Context())
	if err != nil {
		return err
	}
	body := struct {
		Count string
		Rows  []waiting
	}{Count: v.T("office-queue-count", "Count", len(all))}
	for _, m := range all {
		one := waiting{ID: m.ID, To: m.To, Since: v.moment(m.Created), Next: v.T("office-now"), Why: m.Reason, Tries: m.Attempts, Held: m.Held,
			Path: "/admin/queue/" + strconv.FormatInt(m.ID, 10), Keep: v.Keep()}
		switch {
		case m.Held:
			one.Next = v.T("office-held")
		case m.Due.After(p.Now()):
			one.Next = v.moment(m.Due)
		}
		body.Rows = append(body.Rows, one)
	}
	return p.show(w, r, v, "queue", body)
}

var queueWords = map[string]string{"retry": office.Retried, "hold": office.Held, "release": office.Released, "cancel": office.Cancelled}

func (p *Pages) changeQueue(w http.ResponseWriter, r *http.Request, v *visit) error {
	do := r.PathValue("do")
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || queueWords[do] == "" {
		return nothing()
	}
	err = p.Queue.Change(r.Context(), do, id)
	if errors.Is(err, store.ErrNoRows) {
		return v.done(w, r, "/admin/queue", "gone") // it has left meanwhile
	}
	var known *mail.Error
	if errors.As(err, &known) && known.Kind == mail.Conflict {
		return v.done(w, r, "/admin/queue", "early")
	}
	if err != nil {
		return err
	}
	p.forget()
	if err := p.note(r.Context(), v, queueWords[do], strconv.FormatInt(id, 10)); err != nil {
		return err
	}
	return v.done(w, r, "/admin/queue", queueWords[do])
}
