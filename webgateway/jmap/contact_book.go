package jmap

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/store/contact"
)

var bookProperties = []string{"id", "name", "description", "sortOrder", "isDefault", "isSubscribed", "shareWith", "myRights"}

func bookObject(b contact.Book) object {
	o := object{"id": bookID(b.ID), "name": b.Name, "description": nil, "sortOrder": b.SortOrder, "isDefault": b.Default, "isSubscribed": b.Subscribed, "shareWith": nil,
		"myRights": object{"mayRead": true, "mayWrite": true, "mayShare": false, "mayDelete": !b.Default}}
	if b.Description != "" {
		o["description"] = b.Description
	}
	return o
}

func getBooks(ctx context.Context, c *Call, a *getArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, bookProperties)
	if err != nil {
		return nil, err
	}
	ids, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	list, now, err := c.srv.Contacts.Books(ctx, account)
	if err != nil {
		return nil, err
	}
	out := &getAnswer{AccountID: a.AccountID, State: contactState(now), List: []object{}, NotFound: []string{}}
	for _, b := range list {
		if id := bookID(b.ID); all || slices.Contains(ids, id) {
			out.List = append(out.List, bookObject(b).only(wanted))
			ids = slices.DeleteFunc(ids, func(s string) bool { return s == id })
		}
	}
	out.NotFound = append(out.NotFound, ids...)
	return out, nil
}

type bookSetArgs struct {
	setArgs                 `json:",embed"`
	OnDestroyRemoveContents bool    `json:"onDestroyRemoveContents"`
	OnSuccessSetIsDefault   *string `json:"onSuccessSetIsDefault"`
}

func setBooks(ctx context.Context, c *Call, a *bookSetArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	var out *setAnswer
	made := map[string]string{}
	err = c.srv.Contacts.Change(ctx, account, func(in *contact.Change) error {
		if err := a.check(modSeq(in.State())); err != nil {
			return err
		}
		out = a.answer(contactState(in.State()))
		clear(made)
		err := (&bookSetter{c, in, out, made}).set(ctx, a)
		out.NewState = contactState(in.State())
		return err
	})
	if err != nil {
		return nil, err
	}
	for key, id := range made {
		c.made(key, id)
	}
	return out, nil
}

type bookSetter struct {
	*Call
	in   *contact.Change
	out  *setAnswer
	made map[string]string
}

// idMade is idOf, with what this call has made.
func (s *bookSetter) idMade(id string) string {
	if len(id) > 1 && id[0] == '#' && s.made[id[1:]] != "" {
		return s.made[id[1:]]
	}
	return s.idOf(id)
}

func (s *bookSetter) set(ctx context.Context, a *bookSetArgs) error {
	update := maps.Clone(a.Update)
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		o, err := s.create(ctx, key, a.Create[key])
		if err != nil {
			s.out.NotCreated[key] = s.refused(err)
			continue
		}
		s.out.Created[key] = o
	}
	for _, id := range slices.Sorted(maps.Keys(update)) {
		if slices.Contains(a.Destroy, id) {
			s.out.NotUpdated[id] = &setError{Type: "willDestroy"}
			continue
		}
		if err := s.update(ctx, id, update[id]); err != nil {
			s.out.NotUpdated[id] = s.refused(err)
			continue
		}
		s.out.Updated[id] = nil
	}
	if a.OnSuccessSetIsDefault != nil && len(s.out.NotCreated)+len(s.out.NotUpdated) == 0 {
		if err := s.makeDefault(ctx, *a.OnSuccessSetIsDefault); err != nil {
			return err
		}
	}
	for _, id := range a.Destroy {
		n, ok := number[contact.BookID]('b', s.idMade(id))
		err := error(&setError{Type: "notFound"})
		if ok {
			err = s.in.DestroyBook(ctx, n, a.OnDestroyRemoveContents)
		}
		if errors.Is(err, contact.ErrNotEmpty) {
			err = &setError{Type: "addressBookHasContents"}
		}
		if err != nil {
			s.out.NotDestroyed[id] = s.refused(err)
			continue
		}
		s.out.Destroyed = append(s.out.Destroyed, id)
	}
	return nil
}

