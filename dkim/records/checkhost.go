package records

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"

	"colporteur/dns"
)

func (c *checker) mx(ctx context.Context, r Record) Finding {
	a, err := c.dns.Ask(ctx, r.Name, mdns.TypeMX)
	if err != nil {
		return r.unknown()
	}
	now := values(a.Records)
	var others []string
	ours := false
	for _, rr := range a.Records {
		switch host := trim(rr.(*mdns.MX).Mx); host {
		case r.Host:
			ours = true
		case "":
			return r.say(Wrong, now, "mx-null") // RFC 7505
		default:
			others = append(others, host)
		}
	}
	switch {
	case len(a.Records) == 0:
		return r.missing()
	case ours && len(others) == 0:
		return r.good(now)
	case ours:
		return r.say(Extra, now, "mx-others", "Now", list(others)).fix("fix-mx-others", "Now", list(others))
	}
	for _, o := range others[:min(len(others), 3)] {
		if same, _ := c.same(ctx, o, r.Host); !same {
			return r.say(Wrong, now, "mx-elsewhere", "Now", list(others))
		}
	}
	// Mail arrives, but the certificate and MTA-STS name another host.
	return r.say(Extra, now, "mx-other-name", "Now", list(others)).fix("fix-replace")
}

// same says whether two names lead to a common address.
func (c *checker) same(ctx context.Context, a, b string) (bool, error) {
	x, err := c.addresses(ctx, a)
	if err != nil {
		return false, err
	}
	y, err := c.addresses(ctx, b)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(x, func(ip netip.Addr) bool { return slices.Contains(y, ip) }), nil
}

func (c *checker) address(ctx context.Context, r Record) Finding {
	a, err := c.dns.Ask(ctx, r.Name, mdns.StringToType[r.Type])
	if err != nil {
		return r.unknown()
	}
	now := values(a.Records)
	if a.Name != r.Name && a.Exists { // RFC 5321 §5.1, RFC 2181 §10.3
		return r.say(Wrong, now, "address-alias", "Now", short(a.Name)).fix("fix-address", "Now", list(now))
	}
	if len(a.Records) == 0 {
		f := r.missing()
		if len(r.Values) == 0 {
			return f.fix("fix-address-unknown")
		}
		return f
	}
	ours := len(r.Values) == 0
	for _, rr := range a.Records {
		ip, _ := address(rr)
		if ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() {
			return r.say(Wrong, now, "address-private", "Now", ip.String()).fix("fix-address-unknown")
		}
		ours = ours || slices.Contains(r.Values, ip.String())
	}
	if !ours {
		return r.say(Wrong, now, "address-elsewhere", "Now", list(now), "Known", list(r.Values))
	}
	return r.good(now)
}

// reverse looks from each address of the host back to it: what large
// providers ask of whoever brings them mail.
func (c *checker) reverse(ctx context.Context, r Record) []Finding {
	if r.Name != "" {
		if ip, ok := unreverse(r.Name); ok {
			return []Finding{c.oneReverse(ctx, r, ip)}
		}
		return nil
	}
	addrs, err := c.addresses(ctx, r.Host)
	if err != nil || len(addrs) == 0 {
		return nil // said of the address already
	}
	var out []Finding
	for _, ip := range addrs {
		if !ip.IsLoopback() && !ip.IsPrivate() && !slices.Contains(r.Also, ip.String()) {
			out = append(out, c.oneReverse(ctx, reverse(r.Host, ip), ip))
		}
	}
	return out
}

func (c *checker) oneReverse(ctx context.Context, r Record, ip netip.Addr) Finding {
	a, err := c.dns.Ask(ctx, r.Name, mdns.TypePTR)
	if err != nil {
		return r.say(Unknown, nil, "unknown")
	}
	now := values(a.Records)
	if len(a.Records) == 0 {
		return r.say(Missing, nil, "ptr-missing", "Address", ip.String()).fix("fix-ptr", "Address", ip.String())
	}
	back, names := "", []string{}
	for _, rr := range a.Records[:min(len(a.Records), 5)] {
		name := trim(rr.(*mdns.PTR).Ptr)
		names = append(names, name)
		addrs, err := c.addresses(ctx, name)
		if err != nil {
			return r.unknown()
		}
		if slices.Contains(addrs, ip) {
			if name == r.Host {
				return r.good(now)
			}
			back = name
		}
	}
	if back != "" {
		return r.good(now).advise("advice-ptr", "Address", ip.String(), "Now", short(back))
	}
	return r.say(Wrong, now, "ptr-not-back", "Address", ip.String(), "Now", list(names)).fix("fix-ptr", "Address", ip.String())
}

