package jmap

import (
	"context"
	"strconv"

	"colporteur/mail"
)

// Quotas are RFC 9425's. An account has one, of octets of mail, or none when
// nothing is limited.

var quotaMethods = map[string]method{
	"Quota/get":          {usingQuota, typed(getQuotas)},
	"Quota/changes":      {usingQuota, typed(changesOfQuotas)},
	"Quota/query":        {usingQuota, typed(queryQuotas)},
	"Quota/queryChanges": {usingQuota, typed(queryChangesOfQuotas)},
}

var quotaProperties = []string{"id", "resourceType", "used", "hardLimit", "warnLimit", "softLimit", "scope", "name", "description", "types"}

const mailQuota = "mail"

// quota is the account's, nil when there is none, and its state.
func (c *Call) quota(ctx context.Context, account mail.AccountID) (object, string, error) {
	limit, err := c.srv.Accounts.Quota(ctx, account)
	if err != nil {
		return nil, "", err
	}
	used, err := c.srv.Mailboxes.Usage(ctx, account)
	if err != nil {
		return nil, "", err
	}
	state := strconv.FormatInt(used, 36) + "-" + strconv.FormatInt(limit, 36)
	if limit == 0 {
		return nil, state, nil
	}
	return object{"id": mailQuota, "resourceType": "octets", "used": used, "hardLimit": limit, "warnLimit": limit / 100 * 80, "softLimit": nil,
		"scope": "account", "name": "mail", "description": nil, "types": []string{"Email"}}, state, nil
}

func getQuotas(ctx context.Context, c *Call, a *getArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, quotaProperties)
	if err != nil {
		return nil, err
	}
	ids, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	q, state, err := c.quota(ctx, account)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: state, List: []object{}, NotFound: []string{}}
	if all && q != nil {
		ids = []string{mailQuota}
	}
	for _, id := range ids {
		if id == mailQuota && q != nil {
			out.List = append(out.List, q.only(wanted))
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

// quotaChangesAnswer says besides that what is used alone has changed.
type quotaChangesAnswer struct {
	changesAnswer     `json:",embed"`
	UpdatedProperties []string `json:"updatedProperties"`
}

// changesOfQuotas knows only whether something happened.
func changesOfQuotas(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if _, err := a.most(); err != nil {
		return nil, err
	}
	_, state, err := c.quota(ctx, account)
	if err != nil {
		return nil, err
	}
	if a.SinceState != state {
		return nil, &failure{Type: "cannotCalculateChanges"}
	}
	return &quotaChangesAnswer{changesAnswer: changesAnswer{AccountID: a.AccountID, OldState: state, NewState: state, Created: []string{}, Updated: []string{}, Destroyed: []string{}}}, nil
}

func queryQuotas(ctx context.Context, c *Call, a *queryArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	var f struct {
		Name         string `json:"name"`
		Scope        string `json:"scope"`
		ResourceType string `json:"resourceType"`
		Type         string `json:"type"`
	}
	if err := filter(a.Filter, &f); err != nil {
		return nil, err
	}
	for _, k := range a.Sort {
		if k.Property != "name" && k.Property != "used" {
			return nil, &failure{Type: "unsupportedSort"}
		}
	}
	q, state, err := c.quota(ctx, account)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	is := func(want, have string) bool { return want == "" || want == have }
	if q != nil && is(f.Name, "mail") && is(f.Scope, "account") && is(f.ResourceType, "octets") && is(f.Type, "Email") {
		ids = append(ids, mailQuota)
	}
	first, last, limit, err := a.window(len(ids), func(id string) int {
		if len(ids) > 0 && id == mailQuota {
			return 0
		}
		return -1
	})
	if err != nil {
		return nil, err
	}
	out := &queryAnswer{AccountID: a.AccountID, QueryState: state, Position: first, IDs: ids[first:last], Limit: limit}
	if a.CalculateTotal {
		n := len(ids)
		out.Total = &n
	}
	return out, nil
}

func queryChangesOfQuotas(ctx context.Context, c *Call, a *queryChangesArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	_, state, err := c.quota(ctx, account)
	if err == nil && a.SinceState != state {
		err = &failure{Type: "cannotCalculateChanges"}
	}
	return &queryChangesAnswer{AccountID: a.AccountID, OldState: state, NewState: state, Removed: []string{}, Added: []addedItem{}}, err
}
