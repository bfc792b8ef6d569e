package delivery

import (
	"context"
	"net/netip"
	"strings"

	"colporteur/mail"
)

// Judge finds out where a mail really comes from, and writes it down.
type Judge interface {
	// Begin starts to judge a mail from outside. header is its header block with
	// the empty line, perhaps cut off at a bound.
	Begin(ctx context.Context, env *mail.Envelope, header []byte) mail.Judging

	// Field is the Authentication-Results field (RFC 8601) of a verdict, folded
	// and with its line end. member is who signed in, "" for nobody.
	Field(v *mail.Verdict, member string) []byte

	// Forged finds the fields of a header that pretend to be ours: ranges of
	// octets in their order, apart from each other.
	Forged(header []byte) [][2]int

	// Proof is a verdict in a few words, for the trace and the log.
	Proof(v *mail.Verdict) string
}

// Judged is a verdict and what was done about it, for whoever counts.
type Judged struct {
	Envelope *mail.Envelope
	Verdict  *mail.Verdict
	Action   string // ToInbox, ToJunk, Refused
	Override string // why the domain's demand was not followed: "trusted_forwarder", "local_policy", "mailing_list"; "" when it was
}

// decision is what to do with a mail from outside.
type decision struct {
	junk     bool
	refuse   *mail.Error
	override string
}

func (c decision) action() string {
	switch {
	case c.refuse != nil:
		return Refused
	case c.junk:
		return ToJunk
	}
	return ToInbox
}

// decide weighs the evidence (RFC 9989 §7.4): a domain's wish that forgeries
// be refused is followed when something else speaks against the mail too,
// because a mailing list breaks proof as well, and its readers would lose their
// mail. What pretends to be one of us is refused outright: our own people sign in.
func (d *Door) decide(ctx context.Context, env *mail.Envelope, v *mail.Verdict) (decision, error) {
	dm := v.DMARC
	proven := dm.Result == mail.Pass
	if d.forwarder(env.Client.IP, v) {
		return decision{override: override(dm, "trusted_forwarder")}, nil
	}
	if o := v.ARC.Origin; o != nil && o.DMARC.Result == mail.Pass {
		return decision{override: override(dm, "trusted_forwarder")}, nil
	}
	ours, err := d.Directory.Ours(ctx, dm.From)
	if err != nil {
		return decision{}, kinded(err)
	}
	if dm.From != "" && ours && !proven && !aligned(dm.From, v) {
		return d.impostor(v, "judge-our-name", "Domain", dm.From), nil
	}
	if !env.From.IsZero() && !proven && v.MailFrom.Result != mail.Pass {
		ours, err := d.Directory.Ours(ctx, env.From.Domain)
		if err != nil {
			return decision{}, kinded(err)
		}
		if ours {
			return d.impostor(v, "judge-our-sender", "Address", env.From.String()), nil
		}
	}
	if dm.Result == mail.Fail {
		demand := mail.DemandQuarantine // several authors: no policy is known, and no program shows both
		if dm.Policy != nil {
			demand = dm.Policy.Demand
		}
		switch demand {
		case mail.DemandReject:
			if !vouched(v) || d.repute.bad(env.Client.IP, d.now()) {
				return decision{refuse: mail.Refuse(mail.Policy, "judge-forged", "Domain", dm.From)}, nil
			}
			return decision{junk: true, override: "local_policy"}, nil
		case mail.DemandQuarantine:
			return decision{junk: true}, nil
		}
		return decision{}, nil
	}
	if !proven && (v.MailFrom.Result == mail.Fail && !vouched(v) || d.repute.bad(env.Client.IP, d.now())) {
		return decision{junk: true}, nil
	}
	return decision{}, nil
}

// impostor refuses mail that uses our name. When the evidence could not be
// had, its sender is asked to come again: it may be our own newsletter service.
func (d *Door) impostor(v *mail.Verdict, id string, args ...any) decision {
	if v.DMARC.Result == mail.TempError || v.MailFrom.Result == mail.TempError {
		return decision{refuse: mail.Refuse(mail.Unavailable, "judge-not-now")}
	}
	return decision{refuse: mail.Refuse(mail.Policy, id, args...)}
}

// override names the exception if there is something that it is an exception from.
func override(dm mail.DMARCResult, why string) string {
	if dm.Result == mail.Fail && dm.Policy != nil && dm.Policy.Demand != mail.DemandNone {
		return why
	}
	return ""
}

// vouched says whether anybody at all answers for the mail: the one who sent
// it, by SPF, or one who signed it.
func vouched(v *mail.Verdict) bool {
	if v.MailFrom.Result == mail.Pass {
		return true
	}
	for _, s := range v.DKIM {
		if s.Result == mail.Pass && !s.Partial {
			return true
		}
	}
	return false
}

// aligned says whether SPF or a signature proves domain itself, or one below it
// or above it, whatever is published of DMARC.
func aligned(domain string, v *mail.Verdict) bool {
	same := func(d string) bool {
		return d == domain || strings.HasSuffix(d, "."+domain) || strings.HasSuffix(domain, "."+d) && strings.Contains(d, ".")
	}
	if v.MailFrom.Result == mail.Pass && same(v.MailFrom.Domain) {
		return true
	}
	for _, s := range v.DKIM {
		if s.Result == mail.Pass && !s.Partial && same(s.Domain) {
			return true
		}
	}
	return false
}

// forwarder says whether the mail came by one that the operator listed: by its
// network, or by a domain that SPF or a signature proves.
func (d *Door) forwarder(ip netip.Addr, v *mail.Verdict) bool {
	for _, f := range d.Forwarders {
		if p, err := netip.ParsePrefix(f); err == nil {
			if p.Contains(ip) {
				return true
			}
			continue
		}
		if a, err := netip.ParseAddr(f); err == nil {
			if a == ip {
				return true
			}
			continue
		}
		name := strings.ToLower(f)
		if v.MailFrom.Result == mail.Pass && v.MailFrom.Domain == name || v.Helo.Result == mail.Pass && v.Helo.Domain == name {
			return true
		}
		for _, s := range v.DKIM {
			if s.Result == mail.Pass && !s.Partial && s.Domain == name {
				return true
			}
		}
	}
	return false
}