// unreverse undoes reverse.
func unreverse(name string) (netip.Addr, bool) {
	if s, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		parts := strings.Split(s, ".")
		slices.Reverse(parts)
		ip, err := netip.ParseAddr(strings.Join(parts, "."))
		return ip, err == nil
	}
	s, ok := strings.CutSuffix(name, ".ip6.arpa")
	digits := strings.Split(s, ".")
	slices.Reverse(digits)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && i%4 == 0 {
			b.WriteByte(':')
		}
		b.WriteString(d)
	}
	ip, err := netip.ParseAddr(b.String())
	return ip, ok && err == nil
}

func (c *checker) service(ctx context.Context, r Record) Finding {
	a, err := c.dns.Ask(ctx, r.Name, mdns.TypeSRV)
	if err != nil {
		return r.unknown()
	}
	now := values(a.Records)
	for _, rr := range a.Records {
		srv := rr.(*mdns.SRV)
		for _, v := range r.Values {
			if f := strings.Fields(v); len(f) == 4 && trim(f[3]) == trim(srv.Target) && f[2] == itoa(srv.Port) {
				return r.good(now)
			}
		}
	}
	if len(a.Records) == 0 {
		return r.missing()
	}
	return r.say(Wrong, now, "service-elsewhere", "Now", list(now))
}

// caa climbs to the records that count (RFC 8659 §3).
func (c *checker) caa(ctx context.Context, r Record) Finding {
	labels := mdns.SplitDomainName(r.Name)
	for i := range labels {
		name := strings.Join(labels[i:], ".")
		a, err := c.dns.Ask(ctx, name, mdns.TypeCAA)
		if err != nil {
			return r.unknown()
		}
		if len(a.Records) == 0 {
			continue
		}
		now, limits, ours := values(a.Records), false, false
		for _, rr := range a.Records {
			if caa := rr.(*mdns.CAA); strings.EqualFold(caa.Tag, "issue") {
				who, _, _ := strings.Cut(caa.Value, ";")
				limits = true
				for _, v := range r.Values {
					ours = ours || strings.Contains(v, `"`+strings.ToLower(strings.TrimSpace(who))+`"`)
				}
			}
		}
		if limits && !ours {
			f := r.say(Wrong, now, "caa-forbids", "Now", list(now), "At", short(name)).harmful()
			if name == r.Name {
				return f.fix("fix-add")
			}
			return f
		}
		return r.good(now)
	}
	return r.missing()
}

func (c *checker) tlsa(ctx context.Context, r Record) []Finding {
	a, err := c.dns.Ask(ctx, r.Name, mdns.TypeTLSA)
	switch {
	case err != nil:
		return []Finding{r.unknown()}
	case len(a.Records) > 0:
		return []Finding{r.fits(a)}
	case len(r.Values) == 0: // nor are there to be any
		return nil
	case !a.Secure:
		return []Finding{r.say(Good, nil, "tlsa-unsigned")}
	}
	return []Finding{r.missing()}
}

func (r Record) fits(a dns.Answer) Finding {
	now := values(a.Records)
	fits := append(slices.Clone(r.Values), r.Also...)
	for _, rr := range a.Records {
		t := rr.(*mdns.TLSA)
		v := strings.Join([]string{itoa(uint16(t.Usage)), itoa(uint16(t.Selector)), itoa(uint16(t.MatchingType)), strings.ToLower(t.Certificate)}, " ")
		if slices.Contains(fits, v) { // one is enough; the others may be the next one's
			if !a.Secure {
				return r.say(Good, now, "tlsa-unsigned")
			}
			return r.good(now)
		}
	}
	f := r.say(Wrong, now, "tlsa-stale")
	f.Harm = a.Secure // RFC 7672 §2.2: those who check do not deliver
	if len(r.Values) == 0 {
		return f.fix("fix-remove")
	}
	return f
}
