package main

import (
	"strings"
)

type domainCommands struct {
	Add  domainAdd  `cmd:"" help:"Take mail for a domain."`
	List domainList `cmd:"" help:"List our domains."`
}

type domainAdd struct {
	Domain string `arg:""`
}

func (d domainAdd) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	taken, err := ask[[]string](c, cfg, "domain/add", d.Domain)
	if err != nil {
		return err
	}
	c.printf("Mail for %s is taken now. Publish in its DNS:\n\n", d.Domain)
	if err := c.sayRecords(cfg, d.Domain, printer("")); err != nil {
		return err
	}
	c.sayTaken(taken)
	return nil
}

func (c *cli) sayTaken(taken []string) {
	for _, t := range taken {
		c.printf("Note: %s belongs to a member or an alias and stays theirs; the program of that name cannot be reached there.\n", t)
	}
}

type domainList struct{}

func (domainList) Run(c *cli) error {
	return list(c, "domain/list", "DOMAIN", func(d string) string { return d })
}

type aliasCommands struct {
	Add    aliasAdd    `cmd:"" help:"Lead an address to others."`
	List   aliasList   `cmd:"" help:"List all aliases."`
	Remove aliasRemove `cmd:"" help:"Remove an alias, or some of its targets."`
}

type aliasAdd struct {
	From string   `arg:""`
	To   []string `arg:""`
}

func (a aliasAdd) Run(c *cli) error {
	return do(c, "alias/add", aliasChange{a.From, a.To}, "Mail to %s goes to %s.", a.From, strings.Join(a.To, ", "))
}

type aliasList struct{}

func (aliasList) Run(c *cli) error {
	return list(c, "alias/list", "ALIAS\tLEADS TO", func(a aliasChange) string { return a.From + "\t" + strings.Join(a.To, ", ") })
}

type aliasRemove struct {
	From string   `arg:""`
	To   []string `arg:"" optional:"" help:"Only these targets."`
}

func (a aliasRemove) Run(c *cli) error {
	return do(c, "alias/remove", aliasChange{a.From, a.To}, "Done.")
}

type dropCommands struct {
	List dropList `cmd:"" help:"List the addresses of programs."`
}

type dropList struct{}

func (dropList) Run(c *cli) error {
	return list(c, "drop/list", "ADDRESS\tPROGRAM", func(d drop) string {
		if d.Program == "" {
			return d.Address + "\tnone: a member or an alias has this address"
		}
		return d.Address + "\t" + d.Program
	})
}
