package jmap

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/contact"
	"colporteur/store/mailbox"
)

// Contacts are RFC 9610's. They are a member's own: an account that is shared has
// none to show. As with mail one modseq is the state of an account's address
// books and cards alike.

// Capabilities that contacts add; the second is ours: files of cards, and
// addresses that are offered while one is typed.
const (
	usingContacts    = "urn:ietf:params:jmap:contacts"
	usingOurContacts = "urn:colporteur:params:jmap:contacts"
)

var contactMethods = map[string]method{
	"AddressBook/get":     {usingContacts, typed(getBooks)},
	"AddressBook/changes": {usingContacts, typed(changesOfBooks)},
	"AddressBook/set":     {usingContacts, typed(setBooks)},

	"ContactCard/get":          {usingContacts, typed(getCards)},
	"ContactCard/changes":      {usingContacts, typed(changesOfCards)},
	"ContactCard/query":        {usingContacts, typed(queryCards)},
	"ContactCard/queryChanges": {usingContacts, typed(queryChangesOfCards)},
	"ContactCard/set":          {usingContacts, typed(setCards)},
	"ContactCard/copy":         {usingContacts, typed(copyCards)},

	"ContactCard/import": {usingOurContacts, typed(importCards)},
	"Address/suggest":    {usingOurContacts, typed(suggestAddresses)},
	"Address/forget":     {usingOurContacts, typed(forgetAddress)},
}

// contactsOfAccount is what the session says about them (RFC 9610 §1.4).
func contactsOfAccount() (standard, ours map[string]any) {
	return map[string]any{"maxAddressBooksPerCard": nil, "mayCreateAddressBook": true},
		map[string]any{"maxSizeCard": contact.MaxCard, "maxSizePicture": contact.MaxPicture, "maxCards": contact.MaxCards, "downloadUrl": "/jmap/contacts/{accountId}.vcf"}
}

type cardCopyArgs struct {
	FromAccountID   string                    `json:"fromAccountId"`
	IfFromInState   *string                   `json:"ifFromInState"`
	AccountID       string                    `json:"accountId"`
	IfInState       *string                   `json:"ifInState"`
	Create          map[string]jsontext.Value `json:"create"`
	DestroyOriginal bool                      `json:"onSuccessDestroyOriginal"`
	DestroyIfState  *string                   `json:"destroyFromIfInState"`
}

// copyCards has nowhere to copy from: contacts are in a member's own account, and
// it may not be both (RFC 8620 §5.4).
func copyCards(ctx context.Context, c *Call, a *cardCopyArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	from, err := c.account(ctx, a.FromAccountID)
	switch {
	case err != nil:
		return nil, &failure{Type: "fromAccountNotFound"}
	case from == account:
		return nil, invalid("the accounts are one", "fromAccountId")
	}
	return nil, &failure{Type: "fromAccountNotSupportedByMethod"}
}

func bookID(b contact.BookID) string { return mailbox.ObjectID('b', int64(b)) }
func cardID(c contact.CardID) string { return mailbox.ObjectID('c', int64(c)) }

func contactState(n int64) string { return state(mailbox.ModSeq(n)) }

// contactChanges answers a changes call with what f finds.
func contactChanges[T ~int64](ctx context.Context, c *Call, a *changesArgs, kind byte, f func(context.Context, mail.AccountID, int64, int) (contact.Changes[T], error)) (any, error) {
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
	found, err := f(ctx, account, int64(since), most)
	if err != nil {
		return nil, err
	}
	return changed(a, mailbox.Changes[T]{To: mailbox.ModSeq(found.To), More: found.More, Created: found.Created, Updated: found.Updated, Destroyed: found.Destroyed}, kind), nil
}

func changesOfBooks(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	return contactChanges(ctx, c, a, 'b', c.srv.Contacts.BookChanges)
}

func changesOfCards(ctx context.Context, c *Call, a *changesArgs) (any, error) {
	return contactChanges(ctx, c, a, 'c', c.srv.Contacts.CardChanges)
}
