package host

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/dkim/keyring"
	"colporteur/dkim/records"
	"colporteur/dns"
	"colporteur/locale"
	"colporteur/mail"
)

// Zone is what a domain should publish. Records of the server stand in each.
type Zone struct {
	Domain string
	Host   []records.Record
	Own    []records.Record
	Keys   []keyring.Entry
}

// Zones are those of some domains of ours. First keys are made where there are
// none. certificate is that of the server; nil leaves out what is made of it.
func (h *Host) Zones(ctx context.Context, domains []string, certificate *tls.Certificate) ([]Zone, error) {
	var out []Zone
	for _, name := range domains {
		d, err := h.Domain(ctx, name, certificate)
		if err != nil {
			return nil, err
		}
		out = append(out, Zone{name, records.OfHost(d.Host), records.OfDomain(d), d.Keys})
	}
	return out, nil
}

// State is how a finding is meant.
type State string

const (
	Good State = "good"
	Warn State = "warn" // it works, and could be better; or nobody knows
	Bad  State = "bad"  // mail is lost, refused or not believed for it
)

// Finding is a sentence with a verdict.
type Finding struct {
	State State
	Text  string
	Do    string // what to do, "" is nothing
}

// probeWait is how long a resolver may take to say anything at all. What it is
// asked, the name servers of the root, every one has at hand.
const probeWait = 1500 * time.Millisecond

// Published compares what domains should publish with what the DNS says. dev: on
// a laptop nothing of it does harm.
func Published(ctx context.Context, client *dns.Client, zones []Zone, dev bool, p locale.Printer) (out []Finding) {
	silent := Finding{Warn, p.T("records-silent"), ""}
	if !answers(ctx, client) {
		return []Finding{silent}
	}
	for i, z := range zones {
		wanted := z.Own
		if i == 0 {
			wanted = slices.Concat(z.Host, z.Own)
		}
		found := records.Check(ctx, client, wanted)
		out = append(out, z.keys(p)...)
		switch {
		case nothing(found, z.Domain) && dev:
			out = append(out, Finding{Warn, p.T("records-none", "Name", z.Domain), ""})
			continue
		case all(found, records.Unknown):
			out = append(out, silent)
			continue
		}
		for _, one := range found {
			out = append(out, record(one, p, dev))
		}
	}
	return out
}

func answers(ctx context.Context, client *dns.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	_, err := client.Ask(ctx, ".", mdns.TypeNS)
	// A refusal is an answer too.
	return err == nil || errors.Is(err, dns.ErrBogus) || strings.Contains(err.Error(), "the resolver said")
}

// nothing says that a domain publishes none of its own.
func nothing(found []records.Finding, domain string) bool {
	for _, f := range found {
		if f.Record.Domain == domain && f.Verdict != records.Missing && len(f.Now) > 0 {
			return false
		}
	}
	return true
}

func all(found []records.Finding, v records.Verdict) bool {
	return !slices.ContainsFunc(found, func(f records.Finding) bool { return f.Verdict != v })
}

// record is one sentence of what is, and one of what to do.
func record(one records.Finding, p locale.Printer, dev bool) Finding {
	f := Finding{State: Warn, Text: p.Text(one.Text)}
	if one.Verdict == records.Missing && one.Record.Kind != records.Reverse { // that one says so itself
		f.Text = strings.TrimSuffix(f.Text, ".") + " (" + p.Text(one.Record.Purpose) + ")."
	}
	if one.Fix.ID != "" {
		f.Do = p.Text(one.Fix)
	}
	switch {
	case one.Harm && !dev:
		f.State = Bad
	case one.Verdict == records.Good && one.Fix.ID == "":
		f.State = Good
	}
	return f
}

// keys says how mail of a domain is signed. What its records lack is said of those.
func (z Zone) keys(p locale.Printer) (out []Finding) {
	say := func(s State, id string, args ...any) {
		out = append(out, Finding{s, p.Text(mail.MakeText(id, append([]any{"Domain", z.Domain}, args...)...)), ""})
	}
	var signs []string
	rsa := false
	for _, k := range z.Keys {
		if k.State == keyring.Active {
			signs = append(signs, k.Selector)
			rsa = rsa || k.Algorithm == keyring.RSA
		}
	}
	switch {
	case len(signs) == 0:
		say(Warn, "records-keys-none")
	case !rsa:
		say(Warn, "records-keys-half", "Selectors", strings.Join(signs, ", "))
	default:
		say(Good, "records-keys-sign", "Selectors", strings.Join(signs, ", "))
	}
	for _, k := range z.Keys {
		switch {
		case k.State == keyring.Active && !k.Trouble.IsZero():
			say(Warn, "records-keys-trouble", "Selector", k.Selector, "Date", p.Date(k.Trouble))
		case k.State == keyring.Made && len(signs) > 0:
			say(Warn, "records-keys-waiting", "Selector", k.Selector, "Date", p.Date(k.Since))
		}
	}
	return out
}
