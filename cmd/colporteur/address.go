package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/store"
)

type memberAddress struct {
	Add    addressAdd    `cmd:"" help:"Let programs (envoi@, album+…@) take a member's mail from an address at another host, when that host signs it."`
	List   addressList   `cmd:"" help:"The addresses at other hosts that a member confirmed."`
	Remove addressRemove `cmd:"" help:"Take one away."`
	Secret addressSecret `cmd:"" help:"Give a member new secret addresses, for a scanner or a camera; the ones before end."`
}

type addressAdd struct {
	Address string `arg:"" help:"The member's address here."`
	Outside string `arg:"" help:"Their address at another host."`
}

func (a addressAdd) Run(c *cli) error {
	return do(c, "address/add", outsideAddress{a.Address, a.Outside}, "Mail of %s to programs here is mail of %s from now on, when its host signs it; else they are asked.", a.Outside, strings.ToLower(a.Address))
}

type addressRemove struct {
	Address string `arg:""`
	Outside string `arg:""`
}

func (a addressRemove) Run(c *cli) error {
	return do(c, "address/remove", outsideAddress{a.Address, a.Outside}, "Programs take no mail of %s any more.", a.Outside)
}

type addressList struct {
	Address string `arg:""`
}

func (a addressList) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	all, err := ask[[]accounts.Outside](c, cfg, "address/list", a.Address)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, o := range all {
		fmt.Fprintf(w, "%s\tconfirmed %s\n", o.Address, o.Confirmed.Format(time.DateOnly))
	}
	return w.Flush()
}

type addressSecret struct {
	Address string `arg:""`
}

func (a addressSecret) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	secret, err := ask[string](c, cfg, "address/secret", a.Address)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(strings.ToLower(a.Address), "@")
	c.printf("envoi.%s@%s\nalbum.%s+NAME@%s\n", secret, domain, secret, domain)
	return nil
}

type outsideAddress struct{ Address, Outside string }

func (a *admin) addOutside(ctx context.Context, o outsideAddress) (none, error) {
	return none{}, a.outside(ctx, o, a.host.Accounts.AddOutside)
}

func (a *admin) removeOutside(ctx context.Context, o outsideAddress) (none, error) {
	return none{}, a.outside(ctx, o, a.host.Accounts.RemoveOutside)
}

func (a *admin) outside(ctx context.Context, o outsideAddress, change func(context.Context, *store.Tx, mail.UserID, mail.Address) error) error {
	m, err := a.find(ctx, o.Address)
	if err != nil {
		return err
	}
	elsewhere, err := mail.ParseAddress(o.Outside)
	if err != nil {
		return err
	}
	return a.host.DB.Write(ctx, func(tx *store.Tx) error { return change(ctx, tx, m.ID, elsewhere) })
}

func (a *admin) listOutside(ctx context.Context, address string) ([]accounts.Outside, error) {
	m, err := a.find(ctx, address)
	if err != nil {
		return nil, err
	}
	return a.host.Accounts.Outsides(ctx, m.ID)
}

func (a *admin) renewSecret(ctx context.Context, address string) (string, error) {
	m, err := a.find(ctx, address)
	if err != nil {
		return "", err
	}
	if err := a.host.DB.Write(ctx, func(tx *store.Tx) error { return a.host.Accounts.NewSecret(ctx, tx, m.ID) }); err != nil {
		return "", err
	}
	return a.host.Accounts.Secret(ctx, m.ID)
}
