package jmap

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/contact"
	"colporteur/store/mailbox"
)

func modSeq(n int64) mailbox.ModSeq { return mailbox.ModSeq(n) }

// cardsAtOnce is how many cards change in one transaction: others wait for it.
const cardsAtOnce = 50

func setCards(ctx context.Context, c *Call, a *setArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	now, err := c.srv.Contacts.State(ctx, account)
	if err != nil {
		return nil, err
	}
	if err := a.check(modSeq(now)); err != nil {
		return nil, err
	}
	s := &cardSetter{Call: c, account: account, out: a.answer(contactState(now))}
	a.willDestroy(s.out)
	// A batch is looked up and made ready before its transaction, in which nothing
	// may wait for files.
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(a.Create)), cardsAtOnce) {
		if err := s.create(ctx, keys, a.Create); err != nil {
			return nil, err
		}
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(a.Update)), cardsAtOnce) {
		if err := s.update(ctx, ids, a.Update); err != nil {
			return nil, err
		}
	}
	for ids := range slices.Chunk(a.Destroy, cardsAtOnce) {
		if err := s.destroy(ctx, ids); err != nil {
			return nil, err
		}
	}
	after, err := c.srv.Contacts.State(ctx, account)
	s.out.NewState = contactState(after)
	return s.out, err
}

type cardSetter struct {
	*Call
	account mail.AccountID
	out     *setAnswer
}

// cardProblem says in RFC 8620's words why a card is not taken.
func (c *Call) cardProblem(err error) *setError {
	var shape *contact.ShapeError
	var exists *contact.ExistsError
	switch {
	case errors.As(err, &shape):
		return invalidProperties(shape.Why, shape.Property)
	case errors.As(err, &exists):
		return &setError{Type: "alreadyExists", ExistingID: cardID(exists.ID), Description: "another card has this uid", Properties: []string{"uid"}}
	}
	return c.refused(err)
}

// ready is a card that waits for its transaction.
type ready struct {
	draft *contact.Draft
	tell  object // what the client does not know of it
}

