package jmap

import (
	"context"
	"strconv"

	"colporteur/accounts"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Identities keeps what members call themselves; *accounts.Service does.
type Identities interface {
	Identities(ctx context.Context, u mail.UserID) (list []accounts.Identity, state int64, err error)
	IdentityChanges(ctx context.Context, account mail.AccountID, since int64, most int) (accounts.IdentityChanges, error)
	EditIdentities(ctx context.Context, u mail.UserID, ifState *int64, edits []*accounts.IdentityEdit) (errs []error, before, after int64, err error)
	IdentityState(ctx context.Context, account mail.AccountID) (int64, error)
}

// Identities are the addresses that a member sends from (RFC 8621 §6): always
// their own, and as many others as they made of those that they may send from.

var identityMethods = map[string]method{
	"Identity/get":     {usingSubmission, typed(getIdentities)},
	"Identity/changes": {usingSubmission, typed(changesOfIdentities)},
	"Identity/set":     {usingSubmission, typed(setIdentities)},
}

var identityProperties = []string{"id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete"}

// ownIdentity is a word, so that it is the same for a member for ever.
const ownIdentity = "own"

func identityID(id int64) string {
	if id == accounts.OwnIdentity {
		return ownIdentity
	}
	return mailbox.ObjectID('i', id)
}

func identityNumber(s string) (id int64, ok bool) {
	if s == ownIdentity {
		return accounts.OwnIdentity, true
	}
	id, ok = mailbox.ParseObjectID('i', s)
	return id, ok && id != accounts.OwnIdentity
}

func identityObject(i accounts.Identity) object {
	return object{"id": identityID(i.ID), "name": i.Name, "email": i.Email.String(), "replyTo": people(i.ReplyTo), "bcc": people(i.Bcc),
		"textSignature": i.Text, "htmlSignature": i.HTML, "mayDelete": i.ID != accounts.OwnIdentity}
}

func countState(n int64) string { return strconv.FormatInt(n, 10) }

// identity is one of the member's, nil when there is none of this id.
func (c *Call) identity(ctx context.Context, id string) (*accounts.Identity, error) {
	n, ok := identityNumber(c.idOf(id))
	if !ok {
		return nil, nil
	}
	list, _, err := c.srv.Identities.Identities(ctx, c.User.ID)
	for i := range list {
		if list[i].ID == n {
			return &list[i], err
		}
	}
	return nil, err
}

func getIdentities(ctx context.Context, c *Call, a *getArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, identityProperties)
	if err != nil {
		return nil, err
	}
	ids, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	list, now, err := c.srv.Identities.Identities(ctx, c.User.ID)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: countState(now), List: []object{}, NotFound: []string{}}
	byID := map[string]accounts.Identity{}
	for _, i := range list {
		byID[identityID(i.ID)] = i
		if all {
			ids = append(ids, identityID(i.ID))
		}
	}
	for _, id := range ids {
		if i, ok := byID[id]; ok {
			out.List = append(out.List, identityObject(i).only(wanted))
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

func changesOfIdentities(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	since, err := sinceState(a.SinceState)
	if err != nil {
		return nil, err
	}
	most, err := a.most()
	if err != nil {
		return nil, err
	}
	ch, err := c.srv.Identities.IdentityChanges(ctx, account, int64(since), most)
	if err != nil {
		return nil, err
	}
	ids := func(list []int64) []string {
		out := []string{}
		for _, id := range list {
			out = append(out, identityID(id))
		}
		return out
	}
	return &changesAnswer{AccountID: a.AccountID, OldState: a.SinceState, NewState: countState(ch.To), More: ch.More,
		Created: ids(ch.Created), Updated: ids(ch.Updated), Destroyed: ids(ch.Removed)}, nil
}
