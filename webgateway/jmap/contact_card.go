package jmap

import (
	"context"

	"colporteur/store/contact"
)

// cardObject is a card as RFC 9610 §3 has it.
func cardObject(k *contact.Card) (object, error) {
	o, err := k.Object()
	if err != nil {
		return nil, err
	}
	o["id"] = cardID(k.ID)
	o["addressBookIds"] = bookIDs(k.Books)
	return o, nil
}

func bookIDs(list []contact.BookID) map[string]any {
	ids := map[string]any{}
	for _, b := range list {
		ids[bookID(b)] = true
	}
	return ids
}

func getCards(ctx context.Context, c *Call, a *getArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	asked, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	var ids []contact.CardID
	names := map[contact.CardID]string{}
	if all {
		if _, err := c.srv.Contacts.Query(ctx, account, nil, func(r *contact.Row) { ids = append(ids, r.ID) }); err != nil {
			return nil, err
		}
		if len(ids) > maxObjectsInGet { // RFC 8620 §5.1: all or an error
			return nil, &failure{Type: "requestTooLarge", Description: "there are too many; ask for ids"}
		}
	}
	for _, id := range asked {
		if n, ok := number[contact.CardID]('c', id); ok {
			ids = append(ids, n)
			names[n] = id
		}
	}
	list, now, err := c.srv.Contacts.Cards(ctx, account, ids)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: contactState(now), List: []object{}, NotFound: []string{}}
	found := map[string]bool{}
	size := 0
	for _, k := range list {
		if size += len(k.JSON); size > maxResponse {
			return nil, &failure{Type: "requestTooLarge", Description: "the answer would be too large; ask for less at once"}
		}
		o, err := cardObject(k)
		if err != nil {
			return nil, err
		}
		if a.Properties != nil {
			// Any name may be a property: a card has those of its makers too.
			wanted := map[string]bool{"id": true}
			for _, name := range *a.Properties {
				wanted[name] = true
			}
			o.only(wanted)
		}
		found[cardID(k.ID)] = true
		out.List = append(out.List, o)
	}
	for _, id := range asked {
		if !found[id] {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}
