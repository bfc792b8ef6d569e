package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"colporteur/mail"
	"colporteur/outward"
)

// How many hosts and addresses one attempt goes through. RFC 5321 §5.1 wants
// at least two addresses; a domain with fifty MX records must not hold a
// worker for a day.
const (
	maxHosts     = 10
	maxAddresses = 20
)

// host is one server that may take mail for a domain.
type host struct {
	name     string // without the final dot
	port     int
	pref     uint16
	trusted  bool // named by the operator, so it may be a private address
	implicit bool // the domain itself, which has no MX
}

// route finds the hosts for a domain, best first (RFC 5321 §5.1). Its error is
// a *failure.
func (r *Relay) route(ctx context.Context, domain string) ([]host, *failure) {
	if r.Smarthost != "" {
		return []host{r.smarthost()}, nil
	}
	if domain == "" {
		return nil, noDomain(nil)
	}
	// The final dot keeps the system's search list out of it: mail for
	// example.com must not go to example.com.office.example.
	mxs, err := r.resolver().LookupMX(ctx, domain+".")
	if err != nil && len(mxs) == 0 && !notFound(err) {
		return nil, broken("", "4.4.3", "relay-why-dns", err)
	}
	if len(mxs) == 0 {
		// No MX, or no such domain at all, which many resolvers do not tell
		// apart: the addresses of the domain decide (the implicit MX).
		return []host{{name: domain, port: r.port(), implicit: true}}, nil
	}
	// A null MX stands alone (RFC 7505 §3); beside others it is a mistake to skip.
	real := slices.DeleteFunc(slices.Clone(mxs), func(mx *net.MX) bool { return strings.Trim(mx.Host, ".") == "" })
	if len(real) == 0 {
		return nil, &failure{permanent: true, status: "5.1.10", why: mail.MakeText("relay-why-null-mx", "Domain", domain)}
	}
	r.random().Shuffle(len(real), func(i, j int) { real[i], real[j] = real[j], real[i] })
	slices.SortStableFunc(real, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	var hosts []host
	for _, mx := range real {
		name := strings.ToLower(strings.TrimSuffix(mx.Host, "."))
		if name == strings.ToLower(r.Hostname) && r.Hostname != "" {
			// We are in the list: hosts as good as us or worse would bring it back here.
			hosts = hosts[:better(real, mx.Pref)]
			if len(hosts) == 0 {
				return nil, looping()
			}
			break
		}
		hosts = append(hosts, host{name: name, port: r.port(), pref: mx.Pref})
	}
	if len(hosts) > maxHosts {
		hosts = hosts[:maxHosts]
	}
	return hosts, nil
}

// better counts the records preferred to pref.
func better(sorted []*net.MX, pref uint16) int {
	n := 0
	for n < len(sorted) && sorted[n].Pref < pref {
		n++
	}
	return n
}

func (r *Relay) resolver() mail.Resolver {
	if r.Resolver == nil {
		return net.DefaultResolver
	}
	return r.Resolver
}

func (r *Relay) port() int {
	if r.Port == 0 {
		return 25
	}
	return r.Port
}

func (r *Relay) smarthost() host {
	h := host{name: r.Smarthost, port: r.port(), trusted: true}
	if name, port, err := net.SplitHostPort(r.Smarthost); err == nil {
		if n, err := strconv.Atoi(port); err == nil {
			h.name, h.port = name, n
		}
	}
	h.name = strings.Trim(h.name, "[]")
	return h
}

// addresses are those of a host that we may connect to, both families in turn,
// IPv6 first. The absence of an implicit host means there is no such domain.
func (r *Relay) addresses(ctx context.Context, h host) ([]netip.Addr, *failure) {
	found, err := r.lookup(ctx, h)
	switch {
	case err != nil && len(found) == 0 && notFound(err), err == nil && len(found) == 0:
		if h.implicit {
			return nil, noDomain(err)
		}
		return nil, &failure{permanent: true, status: "5.4.4", host: h.name, why: mail.MakeText("relay-why-no-route"), err: err}
	case err != nil && len(found) == 0:
		return nil, broken(h.name, "4.4.3", "relay-why-dns", err)
	}
	var six, four []netip.Addr
	self, mine := false, own()
	for _, a := range found {
		if !h.trusted && !r.AllowPrivate {
			if slices.Contains(mine, a) {
				self = true
				continue
			}
			if outward.Forbidden(a) {
				continue
			}
		}
		if a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	var out []netip.Addr
	for i := 0; i < len(six) || i < len(four); i++ {
		if i < len(six) {
			out = append(out, six[i])
		}
		if i < len(four) {
			out = append(out, four[i])
		}
	}
	switch {
	case self:
		return nil, looping()
	case len(out) == 0:
		return nil, &failure{permanent: true, status: "5.4.4", host: h.name, why: mail.MakeText("relay-why-no-route"),
			err: errors.New("only addresses that are not on the Internet")}
	}
	return out, nil
}

func (r *Relay) lookup(ctx context.Context, h host) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(h.name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ips, err := r.resolver().LookupIPAddr(ctx, h.name+".")
	var out []netip.Addr
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip.IP); ok {
			a = a.Unmap()
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out, err
}

func noDomain(err error) *failure {
	return &failure{permanent: true, status: "5.1.2", why: mail.MakeText("relay-why-no-domain"), err: err}
}

func looping() *failure {
	return &failure{permanent: true, status: "5.4.6", why: mail.MakeText("relay-why-loop"),
		err: errors.New("the mail would come back to this server")}
}

// notFound tells "there is none" from "could not find out".
func notFound(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound && !e.IsTimeout && !e.IsTemporary
}

// random is a generator seeded from Rand, for choices that need no secrecy.
func (r *Relay) random() *rand.Rand {
	var seed [16]byte
	if _, err := io.ReadFull(r.entropy(), seed[:]); err != nil {
		return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:])))
}
