package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
)

type traceCommand struct {
	What string `arg:"" name:"ADDRESS|MESSAGE-ID" help:"A sender, a recipient, a Message-ID, or our own number of a mail, as replies and the log name it."`
	Last int    `help:"How many mails to show, the newest ones." default:"20"`
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
	if len(a.Mails) == 0 {
		return refused{fmt.Sprintf("no mail from, to or named %s was taken in the last 30 days; what was refused, its sender was told at once, and it is in the server's log", t.What)}
	}
	if a.More {
		c.printf("The newest %d mails; --last %d shows more.\n\n", len(a.Mails), 10*t.Last)
	}
	for i, m := range a.Mails {
		if i > 0 {
			c.printf("\n")
		}
		c.timeline(m)
	}
	return nil
}

// timeline prints one mail as a timeline, in the hours of whoever asks.
func (c *cli) timeline(m traced) {
	first := m.Events[0]
	from := first.From
	if from == "" {
		from = "the mail system itself"
	}
	c.printf("%s, mail %s from %s", first.At.Local().Format("Monday 2 January 2006"), m.ID, tidy(from))
	if first.MessageID != "" {
		c.printf(", <%s>", tidy(first.MessageID))
	}
	c.printf("\n")
	date := day(first.At)
	for _, e := range m.Events {
		if d := day(e.At); d != date {
			date = d
			c.printf("  %s\n", e.At.Local().Format("Monday 2 January"))
		}
		for _, s := range sentences(e) {
			c.printf("  %s  %s\n", e.At.Local().Format("15:04:05"), tidy(s))
		}
	}
}

// sentences say what an event was.
func sentences(e happened) []string {
	who := ""
	if len(e.To) > 0 {
		who = e.To[0].Addr
	}
	switch e.What {
	case delivery.Accepted:
		out := []string{accepted(e)}
		for _, s := range e.To {
			out = append(out, stop(s))
		}
		return out
	case delivery.Relayed:
		over := ""
		if e.TLS != "" {
			over = " over " + short(e.TLS)
		} else {
			over = " in clear"
		}
		return []string{fmt.Sprintf("handed to %s for %s%s: %s", e.Host, who, over, e.Reply)}
	case delivery.Delayed:
		return []string{fmt.Sprintf("not yet delivered to %s, will be tried again: %s", who, e.Reply)}
	case delivery.Bounced:
		return []string{fmt.Sprintf("given up for %s: %s", who, e.Reply)}
	case delivery.Processed:
		return []string{fmt.Sprintf("%s has done its work", who)}
	case delivery.Declined:
		return []string{fmt.Sprintf("%s declined and told the sender: %s", who, e.Reply)}
	}
	return []string{e.What + " " + who}
}

func accepted(e happened) string {
	s := "accepted"
	switch {
	case e.Member != "":
		s += " from " + e.Member + ", who signed in"
	case e.IP == "" || e.From == "" && e.Helo == "":
		return s + " from this server itself"
	default:
		s += " from " + e.Helo
	}
	if e.IP != "" {
		s += " [" + e.IP + "]"
	}
	if e.TLS != "" {
		s += ", over " + short(e.TLS)
	} else if e.IP != "" {
		s += ", in clear"
	}
	return s + ", " + amount(e.Size)
}

func stop(s delivery.Stop) string {
	via := ""
	if s.Via != "" {
		via = " (written to " + s.Via + ")"
	}
	switch s.Where {
	case mail.ToMailbox:
		return "filed in the mailbox of " + s.Addr + via
	case mail.ToProgram:
		return "given to the program " + s.Addr + via
	case mail.ToRelay:
		return "queued for " + s.Addr[strings.LastIndexByte(s.Addr, '@')+1:] + ", to " + s.Addr + via
	}
	return s.Addr + " gets a link instead of the mail"
}

// short is "TLS1.3" of "TLS1.3 TLS_AES_128_GCM_SHA256".
func short(tls string) string {
	version, _, _ := strings.Cut(tls, " TLS_")
	return version
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
