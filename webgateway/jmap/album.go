package jmap

import (
	"context"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/store/mailbox"
	"colporteur/workflow/album"
)

var albumType = &sharedType{
	name: "Album",
	properties: []string{"id", "title", "description", "url", "mailto", "createdAt", "expiresAt", "photos", "size", "cover", "visibility",
		"guestsMayAdd", "guestsMayComment", "needsPassword", "needsCode", "recalledAt", "graceUntil", "frozen"},
	state: stateOf(func(m marks) string { return m.Albums }),
	all:   allAlbums,
	query: func(ctx context.Context, c *Call, raw jsontext.Value) ([]string, error) {
		if err := filter(raw, &struct{}{}); err != nil {
			return nil, err
		}
		return allAlbums(ctx, c)
	},
	objects:  albumObjects,
	create:   createAlbum,
	change:   changeAlbum,
	changing: []string{"recalled", "password", "needsCode", "guestsMayAdd", "guestsMayComment", "visibility"},
	destroy: func(ctx context.Context, c *Call, id string) error {
		return changeAlbum(ctx, c, id, "recalled", jsontext.Value("true"))
	},
	also: map[string]func(context.Context, *Call, jsontext.Value) (any, error){"link": typed(linkAlbum)},
	sort: "createdAt", newest: true,
}

const albumKind = 'A'

// Who can see an album besides the people that were invited.
const (
	visibleByLink   = "link" // whoever has the link to pass on
	visibleToGuests = "guests"
)

func albumOf(id string) (album.ID, error) {
	n, ok := number[album.ID](albumKind, id)
	if !ok {
		return 0, &setError{Type: "notFound"}
	}
	return n, nil
}

// album opens an album as its owner's link does.
func (c *Call) album(ctx context.Context, id string) (*album.View, error) {
	n, err := albumOf(id)
	if err != nil {
		return nil, err
	}
	return c.albumView(ctx, n)
}

func (c *Call) albumView(ctx context.Context, id album.ID) (*album.View, error) {
	v, err := c.srv.Albums.Visit(ctx, id, c.caller())
	if err != nil {
		return nil, err
	}
	return c.srv.Albums.Open(ctx, v)
}

func allAlbums(ctx context.Context, c *Call) ([]string, error) {
	ids, err := c.srv.Albums.Mine(ctx, c.User.ID)
	return idsOf(albumKind, ids), err
}

func albumObjects(ctx context.Context, c *Call, ids []string) (map[string]object, error) {
	out := map[string]object{}
	for _, id := range ids {
		a, err := c.album(ctx, id)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		o := object{"id": id, "title": a.Name, "description": nil, "url": nil, "mailto": a.At(a.Link.Person.Domain).String(), "createdAt": utcDate(a.Created),
			"expiresAt": dateOrNull(a.Expires), "photos": a.Count, "cover": nil, "visibility": visibleToGuests,
			"guestsMayAdd": a.Rules.Add, "guestsMayComment": a.Rules.Comment, "needsPassword": a.Rules.Password != "", "needsCode": a.Rules.Code,
			"recalledAt": dateOrNull(a.Ended), "graceUntil": dateOrNull(a.Erased(c.srv.now())), "frozen": !a.Rules.Frozen.IsZero()}
		if a.Share != "" {
			o["visibility"] = visibleByLink
			if !a.Over {
				o["url"] = c.srv.URL + "/a/" + string(a.Share)
			}
		}
		if o["size"], err = c.srv.Albums.Bytes(ctx, a.ID); err != nil {
			return nil, err
		}
		first, err := c.srv.Albums.Page(ctx, a, 0, 1)
		if err != nil {
			return nil, err
		}
		for _, p := range first {
			o["cover"] = object{"photoId": mailbox.ObjectID(photoKind, int64(p.ID)), "url": c.photoURL(p.ID, album.Medium)}
		}
		out[id] = o
	}
	return out, nil
}

func createAlbum(ctx context.Context, c *Call, raw jsontext.Value) (string, error) {
	var q struct {
		Title string `json:"title"`
	}
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		return "", invalidProperties(why(err), where(err)...)
	}
	id, err := c.srv.Albums.Begin(ctx, c.User, line(q.Title, maxTitle))
	return mailbox.ObjectID(albumKind, int64(id)), err
}

func changeAlbum(ctx context.Context, c *Call, id, name string, v jsontext.Value) error {
	a, err := c.album(ctx, id)
	if err != nil {
		return err
	}
	rules := a.Rules
	switch name {
	case "recalled":
		on, err := truth(name, v)
		switch {
		case err != nil:
			return err
		case on:
			return c.srv.Albums.Recall(ctx, a.ID, c.caller())
		}
		return c.srv.Albums.Restore(ctx, a.ID, c.caller())
	case "visibility":
		s, _ := textOf(v)
		if s != visibleByLink && s != visibleToGuests {
			return invalidProperties("it is link or guests", name)
		}
		return c.srv.Albums.SetPublic(ctx, a.ID, c.caller(), s == visibleByLink)
	case "password":
		rules.Password, err = passwordOf(ctx, v)
	case "needsCode":
		rules.Code, err = truth(name, v)
	case "guestsMayAdd":
		rules.Add, err = truth(name, v)
	case "guestsMayComment":
		rules.Comment, err = truth(name, v)
	}
	if err != nil {
		return err
	}
	return c.srv.Albums.SetRules(ctx, a.ID, c.caller(), rules)
}

// linkAlbum has a link to pass on, made anew when the owner took it away.
func linkAlbum(ctx context.Context, c *Call, a *linkArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	id := c.idOf(a.ID)
	n, err := albumOf(id)
	if err == nil {
		err = c.srv.Albums.SetPublic(ctx, n, c.caller(), true)
	}
	if err != nil {
		return nil, noSuch(err)
	}
	have, err := albumObjects(ctx, c, []string{id})
	if err != nil {
		return nil, err
	}
	return object{"accountId": a.AccountID, "id": id, "url": have[id]["url"]}, nil
}
