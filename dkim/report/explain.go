package report

import (
	"strings"

	"colporteur/mail"
)

// Kinds of sources. Each has a sentence that says what it is and what to do:
// "report-source-" and the kind.
const (
	ownBoth    = "own-both"    // ours, and nothing of it is proven
	ownDKIM    = "own-dkim"    // ours, its signatures do not hold
	ownSPF     = "own-spf"     // ours, its address is not in SPF
	ownGood    = "own-good"    //
	serviceSPF = "known-spf"   // may send, does not sign
	serviceBad = "known-mixed" // may send, and often proves nothing
	foreign    = "foreign"     // proves another name than ours
	mailList   = "list"        // breaks our signature on the way
	signed     = "signed"      // our signature holds, whoever brings it
	good       = "good"        //
	nothing    = "nothing"     // proves nothing
)

// urgency is the order in which people are told.
var urgency = map[string]int{ownBoth: 0, ownDKIM: 1, ownSPF: 2, serviceBad: 3, serviceSPF: 4, foreign: 5, nothing: 6, mailList: 7, ownGood: 8, signed: 9, good: 10}

// enough is when a share of mails is most of them: single failures happen to
// everybody, and are nobody's to mend.
func enough(part, whole int64) bool { return whole > 0 && part*10 >= whole*9 }

func (g *Source) explain(sum *Summary) {
	dkim, spf := enough(g.DKIM, g.Mails), enough(g.SPF, g.Mails)
	switch {
	case g.Who == WhoOwn && dkim && spf:
		g.kind = ownGood
	case g.Who == WhoOwn && dkim:
		g.kind = ownSPF
	case g.Who == WhoOwn && spf:
		g.kind = ownDKIM
	case g.Who == WhoOwn:
		g.kind = ownBoth
	case dkim && spf:
		g.kind = good
	case dkim:
		g.kind = signed
	case spf:
		g.kind = serviceSPF
	case g.Pass > 0:
		g.kind = serviceBad
	case g.lists*2 > g.Fail || g.ours*2 > g.Fail:
		g.kind = mailList
	case len(g.Others) > 0:
		g.kind = foreign
	default:
		g.kind = nothing
	}
	g.Means = mail.MakeText("report-source-"+g.kind, "Domain", sum.Domain, "Others", strings.Join(g.Others, ", "))
}

// judge says what it all means. The worst comes first.
func (sum *Summary) judge() {
	say := func(id string, args ...any) { sum.Verdicts = append(sum.Verdicts, mail.MakeText(id, args...)) }
	if len(sum.Reporters) == 0 && sum.TLS.Reporters == 0 {
		say("report-verdict-none", "Domain", sum.Domain)
		if sum.UnprovenReports > 0 {
			say("report-verdict-unproven", "Count", sum.UnprovenReports)
		}
		return
	}
	has := func(kinds ...string) (mails int64) {
		for _, s := range sum.Sources {
			for _, k := range kinds {
				if s.kind == k {
					mails += s.Mails
				}
			}
		}
		return mails
	}
	switch {
	case has(ownBoth) > 0:
		say("report-verdict-own")
	case has(ownDKIM, ownSPF) > 0:
		say("report-verdict-own-half")
	}
	if n := has(serviceBad); n > 0 {
		say("report-verdict-service", "Domain", sum.Domain)
	}
	if sum.TLS.Bad*100 > sum.TLS.Good { // fewer are bad luck, and stand below
		say("report-verdict-tls", "Count", sum.TLS.Bad, "Good", sum.TLS.Good)
	}
	if len(sum.Reporters) > 0 {
		switch {
		case has(nothing, foreign) > 0 && sum.Policy == "none":
			say("report-verdict-forged-none", "Domain", sum.Domain)
		case has(nothing, foreign) > 0:
			say("report-verdict-forged", "Domain", sum.Domain)
		}
		if len(sum.Verdicts) == 0 && sum.Mails > 0 {
			say("report-verdict-good", "Domain", sum.Domain)
		}
		if sum.Policy == "none" && sum.Mails >= 100 && has(ownBoth, ownDKIM, ownSPF, serviceBad, foreign) == 0 {
			say("report-verdict-stricter", "Domain", sum.Domain)
		}
	}
	if sum.TLS.Bad == 0 && sum.TLS.Good > 0 {
		say("report-verdict-tls-good", "Count", sum.TLS.Good)
	}
	if sum.UnprovenReports > 0 {
		say("report-verdict-unproven", "Count", sum.UnprovenReports)
	}
}
