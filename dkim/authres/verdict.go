package authres

import (
	"strings"

	"colporteur/mail"
)

// ToVerdict is what a field says, as far as it bears on origin. What a server
// elsewhere wrote becomes evidence only where that server is trusted.
func ToVerdict(r *Results) *mail.Verdict {
	v := &mail.Verdict{}
	for _, m := range r.Methods {
		result := resultOf(m.Result)
		switch m.Name {
		case "spf":
			s := mail.SPFResult{Result: result}
			if d := m.Value("smtp.mailfrom"); d != "" {
				s.Domain = domainOf(d)
				s.Sender = s.Domain
				v.MailFrom = s
			} else if d := m.Value("smtp.helo"); d != "" {
				s.Domain, s.Sender = domainOf(d), "postmaster@"+domainOf(d)
				v.Helo = s
			}
		case "dkim":
			if len(v.DKIM) == maxMethods {
				continue
			}
			s := mail.DKIMResult{Result: result, Domain: domainOf(m.Value("header.d")), Selector: m.Value("header.s"), Identity: m.Value("header.i"),
				Algorithm: m.Value("header.a"), Signature: m.Value("header.b"), Reason: m.Reason}
			if s.Domain == "" { // some write header.i alone
				s.Domain = domainOf(s.Identity)
			}
			if s.Result == mail.PolicyNo && s.Reason == partial {
				s.Result, s.Partial, s.Reason = mail.Pass, true, ""
			}
			v.DKIM = append(v.DKIM, s)
		case "arc":
			v.ARC.Result, v.ARC.Reason = result, m.Reason
			if r := m.Value(origin); r != "" {
				v.ARC.Origin = &mail.Verdict{DMARC: mail.DMARCResult{Result: resultOf(strings.ToLower(r))}}
			}
		case "dmarc":
			if v.DMARC.Result != "" { // twice: whoever wrote that was led to, and neither counts
				v.DMARC = mail.DMARCResult{Result: mail.PermError, Reason: "two results"}
				continue
			}
			v.DMARC = mail.DMARCResult{Result: result, From: domainOf(m.Value("header.from"))}
			p := m.Value("polrec.p")
			if p == "" {
				p = m.Value("policy.p") // as it was written before RFC 9989
			}
			if d, ok := demandOf(p); ok {
				v.DMARC.Policy = &mail.DMARCPolicy{P: d, Demand: d}
				if d, ok := demandOf(m.Value("policy.dmarc")); ok {
					v.DMARC.Policy.Demand = d
				}
			}
		}
	}
	if v.MailFrom.Result == "" && v.Helo.Result != "" { // a bounce: that is its one identity
		v.MailFrom = v.Helo
	}
	return v
}

// resultOf knows RFC 8601's words; any other says nothing.
func resultOf(s string) mail.Result {
	switch r := mail.Result(s); r {
	case mail.None, mail.Pass, mail.Fail, mail.SoftFail, mail.Neutral, mail.PolicyNo, mail.TempError, mail.PermError:
		return r
	case "hardfail": // RFC 5451's word for fail
		return mail.Fail
	}
	return mail.None
}

func demandOf(s string) (d mail.Demand, ok bool) {
	switch d := mail.Demand(strings.ToLower(s)); d {
	case mail.DemandNone, mail.DemandQuarantine, mail.DemandReject:
		return d, true
	}
	return "", false
}

// domainOf is the domain of an address or of a name, "" when it is neither.
func domainOf(s string) string {
	s = strings.Trim(s[strings.LastIndexByte(s, '@')+1:], "<>.")
	d, err := mail.Domain(s)
	if err != nil {
		return ""
	}
	return d
}

// FromPrefix reads our own field among those that delivery put before a
// message; ok is false when there is none. What the message itself says is never
// asked: it is its sender's word.
func FromPrefix(prefix []byte, authserv string) (v *mail.Verdict, member string, ok bool) {
	for _, at := range mail.FieldRanges(prefix, "Authentication-Results") {
		_, value, _ := strings.Cut(string(prefix[at[0]:at[1]]), ":")
		r, err := Parse(value)
		if err != nil || !strings.EqualFold(r.AuthServ, authserv) {
			continue
		}
		for _, m := range r.Methods {
			if m.Name == "auth" && m.Result == "pass" {
				member = m.Value("smtp.auth")
			}
		}
		return ToVerdict(r), member, true
	}
	return nil, "", false
}

// Forged finds the Authentication-Results fields of a header that claim to be
// by authserv, as octet ranges with their line ends (RFC 8601 §5). The block may
// be cut off at its end. An ARC set is its sealer's, and stays.
func Forged(header []byte, authserv string) [][2]int {
	var out [][2]int
	for _, at := range mail.FieldRanges(header, "Authentication-Results") {
		_, value, _ := strings.Cut(string(header[at[0]:at[1]]), ":")
		if claims(value, authserv) {
			out = append(out, at)
		}
	}
	return out
}

// claims says whether the first word of a field is our name, however it is
// written: with comments before it, quoted, with a version, in another alphabet's
// spelling.
func claims(value, authserv string) bool {
	s := &scanner{s: value}
	id, ok := s.value()
	if !ok {
		// A quote that never ends: what programs make of it is not known.
		return strings.Contains(strings.ToLower(value), strings.ToLower(authserv))
	}
	if first, _, _ := strings.Cut(id, "/"); same(first, authserv) {
		return true
	}
	// In pieces, "mail.(x)home.test": those who take comments out first see our name.
	for more, ok := s.value(); ok && len(id) < maxValue; more, ok = s.value() {
		if id += more; same(id, authserv) {
			return true
		}
	}
	return false
}

func same(a, b string) bool {
	a, b = strings.Trim(a, ". "), strings.Trim(b, ". ")
	if strings.EqualFold(a, b) {
		return true
	}
	x, err := mail.Domain(a)
	if err != nil {
		return false
	}
	y, err := mail.Domain(b)
	return err == nil && x == y
}
