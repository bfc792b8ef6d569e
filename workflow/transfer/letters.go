package transfer

import (
	"strings"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// listed is how many files a letter names: with their checksums more of them
// would take it over 20 KB. The page names all.
const listed = 30

// receipt tells the owner that the transfer is ready.
func receipt(p locale.Printer, t *Transfer, share, manage link.Link, invited []guest, damaged []string) letter.Letter {
	l := letter.Letter{
		Subject: p.T("transfer-receipt-subject", "Subject", t.Subject),
		Heading: p.T("transfer-receipt-heading", "Subject", t.Subject, "Size", p.Size(t.Size())),
	}
	if share.ID != 0 {
		l.LinkTo(p.T("transfer-receipt-share"), int64(share.ID))
	}
	until := p.T("transfer-receipt-until", "Date", p.Date(t.Expires))
	if len(invited) > 0 {
		names := make([]string, len(invited))
		for i, g := range invited {
			names[i] = g.name
		}
		until += " " + p.T("transfer-receipt-guests", "Count", len(names), "Names", workflow.Join(p, names))
	}
	l.Para(until)
	if len(damaged) > 0 {
		l.Para(p.T("transfer-receipt-damaged", "Count", len(damaged), "Names", strings.Join(damaged, ", ")))
	}
	l.Para(p.T("transfer-receipt-words"))
	l.Items(items(p, t, true)).Small(more(p, t))
	l.LinkTo(p.T("transfer-receipt-manage"), int64(manage.ID))
	return l
}

// invitation gives one guest their link.
func invitation(p locale.Printer, t *Transfer, to link.Link) letter.Letter {
	l := letter.Letter{
		Subject: t.Subject,
		Heading: p.T("transfer-invitation-heading", "Name", t.From, "Count", len(t.Files)),
	}
	l.Quote(t.Note).Items(items(p, t, false)).Small(more(p, t))
	l.LinkTo(p.T("transfer-invitation-link", "Count", len(t.Files)), int64(to.ID))
	l.Para(p.T("transfer-invitation-until", "Date", p.Date(t.Expires)))
	l.Small(p.T("transfer-invitation-foot", "Name", t.From))
	return l
}

// recalled confirms that everything is gone.
func recalled(p locale.Printer, t *Transfer) letter.Letter {
	l := workflow.Said(p, "transfer-recalled", "Subject", t.Subject)
	l.Subject = p.T("transfer-recalled-subject", "Subject", t.Subject)
	return l
}

func items(p locale.Printer, t *Transfer, sums bool) []letter.Item {
	var its []letter.Item
	for _, f := range t.Files[:min(len(t.Files), listed)] {
		it := letter.Item{Name: f.Name, Detail: p.Size(f.Size)}
		if sums {
			it.Print = "SHA-256 " + f.SHA256
		}
		its = append(its, it)
	}
	return its
}

func more(p locale.Printer, t *Transfer) string {
	if n := len(t.Files) - listed; n > 0 {
		return p.T("transfer-more", "Count", n)
	}
	return ""
}

// hasAll tells the owner that somebody has everything.
func hasAll(p locale.Printer, t *Transfer, who string, manage link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("transfer-has-all", "Subject", t.Subject, "Name", who), Heading: p.T("transfer-has-all", "Subject", t.Subject, "Name", who)}
	l.LinkTo(p.T("transfer-receipt-manage"), int64(manage.ID))
	l.Small(p.T("transfer-has-all-foot"))
	return l
}

// reminder tells a guest that what they have not fetched ends soon.
func reminder(p locale.Printer, t *Transfer, to link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("transfer-reminder-subject", "Subject", t.Subject), Heading: p.T("transfer-reminder-heading", "Name", t.From, "Date", p.Date(t.Expires))}
	l.Items(items(p, t, false)).Small(more(p, t))
	l.LinkTo(p.T("transfer-invitation-link", "Count", len(t.Files)), int64(to.ID))
	l.Small(p.T("transfer-reminder-foot"))
	return l
}

// endsSoon tells the owner.
func endsSoon(p locale.Printer, t *Transfer, late []string, manage link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("transfer-reminder-subject", "Subject", t.Subject), Heading: p.T("transfer-ends-heading", "Subject", t.Subject, "Date", p.Date(t.Expires))}
	if len(late) > 0 {
		l.Para(p.T("transfer-ends-late", "Count", len(late), "Names", workflow.Join(p, late[:min(len(late), listed)])))
	}
	l.Para(p.T("transfer-ends-words"))
	l.LinkTo(p.T("transfer-receipt-manage"), int64(manage.ID))
	return l
}