func (s *cardSetter) create(ctx context.Context, keys []string, all map[string]jsontext.Value) error {
	list := map[string]*ready{}
	for _, key := range keys {
		r, err := s.fresh(ctx, all[key])
		if err != nil {
			s.out.NotCreated[key] = s.cardProblem(err)
			continue
		}
		list[key] = r
	}
	type result struct {
		id  contact.CardID
		err error
	}
	var done map[string]result
	err := s.srv.Contacts.Change(ctx, s.account, func(in *contact.Change) error {
		done = map[string]result{}
		for _, key := range keys {
			if r := list[key]; r != nil {
				id, err := in.Create(ctx, r.draft)
				done[key] = result{id, err}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for key, r := range done {
		if r.err != nil {
			s.out.NotCreated[key] = s.cardProblem(r.err)
			continue
		}
		id := cardID(r.id)
		s.made(key, id)
		list[key].tell["id"] = id
		s.out.Created[key] = list[key].tell
	}
	return nil
}

// fresh reads a new card.
func (s *cardSetter) fresh(ctx context.Context, raw jsontext.Value) (*ready, error) {
	var o map[string]any
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, invalidProperties("a card is an object")
	}
	if _, ok := o["id"]; ok {
		return nil, invalidProperties("the server makes it", "id")
	}
	r := &ready{tell: object{}}
	if _, ok := o["addressBookIds"]; !ok {
		home, err := s.home(ctx, s.account)
		if err != nil {
			return nil, err
		}
		o["addressBookIds"] = bookIDs([]contact.BookID{home})
		r.tell["addressBookIds"] = o["addressBookIds"]
	}
	for _, name := range contact.Complete(o, s.srv.now()) {
		r.tell[name] = o[name]
	}
	return r, s.finish(ctx, r, o, nil)
}

// home is the default address book.
func (c *Call) home(ctx context.Context, account mail.AccountID) (contact.BookID, error) {
	list, _, err := c.srv.Contacts.Books(ctx, account)
	for _, b := range list {
		if b.Default {
			return b.ID, err
		}
	}
	if err == nil {
		err = errors.New("no address book is the default")
	}
	return 0, err
}

// finish makes a draft of a card with its addressBookIds; had are the pictures
// that it names already.
func (s *cardSetter) finish(ctx context.Context, r *ready, o map[string]any, had []string) error {
	books, bad := s.booksOf(o["addressBookIds"])
	if bad != nil {
		return bad
	}
	delete(o, "addressBookIds")
	pictures, replaced, err := s.pictures(ctx, s.account, o, had)
	if err != nil {
		return err
	}
	if replaced {
		r.tell["media"] = o["media"]
	}
	r.draft = &contact.Draft{Books: books, Card: o, Pictures: pictures}
	return nil
}

func (s *cardSetter) booksOf(v any) (list []contact.BookID, bad *setError) {
	ids, ok := v.(map[string]any)
	if !ok || len(ids) == 0 || len(ids) > contact.MaxBooks {
		return nil, invalidProperties("a card is in an address book", "addressBookIds")
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		b, ok := number[contact.BookID]('b', s.idOf(id))
		if !ok || ids[id] != true {
			return nil, invalidProperties("there is no such address book", "addressBookIds")
		}
		list = append(list, b)
	}
	return list, nil
}

func (s *cardSetter) update(ctx context.Context, ids []string, all map[string]map[string]jsontext.Value) error {
	list := map[string]*ready{}
	at := map[string]contact.CardID{}
	var wanted []contact.CardID
	for _, id := range ids {
		if n, ok := number[contact.CardID]('c', s.idOf(id)); ok {
			at[id] = n
			wanted = append(wanted, n)
		}
	}
	have, _, err := s.srv.Contacts.Cards(ctx, s.account, wanted)
	if err != nil {
		return err
	}
	for _, id := range ids {
		i := slices.IndexFunc(have, func(k *contact.Card) bool { return k.ID == at[id] })
		if i < 0 {
			s.out.NotUpdated[id] = &setError{Type: "notFound"}
			continue
		}
		r, err := s.revised(ctx, have[i], all[id])
		if err != nil {
			s.out.NotUpdated[id] = s.cardProblem(err)
			continue
		}
		list[id] = r
	}
	var done map[string]error
	err = s.srv.Contacts.Change(ctx, s.account, func(in *contact.Change) error {
		done = map[string]error{}
		for _, id := range ids {
			r := list[id]
			if r == nil {
				continue
			}
			// Somebody else may have changed it since it was read: their change stays.
			i := slices.IndexFunc(have, func(k *contact.Card) bool { return k.ID == at[id] })
			now, err := in.Card(ctx, at[id])
			if err == nil && (string(now.JSON) != string(have[i].JSON) || !slices.Equal(now.Books, have[i].Books)) {
				err = &setError{Type: "stateMismatch", Description: "it was changed at the same moment"}
			}
			if err == nil {
				err = in.Update(ctx, at[id], r.draft)
			}
			done[id] = err
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, err := range done {
		if err != nil {
			s.out.NotUpdated[id] = s.cardProblem(err)
			continue
		}
		s.out.Updated[id] = nil
		if tell := list[id].tell; len(tell) > 0 {
			s.out.Updated[id] = tell
		}
	}
	return nil
}

// revised is a card under the patches of an update.
func (s *cardSetter) revised(ctx context.Context, k *contact.Card, update map[string]jsontext.Value) (*ready, error) {
	o, err := cardObject(k)
	if err != nil {
		return nil, err
	}
	had := blobIDs(o)
	r := &ready{tell: object{}}
	if bad := patchObject(o, update); bad != nil {
		return nil, bad
	}
	if o["id"] != cardID(k.ID) {
		return nil, invalidProperties("it cannot be changed", "id")
	}
	delete(o, "id")
	if _, said := update["updated"]; !said {
		o["updated"] = s.srv.now().UTC().Format(time.RFC3339)
		r.tell["updated"] = o["updated"]
	}
	return r, s.finish(ctx, r, o, had)
}

// patchObject does a PatchObject (RFC 8620 §5.3) to o.
func patchObject(o map[string]any, update map[string]jsontext.Value) *setError {
	paths := slices.Sorted(maps.Keys(update))
	for _, path := range paths {
		for _, other := range paths {
			if strings.HasPrefix(other, path+"/") {
				return &setError{Type: "invalidPatch", Description: quoted(path) + " is replaced and patched", Properties: []string{path}}
			}
		}
		steps := strings.Split(path, "/")
		at := o
		for _, step := range steps[:len(steps)-1] {
			next, ok := at[unescape(step)].(map[string]any)
			if !ok {
				return &setError{Type: "invalidPatch", Description: "nothing lies below " + quoted(path), Properties: []string{path}}
			}
			at = next
		}
		last := unescape(steps[len(steps)-1])
		if null(update[path]) {
			delete(at, last)
			continue
		}
		var v any
		if err := json.Unmarshal(update[path], &v); err != nil {
			return invalidProperties("it cannot be read", path)
		}
		at[last] = v
	}
	return nil
}

func (s *cardSetter) destroy(ctx context.Context, ids []string) error {
	var done map[string]error
	err := s.srv.Contacts.Change(ctx, s.account, func(in *contact.Change) error {
		done = map[string]error{}
		for _, id := range ids {
			n, ok := number[contact.CardID]('c', s.idOf(id))
			if done[id] = error(&setError{Type: "notFound"}); ok {
				done[id] = in.Destroy(ctx, n)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := done[id]; err != nil {
			s.out.NotDestroyed[id] = s.refused(err)
			continue
		}
		s.out.Destroyed = append(s.out.Destroyed, id)
	}
	return nil
}
