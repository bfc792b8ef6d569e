package jmap

import (
	"context"

	"colporteur/mail"
	"colporteur/store/contact"
)

// Other members are not suggested: who is on this host is shown to nobody who does
// not write to them, or share a group with them.

type suggestArgs struct {
	AccountID string `json:"accountId"`
	Text      string `json:"text"`
	Limit     *int   `json:"limit"`
}

type suggestAnswer struct {
	AccountID string   `json:"accountId"`
	List      []object `json:"list"`
}

const maxSuggestions = 50

// suggestAddresses is for a field in which an address is typed.
func suggestAddresses(ctx context.Context, c *Call, a *suggestArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	limit := 10
	if a.Limit != nil {
		if limit = min(*a.Limit, maxSuggestions); limit < 1 {
			return nil, invalid("limit is a positive number", "limit")
		}
	}
	joined, err := c.srv.Accounts.GroupsOf(ctx, c.User.ID)
	if err != nil {
		return nil, err
	}
	var groups []contact.Address
	for _, g := range joined {
		groups = append(groups, contact.Address{Address: g.Address, Name: g.Name})
	}
	list, err := c.srv.Contacts.Suggest(ctx, account, a.Text, groups, limit)
	if err != nil {
		return nil, err
	}
	out := &suggestAnswer{AccountID: a.AccountID, List: []object{}}
	for _, s := range list {
		out.List = append(out.List, object{"name": s.Name, "email": s.Address.Address.String(), "source": s.Source})
	}
	return out, nil
}

type forgetArgs struct {
	AccountID string `json:"accountId"`
	Email     string `json:"email"`
}

// forgetAddress has an address not be suggested any more that the member wrote to;
// one that is on a card goes with the card.
func forgetAddress(ctx context.Context, c *Call, a *forgetArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	address, err := mail.ParseAddress(a.Email)
	if err != nil {
		return nil, invalid("it is no address", "email")
	}
	err = c.srv.Contacts.Forget(ctx, account, address)
	if mail.Is(err, mail.NotFound) {
		return nil, invalid("there is no such address", "email")
	}
	if err != nil {
		return nil, err
	}
	return object{"accountId": a.AccountID, "email": address.String()}, nil
}
