package jmap

import (
	"context"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// lookedUp are the types in which blobs are looked for.
var lookedUp = map[string]bool{"Mailbox": true, "Thread": true, "Email": true}

type lookupArgs struct {
	AccountID string   `json:"accountId"`
	TypeNames []string `json:"typeNames"`
	IDs       []string `json:"ids"`
}

type lookupAnswer struct {
	AccountID string   `json:"accountId"`
	List      []object `json:"list"`
	NotFound  []string `json:"notFound"`
}

// lookUpBlobs is Blob/lookup (RFC 9404 §4.3): the mails, with their mailboxes and
// threads, that a blob is of. What only waits in the store is of none.
func lookUpBlobs(ctx context.Context, c *Call, a *lookupArgs) (any, error) {
	account, err := c.account(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if len(a.IDs) > maxObjectsInGet {
		return nil, &failure{Type: "requestTooLarge"}
	}
	for _, name := range a.TypeNames {
		if !lookedUp[name] {
			return nil, &failure{Type: "unknownDataType", Description: "blobs are not looked for in " + quoted(name)}
		}
	}
	out := &lookupAnswer{AccountID: a.AccountID, List: []object{}, NotFound: []string{}}
	for i, id := range a.IDs {
		if slices.Contains(a.IDs[:i], id) {
			continue
		}
		b, err := c.blob(ctx, account, c.idOf(id))
		if mail.Is(err, mail.NotFound) {
			out.NotFound = append(out.NotFound, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		found := map[string][]string{}
		for _, name := range a.TypeNames {
			found[name] = []string{}
		}
		if e, err := c.emailOf(ctx, account, b.id); err != nil {
			return nil, err
		} else if e != nil {
			for name, ids := range map[string][]string{"Email": {emailID(e.ID)}, "Thread": {threadID(e.Thread)}, "Mailbox": boxesOf(e)} {
				if found[name] != nil {
					found[name] = ids
				}
			}
		}
		out.List = append(out.List, object{"id": id, "matchedIds": found})
	}
	return out, nil
}

// emailOf is the mail that a blob is, or is a part of; nil when it is of none.
func (c *Call) emailOf(ctx context.Context, account mail.AccountID, blob string) (*mailbox.Email, error) {
	rest, ok := strings.CutPrefix(blob, "M")
	if !ok {
		return nil, nil
	}
	whole, _, _ := strings.Cut(rest, "_")
	whole, _, _ = strings.Cut(whole, "-")
	id, ok := number[mailbox.EmailID]('e', whole)
	if !ok {
		return nil, nil
	}
	all, err := c.srv.Mailboxes.Emails(ctx, c.User, account, []mailbox.EmailID{id})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func boxesOf(e *mailbox.Email) []string {
	ids := make([]string, len(e.Places))
	for i, p := range e.Places {
		ids[i] = boxID(p.Mailbox)
	}
	return ids
}
