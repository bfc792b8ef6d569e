package report

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"colporteur/mail"

	"golang.org/x/net/publicsuffix"
)

// maxDestinations of one report: RFC 9990 wants two at least, and each one more
// is a mail that somebody else can have us send.
const maxDestinations = 5

// absent says that DNS has no such record, rather than not knowing.
func absent(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}

// permitted is where reports about domain may go: addresses of the same
// organisation, and others that say in DNS that they want them (RFC 9990, Verifying External Destinations).
// later is why some are not known yet.
func (s *Sender) permitted(ctx context.Context, domain string, wanted []string) (to []target, later error) {
	home, err := s.org(ctx, domain)
	if err != nil {
		return nil, err
	}
	for _, w := range wanted[:min(len(wanted), maxDestinations)] {
		t, ok := parseTarget(w)
		if !ok {
			continue
		}
		there, err := s.org(ctx, t.addr.Domain)
		if err != nil {
			later = err
			continue
		}
		if there != home {
			replaced, ok, err := s.agreed(ctx, domain, t)
			if err != nil {
				later = err
				continue
			}
			if !ok {
				continue
			}
			for _, r := range replaced {
				if !slices.Contains(to, r) && len(to) < maxDestinations {
					to = append(to, r)
				}
			}
			continue
		}
		if !slices.Contains(to, t) {
			to = append(to, t)
		}
	}
	return to, later
}

func (s *Sender) org(ctx context.Context, domain string) (string, error) {
	if s.Org != nil {
		return s.Org(ctx, domain)
	}
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil { // it is a public suffix itself
		return domain, nil
	}
	return org, nil
}

// agreed asks the domain of t whether it wants reports about domain, and where.
func (s *Sender) agreed(ctx context.Context, domain string, t target) (to []target, ok bool, err error) {
	name := domain + "._report._dmarc." + t.addr.Domain
	if len(name) > 253 {
		return nil, false, nil
	}
	records, err := s.DNS.LookupTXT(ctx, name)
	if absent(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, r := range records {
		tags := strings.Split(r, ";")
		if !isTag(tags[0], "v", "DMARC1") {
			continue
		}
		for _, tag := range tags[1:] {
			name, value, _ := strings.Cut(tag, "=")
			if strings.TrimSpace(name) != "rua" {
				continue
			}
			for _, uri := range strings.Split(value, ",") {
				// Another host would make us send to whom nobody asked: then to nobody.
				other, ok := parseTarget(uri)
				if !ok || other.addr.Domain != t.addr.Domain {
					return nil, false, nil
				}
				if len(to) < maxDestinations {
					to = append(to, other)
				}
			}
		}
		if len(to) == 0 {
			to = []target{t}
		}
		return to, true, nil
	}
	return nil, false, nil
}

// isTag says whether a piece of a tag list is name=value.
func isTag(piece, name, value string) bool {
	n, v, ok := strings.Cut(piece, "=")
	return ok && strings.TrimSpace(n) == name && strings.TrimSpace(v) == value
}

// target is one address for reports.
type target struct {
	addr mail.Address
	max  int64 // octets of a mail, 0 is any (RFC 7489 §6.2)
}

// parseTarget reads an address of rua=, with or without mailto: and a size.
func parseTarget(s string) (t target, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
		if un, err := url.PathUnescape(s); err == nil {
			s = un
		}
	}
	if i := strings.LastIndexByte(s, '!'); i > strings.LastIndexByte(s, '@') {
		t.max = size(s[i+1:])
		s = s[:i]
	}
	s, _, _ = strings.Cut(s, "?")
	a, err := mail.ParseAddress(s)
	if err != nil || a.Domain == "" {
		return t, false
	}
	t.addr = a
	return t, true
}

// size is "10m" of RFC 7489's URIs; 0 when it cannot be read.
func size(s string) int64 {
	if s == "" {
		return 0
	}
	shift := map[byte]int{'k': 10, 'm': 20, 'g': 30, 't': 40}[s[len(s)-1]|0x20]
	if shift > 0 {
		s = s[:len(s)-1]
	}
	return min(number(s), 1<<20) << shift
}

// tlsTargets are the places that domain wants TLS reports at (RFC 8460 §3).
func (s *Sender) tlsTargets(ctx context.Context, domain string) (all []string, err error) {
	records, err := s.DNS.LookupTXT(ctx, "_smtp._tls."+domain)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record of %s: %w", domain, err)
	}
	var found []string
	for _, r := range records {
		if v, _, _ := strings.Cut(r, ";"); isTag(v, "v", "TLSRPTv1") {
			found = append(found, r)
		}
	}
	if len(found) != 1 { // several are as good as none
		return nil, nil
	}
	for _, tag := range strings.Split(found[0], ";")[1:] {
		name, value, _ := strings.Cut(tag, "=")
		if strings.TrimSpace(name) != "rua" {
			continue
		}
		for _, uri := range strings.Split(value, ",") {
			uri = strings.TrimSpace(uri)
			if len(all) < maxDestinations && uri != "" && len(uri) <= 1000 && !slices.Contains(all, uri) && !strings.ContainsAny(uri, "\r\n") {
				all = append(all, uri)
			}
		}
	}
	return all, nil
}
