package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"colporteur/config"
	"colporteur/dkim/records"
	"colporteur/host"
	"colporteur/locale"
	"colporteur/mail"
)

type recordsCommand struct {
	Domain  string `arg:"" optional:"" help:"One of our domains; all if not given."`
	Lang    string `help:"fr or en; as the environment says if not given." enum:",fr,en" default:""`
	Publish bool   `help:"Publish what is missing, where dns.update lets us."`
}

// zone is what a domain should publish.
type zone = host.Zone

// records are what a domain of ours should publish, or all of them when none
// is named. First keys are made where there are none.
func (a *admin) records(ctx context.Context, domain string) ([]zone, error) {
	domains, err := a.ours(ctx, domain)
	if err != nil {
		return nil, err
	}
	certificate, _ := certificateOf(a.host.Config) // there may be none yet
	return a.host.Zones(ctx, domains, certificate)
}

// ours is domain when it is ours, or all when none is named.
func (a *admin) ours(ctx context.Context, domain string) ([]string, error) {
	domains, err := a.host.Accounts.Domains(ctx)
	if err != nil || domain == "" {
		return domains, err
	}
	name, err := mail.Domain(domain)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(domains, name) {
		return nil, refused{fmt.Sprintf("%s is not a domain of ours: `colporteur domain add %s` makes it one", name, name)}
	}
	return []string{name}, nil
}

// certificateOf is the server's certificate as it lies on the disk.
func certificateOf(cfg *config.Config) (*tls.Certificate, error) {
	return certificateFor(cfg, cfg.Hostname)
}

// certificateFor is that of a name that leads here.
func certificateFor(cfg *config.Config, name string) (*tls.Certificate, error) {
	switch cfg.TLS.Mode {
	case config.Files:
		return (&pair{cert: cfg.TLS.Cert, key: cfg.TLS.Key}).load(nil)
	case config.ACME:
		return obtained(cfg, name)
	}
	path := filepath.Join(cfg.Data, "tls.pem")
	c, err := tls.LoadX509KeyPair(path, path)
	return &c, err
}

// published is what became of a record that was to be published.
type published struct{ Name, Type, Why string }

func (a *admin) publishRecords(ctx context.Context, domain string) ([]published, error) {
	domains, err := a.ours(ctx, domain)
	if err != nil {
		return nil, err
	}
	if a.host.Records == nil {
		return nil, &mail.Error{Kind: mail.Conflict, Text: mail.MakeText("records-no-update")}
	}
	certificate, _ := certificateOf(a.host.Config)
	var out []published
	for _, name := range domains {
		before, err := a.host.Keys.Ensure(ctx, name)
		if err != nil {
			return nil, err
		}
		if err := a.host.Keys.Round(ctx, name); err != nil {
			return nil, err
		}
		after, err := a.host.Keys.List(ctx, name)
		if err != nil {
			return nil, err
		}
		for i, k := range after {
			if i < len(before) && before[i].Seen.IsZero() && !k.Seen.IsZero() {
				out = append(out, published{Name: k.Name(), Type: "TXT"})
			}
		}
		done, err := a.host.PublishRecords(ctx, name, certificate)
		if err != nil {
			return nil, err
		}
		for _, d := range done {
			p := published{Name: d.Record.Name, Type: d.Record.Type}
			if d.Err != nil {
				p.Why = d.Err.Error()
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func (r recordsCommand) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	p := printer(r.Lang)
	if !r.Publish {
		return c.sayRecords(cfg, r.Domain, p)
	}
	done, err := ask[[]published](c, cfg, "records/publish", r.Domain)
	if err != nil {
		return err
	}
	failed := false
	for _, d := range done {
		if d.Why == "" {
			c.printf("%s\n", p.T("records-published", "Name", d.Name, "Type", d.Type))
			continue
		}
		failed = true
		c.printf("%s\n", p.T("records-not-published", "Name", d.Name, "Type", d.Type, "Why", tidy(strings.TrimSuffix(d.Why, "."))))
	}
	if len(done) == 0 {
		c.printf("%s\n", p.T("records-nothing-published"))
	}
	if failed {
		return refused{"not everything could be published; see above"}
	}
	return nil
}

// printer writes in the language that the caller asks for, or their
// environment does (POSIX.1-2017 §8.2), or English.
func printer(lang string) locale.Printer {
	lang = cmp.Or(lang, os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG"))
	if strings.HasPrefix(strings.ToLower(lang), "fr") {
		return locale.For("fr")
	}
	return locale.For("en")
}

// sayRecords prints what to publish, as lines of a zone file that can be pasted
// as they are.
func (c *cli) sayRecords(cfg *config.Config, domain string, p locale.Printer) error {
	zones, err := ask[[]zone](c, cfg, "records", domain)
	if err != nil {
		return err
	}
	for i, z := range zones {
		if i == 0 {
			c.printf("; %s\n\n", p.T("records-host-title", "Host", cfg.Hostname))
			c.sayLines(z.Host, p)
		}
		c.printf("; %s\n\n", p.T("records-domain-title", "Domain", z.Domain))
		c.sayLines(z.Own, p)
	}
	return nil
}

func (c *cli) sayLines(all []records.Record, p locale.Printer) {
	known := slices.ContainsFunc(all, func(r records.Record) bool { return r.Kind == records.Reverse && r.Name != "" })
	for _, r := range all {
		lines := r.Lines()
		switch {
		case r.Kind == records.Reverse:
			if r.Name == "" && known {
				continue
			}
			// Not for our zone: whoever owns the address publishes it.
			line := "PTR " + r.Host + "."
			if r.Name != "" {
				line = r.Lines()[0]
			}
			lines = []string{"; " + line}
		case r.Kind == records.Address && len(lines) == 0:
			lines = []string{fmt.Sprintf("; %s. IN %s (%s)", r.Name, r.Type, p.T("records-your-address"))}
		case len(lines) == 0:
			continue
		}
		c.printf("; %s\n", p.Text(r.Purpose))
		for _, l := range lines {
			c.printf("%s\n", l)
		}
		c.printf("\n")
	}
}
