package verify

import (
	"context"
	"path"
	"strings"

	"colporteur/dkim/authres"
	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
)

// signs is everything that is known of a mail, the weightiest of each sort.
func (s *Service) signs(ctx context.Context, account mail.AccountID, o *original) ([]sign, error) {
	origin := o.origin()
	out := []sign{origin}
	own := origin.level == Fine
	from := mail.Mailbox{}
	if len(o.sum.From) > 0 {
		from = o.sum.From[0]
	}
	for _, t := range authres.Warnings(from, o.sum.ReplyTo) {
		level := Danger
		if t.ID == "origin-warn-reply" || t.ID == "origin-warn-address" {
			level = Caution
		}
		out = append(out, sign{level, t})
	}
	looks, leads := o.looks(domainOf(from.Addr), own)
	out = append(out, looks...)
	if from.Addr == "" || o.member != "" {
		return out, nil
	}
	n, err := s.known(ctx, account, o)
	switch {
	case err != nil:
		return nil, err
	case n == 0 && s.Mailboxes != nil && account != 0 && leads:
		// Whoever owns a domain can prove that mail is from it, thieves too.
		out = append(out, say(Caution, "verify-first-leads"))
	case n == 0 && s.Mailboxes != nil && account != 0:
		out = append(out, say(Fine, "verify-first"))
	case n > 0 && own: // else that address is only what it claims
		out = append(out, say(Fine, "verify-known"))
	}
	return out, nil
}

// looks is what a reader of the mail could be led to; leads says that it has files,
// or links to elsewhere than its sender's domain.
func (o *original) looks(from string, own bool) (out []sign, leads bool) {
	told := map[string]int{}
	add := func(s sign) {
		if told[s.text.ID]++; told[s.text.ID] <= maxTold {
			out = append(out, s)
		}
	}
	html := func(body string) {
		p := anchors(body)
		if p.password {
			add(say(Danger, "verify-password"))
		}
		seen := map[string]bool{}
		for _, a := range p.links {
			leads = leads || a.leaves(from)
			if s, ok := a.sign(from, own); ok {
				if key := locale.For("en").Text(s.text); !seen[key] {
					seen[key] = true
					add(s)
				}
			}
		}
	}
	if o.html != "" {
		html(o.html)
	}
	n := 0
	var walk func(p *mail.Part)
	walk = func(p *mail.Part) {
		if n++; p == nil || n > maxLinks {
			return
		}
		if p.Type == "text/html" && p.Disposition != "attachment" && p.Filename == "" {
			html(o.body(p))
		}
		leads = leads || p.Disposition == "attachment"
		if p.Filename != "" && !strings.EqualFold(path.Ext(p.Filename), ".eml") {
			if l, id := danger(p.Filename); l > Fine {
				add(say(l, id, "Name", p.Filename))
			}
		}
		for _, c := range p.Children {
			walk(c)
		}
	}
	walk(o.sum.Root)
	return out, leads
}

// programs are files that run when they are opened; pages and macros are files
// that may ask for a password, or run when one says yes.
var (
	programs = set("exe scr com pif bat cmd vbs vbe js jse wsf wsh hta ps1 psm1 msi msp msc jar lnk url cpl dll reg iso img vhd vhdx chm application gadget inf sct shb sys apk dmg pkg scf xll one")
	pages    = set("html htm xhtml shtml mht mhtml svg docm dotm xlsm xltm xlam pptm potm ppam sldm xlsb")
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// danger is what opening a file of that name may do.
func danger(name string) (Level, string) {
	name = strings.TrimRight(strings.ToLower(name), " .") // Windows leaves these out
	ext := strings.TrimPrefix(path.Ext(name), ".")
	switch {
	case programs[ext]:
		return Danger, "verify-file-program"
	case strings.ContainsRune(name, 0x202e): // what follows is written backwards: "gpj.exe"
		return Danger, "verify-file-program"
	case pages[ext]:
		return Caution, "verify-file-page"
	}
	return Fine, ""
}

// verdict is the answer.
func verdict(p locale.Printer, o *original, signs []sign) letter.Letter {
	which := map[Level]string{Fine: "fine", Caution: "caution", Danger: "danger"}[worst(signs)]
	l := letter.Letter{Subject: p.T("verify-" + which), Heading: p.T("verify-" + which)}
	from := ""
	if len(o.sum.From) > 0 {
		from = o.sum.From[0].Addr
	}
	l.Para(p.T("verify-about", "Subject", inert(short(o.sum.Subject)), "From", inert(short(from))))
	var its []letter.Item
	for level := Danger; level >= Fine; level-- {
		for _, s := range signs {
			if s.level == level {
				its = append(its, letter.Item{Name: inert(p.Text(s.text))})
			}
		}
	}
	l.Items(its)
	l.Para(p.T("verify-" + which + "-advice"))
	return *l.Small(p.T("verify-foot"))
}

// inert is a sentence in which no mail program finds an address to make a link
// of: the reader is being told not to follow it.
func inert(s string) string {
	const joiner = "\u2060"
	r := []rune(s)
	var b strings.Builder
	for i, c := range r {
		if (c == '.' || c == '@' || c == ':') && i > 0 && i+1 < len(r) && r[i-1] > ' ' && r[i+1] > ' ' {
			b.WriteString(joiner + string(c) + joiner)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return s
}
