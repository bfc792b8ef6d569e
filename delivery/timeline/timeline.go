// Package timeline tells what became of a mail, line by line, to whoever asks
// where it is: for the command, and as data for a page.
package timeline

import (
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/mail"
)

// Level is how a line is meant.
type Level string

const (
	Step Level = "step" // it goes its way
	Done Level = "done" // for one recipient it has arrived
	Wait Level = "wait" // it will be tried again, or waits for somebody
	Lost Level = "lost" // for one recipient, or all, it will not arrive
)

// Line is one thing that happened, as a sentence. The arguments of Text may be
// sizes, times and other Texts, so it is written out by In.
type Line struct {
	At      time.Time
	Text    mail.Text
	Level   Level
	Address string // the one recipient that it is about; "" when it is about the mail, or several
}

// Lines tells a story, in its order.
func Lines(s delivery.Story) []Line {
	var out []Line
	for i := range s {
		e := &s[i]
		told := lines(e)
		if i > 0 && e.What == delivery.Accepted && !s[0].Until.IsZero() {
			// A mail that waited is taken once more; how it came was said.
			told = append([]Line{{Text: mail.MakeText("trace-hour"), Level: Step}}, stops(e)...)
		}
		for _, l := range told {
			l.At = e.At
			if l.Address == "" && e.What != delivery.Accepted && len(e.To) == 1 {
				l.Address = e.To[0].Addr
			}
			out = append(out, l)
		}
	}
	return out
}

func lines(e *delivery.Event) []Line {
	switch e.What {
	case delivery.Accepted:
		out := []Line{{Text: accepted(e), Level: Step}}
		if e.Proof != "" {
			out = append(out, judged(e))
		}
		if e.Until.After(e.At) {
			// Nothing is filed or queued before: it is asked then where it goes.
			return append(out, Line{Text: mail.MakeText("trace-until", "Until", e.Until, "Address", who(e)), Level: Wait})
		}
		return append(out, stops(e)...)
	case delivery.Refused:
		out := []Line{{Text: mail.MakeText("trace-offered", "Who", client(e), "Way", way(e), "Address", who(e)), Level: Step}}
		if e.Proof != "" {
			out = append(out, judged(e))
		}
		return append(out, Line{Text: mail.MakeText("trace-refused", "Why", why(e)), Level: Lost})
	case delivery.Relayed:
		return answered(e, "trace-answer", Line{Text: mail.MakeText("trace-handed", "Host", e.Host, "Address", who(e), "Way", way(e)), Level: Done})
	case delivery.Delayed:
		return answered(e, "trace-detail", Line{Text: because(e, "trace-delayed"), Level: Wait})
	case delivery.Bounced:
		return answered(e, "trace-detail", Line{Text: because(e, "trace-bounced"), Level: Lost})
	case delivery.Processed:
		return []Line{{Text: mail.MakeText("trace-processed", "Address", who(e)), Level: Done}}
	case delivery.Declined:
		return []Line{{Text: mail.MakeText("trace-declined", "Address", who(e), "Why", why(e)), Level: Lost}}
	case delivery.Held:
		return []Line{{Text: mail.MakeText("trace-held", "For", about(e)), Level: Wait}}
	case delivery.Released:
		return []Line{{Text: mail.MakeText("trace-released", "For", about(e)), Level: Step}}
	case delivery.Cancelled:
		return []Line{{Text: mail.MakeText("trace-cancelled", "For", about(e)), Level: Lost}}
	}
	// Of a later version than this program.
	return []Line{{Text: mail.MakeText("trace-other", "What", e.What, "For", about(e)), Level: Step}}
}

func accepted(e *delivery.Event) mail.Text {
	switch {
	case e.Member != "":
		member := e.Member
		if e.IP != "" {
			member += " [" + e.IP + "]"
		}
		return mail.MakeText("trace-accepted-member", "Who", member, "Way", way(e), "Size", e.Size)
	case e.IP == "" || e.From == "" && e.Helo == "":
		return mail.MakeText("trace-accepted-here", "Size", e.Size)
	}
	return mail.MakeText("trace-accepted", "Who", client(e), "Way", way(e), "Size", e.Size)
}

func client(e *delivery.Event) string { return strings.TrimSpace(e.Helo + " [" + e.IP + "]") }

// way is how the connection was protected; "" when there was none.
func way(e *delivery.Event) any {
	switch {
	case e.TLS != "":
		return mail.MakeText("trace-over", "TLS", short(e.TLS))
	case e.IP != "" || e.Host != "":
		return mail.MakeText("trace-clear")
	}
	return ""
}

// judged says what was found out about the sender; what was done with the mail
// follows from where it was filed.
func judged(e *delivery.Event) Line {
	id := "trace-judged-none"
	for word := range strings.FieldsSeq(e.Proof) {
		switch word {
		case "dmarc=pass":
			id = "trace-judged-pass"
		case "dmarc=fail":
			id = "trace-judged-fail"
		case "dmarc=temperror", "dmarc=permerror":
			id = "trace-judged-open"
		}
	}
	return Line{Text: mail.MakeText(id, "Proof", e.Proof), Level: Step}
}