func (s *bookSetter) create(ctx context.Context, key string, raw jsontext.Value) (object, error) {
	b := contact.Book{Subscribed: true}
	if err := s.read(&b, raw); err != nil {
		return nil, err
	}
	b, err := s.in.CreateBook(ctx, b)
	if err != nil {
		return nil, err
	}
	s.made[key] = bookID(b.ID)
	o := bookObject(b)
	for _, said := range []string{"name", "description", "sortOrder"} {
		delete(o, said)
	}
	return o, nil
}

// read sets what a client says about an address book, which is new or as it was.
func (s *bookSetter) read(b *contact.Book, raw jsontext.Value) error {
	var said map[string]jsontext.Value
	if err := json.Unmarshal(raw, &said); err != nil {
		return invalidProperties("an address book is an object")
	}
	was := bookObject(*b)
	for name, v := range said {
		var err error
		switch name {
		case "name":
			err = json.Unmarshal(v, &b.Name)
		case "description":
			var text *string
			if err = json.Unmarshal(v, &text); err == nil {
				b.Description = ""
				if text != nil {
					b.Description = *text
				}
			}
		case "sortOrder":
			err = json.Unmarshal(v, &b.SortOrder)
		case "isSubscribed":
			err = json.Unmarshal(v, &b.Subscribed)
		default:
			// A client may send the whole object back.
			have, known := was[name]
			if raw, wrong := json.Marshal(have); !known || wrong != nil || b.ID == 0 && !null(v) || b.ID != 0 && !sameJSON(raw, v) {
				return invalidProperties("it cannot be set", name)
			}
		}
		if err != nil {
			return invalidProperties(why(err), name)
		}
	}
	switch {
	case b.Name == "" || len(b.Name) > 255:
		return invalidProperties("a name has 1 to 255 octets", "name")
	case len(b.Description) > 4096:
		return invalidProperties("it is too long", "description")
	case b.SortOrder < 0 || b.SortOrder > maxNumber:
		return invalidProperties("it is a number from 0", "sortOrder")
	}
	return nil
}

func (s *bookSetter) update(ctx context.Context, id string, update map[string]jsontext.Value) error {
	n, ok := number[contact.BookID]('b', s.idMade(id))
	list, err := s.in.Books(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(b contact.Book) bool { return b.ID == n })
	if !ok || i < 0 {
		return &setError{Type: "notFound"}
	}
	raw, err := json.Marshal(update)
	if err != nil {
		return err
	}
	if err := s.read(&list[i], raw); err != nil {
		return err
	}
	return s.in.UpdateBook(ctx, list[i])
}

// makeDefault does what RFC 9610 §2.3 has done at the end; an id that leads nowhere
// is nobody's fault.
func (s *bookSetter) makeDefault(ctx context.Context, id string) error {
	n, ok := number[contact.BookID]('b', s.idMade(id))
	list, err := s.in.Books(ctx)
	if err != nil || !ok || !slices.ContainsFunc(list, func(b contact.Book) bool { return b.ID == n }) {
		return err
	}
	was, err := s.in.MakeDefault(ctx, n)
	if err != nil || was == n {
		return err
	}
	s.tell(was, false)
	s.tell(n, true)
	return nil
}

// tell says that an address book has become the default, or is it no longer.
func (s *bookSetter) tell(b contact.BookID, isDefault bool) {
	id := bookID(b)
	for key, made := range s.made {
		if made == id {
			s.out.Created[key]["isDefault"] = isDefault
			s.out.Created[key]["myRights"].(object)["mayDelete"] = !isDefault
			return
		}
	}
	s.out.Updated[id] = object{"isDefault": isDefault}
}
