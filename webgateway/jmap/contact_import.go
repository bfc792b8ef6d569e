package jmap

import (
	"context"
	"errors"
	"io"
	"strings"

	"colporteur/mail"
	"colporteur/store/contact"
	"colporteur/store/contact/vcard"
)

type cardImportArgs struct {
	AccountID      string          `json:"accountId"`
	BlobID         string          `json:"blobId"`
	AddressBookIDs map[string]bool `json:"addressBookIds"` // empty: the default
}

type cardImportAnswer struct {
	AccountID  string       `json:"accountId"`
	OldState   string       `json:"oldState"`
	NewState   string       `json:"newState"`
	Created    []string     `json:"created"`
	NotCreated []importNote `json:"notCreated"`
}

// importNote says why one card of a file was not made.
type importNote struct {
	Index    int    `json:"index"` // in the file, from 0
	Name     string `json:"name"`  // what the card is called
	setError `json:",embed"`
}

// importCards makes cards of a file of vCards. A card whose uid is there already is
// left as it is: the same file twice is the same contacts.
func importCards(ctx context.Context, c *Call, a *cardImportArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	s := &cardSetter{Call: c, account: account}
	var books []contact.BookID
	if len(a.AddressBookIDs) == 0 {
		home, err := c.home(ctx, account)
		if err != nil {
			return nil, err
		}
		books = []contact.BookID{home}
	} else {
		ids := map[string]any{}
		for id, on := range a.AddressBookIDs {
			ids[id] = on
		}
		var bad *setError
		if books, bad = s.booksOf(ids); bad != nil {
			return nil, invalid(bad.Description, "addressBookIds")
		}
	}
	b, err := c.blob(ctx, account, c.idOf(a.BlobID))
	if mail.Is(err, mail.NotFound) {
		return nil, invalid("there is no such blob", "blobId")
	}
	if err != nil {
		return nil, err
	}
	was, err := c.srv.Contacts.State(ctx, account)
	if err != nil {
		return nil, err
	}
	in, err := b.open(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	m := &cardImport{Call: c, account: account, books: books, groups: map[contact.CardID]bool{},
		out: &cardImportAnswer{AccountID: a.AccountID, OldState: contactState(was), Created: []string{}, NotCreated: []importNote{}}}
	if err := m.read(ctx, vcard.NewReader(io.LimitReader(in, maxSizeUpload))); err != nil {
		return nil, err
	}
	if err := m.joinMembers(ctx); err != nil {
		return nil, err
	}
	now, err := c.srv.Contacts.State(ctx, account)
	m.out.NewState = contactState(now)
	return m.out, err
}

type cardImport struct {
	*Call
	account mail.AccountID
	books   []contact.BookID
	out     *cardImportAnswer
	groups  map[contact.CardID]bool

	batch []imported
	room  int // octets that the batch still may have
}

type imported struct {
	index int
	draft *contact.Draft
}

func (m *cardImport) note(index int, name string, why *setError) {
	if r := []rune(name); len(r) > 100 {
		name = string(r[:100])
	}
	m.out.NotCreated = append(m.out.NotCreated, importNote{index, name, *why})
}

func (m *cardImport) read(ctx context.Context, r *vcard.Reader) error {
	m.room = contact.MaxPicture
	for i := 0; ; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		card, err := r.Next()
		var bad *vcard.BadError
		switch {
		case err == io.EOF:
			return m.flush(ctx)
		case i >= contact.MaxCards:
			m.note(i, "", &setError{Type: "tooLarge", Description: "the file has too many cards; the others were not read"})
			return m.flush(ctx)
		case errors.As(err, &bad):
			m.note(i, "", &setError{Type: "invalidCard", Description: bad.Why})
			continue
		case err != nil:
			return err
		}
		if len(card) <= 3 { // its type, version and uid
			m.note(i, "", &setError{Type: "invalidCard", Description: "it says nothing"})
			continue
		}
		contact.Complete(card, m.srv.now())
		pictures, err := m.outOfURIs(ctx, card)
		if err != nil {
			m.note(i, contact.Title(card), m.cardProblem(err))
			continue
		}
		m.batch = append(m.batch, imported{i, &contact.Draft{Books: m.books, Card: card, Pictures: pictures}})
		for _, p := range pictures {
			m.room -= int(p.Size)
		}
		if len(m.batch) >= cardsAtOnce || m.room <= 0 {
			if err := m.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// flush makes the cards that wait.
func (m *cardImport) flush(ctx context.Context) error {
	ids, errs := make([]contact.CardID, len(m.batch)), make([]error, len(m.batch))
	err := m.srv.Contacts.Change(ctx, m.account, func(in *contact.Change) error {
		for i, x := range m.batch {
			ids[i], errs[i] = in.Create(ctx, x.draft)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, x := range m.batch {
		if errs[i] != nil {
			m.note(x.index, contact.Title(x.draft.Card), m.cardProblem(errs[i]))
			continue
		}
		m.out.Created = append(m.out.Created, cardID(ids[i]))
		if x.draft.Card["kind"] == "group" {
			m.groups[ids[i]] = true
		}
	}
	m.batch, m.room = nil, contact.MaxPicture
	return nil
}

// joinMembers ties the groups of a file to its cards: some programs write the
// members with urn:uuid: before what the cards have without, or the other way round.
func (m *cardImport) joinMembers(ctx context.Context) error {
	for id := range m.groups {
		err := m.srv.Contacts.Change(ctx, m.account, func(in *contact.Change) error {
			k, err := in.Card(ctx, id)
			if mail.Is(err, mail.NotFound) {
				return nil // gone in the meantime
			}
			if err != nil {
				return err
			}
			o, err := k.Object()
			if err != nil {
				return err
			}
			members, _ := o["members"].(map[string]any)
			fixed, different := map[string]any{}, false
			for uid := range members {
				other := uid
				if _, err := in.ByUID(ctx, uid); err != nil {
					rest, had := strings.CutPrefix(uid, "urn:uuid:")
					if !had {
						rest = "urn:uuid:" + uid
					}
					if _, err := in.ByUID(ctx, rest); err == nil {
						other, different = rest, true
					}
				}
				fixed[other] = true
			}
			if !different {
				return nil
			}
			o["members"] = fixed
			return in.Update(ctx, id, &contact.Draft{Books: k.Books, Card: o})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
