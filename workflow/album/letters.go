package album

import (
	"strings"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// listed is how many files with problems a letter names.
const listed = 30

// receipt tells the owner what joined the album.
func receipt(p locale.Printer, a *Album, inc *incoming, share, manage link.Link, invited []guest) letter.Letter {
	n := len(inc.photos)
	l := letter.Letter{
		Subject: p.T("album-receipt-subject", "Name", a.Name),
		Heading: p.T("album-receipt-heading", "Name", a.Name, "Count", n),
	}
	l.LinkTo(p.T("album-receipt-share"), int64(share.ID))
	if len(invited) > 0 {
		names := make([]string, len(invited))
		for i, g := range invited {
			names[i] = g.name
		}
		l.Para(p.T("album-receipt-guests", "Count", len(names), "Names", workflow.Join(p, names)))
	}
	l.Para(p.T("album-receipt-clean"))
	complain(&l, p, inc)
	l.Para(p.T("album-receipt-words"))
	l.LinkTo(p.T("album-receipt-manage"), int64(manage.ID))
	return l
}

// nothing answers a mail without a photo that could be taken in.
func nothing(p locale.Printer, in *workflow.Inbound, inc *incoming) letter.Letter {
	l := workflow.Said(p, "album-no-photo", "Name", inc.name)
	complain(&l, p, inc)
	l.Small(p.T("workflow-help-hint", "Address", "aide@"+in.Address.Domain))
	return l
}

// complain names the files that did not join, each with its reason.
func complain(l *letter.Letter, p locale.Printer, inc *incoming) {
	if n := len(inc.problems); n > 0 {
		l.Para(p.T("album-problems", "Count", n))
		var its []letter.Item
		for _, b := range inc.problems[:min(n, listed)] {
			its = append(its, letter.Item{Name: b.file, Text: p.T(b.id)})
		}
		l.Items(its)
	}
	if n := len(inc.ignored); n > 0 {
		l.Para(p.T("album-ignored", "Count", n, "Names", strings.Join(inc.ignored[:min(n, listed)], ", ")))
	}
}

// invitation shows one guest the album.
func invitation(p locale.Printer, a *Album, photos int, known bool, to link.Link) letter.Letter {
	id := "album-invitation"
	if known {
		id = "album-news"
	}
	l := letter.Letter{
		Subject: p.T(id+"-subject", "Name", a.From, "Album", a.Name),
		Heading: p.T(id+"-heading", "Name", a.From, "Album", a.Name, "Count", photos),
	}
	l.LinkTo(p.T("album-invitation-link"), int64(to.ID))
	l.Small(p.T("album-invitation-foot", "Name", a.From))
	return l
}

// recalled confirms that everything is gone.
func recalled(p locale.Printer, a *Album) letter.Letter {
	l := workflow.Said(p, "album-recalled", "Name", a.Name)
	l.Subject = p.T("album-recalled-subject", "Name", a.Name)
	return l
}
