package main

import (
	"context"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/delivery/timeline"
	"colporteur/locale"
)

type traceCommand struct {
	What string `arg:"" name:"ADDRESS|MESSAGE-ID" help:"A sender, a recipient, a Message-ID, or our own number of a mail, as replies and the log name it."`
	Last int    `help:"How many mails to show, the newest ones." default:"20"`
	Lang string `help:"Of what is said: fr or en; as the environment says if not given." enum:",fr,en" default:""`
}

// question is what trace asks; answer is what it gets. Events have no JSON of
// their own for what stands in columns, so that goes beside them.
type question struct {
	What string
	Last int
}

type answer struct {
	Mails []traced
	More  bool
}

type traced struct {
	ID     string
	Events []happened
}

type happened struct {
	At   time.Time
	What string
	delivery.Event
}

func (a *admin) trace(ctx context.Context, q question) (answer, error) {
	stories, more, err := a.host.Trace.Find(ctx, q.What, q.Last)
	out := answer{More: more}
	for _, s := range stories {
		m := traced{ID: s[0].Mail}
		for _, e := range s {
			m.Events = append(m.Events, happened{e.At, e.What, e})
		}
		out.Mails = append(out.Mails, m)
	}
	return out, err
}

func (t traceCommand) Run(c *cli) error {
	if t.Last < 1 {
		return usage("--last must be 1 or more")
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	a, err := ask[answer](c, cfg, "trace", question{t.What, t.Last})
	if err != nil {
		return err
	}
	p := printer(t.Lang)
	if len(a.Mails) == 0 {
		return refused{p.T("trace-nothing", "What", tidy(t.What))}
	}
	if a.More {
		c.printf("%s\n\n", p.T("trace-more", "Shown", len(a.Mails), "More", 10*t.Last))
	}
	for i, m := range a.Mails {
		if i > 0 {
			c.printf("\n")
		}
		c.timeline(m.story(), p)
	}
	return nil
}

// story is a mail as delivery tells it.
func (m traced) story() delivery.Story {
	var s delivery.Story
	for _, e := range m.Events {
		e.Event.Mail, e.Event.At, e.Event.What = m.ID, e.At, e.What
		s = append(s, e.Event)
	}
	return s
}

// timeline prints one mail as a timeline, in the hours of whoever asks.
func (c *cli) timeline(s delivery.Story, p locale.Printer) {
	c.printf("%s\n", timeline.Title(s, p, time.Local))
	date := day(s[0].At)
	for _, l := range timeline.Lines(s) {
		if d := day(l.At); d != date {
			date = d
			c.printf("  %s\n", p.Date(l.At.Local()))
		}
		c.printf("  %s  %s\n", l.At.Local().Format("15:04:05"), l.In(p, time.Local))
	}
}

// tidy keeps a stranger's words from moving the operator's cursor.
func tidy(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
}
