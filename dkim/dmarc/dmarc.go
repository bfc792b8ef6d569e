// Package dmarc finds out whether a mail comes from its author's domain, and
// what that domain asks to be done when it does not (RFC 9989, the successor of
// RFC 7489 and RFC 9091).
//
// # In two steps
//
// Discover reads the author's domain off the header and walks up the DNS for
// its policy; Evaluate compares what SPF and DKIM have proven with it. The first
// needs the header alone, so it runs while the body is still on its way.
//
// # The words of the result
//
//	pass       an identifier that is aligned with the author's domain is proven
//	fail       none is; or the mail has not exactly one author's domain
//	none       no record is published
//	permerror  a record is, and cannot be read (RFC 9989 §4.10.1)
//	temperror  the DNS did not say what had to be known (§5.3.6)
//
// A mail without exactly one author's domain is outside of RFC 9989 (§5.3.1),
// which sees it as a way around the whole mechanism (§11.5): programs differ in
// which author they show. It fails here, without a policy. So does one with two
// From fields, even of the same domain, and one without any, because RFC 5322
// §3.6 has exactly one.
//
// # The tree walk, and why the public suffix list is still here
//
// Organisational domains are found by the walk (§4.10). The list stands guard in
// one case: an organisation is never a suffix of the registries (the list's ICANN
// part) or above one, unless it says psd=n; it is the name one label below then,
// as if the registry had said psd=y. A registry's record may date from RFC 7489
// or be a mistake, and one may stand at uk but not at co.uk; taken by the letter,
// everything below co.uk would be one organisation, whose members prove each
// other's mail (§11.8). The list can only part what would be one so, never join.
// Its private part is left out: those suffixes are companies, which publish for
// themselves.
package dmarc

import (
	"context"
	"strings"
	"time"

	"colporteur/dns"
	"colporteur/mail"
)

// Limit is how long the DNS may take for one mail.
const Limit = 15 * time.Second

// Resolver is what is asked; *dns.Client is one. Its errors are those of package
// net.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	Exists(ctx context.Context, name string) (bool, error)
}

var _ Resolver = (*dns.Client)(nil)

// Evaluate discovers and evaluates at once.
func Evaluate(ctx context.Context, r Resolver, author Author, spf mail.SPFResult, dkim []mail.DKIMResult) mail.DMARCResult {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	return Discover(ctx, r, author).Evaluate(ctx, spf, dkim)
}

// Discovery is what the DNS says of an author's domain.
type Discovery struct {
	dns    Resolver
	author Author
	walk   walk
	policy *found // nil: none
	exists bool   // when nothing hangs on it, true
	unsure error  // that it exists could not be found out
}

