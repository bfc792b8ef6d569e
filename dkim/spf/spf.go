// Package spf finds out whether a host may send mail in a domain's name
// (RFC 7208).
//
// # What is the library's, and what is ours
//
// blitiri.com.ar/go/spf walks the terms of a record, counts lookups and void
// lookups and compares addresses. It reads records leniently, though: it stops
// at the first term that matches where RFC 7208 §4.6 wants an error anywhere to
// count, takes names that are none, knows no p macro, and asks for both address
// families, of which the one that cannot be found out is forgotten. So every
// record is read here by the grammar of §12 (record.go), and the library gets
// it in a plain form: macros expanded (macro.go), names replaced by handles that
// are looked up for it (lookup.go), terms of the other address family left out.
//
// # Bounds
//
// Ten terms that ask the DNS, two void lookups, ten names of an MX or PTR
// (§4.6.4), and 20 seconds in all; what ends by the clock is a temperror.
package spf

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	blitiri "blitiri.com.ar/go/spf"

	"colporteur/dns"
	"colporteur/mail"
)

// Limit is how long one check may take. RFC 7208 §4.6.4 wants at least 20 s.
const Limit = 20 * time.Second

// Resolver is what is asked; *dns.Client is one.
type Resolver interface {
	Ask(ctx context.Context, name string, kind uint16) (dns.Answer, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

var _ Resolver = (*dns.Client)(nil)

// Check is check_host() for the sender, "local@domain" with U-labels or
// A-labels. "" is the null sender, for which the EHLO name stands in (§2.4), and
// so checks the EHLO name itself (§2.3).
func Check(ctx context.Context, r Resolver, ip netip.Addr, helo, sender string) mail.SPFResult {
	local, domain := "postmaster", helo // §4.3
	if i := strings.LastIndexByte(sender, '@'); i >= 0 {
		domain = sender[i+1:]
		if i > 0 {
			local = sender[:i]
		}
	} else if sender != "" {
		return mail.SPFResult{Result: mail.None, Sender: sender, Reason: "the sender has no domain"}
	}
	name, err := mail.Domain(strings.TrimSuffix(domain, "."))
	if err != nil || !strings.Contains(name, ".") { // an address literal, or not a name of the DNS (§4.3)
		return mail.SPFResult{Result: mail.None, Sender: sender, Reason: "not a domain name"}
	}
	out := mail.SPFResult{Result: mail.None, Domain: name, Sender: local + "@" + name}
	if !ip.IsValid() {
		out.Reason = "the client has no address"
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	c := &check{dns: r, ip: ip.Unmap().WithZone(""), local: local, domain: name, helo: helo} // §5: mapped addresses are IPv4
	result, err := blitiri.CheckHostWithSender(c.ip.AsSlice(), "unused.invalid", "unused@"+name,
		blitiri.WithContext(ctx), blitiri.WithResolver(c))
	out.Result = mail.Result(result)
	if err != nil {
		out.Reason = err.Error()
	}
	// A ptr that could not be asked for must not end in a fail. The clock is looked
	// at because a question ends with its deadline, a moment before the context.
	if end, _ := ctx.Deadline(); ctx.Err() != nil || !time.Now().Before(end) {
		out.Result, out.Reason = mail.TempError, "it took too long"
	}
	return out
}
