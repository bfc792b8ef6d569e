package spf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	blitiri "blitiri.com.ar/go/spf"
	mdns "github.com/miekg/dns"
)

// check is the DNS of one check_host(), as the library sees it. The library
// calls it from one goroutine.
type check struct {
	dns           Resolver
	ip            netip.Addr
	local, domain string // of the sender
	helo          string

	targets []target // what the handles stand for

	named bool     // names was looked up
	names []string // of ip, those that lead back to it
}

// target is a domain-spec that was put into a handle: a name of one label,
// which no domain here has. It is expanded when it is looked up, because %{p}
// asks the DNS.
type target struct {
	spec, domain string
	exists       bool // A records are meant, whatever the client's family (RFC 7208 §5.7)
}

var _ blitiri.DNSResolver = (*check)(nil)

const (
	maxNames = 10      // of an address (§4.6.4)
	maxText  = 1 << 16 // of a record; what is longer is none that a person wrote
)

func (c *check) handle(t target) string {
	c.targets = append(c.targets, t)
	return "t" + strconv.Itoa(len(c.targets)-1)
}

// real is what a name of the library's stands for.
func (c *check) real(ctx context.Context, name string) (real string, exists bool) {
	if strings.Contains(name, ".") {
		return strings.TrimSuffix(name, "."), false
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "t"))
	if err != nil || n < 0 || n >= len(c.targets) {
		return name, false
	}
	t := &c.targets[n]
	if t.spec != "" {
		t.domain, t.spec = c.expand(ctx, t.spec, t.domain), ""
	}
	return t.domain, t.exists
}

// LookupTXT finds the record of a domain and puts it into plain words.
func (c *check) LookupTXT(ctx context.Context, name string) ([]string, error) {
	domain, _ := c.real(ctx, name)
	all, err := c.dns.LookupTXT(ctx, wire(domain))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, txt := range all {
		if isRecord(txt) {
			found = append(found, txt)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fmt.Errorf("%s has %d records", domain, len(found)) // §4.5
	case len(found[0]) > maxText:
		return nil, errors.New("the record is too long")
	}
	rec, err := parse(found[0])
	if err != nil {
		return nil, fmt.Errorf("the record of %s: %w", domain, err)
	}
	return []string{c.plain(ctx, rec, domain)}, nil
}

// plain writes a record so that the library cannot misread it.
func (c *check) plain(ctx context.Context, rec record, domain string) string {
	var b strings.Builder
	b.WriteString(version)
	for _, t := range rec.terms {
		switch t.name {
		case "all":
			b.WriteString(" " + t.qualifier + t.name)
		case "ip4", "ip6":
			if t.net.Addr().Is4() == c.ip.Is4() { // §5: the others never match
				b.WriteString(" " + t.qualifier + t.name + ":" + t.net.String())
			}
		case "ptr":
			name := domain
			if t.spec != "" {
				name = c.expand(ctx, t.spec, domain)
			}
			if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("%/:", r) }) || name == "" {
				name = "none.invalid" // no host has such a name
			}
			b.WriteString(" " + t.qualifier + "ptr:" + name)
		case "include", "exists":
			b.WriteString(" " + t.qualifier + t.name + ":" + c.handle(target{t.spec, domain, t.name == "exists"}))
		default: // a, mx
			b.WriteString(" " + t.qualifier + t.name + ":" + c.handle(target{t.spec, domain, false}) + t.masks)
		}
	}
	if rec.redirect != "" {
		b.WriteString(" redirect=" + c.handle(target{rec.redirect, domain, false}))
	}
	return b.String()
}

// LookupIPAddr asks for the family of the client alone: that the other one
// cannot be found out, or is there, says nothing.
func (c *check) LookupIPAddr(ctx context.Context, name string) ([]net.IPAddr, error) {
	host, exists := c.real(ctx, name)
	kind := mdns.TypeAAAA
	if c.ip.Is4() || exists {
		kind = mdns.TypeA
	}
	a, err := c.dns.Ask(ctx, wire(host), kind)
	if err != nil {
		return nil, err
	}
	var out []net.IPAddr
	for _, rr := range a.Records {
		switch rr := rr.(type) {
		case *mdns.A:
			out = append(out, net.IPAddr{IP: rr.A})
		case *mdns.AAAA:
			out = append(out, net.IPAddr{IP: rr.AAAA})
		}
	}
	if len(out) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return out, nil
}

// LookupMX keeps a null MX (RFC 7505) as a name without addresses.
func (c *check) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	domain, _ := c.real(ctx, name)
	return c.dns.LookupMX(ctx, wire(domain))
}

// LookupAddr is the names of the client. One with a dot inside a label is
// nobody's, and would be taken for a name below another domain.
func (c *check) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	all, err := c.dns.LookupAddr(ctx, addr)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range all {
		if !strings.Contains(n, `\`) {
			out = append(out, n)
		}
	}
	return out, nil
}

// proven is the p macro (§7.3): a name of the client that leads back to it, the
// domain itself or one below it if there is one.
func (c *check) proven(ctx context.Context, domain string) string {
	if !c.named {
		c.named = true
		all, _ := c.LookupAddr(ctx, c.ip.String()) // an error is "unknown" too
		for _, n := range all[:min(len(all), maxNames)] {
			addrs, _ := c.LookupIPAddr(ctx, n)
			for _, a := range addrs {
				if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == c.ip {
					c.names = append(c.names, strings.ToLower(strings.TrimSuffix(n, ".")))
					break
				}
			}
		}
	}
	best, rank := "unknown", 0
	domain = strings.ToLower(domain)
	for _, n := range c.names {
		r := 1
		if n == domain {
			r = 3
		} else if strings.HasSuffix(n, "."+domain) {
			r = 2
		}
		if r > rank {
			best, rank = n, r
		}
	}
	return best
}

// wire writes a name, of which macros may have made anything, as the DNS
// library writes names: its answers are compared with the question.
func wire(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case strings.IndexByte(` '@;()"\`, c) >= 0:
			b.WriteString(`\` + string(c))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
