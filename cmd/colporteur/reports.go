package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"colporteur/dkim/report"
	"colporteur/dns"
	"colporteur/mail"
)

type reportsCommand struct {
	Domain string `arg:"" optional:"" help:"One of ours; all of them when it is left out."`
	Days   int    `help:"How far back." default:"30"`
	Lang   string `help:"fr or en." default:"en" enum:"fr,en"`
	HTML   string `name:"html" help:"Write a page for a browser to this file instead." placeholder:"FILE"`
}

// period is what reports asks; pages is what it gets. Sentences are made where
// the server is: their numbers choose plurals, and do not survive JSON.
type period struct {
	Domain, Lang string
	Days         int
	HTML         bool
}

type pages struct {
	Text []string
	HTML []byte
}

// outside is how long looking up our own addresses may take.
const outside = 3 * time.Second

// reportStore is the reports as this host sees them.
func (a *admin) reportStore(ctx context.Context) *report.Store {
	client := &dns.Client{TrustAD: a.host.Config.DNS.TrustAD}
	if r := a.host.Config.DNS.Resolver; r != "" {
		client.Servers = []string{r}
	}
	own := map[netip.Addr]bool{}
	add := func(ip net.IP) {
		if ip, ok := netip.AddrFromSlice(ip); ok {
			own[ip.Unmap()] = true
		}
	}
	ctx, cancel := context.WithTimeout(ctx, outside)
	defer cancel()
	if ips, err := client.LookupIPAddr(ctx, a.host.Config.Hostname); err == nil {
		for _, ip := range ips {
			add(ip.IP)
		}
	}
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, n := range addrs {
			if n, ok := n.(*net.IPNet); ok {
				add(n.IP)
			}
		}
	}
	return &report.Store{DB: a.host.DB, Ours: a.host.Accounts.Ours,
		Own: func(ip netip.Addr) bool { return own[ip] },
		Name: func(ctx context.Context, ip netip.Addr) string {
			names, err := client.LookupAddr(ctx, ip.String())
			if err != nil || len(names) == 0 {
				return ""
			}
			return strings.TrimSuffix(names[0], ".")
		}}
}

func (a *admin) reports(ctx context.Context, q period) (pages, error) {
	domains := []string{q.Domain}
	if q.Domain == "" {
		var err error
		if domains, err = a.host.Accounts.Domains(ctx); err != nil {
			return pages{}, err
		}
	}
	kept := a.reportStore(ctx)
	since := time.Now().Add(-time.Duration(q.Days) * 24 * time.Hour)
	var out pages
	for _, d := range domains {
		name, err := mail.Domain(d)
		if err != nil {
			return out, err
		}
		sum, err := kept.Summary(ctx, name, since)
		if err != nil {
			return out, err
		}
		if q.HTML {
			out.HTML, err = sum.HTML(q.Lang)
			return out, err
		}
		out.Text = append(out.Text, sum.Text(q.Lang))
	}
	return out, nil
}

func (r reportsCommand) Run(c *cli) error {
	if r.Days < 1 || r.Days > 400 {
		return usage("--days must be 1 to 400: older reports are not kept")
	}
	if r.HTML != "" && r.Domain == "" {
		return usage("--html needs a DOMAIN")
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	p, err := ask[pages](c, cfg, "reports", period{r.Domain, r.Lang, r.Days, r.HTML != ""})
	if err != nil {
		return err
	}
	if r.HTML != "" {
		if err := os.WriteFile(r.HTML, p.HTML, 0o644); err != nil { // the umask decides who else may read it
			return err
		}
		c.printf("The page is in %s.\n", r.HTML)
		return nil
	}
	if len(p.Text) == 0 {
		return refused{"there is no domain yet: `colporteur domain add` makes one"}
	}
	c.printf("%s", strings.Join(p.Text, "\n"))
	return nil
}
