package main

import (
	"context"

	"colporteur/dkim/keyring"
)

type dkimCommands struct {
	List   dkimList   `cmd:"" help:"List the keys that mail is signed with, and those before and after them."`
	Rotate dkimRotate `cmd:"" help:"Change keys now. The new ones sign as soon as their records are seen in the DNS."`
}

type dkimList struct {
	Domain string `arg:"" optional:"" help:"One of our domains; all if not given."`
}

type dkimRotate struct {
	Domain string `arg:"" optional:"" help:"One of our domains; all if not given."`
}

func (a *admin) listKeys(ctx context.Context, domain string) ([]keyring.Entry, error) {
	domains, err := a.ours(ctx, domain)
	var out []keyring.Entry
	for _, d := range domains {
		keys, err := a.host.Keys.List(ctx, d)
		if err != nil {
			return nil, err
		}
		out = append(out, keys...)
	}
	return out, err
}

func (a *admin) rotateKeys(ctx context.Context, domain string) ([]keyring.Entry, error) {
	domains, err := a.ours(ctx, domain)
	var out []keyring.Entry
	for _, d := range domains {
		keys, err := a.host.Keys.Rotate(ctx, d)
		if err != nil {
			return nil, err
		}
		out = append(out, keys...)
	}
	return out, err
}

func (l dkimList) Run(c *cli) error { return c.sayKeys("dkim/list", l.Domain) }

func (r dkimRotate) Run(c *cli) error {
	if err := c.sayKeys("dkim/rotate", r.Domain); err != nil {
		return err
	}
	c.printf("\nKeys that are \"made\" wait for their records in the DNS: `colporteur records` prints them. The ones before them sign until then.\n")
	return nil
}

func (c *cli) sayKeys(what, domain string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	keys, err := ask[[]keyring.Entry](c, cfg, what, domain)
	if err != nil {
		return err
	}
	c.printf("%-24s %-10s %-8s %-10s %-11s %s\n", "DOMAIN", "SELECTOR", "KEY", "STATE", "SINCE", "SEEN IN DNS")
	for _, k := range keys {
		seen := "never"
		if !k.Seen.IsZero() {
			seen = day(k.Seen)
		}
		if !k.Trouble.IsZero() {
			seen += ", missing or wrong since " + day(k.Trouble)
		}
		c.printf("%-24s %-10s %-8s %-10s %-11s %s\n", k.Domain, k.Selector, k.Algorithm, k.State, day(k.Since), seen)
	}
	return nil
}