// Discover finds the policy for an author's domain (RFC 9989 §4.10.1).
func Discover(ctx context.Context, r Resolver, author Author) *Discovery {
	d := &Discovery{dns: r, author: author, exists: true}
	if author.Domain == "" {
		return d
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	d.walk = climb(ctx, r, author.Domain)
	d.policy = d.walk.policy()
	if p := d.policy; p != nil && p.domain != author.Domain && p.record.NP != "" && p.record.NP != p.record.below() {
		d.exists, d.unsure = r.Exists(ctx, author.Domain)
	}
	return d
}

// Evaluate compares what was proven with the policy. spf is the result for MAIL
// FROM; with the null sender, for EHLO (§4.4.2). It may ask the DNS for the
// organisational domains of what was proven.
func (d *Discovery) Evaluate(ctx context.Context, spf mail.SPFResult, dkim []mail.DKIMResult) mail.DMARCResult {
	out := mail.DMARCResult{From: d.author.Domain}
	if out.From == "" {
		out.Result, out.Reason = mail.Fail, d.author.Reason
		if d.author.Nobody {
			out.Result = mail.PermError
		}
		return out
	}
	out.Org, _ = d.walk.organisation()
	if d.policy == nil {
		out.Result = mail.None
		if err := d.walk.err; err != nil {
			out.Result, out.Reason = mail.TempError, err.Error()
		}
		return out
	}
	if why := d.policy.record.Broken; why != "" {
		out.Result, out.Reason = mail.PermError, why
		return out
	}
	out.Policy = d.demand()
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	a := aligner{ctx: ctx, d: d}
	unknown := a.spf(&out, spf)
	if why := a.dkim(&out, dkim); unknown == "" {
		unknown = why
	}
	switch {
	case out.SPF || out.DKIM:
		out.Result = mail.Pass
	case unknown != "":
		out.Result, out.Reason = mail.TempError, unknown
	case d.unsure != nil: // which of two demands holds
		out.Result, out.Reason = mail.TempError, d.unsure.Error()
	default:
		out.Result, out.Reason = mail.Fail, "nothing that is proven is aligned"
	}
	return out
}

// demand says what holds for this author (§4.7, §4.10.1).
func (d *Discovery) demand() *mail.DMARCPolicy {
	rec := d.policy.record
	p := &mail.DMARCPolicy{Domain: d.policy.domain, Record: d.policy.text, P: rec.P, SP: rec.SP, NP: rec.NP,
		Testing: rec.Testing, Reports: rec.Reports, Demand: rec.P}
	p.Strict.SPF, p.Strict.DKIM = rec.StrictSPF, rec.StrictDKIM
	if d.policy.domain != d.author.Domain {
		if p.Demand = rec.below(); !d.exists && d.unsure == nil && rec.NP != "" {
			p.Demand = rec.NP
		}
	}
	if rec.Testing { // one step down
		switch p.Demand {
		case mail.DemandReject:
			p.Demand = mail.DemandQuarantine
		case mail.DemandQuarantine:
			p.Demand = mail.DemandNone
		}
	}
	return p
}

// aligner compares domains with the author's (§4.10.2).
type aligner struct {
	ctx context.Context
	d   *Discovery
}

// spf returns why it is not known whether SPF proves the mail, "" when it is.
func (a *aligner) spf(out *mail.DMARCResult, r mail.SPFResult) string {
	if r.Result != mail.Pass && r.Result != mail.TempError {
		return ""
	}
	ok, err := a.aligned(r.Domain, a.d.policy.record.StrictSPF)
	switch {
	case err != nil:
		return err.Error()
	case ok && r.Result == mail.TempError:
		return "SPF could not be found out"
	}
	out.SPF = ok
	return ""
}

func (a *aligner) dkim(out *mail.DMARCResult, all []mail.DKIMResult) (unknown string) {
	known := map[string]bool{}
	for _, r := range all {
		// With l= anything may follow what was signed.
		if r.Partial || r.Result != mail.Pass && r.Result != mail.TempError {
			continue
		}
		ok, seen := known[r.Domain]
		if !seen {
			if len(known) == maxDomains {
				break
			}
			var err error
			if ok, err = a.aligned(r.Domain, a.d.policy.record.StrictDKIM); err != nil {
				unknown = err.Error()
				continue
			}
			known[r.Domain] = ok
		}
		switch {
		case ok && r.Result == mail.Pass:
			out.DKIM = true
			return ""
		case ok:
			unknown = "a signature could not be checked"
		}
	}
	return unknown
}

// maxDomains of signatures are compared: each may cost eight questions.
const maxDomains = 10

func (a *aligner) aligned(domain string, strict bool) (bool, error) {
	author := a.d.author.Domain
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if domain == author || domain == "" || strict {
		return domain == author, nil
	}
	org, err := a.d.walk.organisation()
	if err != nil {
		if top := author[strings.LastIndexByte(author, '.')+1:]; !under(domain, top) {
			return false, nil // whatever it is, it is not theirs
		}
		return false, err
	}
	if !under(domain, org) {
		return false, nil // no need to ask
	}
	w := climb(a.ctx, a.d.dns, domain)
	other, err := w.organisation()
	if err != nil {
		return false, err
	}
	return other == org, nil
}

// under says whether name is domain or below it.
func under(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}
