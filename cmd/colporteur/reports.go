package main

import (
	"context"
	"os"
	"strings"
	"time"

	"colporteur/mail"
)

type reportsCommand struct {
	Domain string `arg:"" optional:"" help:"One of ours; all of them when it is left out."`
	Days   int    `help:"How far back." default:"30"`
	Lang   string `help:"fr or en; the one of your terminal when it is left out." enum:",fr,en" default:""`
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

func (a *admin) reports(ctx context.Context, q period) (pages, error) {
	domains := []string{q.Domain}
	if q.Domain == "" {
		var err error
		if domains, err = a.host.Accounts.Domains(ctx); err != nil {
			return pages{}, err
		}
	}
	kept := a.host.Reports.Store
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
	p, err := ask[pages](c, cfg, "reports", period{r.Domain, printer(r.Lang).Lang, r.Days, r.HTML != ""})
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
