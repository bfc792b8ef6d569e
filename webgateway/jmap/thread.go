package jmap

import (
	"context"

	"colporteur/store/mailbox"
)

var threadMethods = map[string]method{
	"Thread/get":     {usingMail, typed(getThreads)},
	"Thread/changes": {usingMail, typed(changesOfThreads)},
}

var threadProperties = []string{"id", "emailIds"}

func getThreads(ctx context.Context, c *Call, a *getArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, threadProperties)
	if err != nil {
		return nil, err
	}
	asked, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	if all {
		return nil, &failure{Type: "requestTooLarge", Description: "say which threads"}
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: state(now), List: []object{}, NotFound: []string{}}
	var ids []mailbox.ThreadID
	var known []string
	for _, s := range asked {
		if n, ok := number[mailbox.ThreadID]('t', s); ok {
			ids, known = append(ids, n), append(known, s)
		} else {
			out.NotFound = append(out.NotFound, s)
		}
	}
	mails, err := c.srv.Mailboxes.ThreadMails(ctx, c.User, account, ids)
	if err != nil {
		return nil, err
	}
	for i, list := range mails {
		if len(list) == 0 {
			out.NotFound = append(out.NotFound, known[i])
			continue
		}
		emails := make([]string, len(list))
		for j, id := range list {
			emails[j] = emailID(id)
		}
		out.List = append(out.List, object{"id": known[i], "emailIds": emails}.only(wanted))
	}
	return out, nil
}

func changesOfThreads(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
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
	got, err := c.srv.Mailboxes.ThreadChanges(ctx, c.User, account, since, most)
	if err != nil {
		return nil, err
	}
	return changed(a, got, 't'), nil
}

func emailID(id mailbox.EmailID) string { return mailbox.ObjectID('e', int64(id)) }

func threadID(id mailbox.ThreadID) string { return mailbox.ObjectID('t', int64(id)) }
