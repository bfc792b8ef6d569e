package admin

import (
	"net/http"
	"strings"
	"time"

	"colporteur/delivery/timeline"
	"colporteur/office"
)

// most mails of one answer.
const most = 20

type story struct {
	Title string
	Lines []line
}

type line struct{ Hour, Text, Level, Word string }

type found struct {
	Keep, What, None, More string
	Stories                []story
}

func (p *Pages) trace(w http.ResponseWriter, r *http.Request, v *visit) error {
	return p.show(w, r, v, "trace", found{Keep: v.Keep()})
}

// traceFound is asked with POST: an address in the line of a browser is kept in
// its history, and whose mail was looked at is written down.
func (p *Pages) traceFound(w http.ResponseWriter, r *http.Request, v *visit) error {
	what := strings.TrimSpace(r.PostForm.Get("what"))
	body := found{Keep: v.Keep(), What: what}
	if what == "" {
		return p.show(w, r, v, "trace", body)
	}
	if err := p.note(r.Context(), v, office.Traced, what); err != nil {
		return err
	}
	stories, more, err := p.Trace.Find(r.Context(), what, most)
	if err != nil {
		return err
	}
	for _, s := range stories {
		one := story{Title: timeline.Title(s, v.Printer, time.Local)}
		for _, l := range timeline.Lines(s) {
			told := line{Hour: l.At.Local().Format("15:04:05"), Text: l.In(v.Printer, time.Local), Level: string(l.Level)}
			if l.Level != timeline.Step {
				told.Word = v.T("office-level-" + told.Level)
			}
			one.Lines = append(one.Lines, told)
		}
		body.Stories = append(body.Stories, one)
	}
	if len(stories) == 0 {
		body.None = v.T("trace-nothing", "What", what)
	}
	if more {
		body.More = v.T("office-trace-more", "Count", most)
	}
	return p.show(w, r, v, "trace", body)
}
