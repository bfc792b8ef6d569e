package admin

import (
	"net/http"
	"strconv"
	"strings"

	"colporteur/mail"
	"colporteur/office"
)

// guide is one step of the guided set-up.
type guide struct {
	Keep, Count string
	Step        int
	Last        bool
	Name        string
	Contact     string
	Lines       []Line
	Verdicts    []Verdict
	Hour        string
	New         newcomer
	Members     []string
	To          string
	Password    *made
}

func (p *Pages) start(w http.ResponseWriter, r *http.Request, v *visit) error {
	g, err := p.guide(r, v, 0)
	if err != nil {
		return err
	}
	return p.show(w, r, v, "start", g)
}

// guide is the step that is asked for, else the one that comes next.
func (p *Pages) guide(r *http.Request, v *visit, step int) (*guide, error) {
	ctx := r.Context()
	c, err := p.Office.Settings(ctx)
	if err != nil {
		return nil, err
	}
	if step == 0 {
		step, _ = strconv.Atoi(r.URL.Query().Get("step"))
	}
	if step < 1 || step > office.Steps {
		step = min(c.Step, office.Steps)
	}
	g := &guide{Keep: v.Keep(), Step: step, Last: step == office.Steps, Name: c.Name, Contact: c.Contact, Count: v.T("office-step", "Step", step, "Of", office.Steps)}
	v.Title = v.T("office-start-" + strconv.Itoa(step))
	switch step {
	case 2:
		if g.Lines, err = p.Lines(ctx, v.Printer); err != nil {
			return nil, err
		}
		found, err := p.verdicts(ctx, v.Printer)
		if err != nil {
			return nil, err
		}
		g.Hour = found.at.Local().Format("15:04")
		for _, f := range found.all {
			if strings.HasPrefix(f.Link, "/admin/start") { // those of the records
				g.Verdicts = append(g.Verdicts, f)
			}
		}
	case 3:
		all, err := p.Accounts.Members(ctx)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			g.Members = append(g.Members, m.Address.String())
		}
		g.New = newcomer{Lang: c.Lang, Quota: gigabytes(c.Quota), Welcome: true}
	case 4:
		g.To = v.user.Address.String()
	}
	return g, nil
}

// startOn does what a step asks, or passes over it.
func (p *Pages) startOn(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, f := r.Context(), r.PostForm
	step, err := strconv.Atoi(f.Get("step"))
	if err != nil || step < 1 || step > office.Steps {
		return nothing()
	}
	again := func(err error) error {
		g, gerr := p.guide(r, v, step)
		if gerr != nil {
			return gerr
		}
		if step == 3 {
			g.New.Name, g.New.Address = f.Get("name"), f.Get("address")
		}
		return p.refused(w, v, "start", g, err)
	}
	switch do := f.Get("do"); {
	case do == "member" && step == 3:
		m, password, err := p.add(r, v, newcomer{Name: f.Get("name"), Address: strings.TrimSpace(f.Get("address")), Lang: f.Get("lang"), Quota: f.Get("quota"), Welcome: true})
		if err != nil {
			return again(err)
		}
		g, err := p.guide(r, v, step)
		if err != nil {
			return err
		}
		g.Password = &made{Address: m.Address.String(), Password: password, Words: v.T("office-made")}
		return p.say(w, v, "start", shown{Body: g})
	case do == "test" && step == 4:
		to, err := mail.ParseAddress(strings.TrimSpace(f.Get("to")))
		if err == nil {
			err = p.Post.Test(ctx, v.user, to)
		}
		if err == nil {
			err = p.note(ctx, v, office.Tested, to.String())
		}
		if err != nil {
			return again(err)
		}
		return v.done(w, r, "/admin/start?step=4", office.Tested)
	case do == "look" && step == 2:
		p.forget()
		return v.done(w, r, "/admin/start?step=2", "looked")
	}
	err = p.Office.Change(ctx, v.act(office.Settled, ""), func(c *office.Settings) {
		if step == 1 && f.Get("do") == "next" {
			c.Name, c.Contact = f.Get("name"), f.Get("contact")
		}
		c.Step = max(c.Step, step+1)
	})
	if err != nil {
		return again(err)
	}
	if step == office.Steps {
		return v.done(w, r, "/admin", office.Settled)
	}
	return v.done(w, r, "/admin/start?step="+strconv.Itoa(step+1), office.Settled)
}
