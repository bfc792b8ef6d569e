package jmap

import (
	"context"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// Guests are people with a link of their own to a transfer or an album. The link
// itself is theirs, and not shown to its owner: whoever has it speaks in their name.
var guestType = &sharedType{
	name:       "Guest",
	properties: []string{"id", "transferId", "albumId", "email", "name", "url", "lastSeenAt", "downloads", "revokedAt"},
	state:      stateOf(func(m marks) string { return m.transfers + m.Albums }),
	query:      queryGuests,
	objects:    guestObjects,
	create:     createGuest,
	change:     changeGuest,
	changing:   []string{"revoked"},
	destroy: func(ctx context.Context, c *Call, id string) error {
		return changeGuest(ctx, c, id, "revoked", jsontext.Value("true"))
	},
}

const guestKind = 'G'

func guestObject(l link.Link) object {
	return object{"id": mailbox.ObjectID(guestKind, int64(l.ID)), "transferId": nil, "albumId": nil, "email": l.Person.String(), "name": l.Name,
		"url": nil, "lastSeenAt": nil, "downloads": nil, "revokedAt": nil}
}

// guestsOf are the guests of one thing; id is a transfer's or an album's.
func (c *Call) guestsOf(ctx context.Context, id string) (list []object, err error) {
	if _, ok := number[transfer.ID](transferKind, id); ok {
		t, err := c.transfer(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, g := range t.Guests {
			o := guestObject(g.Link)
			// That they have everything is what the owner is told anyway; who looks
			// at what, and when, nobody writes down.
			o["transferId"], o["lastSeenAt"], o["downloads"] = id, dateOrNull(g.All), g.Has
			list = append(list, o)
		}
		return list, nil
	}
	a, err := c.album(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, l := range a.Guests {
		o := guestObject(l)
		o["albumId"] = id
		list = append(list, o)
	}
	return list, nil
}

func queryGuests(ctx context.Context, c *Call, raw jsontext.Value) ([]string, error) {
	var f struct {
		TransferID string `json:"transferId"`
		AlbumID    string `json:"albumId"`
	}
	if err := filter(raw, &f); err != nil {
		return nil, err
	}
	thing, err := c.thing(f.TransferID, f.AlbumID)
	var list []object
	if err == nil {
		list, err = c.guestsOf(ctx, thing)
	}
	if absent(err) {
		return nil, &failure{Type: "unsupportedFilter", Description: "guests are of a transfer or an album of the member's: transferId, albumId"}
	}
	out := []string{}
	for _, o := range list {
		out = append(out, o["id"].(string))
	}
	return out, err
}

// thing is the one that is meant, of a transfer and an album.
func (c *Call) thing(t, a string) (string, error) {
	t, a = c.idOf(t), c.idOf(a)
	_, isTransfer := number[transfer.ID](transferKind, t)
	_, isAlbum := number[album.ID](albumKind, a)
	switch {
	case isTransfer && a == "":
		return t, nil
	case isAlbum && t == "":
		return a, nil
	}
	return "", &setError{Type: "notFound"}
}

func guestObjects(ctx context.Context, c *Call, ids []string) (map[string]object, error) {
	all, out := map[string]object{}, map[string]object{}
	for _, id := range ids {
		n, ok := number[link.ID](guestKind, id)
		if !ok {
			continue
		}
		if all[id] == nil {
			l, err := c.srv.Links.Get(ctx, n)
			var list []object
			switch {
			case err != nil || l.Owner != c.User.ID:
			case l.Kind == link.Transfer:
				list, err = c.guestsOf(ctx, mailbox.ObjectID(transferKind, l.Thing))
			case l.Kind == link.Album:
				list, err = c.guestsOf(ctx, mailbox.ObjectID(albumKind, l.Thing))
			}
			if err != nil && !absent(err) {
				return nil, err
			}
			for _, o := range list {
				all[o["id"].(string)] = o
			}
		}
		if all[id] != nil {
			out[id] = all[id]
		}
	}
	return out, nil
}

// createGuest invites somebody: the mail that goes out is the program's own.
func createGuest(ctx context.Context, c *Call, raw jsontext.Value) (string, error) {
	var q struct {
		TransferID string `json:"transferId"`
		AlbumID    string `json:"albumId"`
		inviteArg  `json:",embed"`
	}
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		return "", invalidProperties(why(err), where(err)...)
	}
	to, name, err := q.read()
	if err != nil {
		return "", err
	}
	thing, err := c.thing(q.TransferID, q.AlbumID)
	if err != nil {
		return "", invalidProperties("a guest is of a transfer or an album", "transferId", "albumId")
	}
	if n, ok := number[transfer.ID](transferKind, thing); ok {
		t, err := c.transfer(ctx, thing)
		if err == nil && t.Over {
			err = mail.Refuse(mail.Gone, "sharing-recalled")
		}
		if err == nil {
			err = c.srv.Transfers.Invite(ctx, n, c.caller(), []mail.Address{to})
		}
		if err != nil {
			return "", err
		}
	} else {
		a, err := c.album(ctx, thing)
		if err == nil && a.Over {
			err = mail.Refuse(mail.Gone, "sharing-recalled")
		}
		if err == nil {
			err = c.srv.Albums.Invite(ctx, a.ID, c.caller(), []album.Guest{{Address: to, Name: name}})
		}
		if err != nil {
			return "", err
		}
	}
	list, err := c.guestsOf(ctx, thing)
	for _, o := range list {
		if a, err := mail.ParseAddress(o["email"].(string)); err == nil && a.Key() == to.Key() {
			return o["id"].(string), nil
		}
	}
	if err == nil {
		err = &setError{Type: "notFound"}
	}
	return "", err
}

// changeGuest ends somebody's link. There is no way back but to invite them again.
func changeGuest(ctx context.Context, c *Call, id, name string, v jsontext.Value) error {
	on, err := truth(name, v)
	if err != nil {
		return err
	}
	if !on {
		return invalidProperties("a link that ended is not made again; invite them", name)
	}
	n, ok := number[link.ID](guestKind, id)
	if !ok {
		return &setError{Type: "notFound"}
	}
	l, err := c.srv.Links.Get(ctx, n)
	switch {
	case err != nil:
		return err
	case l.Public || l.Manage: // no guest's: other calls are about them
		return &setError{Type: "notFound"}
	case l.Kind == link.Transfer:
		return c.srv.Transfers.RevokeGuest(ctx, transfer.ID(l.Thing), c.caller(), n)
	case l.Kind == link.Album:
		return c.srv.Albums.RevokeGuest(ctx, album.ID(l.Thing), c.caller(), n)
	}
	return &setError{Type: "notFound"}
}
