package admin

import (
	"net/http"
	"strings"

	"colporteur/office"
)

// form is the settings as the page has them.
type form struct {
	Keep string
	office.Settings
	Gigabytes string
}

func (p *Pages) settings(w http.ResponseWriter, r *http.Request, v *visit) error {
	c, err := p.Office.Settings(r.Context())
	if err != nil {
		return err
	}
	return p.show(w, r, v, "settings", form{v.Keep(), c, gigabytes(c.Quota)})
}

func (p *Pages) setSettings(w http.ResponseWriter, r *http.Request, v *visit) error {
	f := r.PostForm
	text := func(name string) string { return strings.ReplaceAll(f.Get(name), "\r\n", "\n") }
	quota, err := bytesOf(f.Get("quota"))
	fill := func(c *office.Settings) {
		c.Name, c.Contact, c.Lang, c.Quota = f.Get("name"), f.Get("contact"), f.Get("lang"), quota
		c.Front, c.Help = office.Words{FR: text("front-fr"), EN: text("front-en")}, office.Words{FR: text("help-fr"), EN: text("help-en")}
	}
	if err == nil {
		err = p.Office.Change(r.Context(), v.act(office.Settled, ""), fill)
	}
	if err != nil {
		c := office.Settings{}
		fill(&c) // what was typed is not lost
		return p.refused(w, v, "settings", form{v.Keep(), c, f.Get("quota")}, err)
	}
	return v.done(w, r, "/admin/settings", office.Settled)
}

func (p *Pages) acts(w http.ResponseWriter, r *http.Request, v *visit) error {
	all, err := p.Office.Acts(r.Context(), 500)
	if err != nil {
		return err
	}
	type did struct{ At, Who, What, About string }
	var rows []did
	for _, a := range all {
		rows = append(rows, did{v.moment(a.At), a.Who, v.T("office-act-" + a.What), a.About})
	}
	return p.show(w, r, v, "acts", rows)
}
