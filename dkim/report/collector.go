package report

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Collector counts judged mails for the aggregate reports of their domains.
type Collector struct {
	DB  *store.DB
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards

	// Words are local parts that take reports: mail to them is not reported on,
	// or two hosts would report on each other's reports for ever. nil is
	// dmarc-reports and tls-reports.
	Words []string

	tally tally
}

// ReportWords are the local parts that our DNS records name for reports.
var ReportWords = []string{"dmarc-reports", "tls-reports"}

// seen is one row of a report to be: everything that is told of a mail.
type seen struct {
	IP          string      `json:"i"`
	From        string      `json:"f"`
	Envelope    string      `json:"e,omitempty"`
	Disposition string      `json:"p"`
	Reason      string      `json:"o,omitempty"`
	DKIM        bool        `json:"d,omitempty"`
	SPF         bool        `json:"s,omitempty"`
	SPFDomain   string      `json:"sd,omitempty"`
	SPFResult   string      `json:"sr,omitempty"`
	Signatures  []signature `json:"k,omitempty"`
}

type signature struct {
	Domain   string `json:"d"`
	Selector string `json:"s"`
	Result   string `json:"r"`
}

// maxSigned bounds what the signatures of one mail may cost in memory.
const maxSigned = 600

// Note counts one mail. action is what became of it: "inbox", "junk" or
// "refused", as package delivery says, or a disposition. override is why the
// domain's demand was not followed, "" when it was. Mail whose domain asks for no
// reports costs nothing.
func (c *Collector) Note(v *mail.Verdict, ip netip.Addr, env *mail.Envelope, action, override string) {
	if v == nil || v.DMARC.Policy == nil || len(v.DMARC.Policy.Reports) == 0 || v.DMARC.From == "" || !ip.IsValid() || c.isReport(env) {
		return
	}
	name := domain(v.DMARC.Policy.Domain)
	if name == "" {
		return
	}
	// A verdict that is not final would tell the domain of failures that were ours.
	if v.DMARC.Result != mail.Pass && v.DMARC.Result != mail.Fail {
		return
	}
	dm := v.DMARC
	s := seen{IP: ip.Unmap().WithZone("").String(), From: clip(dm.From), DKIM: dm.DKIM, SPF: dm.SPF, Signatures: signatures(v),
		SPFDomain: clip(v.MailFrom.Domain), SPFResult: string(cmp.Or(v.MailFrom.Result, mail.None))}
	s.Disposition, s.Reason = disposition(&dm, action, override)
	if env != nil {
		s.Envelope = clip(env.From.Domain)
		if s.SPFDomain == "" {
			s.SPFDomain = s.Envelope
		}
	}
	detail, err := json.Marshal(s)
	if err != nil {
		return
	}
	policy, err := json.Marshal(dm.Policy)
	if err != nil || len(policy) > 8<<10 {
		return
	}
	c.tally.note(owed{orNow(c.Now).Unix() / 86400, name}, string(policy), string(detail), 1)
}

func (c *Collector) isReport(env *mail.Envelope) bool {
	if env == nil {
		return false
	}
	words := c.Words
	if words == nil {
		words = ReportWords
	}
	return slices.ContainsFunc(env.To, func(r mail.Recipient) bool { return slices.Contains(words, mail.FoldLocal(r.Local)) })
}

// disposition is what DMARC did to a mail, in RFC 9990's words: not what else
// we may have against it, which is nobody's business (RFC 9990, Security Considerations).
func disposition(dm *mail.DMARCResult, action, override string) (what, reason string) {
	demand := dm.Policy.Demand
	if dm.Result == mail.Pass {
		if demand == mail.DemandQuarantine || demand == mail.DemandReject {
			return "pass", ""
		}
		return "none", ""
	}
	did := map[string]mail.Demand{"junk": mail.DemandQuarantine, "quarantine": mail.DemandQuarantine,
		"refused": mail.DemandReject, "reject": mail.DemandReject}[action]
	rank := func(d mail.Demand) int {
		return slices.Index([]mail.Demand{mail.DemandNone, mail.DemandQuarantine, mail.DemandReject}, cmp.Or(d, mail.DemandNone))
	}
	if rank(did) > rank(demand) {
		did = demand
	}
	did = cmp.Or(did, mail.DemandNone)
	reason = oneOf(override, "trusted_forwarder", "mailing_list", "local_policy", "policy_test_mode", "other")
	if reason == "" && dm.Policy.Testing && rank(demand) < rank(dm.Policy.P) {
		reason = "policy_test_mode"
	}
	if reason == "" && rank(did) < rank(demand) {
		reason = "local_policy" // RFC 9990 wants one whenever the two differ
	}
	return string(did), reason
}

// signatures of a mail, those first that say most (RFC 9990, DKIM Signatures in Aggregate Reports).
func signatures(v *mail.Verdict) []signature {
	rank := func(s mail.DKIMResult) int {
		switch {
		case s.Result == mail.Pass && s.Domain == v.DMARC.From:
			return 0
		case s.Result == mail.Pass && related(s.Domain, v.DMARC.From):
			return 1
		case s.Result == mail.Pass:
			return 2
		}
		return 3
	}
	all := slices.Clone(v.DKIM)
	slices.SortStableFunc(all, func(a, b mail.DKIMResult) int { return rank(a) - rank(b) })
	var out []signature
	size := 0
	for _, s := range all {
		if s.Domain == "" || s.Result == mail.None {
			continue
		}
		k := signature{clip(s.Domain), clip(s.Selector), string(s.Result)}
		if size += len(k.Domain) + len(k.Selector); size > maxSigned && len(out) > 0 {
			break
		}
		if !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

// clip bounds a name that a stranger made.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }

// Flush writes down what was counted.
func (c *Collector) Flush(ctx context.Context) error {
	return c.tally.flush(ctx, c.DB, kindDMARC)
}

// Run flushes every minute until ctx ends, and then once more.
func (c *Collector) Run(ctx context.Context) error {
	return c.tally.run(ctx, c.DB, kindDMARC, orDiscard(c.Log))
}