// stops says where each recipient's copy went.
func stops(e *delivery.Event) []Line {
	out := make([]Line, 0, len(e.To))
	for _, s := range e.To {
		l := stop(s, e.Action == delivery.ToJunk)
		l.Address = s.Addr
		out = append(out, l)
	}
	return out
}

func stop(s delivery.Stop, junk bool) Line {
	var via any = ""
	if s.Via != "" {
		via = mail.MakeText("trace-via", "Via", s.Via)
	}
	domain := s.Addr[strings.LastIndexByte(s.Addr, '@')+1:]
	switch {
	case s.Where == mail.ToMailbox && junk:
		return Line{Text: mail.MakeText("trace-junk", "Address", s.Addr, "Via", via), Level: Done}
	case s.Where == mail.ToMailbox:
		return Line{Text: mail.MakeText("trace-filed", "Address", s.Addr, "Via", via), Level: Done}
	case s.Where == mail.ToProgram:
		return Line{Text: mail.MakeText("trace-program", "Address", s.Addr, "Via", via), Level: Step}
	case s.Where == mail.ToRelay:
		return Line{Text: mail.MakeText("trace-queued", "Domain", domain, "Address", s.Addr, "Via", via), Level: Step}
	}
	return Line{Text: mail.MakeText("trace-guest", "Address", s.Addr), Level: Step}
}

// answered adds what the other server said, or what went wrong, on a line of its own.
func answered(e *delivery.Event, id string, l Line) []Line {
	if e.Reply == "" || strings.HasSuffix(e.Reply, e.Why.ID) && e.Why.ID != "" { // the reason once more, as its id
		return []Line{l}
	}
	return []Line{l, {Text: mail.MakeText(id, "Reply", e.Reply), Level: l.Level}}
}

// because is a sentence that has the reason in plain words, where it is known.
func because(e *delivery.Event, id string) mail.Text {
	var reason any = ""
	if e.Why.ID != "" {
		reason = mail.MakeText("trace-because", "Why", e.Why)
	}
	if e.What != delivery.Delayed {
		return mail.MakeText(id, "Address", who(e), "Why", reason)
	}
	var next any = ""
	if !e.Until.IsZero() {
		next = mail.MakeText("trace-next", "Until", e.Until)
	}
	return mail.MakeText(id, "Address", who(e), "Why", reason, "Next", next)
}

// why is the reason of a refusal: in plain words, else as it was told.
func why(e *delivery.Event) any {
	if e.Why.ID != "" {
		return e.Why
	}
	return e.Reply
}

// who are the recipients that an event is about.
func who(e *delivery.Event) string {
	var out []string
	for _, s := range e.To {
		out = append(out, s.Addr)
	}
	return strings.Join(out, ", ")
}

func about(e *delivery.Event) any {
	if len(e.To) == 0 {
		return ""
	}
	return mail.MakeText("trace-for", "Address", who(e))
}

// Title says which mail a story is of.
func Title(s delivery.Story, p locale.Printer, zone *time.Location) string {
	e := &s[0]
	var from any = mail.MakeText("trace-system")
	if e.From != "" {
		from = e.From
	}
	id := ""
	if e.MessageID != "" {
		id = ", <" + e.MessageID + ">"
	}
	t := mail.MakeText("trace-title", "Date", p.Date(e.At.In(zone)), "ID", e.Mail, "From", from, "MessageID", id)
	return say(t, p, zone, 0)
}

// In is the sentence in p's language, with hours of zone, on one line.
func (l Line) In(p locale.Printer, zone *time.Location) string { return say(l.Text, p, zone, 0) }

// maxNested bounds sentences within sentences: one was read from the database.
const maxNested = 3

func say(t mail.Text, p locale.Printer, zone *time.Location, depth int) string {
	args := make(map[string]any, len(t.Args))
	for name, v := range t.Args {
		switch v := v.(type) {
		case mail.Text:
			args[name] = ""
			if depth < maxNested {
				args[name] = say(v, p, zone, depth+1)
			}
		case time.Time:
			args[name] = p.Date(v.In(zone)) + ", " + v.In(zone).Format("15:04")
		case int64:
			args[name] = p.Size(v)
		case string:
			args[name] = tidy(v)
		default:
			args[name] = v
		}
	}
	return p.Text(mail.Text{ID: t.ID, Args: args})
}

// bare is a version without the blank that some names of it have.
var bare = regexp.MustCompile(`^TLS ?v?(\d.*)$`)

// short is "TLS 1.3" of "TLS1.3 TLS_AES_128_GCM_SHA256".
func short(tls string) string {
	version, _, _ := strings.Cut(tls, " TLS_")
	if m := bare.FindStringSubmatch(version); m != nil {
		return "TLS " + m[1]
	}
	return version
}

// maxWords of a stranger on one line.
const maxWords = 1000

// tidy keeps a stranger's words from moving a cursor or turning the direction of
// what follows them.
func tidy(s string) string {
	if len(s) > maxWords {
		s = strings.ToValidUTF8(s[:maxWords], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}
