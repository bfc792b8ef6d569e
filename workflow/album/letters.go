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
func receipt(p locale.Printer, a *Album, inc *incoming, n int, share, manage link.Link, invited []guest) letter.Letter {
	l := letter.Letter{
		Subject: p.T("album-receipt-subject", "Name", a.Name),
		Heading: p.T("album-receipt-heading", "Name", a.Name, "Count", n),
	}
	if n == 0 {
		l.Heading = p.T("album-receipt-nothing", "Name", a.Name)
	}
	if share.ID != 0 {
		l.LinkTo(p.T("album-receipt-share"), int64(share.ID))
	}
	if len(invited) > 0 {
		names := make([]string, len(invited))
		for i, g := range invited {
			names[i] = g.name
		}
		l.Para(p.T("album-receipt-guests", "Count", len(names), "Names", workflow.Join(p, names)))
	}
	if n > 0 {
		l.Para(p.T("album-receipt-clean"))
	}
	complain(&l, p, inc)
	l.Para(p.T("album-receipt-words"))
	l.LinkTo(p.T("album-receipt-manage"), int64(manage.ID))
	return l
}

// joined tells a guest who is a member what they added to somebody's album.
func joined(p locale.Printer, a *Album, inc *incoming, n int, mine link.Link) letter.Letter {
	l := letter.Letter{
		Subject: p.T("album-receipt-subject", "Name", a.Name),
		Heading: p.T("album-joined-heading", "Name", a.Name, "From", a.From, "Count", n),
	}
	complain(&l, p, inc)
	if n > 0 {
		l.Para(p.T("album-guest-undo"))
	}
	l.LinkTo(p.T("album-invitation-link"), int64(mine.ID))
	return l
}

// thanks tells a guest what became of their reply.
func thanks(p locale.Printer, a *Album, inc *incoming, n int, words, unwanted bool, mine link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("album-receipt-subject", "Name", a.Name)}
	if n > 0 {
		l.Para(p.T("album-thanks-photos", "Name", a.Name, "Count", n))
	}
	if words {
		l.Para(p.T("album-thanks-words", "Name", a.Name))
	}
	if unwanted {
		l.Para(p.T("album-thanks-unwanted", "From", a.From))
	}
	complain(&l, p, inc)
	if len(l.Blocks) == 0 {
		l.Para(p.T("album-thanks-nothing", "From", a.From))
	}
	if n > 0 || words {
		l.Para(p.T("album-guest-undo"))
	}
	l.LinkTo(p.T("album-invitation-link"), int64(mine.ID))
	return l
}

// activity tells the owner what a guest did.
func activity(p locale.Printer, a *Album, who, words string, n int, manage link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("album-activity-subject", "Name", a.Name, "Who", who), Heading: line(p, a, who, "", n)}
	if n == 0 {
		l.Heading = p.T("album-activity-words", "Name", a.Name, "Who", who)
	}
	l.Quote(words)
	l.LinkTo(p.T("album-activity-manage"), int64(manage.ID))
	l.Small(p.T("album-activity-foot"))
	return l
}

// news tells a guest what somebody else did; they can answer it.
func news(p locale.Printer, a *Album, who, words string, n int, to link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("album-news-subject", "Name", a.From, "Album", a.Name), Heading: line(p, a, who, "", n)}
	if n == 0 {
		l.Subject = p.T("album-news-words-subject", "Album", a.Name)
		l.Heading = p.T("album-news-words", "Name", a.Name, "Who", who)
	}
	l.Quote(words)
	l.LinkTo(p.T("album-invitation-link"), int64(to.ID))
	l.Para(p.T("album-invitation-answer", "Name", a.From))
	l.Small(p.T("album-invitation-foot", "Name", a.From))
	return l
}

// line is the same in one sentence.
func line(p locale.Printer, a *Album, who, words string, n int) string {
	switch {
	case n > 0 && words != "":
		return p.T("album-line-both", "Name", a.Name, "Who", who, "Count", n, "Words", words)
	case n > 0:
		return p.T("album-line-photos", "Name", a.Name, "Who", who, "Count", n)
	}
	return p.T("album-line-words", "Name", a.Name, "Who", who, "Words", words)
}

// nothing answers a mail without a photo that could be taken in.
func nothing(p locale.Printer, in *workflow.Inbound, inc *incoming) letter.Letter {
	l := workflow.Said(p, "album-no-photo", "Name", inc.name)
	if inc.away != "" {
		l.Para(p.T("album-away", "Where", inc.away))
	}
	complain(&l, p, inc)
	l.Small(p.T("workflow-help-hint", "Address", "aide@"+in.Address.Domain))
	return l
}

// away answers a mail whose photos lie with somebody else: they can be handed in
// on a page.
func away(p locale.Printer, in *workflow.Inbound, inc *incoming, hand link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("album-receipt-subject", "Name", inc.name), Heading: p.T("album-away-heading")}
	l.Para(p.T("album-away", "Where", inc.away)).Para(p.T("album-away-why"))
	l.LinkTo(p.T("album-away-hand", "Name", inc.name), int64(hand.ID))
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
	l.Para(p.T("album-invitation-answer", "Name", a.From))
	l.Small(p.T("album-invitation-foot", "Name", a.From))
	return l
}

// expired tells the owner that the last day of the album is over.
func expired(p locale.Printer, a *Album) letter.Letter {
	l := workflow.Said(p, "album-expired", "Name", a.Name)
	l.Subject = p.T("album-expired-subject", "Name", a.Name)
	return l
}

// recalledSome confirms that what one mail brought is gone, and the rest is not.
func recalledSome(p locale.Printer, a *Album, n int, manage link.Link) letter.Letter {
	l := letter.Letter{Subject: p.T("album-recalled-subject", "Name", a.Name)}
	l.Para(p.T("album-recalled-some", "Name", a.Name, "Count", n)).Para(p.T("album-recalled-rest"))
	l.LinkTo(p.T("album-receipt-manage"), int64(manage.ID))
	return l
}

// recalled confirms that everything is gone.
func recalled(p locale.Printer, a *Album) letter.Letter {
	l := workflow.Said(p, "album-recalled", "Name", a.Name)
	l.Subject = p.T("album-recalled-subject", "Name", a.Name)
	return l
}
