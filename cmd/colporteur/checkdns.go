package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/config"
	"colporteur/dkim/keyring"
	"colporteur/dkim/records"
	"colporteur/dns"
	"colporteur/locale"
)

// probeWait is how long a resolver may take to say anything at all. What it is
// asked, the name servers of the root, every one has at hand.
const probeWait = 1500 * time.Millisecond

// published compares what our domains should publish with what the DNS says.
func (f *findings) published(cfg *config.Config, p locale.Printer) {
	zones, err := ask[[]zone](f.c, cfg, "records", "")
	if err != nil {
		f.bad("What our domains should publish cannot be told: %s.", strings.TrimSuffix(sentence(err), "."))
		return
	}
	client := &dns.Client{TrustAD: cfg.DNS.TrustAD}
	if cfg.DNS.Resolver != "" {
		client.Servers = []string{cfg.DNS.Resolver}
	}
	if !answers(f.c.ctx, client) {
		f.note("%s", p.T("records-silent"))
		return
	}
	dev := cfg.Profile == config.Dev
	for i, z := range zones {
		wanted := z.Own
		if i == 0 {
			wanted = slices.Concat(z.Host, z.Own)
		}
		found := records.Check(f.c.ctx, client, wanted)
		f.keys(z, p)
		switch {
		case nothing(found, z.Domain) && dev:
			f.note("%s", p.T("records-none", "Name", z.Domain))
			continue
		case all(found, records.Unknown):
			f.note("%s", p.T("records-silent"))
			continue
		}
		for _, one := range found {
			f.record(one, p, dev)
		}
	}
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
func (f *findings) record(one records.Finding, p locale.Printer, dev bool) {
	says := p.Text(one.Text)
	if one.Verdict == records.Missing && one.Record.Kind != records.Reverse { // that one says so itself
		why := p.Text(one.Record.Purpose)
		says = strings.TrimSuffix(says, ".") + " (" + why + ")."
	}
	if one.Fix.ID != "" {
		says += " " + p.Text(one.Fix)
	}
	says = strings.ReplaceAll(tidyLines(says), "\n", "\n       ")
	switch {
	case one.Harm && !dev:
		f.bad("%s", says)
	case one.Verdict == records.Good && one.Fix.ID == "":
		f.good("%s", says)
	default:
		f.note("%s", says)
	}
}

// tidyLines is tidy for what has lines of its own.
func tidyLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = tidy(l)
	}
	return strings.Join(lines, "\n")
}

// keys says how mail of a domain is signed. What its records lack is said of those.
func (f *findings) keys(z zone, p locale.Printer) {
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
		f.note("%s", p.T("records-keys-none", "Domain", z.Domain))
	case !rsa:
		f.note("%s", p.T("records-keys-half", "Domain", z.Domain, "Selectors", strings.Join(signs, ", ")))
	default:
		f.good("%s", p.T("records-keys-sign", "Domain", z.Domain, "Selectors", strings.Join(signs, ", ")))
	}
	for _, k := range z.Keys {
		switch {
		case k.State == keyring.Active && !k.Trouble.IsZero():
			f.note("%s", p.T("records-keys-trouble", "Domain", z.Domain, "Selector", k.Selector, "Date", p.Date(k.Trouble)))
		case k.State == keyring.Made && len(signs) > 0:
			f.note("%s", p.T("records-keys-waiting", "Domain", z.Domain, "Selector", k.Selector, "Date", p.Date(k.Since)))
		}
	}
}
