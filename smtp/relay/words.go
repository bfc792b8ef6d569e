package relay

import (
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
)

var langs = locale.Langs

// sayAll is a sentence in each language of the sender.
func (r *Relay) sayAll(w *work, id string, args ...any) string {
	var out []string
	for _, lang := range r.langs(w.From) {
		out = append(out, locale.For(lang).T(id, args...))
	}
	return strings.Join(out, " / ")
}

func (r *Relay) subject(w *work, n *notice) string {
	return r.sayAll(w, "relay-"+n.Action+"-subject", "Count", len(n.About), "Address", show(n.About[0].To.Address))
}

// words is the part for a person: what happened, what it means, what to do.
func (r *Relay) words(w *work, n *notice, sum *mail.Summary, full bool) string {
	var out []string
	for _, lang := range r.langs(w.From) {
		out = append(out, r.speak(locale.For(lang), w, n, sum, full))
	}
	return strings.Join(out, "\n-----\n\n")
}

func (r *Relay) speak(p locale.Printer, w *work, n *notice, sum *mail.Summary, full bool) string {
	var b strings.Builder
	title := tidy(sum.Subject)
	if title == "" {
		title = p.T("relay-untitled")
	}
	until := n.Until
	if until.IsZero() {
		until = w.start().Add(giveUp)
	}
	b.WriteString(p.T("relay-"+n.Action+"-intro", "Count", len(n.About), "Subject", title,
		"Date", p.Date(w.At), "Until", p.Date(until)) + "\n\n")
	for i, f := range n.About {
		if i > 0 && n.Action != relayed {
			b.WriteString("\n")
		}
		args := []any{"Address", show(f.To.Address), "Domain", f.To.Domain}
		for name, value := range f.Why.Args {
			if name != "Address" && name != "Domain" {
				args = append(args, name, value)
			}
		}
		b.WriteString("  " + show(f.To.Address) + "\n")
		if n.Action == relayed {
			continue
		}
		if f.Expired {
			b.WriteString("  " + p.T(expired(f), args...) + "\n")
		}
		b.WriteString("  " + p.T(f.Why.ID, args...) + "\n")
		if f.Reply != "" {
			b.WriteString("  " + p.T("relay-answer", "Host", tidy(f.Host), "Reply", f.Reply) + "\n")
		}
	}
	b.WriteString("\n" + p.T("relay-"+n.Action+"-end"))
	if n.Action == failed {
		if full {
			b.WriteString(" " + p.T("relay-returned-all"))
		} else {
			b.WriteString(" " + p.T("relay-returned-header"))
		}
	}
	b.WriteString("\n\n" + p.T("relay-signature", "Hostname", r.Hostname) + "\n")
	return b.String()
}

// expired says how long we tried.
func expired(f fate) string {
	if f.Days == int(giveUpFull/(24*time.Hour)) {
		return "relay-why-expired-full"
	}
	return "relay-why-expired"
}

// show is an address as a person reads it.
func show(a mail.Address) string { return tidy(a.String()) }
