package outgoing

import (
	"strconv"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store/message"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// drop is the address that takes large files, for the words we write.
func drop(o *delivery.Outgoing) string { return post(o).String() }

// post is who these letters are from.
func post(o *delivery.Outgoing) mail.Address {
	return mail.Address{Local: "envoi", Domain: o.Sender.Address.Domain}
}

// titled is a subject for a sentence.
func titled(p locale.Printer, subject string) string {
	if subject == "" {
		return p.T("outgoing-no-subject")
	}
	return subject
}

// listed is how many files or people a letter names.
const listed = 30

// receipt tells the owner what became of their mail.
func receipt(p locale.Printer, o *transfer.Outgoing, subject string) func(*transfer.Transfer, link.Link) letter.Letter {
	return func(t *transfer.Transfer, manage link.Link) letter.Letter {
		subject := titled(p, subject)
		l := letter.Letter{Subject: p.T("outgoing-receipt-subject", "Subject", subject)}
		l.Para(p.T("outgoing-receipt", "Count", len(t.Files), "Subject", subject))
		var its []letter.Item
		for _, f := range t.Files[:min(len(t.Files), listed)] {
			its = append(its, letter.Item{Name: f.Name, Detail: p.Size(f.Size)})
		}
		l.Items(its)
		var names []string
		for _, k := range o.Links[:min(len(o.Links), listed)] {
			name := k.Name
			if name == "" {
				name = k.Person.String()
			}
			names = append(names, name)
		}
		l.Para(p.T("outgoing-receipt-guests", "Count", len(o.Links), "Names", workflow.Join(p, more(names, len(o.Links)))))
		l.Para(p.T("outgoing-receipt-until", "Date", p.Date(t.Expires)))
		l.Para(p.T("outgoing-receipt-words"))
		l.LinkTo(p.T("outgoing-receipt-manage"), int64(manage.ID))
		return l
	}
}

// more says that a list is longer.
func more(names []string, n int) []string {
	if n > len(names) {
		return append(names, "+ "+strconv.Itoa(n-len(names)))
	}
	return names
}

// question asks whether the files of a mail may be taken out.
func question(p locale.Printer, o *delivery.Outgoing, m *message.Message, take []*mail.Part) letter.Letter {
	subject := titled(p, m.Summary.Subject)
	l := letter.Letter{Subject: p.T("outgoing-ask-subject", "Subject", subject)}
	l.Para(p.T("outgoing-ask-waits", "Subject", subject, "Size", p.Size(m.Size), "Limit", p.Size(o.Limit)))
	var its []letter.Item
	for i, name := range workflow.Names(take, p) {
		if i < listed {
			its = append(its, letter.Item{Name: name, Detail: p.Size(decoded(take[i]))})
		}
	}
	l.Items(its)
	l.Para(p.T("outgoing-ask-offer")).Para(p.T("outgoing-ask-words")).Para(p.T("outgoing-ask-until"))
	return l
}

// decoded is about how large a file is.
func decoded(p *mail.Part) int64 {
	if p.Encoding == "base64" {
		return p.Size / 78 * 57
	}
	return p.Size
}

// returned is a mail's bounce.
func returned(o *delivery.Outgoing, s *mail.Summary, why string) workflow.Notice {
	p := locale.For(o.Sender.Lang)
	if s == nil {
		s = &mail.Summary{}
	}
	var names []string
	to := all(o)
	for _, r := range to[:min(len(to), listed)] {
		names = append(names, r.Address.String())
	}
	subject := titled(p, s.Subject)
	l := letter.Letter{Subject: p.T("outgoing-returned-subject", "Subject", subject)}
	l.Para(p.T("outgoing-returned", "Subject", subject, "Names", workflow.Join(p, more(names, len(to)))))
	l.Para(p.T(why, "Address", drop(o)))
	n := workflow.Notice{Mail: "outgoing/" + o.Mail, What: "returned", To: o.From, ToName: o.Sender.Name, From: post(o), Lang: p.Lang, Replied: true, Letter: l}
	if n.To.IsZero() {
		n.To = o.Sender.Address
	}
	if s.MessageID != "" {
		n.InReplyTo, n.References = s.MessageID, append(append([]string(nil), s.References...), s.MessageID)
	}
	return n
}
