package authres

import "colporteur/mail"

// Level is how far members can rely on who a mail says it is from.
type Level int

const (
	Unproven  Level = iota // nothing speaks for it, nothing against it
	Member                 // written by somebody who signed in at this house
	Proven                 // the author's domain vouches for it
	Forwarded              // a forwarder that we trust saw the proof
	Doubtful               // it could not be found out
	Fake                   // it claims a domain that does not vouch for it
)

// Badge is what a member sees beside a sender: a word, and a sentence on request.
type Badge struct {
	Level  Level
	Text   mail.Text
	Detail mail.Text
	Domain string // that the badge is about, "" for none
}

// BadgeOf turns a verdict into what members see, and nothing else does. member
// is who signed in, "" for nobody; v may be nil: nobody judged the mail.
func BadgeOf(v *mail.Verdict, member string) Badge {
	switch {
	case member != "":
		return badge(Member, "member", domainOf(member), "Address", member)
	case v == nil:
		return badge(Unproven, "unproven", "")
	}
	from := v.DMARC.From
	switch {
	case v.DMARC.Result == mail.Pass:
		return badge(Proven, "proven", from)
	case v.ARC.Origin != nil && v.ARC.Origin.DMARC.Result == mail.Pass:
		return badge(Forwarded, "forwarded", from)
	case v.DMARC.Result == mail.Fail && from == "":
		return badge(Fake, "several", "")
	case v.DMARC.Result == mail.Fail && v.DMARC.Policy != nil && v.DMARC.Policy.Demand == mail.DemandNone:
		// The domain only watches. Lists and forwarders break proof every day,
		// and who calls each of their mails forged is soon not believed.
		return badge(Unproven, "unconfirmed", from)
	case v.DMARC.Result == mail.Fail:
		return badge(Fake, "forged", from)
	case v.DMARC.Result == mail.TempError, v.DMARC.Result == mail.PermError:
		return badge(Doubtful, "doubtful", from)
	case from != "" && vouches(v, from):
		return badge(Proven, "proven", from)
	}
	return badge(Unproven, "unproven", from)
}

// vouches says whether SPF or a signature proves that domain, or one of the same
// organisation, where it publishes no policy.
func vouches(v *mail.Verdict, from string) bool {
	if v.MailFrom.Result == mail.Pass && related(v.MailFrom.Domain, from) {
		return true
	}
	for _, s := range v.DKIM {
		if s.Result == mail.Pass && !s.Partial && related(s.Domain, from) {
			return true
		}
	}
	return false
}

func badge(l Level, id, domain string, more ...any) Badge {
	args := append([]any{"Domain", domain}, more...)
	return Badge{Level: l, Domain: domain, Text: mail.MakeText("origin-" + id), Detail: mail.MakeText("origin-"+id+"-detail", args...)}
}
