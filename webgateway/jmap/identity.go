package jmap

import (
	"context"
	"maps"
	"slices"

	"colporteur/mail"
)

// Identities are the addresses that a member sends from (RFC 8621 §6). There is
// one, their own; what they call themselves there is their name here.

var identityMethods = map[string]method{
	"Identity/get":     {usingSubmission, typed(getIdentities)},
	"Identity/changes": {usingSubmission, typed(changesOfIdentities)},
	"Identity/set":     {usingSubmission, typed(setIdentities)},
}

var identityProperties = []string{"id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete"}

const (
	ownIdentity   = "own"
	identityState = "1"
)

func identityOf(u mail.User) object {
	return object{"id": ownIdentity, "name": u.Name, "email": u.Address.String(), "replyTo": nil, "bcc": nil, "textSignature": "", "htmlSignature": "", "mayDelete": false}
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
	if all {
		ids = []string{ownIdentity}
	}
	out := &getAnswer{AccountID: a.AccountID, State: identityState, List: []object{}, NotFound: []string{}}
	for _, id := range ids {
		if id == ownIdentity {
			out.List = append(out.List, identityOf(c.User).only(wanted))
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

func changesOfIdentities(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	if a.SinceState != identityState {
		return nil, &failure{Type: "cannotCalculateChanges"}
	}
	return &changesAnswer{AccountID: a.AccountID, OldState: identityState, NewState: identityState, Created: []string{}, Updated: []string{}, Destroyed: []string{}}, nil
}

func setIdentities(ctx context.Context, c *Call, a *setArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	if a.IfInState != nil && *a.IfInState != identityState {
		return nil, &failure{Type: "stateMismatch"}
	}
	out := a.answer(identityState)
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		out.NotCreated[key] = &setError{Type: "forbidden", Description: "a member has the identity of their own address"}
	}
	for _, id := range slices.Sorted(maps.Keys(a.Update)) {
		out.NotUpdated[id] = missingOr(id, "forbidden")
	}
	for _, id := range a.Destroy {
		out.NotDestroyed[id] = missingOr(id, "forbidden")
	}
	return out, nil
}

func missingOr(id, otherwise string) *setError {
	if id != ownIdentity {
		return &setError{Type: "notFound"}
	}
	return &setError{Type: otherwise}
}
