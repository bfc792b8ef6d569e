package main

import (
	"context"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// group is one group in listings.
type group struct {
	Address, Name, Lang string
	Quota               int64
	Members             []string
}

func (a *admin) addGroup(ctx context.Context, g group) (none, error) {
	addr, err := mail.ParseAddress(g.Address)
	if err != nil {
		return none{}, err
	}
	_, err = a.host.Accounts.AddGroup(ctx, accounts.Group{Address: addr, Name: g.Name, Lang: g.Lang, Quota: g.Quota})
	return none{}, err
}

func (a *admin) listGroups(ctx context.Context, _ none) ([]group, error) {
	all, err := a.host.Accounts.AllGroups(ctx)
	out := make([]group, len(all))
	for i, g := range all {
		out[i] = group{Address: g.Address.String(), Name: g.Name, Lang: g.Lang, Quota: g.Quota}
		for _, m := range g.Members {
			out[i].Members = append(out[i].Members, m.String())
		}
	}
	return out, err
}

type membership struct {
	Group, Member string
	On            bool
}

func (a *admin) joinGroup(ctx context.Context, m membership) (none, error) {
	group, err := mail.ParseAddress(m.Group)
	if err != nil {
		return none{}, err
	}
	member, err := mail.ParseAddress(m.Member)
	if err != nil {
		return none{}, err
	}
	if m.On {
		return none{}, a.host.Accounts.Join(ctx, group, member)
	}
	return none{}, a.host.Accounts.Leave(ctx, group, member)
}

func (a *admin) removeGroup(ctx context.Context, address string) (none, error) {
	addr, err := mail.ParseAddress(address)
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Accounts.RemoveGroup(ctx, addr)
}

// share is what an operator gives to somebody of another's mailboxes.
type share struct{ Owner, With, Rights, Mailbox string }

func (a *admin) share(ctx context.Context, s share) (none, error) {
	rights, err := mailbox.ParseRights(s.Rights)
	if err != nil {
		return none{}, err
	}
	owner, err := a.account(ctx, s.Owner)
	if err != nil {
		return none{}, err
	}
	with, err := a.account(ctx, s.With)
	if err != nil {
		return none{}, err
	}
	if s.Mailbox == "" {
		return none{}, a.host.Mailboxes.GrantAll(ctx, owner, with, rights)
	}
	m, err := a.host.Mailboxes.Get(ctx, owner, s.Mailbox)
	if err != nil {
		return none{}, err
	}
	return none{}, a.host.Mailboxes.Grant(ctx, m, with, rights)
}

func (a *admin) account(ctx context.Context, address string) (mail.AccountID, error) {
	addr, err := mail.ParseAddress(address)
	if err != nil {
		return 0, err
	}
	return a.host.Accounts.AccountOf(ctx, addr)
}
