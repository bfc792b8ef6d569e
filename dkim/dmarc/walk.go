package dmarc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// found is a record where it was found.
type found struct {
	domain string
	text   string // cut to its bound
	record *Record
}

// walk is the way from a domain up to the top: the records on it, from the
// longest name to the shortest.
type walk struct {
	start string
	found []found
	err   error // why it ended too early
}

// maxLabels: of a longer name, the labels between the first step and the last
// seven are left out (RFC 9989 §4.10), so that there are eight questions at most.
const maxLabels = 8

// climb is the DNS Tree Walk of RFC 9989 §4.10.
func climb(ctx context.Context, r Resolver, domain string) walk {
	w := walk{start: domain}
	for name := domain; name != ""; name = parent(name) {
		f, err := look(ctx, r, name)
		if err != nil {
			w.err = fmt.Errorf("the record of %s: %w", name, err)
			return w
		}
		if f == nil {
			continue
		}
		w.found = append(w.found, *f)
		if f.record.PSD != 'u' {
			return w
		}
	}
	return w
}

// parent is the next name to ask about.
func parent(name string) string {
	if n := strings.Count(name, ".") + 1; n > maxLabels {
		for range n - maxLabels {
			_, name, _ = strings.Cut(name, ".")
		}
	}
	_, name, _ = strings.Cut(name, ".")
	return name
}

// look finds the one record of a name. Several are none (§4.10).
func look(ctx context.Context, r Resolver, name string) (*found, error) {
	all, err := r.LookupTXT(ctx, "_dmarc."+name)
	if err != nil {
		var missing *net.DNSError
		if errors.As(err, &missing) && missing.IsNotFound {
			return nil, nil
		}
		return nil, err
	}
	var f *found
	for _, txt := range all {
		rec, err := Parse(txt)
		if err != nil {
			continue
		}
		if f != nil {
			return nil, nil
		}
		f = &found{name, cut(txt), rec}
	}
	return f, nil
}

// policy is the record to apply (§4.10.1): the start's own, else that of its
// organisational domain, else that of the suffix above it.
func (w *walk) policy() *found {
	if len(w.found) == 0 {
		return nil
	}
	if w.found[0].domain == w.start {
		return &w.found[0]
	}
	org, err := w.organisation()
	if err != nil {
		return nil
	}
	for i := range w.found {
		if under(org, w.found[i].domain) {
			return &w.found[i]
		}
	}
	return nil
}

// organisation is the organisational domain of the start (§4.10.2). The walk
// ends at the first psd= there is, so only the last record can have one.
func (w *walk) organisation() (string, error) {
	if w.err != nil {
		return "", w.err
	}
	if len(w.found) == 0 {
		return w.start, nil
	}
	last := w.found[len(w.found)-1]
	org := last.domain
	if last.record.PSD == 'y' && org != w.start {
		org = below(org, w.start)
	}
	if r := registered(w.start); r != "" && under(r, org) && last.record.PSD != 'n' {
		return r, nil
	}
	return org, nil
}

// registered is what somebody registered with a registry to have this name, as
// far as the public suffix list knows; "" when it does not.
func registered(name string) string {
	suffix, icann := publicsuffix.PublicSuffix(name)
	for !icann { // a company's, below a registry's
		_, rest, ok := strings.Cut(suffix, ".")
		if !ok {
			return ""
		}
		suffix, icann = publicsuffix.PublicSuffix(rest)
	}
	if suffix == name {
		return ""
	}
	return below(suffix, name)
}

// below is the name one label under domain on the way to start.
func below(domain, start string) string {
	rest := strings.TrimSuffix(start, "."+domain)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + domain
}
