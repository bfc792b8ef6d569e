package jmap

import (
	"context"
	"maps"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

type importArgs struct {
	AccountID string                 `json:"accountId"`
	IfInState *string                `json:"ifInState"`
	Emails    map[string]emailImport `json:"emails"`
}

type emailImport struct {
	BlobID     string          `json:"blobId"`
	MailboxIDs map[string]bool `json:"mailboxIds"`
	Keywords   map[string]bool `json:"keywords"`
	ReceivedAt *time.Time      `json:"receivedAt"`
}

type importAnswer struct {
	AccountID  string               `json:"accountId"`
	OldState   string               `json:"oldState"`
	NewState   string               `json:"newState"`
	Created    map[string]object    `json:"created"`
	NotCreated map[string]*setError `json:"notCreated"`
}

// importEmails is Email/import (RFC 8621 §4.8).
func importEmails(ctx context.Context, c *Call, a *importArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	if len(a.Emails) > maxObjectsInSet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	if a.IfInState != nil && *a.IfInState != state(now) {
		return nil, &failure{Type: "stateMismatch"}
	}
	out := &importAnswer{AccountID: a.AccountID, OldState: state(now), Created: map[string]object{}, NotCreated: map[string]*setError{}}
	for _, key := range slices.Sorted(maps.Keys(a.Emails)) {
		o, err := c.importEmail(ctx, account, a.Emails[key])
		if err != nil {
			out.NotCreated[key] = c.refused(err)
			continue
		}
		c.made(key, o["id"].(string))
		out.Created[key] = o
	}
	after, err := c.srv.Mailboxes.State(ctx, account)
	out.NewState = state(after)
	return out, err
}

func (c *Call) importEmail(ctx context.Context, account mail.AccountID, q emailImport) (object, error) {
	f, bad := c.filingOf(q.MailboxIDs, q.Keywords, q.ReceivedAt)
	if bad != nil {
		return nil, bad
	}
	b, err := c.blob(ctx, account, c.idOf(q.BlobID))
	if mail.Is(err, mail.NotFound) {
		return nil, invalidProperties("there is no such blob", "blobId")
	}
	if err != nil {
		return nil, err
	}
	if l, err := b.letter(ctx); err != nil {
		return nil, err
	} else if l == nil {
		return nil, &setError{Type: "invalidEmail", Description: "the blob is no mail"}
	}
	r, err := b.open(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return c.file(ctx, account, f, b.size, r)
}

type copyArgs struct {
	FromAccountID   string               `json:"fromAccountId"`
	IfFromInState   *string              `json:"ifFromInState"`
	AccountID       string               `json:"accountId"`
	IfInState       *string              `json:"ifInState"`
	Create          map[string]emailCopy `json:"create"`
	DestroyOriginal bool                 `json:"onSuccessDestroyOriginal"`
	DestroyIfState  *string              `json:"destroyFromIfInState"`
}

type emailCopy struct {
	ID         string          `json:"id"`
	MailboxIDs map[string]bool `json:"mailboxIds"`
	Keywords   map[string]bool `json:"keywords"`
	ReceivedAt *time.Time      `json:"receivedAt"`
}

type copyAnswer struct {
	FromAccountID string               `json:"fromAccountId"`
	AccountID     string               `json:"accountId"`
	OldState      string               `json:"oldState"`
	NewState      string               `json:"newState"`
	Created       map[string]object    `json:"created"`
	NotCreated    map[string]*setError `json:"notCreated"`
}

// copyEmails is Email/copy (RFC 8621 §4.7), from one account to another.
func copyEmails(ctx context.Context, c *Call, a *copyArgs) (any, error) {
	from, err := c.account(ctx, a.FromAccountID)
	if err != nil {
		return nil, &failure{Type: "fromAccountNotFound"}
	}
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if from == account {
		return nil, invalid("the accounts are one", "fromAccountId")
	}
	if len(a.Create) > maxObjectsInSet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	now, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	was, err := c.srv.Mailboxes.State(ctx, from)
	if err != nil {
		return nil, err
	}
	if a.IfInState != nil && *a.IfInState != state(now) || a.IfFromInState != nil && *a.IfFromInState != state(was) {
		return nil, &failure{Type: "stateMismatch"}
	}
	out := &copyAnswer{FromAccountID: a.FromAccountID, AccountID: a.AccountID, OldState: state(now), Created: map[string]object{}, NotCreated: map[string]*setError{}}
	var originals []string
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		q := a.Create[key]
		o, err := c.copyEmail(ctx, from, account, q)
		if err != nil {
			out.NotCreated[key] = c.refused(err)
			continue
		}
		c.made(key, o["id"].(string))
		out.Created[key] = o
		originals = append(originals, c.idOf(q.ID))
	}
	after, err := c.srv.Mailboxes.State(ctx, account)
	if err != nil {
		return nil, err
	}
	out.NewState = state(after)
	if !a.DestroyOriginal || len(originals) == 0 {
		return out, nil
	}
	// The answer of the implied call comes after that of this one (RFC 8620 §5.4).
	if err := c.say("Email/copy", out); err != nil {
		return nil, err
	}
	return also(ctx, c, "Email/set", &setArgs{AccountID: a.FromAccountID, IfInState: a.DestroyIfState, Destroy: originals}, setEmails)
}

func (c *Call) copyEmail(ctx context.Context, from, account mail.AccountID, q emailCopy) (object, error) {
	f, bad := c.filingOf(q.MailboxIDs, q.Keywords, q.ReceivedAt)
	if bad != nil {
		return nil, bad
	}
	id, ok := number[mailbox.EmailID]('e', c.idOf(q.ID))
	if !ok {
		return nil, invalidProperties("there is no such email", "id")
	}
	letters, err := c.letters(ctx, from, []mailbox.EmailID{id}, true)
	if err != nil {
		return nil, err
	}
	l := letters[0]
	if l == nil {
		return nil, invalidProperties("there is no such email", "id")
	}
	if q.ReceivedAt == nil {
		f.date = l.email.Date
	}
	r, err := l.open(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return c.file(ctx, account, f, l.size, r)
}
