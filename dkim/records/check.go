package records

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	mdns "github.com/miekg/dns"

	"colporteur/dns"
	"colporteur/mail"
)

// Verdict is what became of comparing a record.
type Verdict string

const (
	Good    Verdict = "good" // perhaps with advice in Fix
	Missing Verdict = "missing"
	Wrong   Verdict = "wrong"
	Extra   Verdict = "extra"   // there is more than there should be
	Unknown Verdict = "unknown" // the DNS did not say
)

// Finding is what is to be said about one record.
type Finding struct {
	Record  Record
	Verdict Verdict
	Now     []string  // what the DNS says, shortened
	Text    mail.Text // one sentence
	Fix     mail.Text // what to do, in one sentence; no ID is nothing
	// Harm: mail is lost or refused for it, or not proven to be ours.
	Harm bool
}

// Resolver is what is asked; *dns.Client is one.
type Resolver interface {
	Ask(ctx context.Context, name string, kind uint16) (dns.Answer, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

var _ Resolver = (*dns.Client)(nil)

const (
	checkWait = 10 * time.Second // for all records together
	atOnce    = 16
	maxShown  = 300 // octets of one value of a stranger's
	maxValues = 20
)

// Check compares wanted with what the DNS says, side by side. What it does not
// say in time is Unknown.
func Check(ctx context.Context, r Resolver, wanted []Record) []Finding {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	c := &checker{dns: r, hosts: map[string]*resolved{}}
	found := make([][]Finding, len(wanted))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, w := range wanted {
		wait.Go(func() {
			slots <- struct{}{} // each ends with ctx
			defer func() { <-slots }()
			found[i] = c.record(ctx, w)
		})
	}
	wait.Wait()
	var out []Finding
	for _, f := range slices.Concat(found...) {
		f.Harm = f.Harm || f.Record.Need == Required && (f.Verdict == Missing || f.Verdict == Wrong)
		out = append(out, f)
	}
	return out
}

type checker struct {
	dns   Resolver
	mu    sync.Mutex
	hosts map[string]*resolved
}

// resolved is the addresses of a name, asked for once.
type resolved struct {
	once  sync.Once
	addrs []netip.Addr
	err   error
}

func (c *checker) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	c.mu.Lock()
	h := c.hosts[host]
	if h == nil {
		h = &resolved{}
		c.hosts[host] = h
	}
	c.mu.Unlock()
	h.once.Do(func() {
		for _, kind := range []uint16{mdns.TypeA, mdns.TypeAAAA} {
			a, err := c.dns.Ask(ctx, host, kind)
			if err != nil {
				h.err = err
				continue
			}
			for _, rr := range a.Records[:min(len(a.Records), maxValues)] {
				if ip, ok := address(rr); ok {
					h.addrs = append(h.addrs, ip)
				}
			}
		}
	})
	if len(h.addrs) > 0 {
		return h.addrs, nil
	}
	return nil, h.err
}

func address(rr mdns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *mdns.A:
		ip, ok := netip.AddrFromSlice(rr.A)
		return ip.Unmap(), ok
	case *mdns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	}
	return netip.Addr{}, false
}

func (c *checker) record(ctx context.Context, r Record) []Finding {
	one := func(f Finding) []Finding { return []Finding{f} }
	switch r.Kind {
	case MX:
		return one(c.mx(ctx, r))
	case Address:
		return one(c.address(ctx, r))
	case SPF, HostSPF:
		return one(c.spf(ctx, r))
	case DKIM:
		return c.dkim(ctx, r)
	case DMARC:
		return one(c.dmarc(ctx, r))
	case STS:
		return one(c.sts(ctx, r))
	case STSHost, Setup:
		return one(c.leadsHere(ctx, r))
	case TLSRPT:
		return one(c.tlsrpt(ctx, r))
	case TLSA:
		return c.tlsa(ctx, r)
	case CAA:
		return one(c.caa(ctx, r))
	case Service:
		return one(c.service(ctx, r))
	case Reverse:
		return c.reverse(ctx, r)
	}
	return nil
}

// say makes a finding whose sentence is records-ID.
func (r Record) say(v Verdict, now []string, id string, args ...any) Finding {
	f := Finding{Record: r, Verdict: v, Now: shown(now), Text: r.text(id, args...)}
	switch v {
	case Missing:
		f.Fix = r.text("fix-add")
	case Wrong:
		f.Fix = r.text("fix-replace")
	}
	return f
}

// text is records-ID with what every sentence may name, and more.
func (r Record) text(id string, args ...any) mail.Text {
	t := mail.MakeText("records-"+id, args...)
	if t.Args == nil {
		t.Args = map[string]any{}
	}
	for k, v := range map[string]string{"Name": r.Name, "Type": r.Type, "Domain": r.Domain, "Host": r.Host, "Lines": strings.Join(r.Lines(), "\n")} {
		if _, ok := t.Args[k]; !ok {
			t.Args[k] = v
		}
	}
	return t
}

func (r Record) good(now []string) Finding { return r.say(Good, now, "good") }

func (r Record) missing() Finding { return r.say(Missing, nil, "missing") }

func (r Record) unknown() Finding { return r.say(Unknown, nil, "unknown") }

// advise adds what could be better to a good record.
func (f Finding) advise(id string, args ...any) Finding {
	f.Fix = f.Record.text(id, args...)
	return f
}

func (f Finding) fix(id string, args ...any) Finding { return f.advise(id, args...) }

func (f Finding) harmful() Finding {
	f.Harm = true
	return f
}

// shown bounds what strangers make us print.
func shown(values []string) []string {
	var out []string
	for _, v := range values[:min(len(values), maxValues)] {
		out = append(out, short(v))
	}
	return out
}

func short(v string) string {
	v = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(v[:min(len(v), maxShown+1)], "?"))
	if len(v) > maxShown {
		return strings.ToValidUTF8(v[:maxShown], "") + "…"
	}
	return v
}

// texts are the TXT records at name; none is no error.
func (c *checker) texts(ctx context.Context, name string) ([]string, error) {
	t, err := c.dns.LookupTXT(ctx, name)
	var e *net.DNSError
	if errors.As(err, &e) && e.IsNotFound {
		return nil, nil
	}
	return t, err
}

// values are the records of an answer as a zone file has them.
func values(rrs []mdns.RR) []string {
	var out []string
	for _, rr := range rrs[:min(len(rrs), maxValues)] {
		out = append(out, short(strings.TrimPrefix(rr.String(), rr.Header().String())))
	}
	return out
}

func list[T any](all []T) string {
	var out []string
	for _, v := range all[:min(len(all), maxValues)] {
		out = append(out, short(fmt.Sprint(v)))
	}
	return strings.Join(out, ", ")
}
