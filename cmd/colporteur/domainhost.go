package main

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	mdns "github.com/miekg/dns"

	"colporteur/config"
	"colporteur/dkim/records"
	"colporteur/dns"
)

// domainHosts are the names of our domains that others ask over HTTPS:
// mta-sts.DOMAIN, whose policy counts for nothing without a certificate (RFC 8461
// §3.3), and those where mail programs look for how to set themselves up. An order
// for a name that leads elsewhere cannot succeed, and authorities that see many of
// those take no more orders for a while, the good ones neither. So a name is managed
// when the DNS says that it leads here, and left alone when it says otherwise.
type domainHosts struct {
	domains  func(context.Context) ([]string, error)
	hostname string
	dns      interface {
		Ask(ctx context.Context, name string, kind uint16) (dns.Answer, error)
	}
	own    func() []net.IP                        // addresses of this machine
	have   func(name string) bool                 // a certificate lies there from earlier
	manage func(ctx context.Context, name string) // until ctx ends
	forget func(name string)                      // what manage brought
	log    *slog.Logger

	managed map[string]context.CancelFunc
}

const domainHostsEvery = time.Hour

// run looks at start and every hour, until ctx ends.
func (p *domainHosts) run(ctx context.Context) {
	tick := time.NewTicker(domainHostsEvery)
	defer tick.Stop()
	for {
		p.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *domainHosts) round(ctx context.Context) {
	domains, err := p.domains(ctx)
	if err != nil {
		if ctx.Err() == nil {
			p.log.Warn("domains not read", "err", err)
		}
		return
	}
	if p.managed == nil {
		p.managed = map[string]context.CancelFunc{}
	}
	var names []string
	for _, d := range domains {
		names = append(names, "mta-sts."+d)
		for _, label := range records.SetupLabels {
			names = append(names, label+"."+d)
		}
	}
	for _, name := range names {
		here, err := p.here(ctx, name)
		stop, managed := p.managed[name]
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && (managed || !p.have(name)):
			// Not known: as it was.
		case (err != nil || here) && !managed:
			one, cancel := context.WithCancel(ctx)
			p.managed[name] = cancel
			p.manage(one, name)
		case err == nil && !here && managed:
			p.log.Warn("certificate no longer renewed: the name leads elsewhere", "host", name)
			p.drop(name, stop)
		}
	}
	for name, stop := range p.managed {
		if !slices.Contains(names, name) {
			p.drop(name, stop)
		}
	}
}

func (p *domainHosts) drop(name string, stop context.CancelFunc) {
	stop()
	p.forget(name)
	delete(p.managed, name)
}

// here says whether every address of name is ours: one that the server's own
// name has too, or one of this machine. An authority may ask at any of them.
func (p *domainHosts) here(ctx context.Context, name string) (bool, error) {
	theirs, err := p.addresses(ctx, name)
	if err != nil || len(theirs) == 0 {
		return false, err
	}
	ours, err := p.addresses(ctx, p.hostname)
	if err != nil {
		return false, err
	}
	ours = append(ours, p.own()...)
	for _, ip := range theirs {
		if !slices.ContainsFunc(ours, ip.Equal) {
			return false, nil
		}
	}
	return true, nil
}

func (p *domainHosts) addresses(ctx context.Context, name string) ([]net.IP, error) {
	var out []net.IP
	for _, kind := range []uint16{mdns.TypeA, mdns.TypeAAAA} {
		a, err := p.dns.Ask(ctx, name, kind)
		if err != nil {
			return nil, err
		}
		for _, rr := range a.Records {
			switch rr := rr.(type) {
			case *mdns.A:
				out = append(out, rr.A)
			case *mdns.AAAA:
				out = append(out, rr.AAAA)
			}
		}
	}
	return out, nil
}

// domainHosts wires those of our domains to the library.
func (a *acme) domainHosts(cfg *config.Config) *domainHosts {
	client := &dns.Client{Log: a.log}
	if cfg.DNS.Resolver != "" {
		client.Servers = []string{cfg.DNS.Resolver}
	}
	return &domainHosts{hostname: cfg.Hostname, dns: client, own: machine, log: a.log,
		have: func(name string) bool { _, err := obtained(cfg, name); return err == nil },
		manage: func(ctx context.Context, name string) {
			if err := a.magic.ManageAsync(ctx, []string{name}); err != nil {
				a.log.Warn("certificate not managed", "host", name, "err", err)
			}
		},
		forget: func(name string) { a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}}) }}
}

// machine lists the addresses of this machine that others may reach.
func machine() []net.IP {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []net.IP
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() {
			out = append(out, n.IP)
		}
	}
	return out
}
