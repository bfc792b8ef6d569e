package account

import (
	"net/http"

	"colporteur/mail"
)

type sessionRow struct {
	ID             int64
	Agent, Network string
	Created, Seen  string
	This, Kept     bool
}

// sessions is where the member is signed in with a browser.
func (p *Pages) sessions(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := p.Doors.Sessions.List(r)
	if err != nil {
		return err
	}
	rows := make([]sessionRow, len(list))
	for i, s := range list {
		rows[i] = sessionRow{ID: s.ID, Agent: s.Agent, Network: s.Network, Created: v.Date(s.Created), Seen: v.Date(s.Seen), This: s.This, Kept: s.Kept}
		if s.Agent == "" {
			rows[i].Agent = v.T("account-session-unknown")
		}
	}
	return v.draw(p, w, "account-sessions.html", "sessions", "account-sessions-title", rows)
}

// endSession ends one, or "others": all but this one. That another's is not ended
// is Revoke's to see.
func (p *Pages) endSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, done := int64(0), "ended-all"
	if r.PathValue("id") != "others" {
		var err error
		if id, err = number(r); err != nil {
			return err
		}
		done = "ended"
	}
	err := p.Doors.Sessions.Revoke(r, id)
	if mail.Is(err, mail.AuthRequired) {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return v.back(w, r, "/account/sessions", done)
}
