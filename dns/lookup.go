package dns

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"colporteur/mail"
)

var _ mail.Resolver = (*Client)(nil)

// missing is package net's way to say that there is nothing.
func missing(name string, exists bool) error {
	err := "no such host"
	if exists {
		err = "no such record"
	}
	return &net.DNSError{Err: err, Name: strings.TrimSuffix(name, "."), IsNotFound: true}
}

// Exists says whether a name is in the DNS at all (RFC 8020): a false is the
// NXDOMAIN that DMARC's np and SPF's void lookups mean.
func (c *Client) Exists(ctx context.Context, name string) (bool, error) {
	a, err := c.Ask(ctx, name, dns.TypeA)
	return a.Exists, err
}

// LookupMX as net.Resolver, without its sorting.
func (c *Client) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	a, err := c.Ask(ctx, name, dns.TypeMX)
	if err != nil {
		return nil, err
	}
	var out []*net.MX
	for _, rr := range a.Records {
		mx := rr.(*dns.MX)
		out = append(out, &net.MX{Host: mx.Mx, Pref: mx.Preference})
	}
	if len(out) == 0 {
		return nil, missing(name, a.Exists)
	}
	slices.SortStableFunc(out, func(x, y *net.MX) int { return int(x.Pref) - int(y.Pref) })
	return out, nil
}

// LookupTXT as net.Resolver: the strings of one record are joined, as SPF,
// DKIM and DMARC want them.
func (c *Client) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := c.Ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, rr := range a.Records {
		out = append(out, plain(strings.Join(rr.(*dns.TXT).Txt, "")))
	}
	if len(out) == 0 {
		return nil, missing(name, a.Exists)
	}
	return out, nil
}

// plain undoes the escapes of the library's presentation format.
func plain(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	digit := func(i int) bool { return i < len(s) && s[i] >= '0' && s[i] <= '9' }
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if digit(i) && digit(i+1) && digit(i+2) {
			b.WriteByte((s[i]-'0')*100 + (s[i+1]-'0')*10 + s[i+2] - '0')
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// LookupIPAddr as net.Resolver: both families, asked for at once. One that
// cannot be found out does not hide the other.
func (c *Client) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	if ip := net.ParseIP(strings.TrimSuffix(host, ".")); ip != nil {
		return []net.IPAddr{{IP: ip}}, nil
	}
	var six Answer
	var err6 error
	var wait sync.WaitGroup
	wait.Go(func() { six, err6 = c.Ask(ctx, host, dns.TypeAAAA) })
	four, err := c.Ask(ctx, host, dns.TypeA)
	wait.Wait()
	var out []net.IPAddr
	for _, rr := range four.Records {
		out = append(out, net.IPAddr{IP: rr.(*dns.A).A})
	}
	for _, rr := range six.Records {
		out = append(out, net.IPAddr{IP: rr.(*dns.AAAA).AAAA})
	}
	switch {
	case len(out) > 0:
		return out, nil
	case err != nil:
		return nil, err
	case err6 != nil:
		return nil, err6
	}
	return nil, missing(host, four.Exists || six.Exists)
}

// LookupAddr as net.Resolver: the names of an address, with final dots.
func (c *Client) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	name, err := dns.ReverseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: "not an address", Name: addr}
	}
	a, err := c.Ask(ctx, name, dns.TypePTR)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, rr := range a.Records {
		out = append(out, rr.(*dns.PTR).Ptr)
	}
	if len(out) == 0 {
		return nil, missing(addr, a.Exists)
	}
	return out, nil
}
