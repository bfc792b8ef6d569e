package admin

import (
	"context"
	"net/http"
	"sync"
	"time"

	"colporteur/locale"
	"colporteur/office"
)

// Verdict is one sentence about the host.
type Verdict struct {
	State string // "good", "warn", "bad"
	Text  string
	Do    string // what to do; "" is nothing
	Link  string // what it counts; "" leads nowhere
}

// known is what was last found out: the DNS is not asked at every look.
type known struct {
	mu sync.Mutex
	of map[string]looked
}

type looked struct {
	at  time.Time
	all []Verdict
}

// fresh is for how long the verdicts are shown again.
const fresh = time.Minute

func (p *Pages) verdicts(ctx context.Context, w locale.Printer) (looked, error) {
	p.known.mu.Lock()
	have, ok := p.known.of[w.Lang]
	p.known.mu.Unlock()
	now := p.Now()
	if ok && now.Sub(have.at) < fresh && !now.Before(have.at) {
		return have, nil
	}
	all, err := p.Verdicts(ctx, w)
	if err != nil {
		return looked{}, err
	}
	have = looked{now, all}
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	if p.known.of == nil {
		p.known.of = map[string]looked{}
	}
	p.known.of[w.Lang] = have
	return have, nil
}

// forget has the host looked at anew: what was said of it was changed.
func (p *Pages) forget() {
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	p.known.of = nil
}

func (p *Pages) overview(w http.ResponseWriter, r *http.Request, v *visit) error {
	c, err := p.Office.Settings(r.Context())
	if err != nil {
		return err
	}
	if c.Step == 1 { // nobody has begun
		http.Redirect(w, r, "/admin/start"+v.Keep(), http.StatusSeeOther)
		return nil
	}
	found, err := p.verdicts(r.Context(), v.Printer)
	if err != nil {
		return err
	}
	type counted struct {
		Verdict
		Word string
		Do   []office.Span
	}
	body := struct {
		Summary, Hour, Resume string
		Verdicts              []counted
	}{Hour: found.at.Local().Format("15:04")}
	bad := 0
	for _, f := range found.all {
		if f.Link != "" {
			if f.Link += v.Keep(); f.Link == "/admin/start?step=2"+v.Keep() && v.Keep() != "" {
				f.Link = "/admin/start?step=2&" + v.Keep()[1:]
			}
		}
		body.Verdicts = append(body.Verdicts, counted{f, v.T("office-state-" + f.State), office.Spans(f.Do)})
		if f.State == "bad" {
			bad++
		}
	}
	body.Summary = v.T("office-fine")
	if bad > 0 {
		body.Summary = v.T("office-trouble", "Count", bad)
	}
	if c.Step <= office.Steps {
		body.Resume = "/admin/start" + v.Keep()
	}
	return p.show(w, r, v, "", body)
}
