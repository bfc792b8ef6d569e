package contact

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"colporteur/mail"
	"colporteur/store"
)

// Card is one card and where it is.
type Card struct {
	ID    CardID
	Books []BookID
	JSON  []byte // JSContact, without id and addressBookIds
}

// Object is the card, decoded.
func (c *Card) Object() (o map[string]any, err error) {
	err = json.Unmarshal(c.JSON, &o)
	return o, err
}

// Draft is what a card is made of, or becomes. Pictures are those that no row of
// the card names yet.
type Draft struct {
	Books    []BookID
	Card     map[string]any
	Pictures []Picture
}

// ExistsError is why a card is not made: its uid is another's. Its kind is Conflict.
type ExistsError struct {
	ID CardID
	error
}

func (e *ExistsError) Unwrap() error { return e.error }

func noCard(id CardID) error { return mail.Wrap(mail.NotFound, fmt.Errorf("no card %d", id)) }

// Complete adds what a card must have and programs leave to the server; it says
// what it added.
func Complete(card map[string]any, now time.Time) (added []string) {
	at := now.UTC().Format(time.RFC3339)
	for _, p := range []struct {
		name  string
		value any
	}{{"@type", "Card"}, {"version", "1.0"}, {"created", at}, {"updated", at}} {
		if _, ok := card[p.name]; !ok {
			card[p.name] = p.value
			added = append(added, p.name)
		}
	}
	if _, ok := card["uid"]; !ok {
		card["uid"] = newUID()
		added = append(added, "uid")
	}
	return added
}

func newUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562 §5.4
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// prepared is a draft that was looked at.
type prepared struct {
	json  []byte
	index *index
	books []BookID
}

// prepare checks a draft; id is 0 for a new card. Failures: *ShapeError,
// *ExistsError, kind NotFound (an address book), TooBig.
func (c *Change) prepare(ctx context.Context, id CardID, d *Draft) (*prepared, error) {
	if err := Check(d.Card); err != nil {
		return nil, err
	}
	p := &prepared{index: indexOf(d.Card), books: slices.Compact(slices.Sorted(slices.Values(d.Books)))}
	var err error
	if p.json, err = json.Marshal(d.Card, json.Deterministic(true)); err != nil {
		return nil, err
	}
	if len(p.json) > MaxCard {
		return nil, mail.Wrap(mail.TooBig, fmt.Errorf("a card of %d octets", len(p.json)))
	}
	have, err := c.Books(ctx)
	if err != nil {
		return nil, err
	}
	if len(p.books) == 0 {
		return nil, &ShapeError{Property: "addressBookIds", Why: "a card is in an address book"}
	}
	for _, b := range p.books {
		if !slices.ContainsFunc(have, func(h Book) bool { return h.ID == b }) {
			return nil, noBook(b)
		}
	}
	other, err := c.ByUID(ctx, p.index.uid)
	if err == nil && other != id {
		return nil, &ExistsError{other, mail.Wrap(mail.Conflict, errors.New("another card has this uid"))}
	}
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return nil, err
	}
	return p, nil
}

// ByUID is the card with a uid; store.ErrNoRows.
func (c *Change) ByUID(ctx context.Context, uid string) (id CardID, err error) {
	err = c.tx.QueryRow(ctx, `SELECT id FROM contact_card WHERE account = $1 AND uid = $2`, int64(c.account), store.Clean(uid)).Scan(&id)
	return id, err
}

// fits refuses what an account has no room for.
func (c *Change) fits(more int64) error {
	if more > 0 && c.used+more > MaxUsed {
		return mail.Wrap(mail.OverQuota, fmt.Errorf("contacts of %d octets", c.used))
	}
	return nil
}

// Create adds a card. Failures: as of prepare; kinds TooMany, OverQuota, and
// NotFound of a picture.
func (c *Change) Create(ctx context.Context, d *Draft) (CardID, error) {
	p, err := c.prepare(ctx, 0, d)
	if err != nil {
		return 0, err
	}
	if c.cards >= MaxCards {
		return 0, mail.Wrap(mail.OverQuota, fmt.Errorf("%d cards", c.cards))
	}
	size := int64(len(p.json))
	if err := c.fits(size + weight(d.Pictures)); err != nil {
		return 0, err
	}
	id := CardID(store.NewID())
	if err := c.pictures(ctx, id, d); err != nil {
		return 0, err
	}
	x, at := p.index, c.next()
	_, err = c.tx.Exec(ctx, `INSERT INTO contact_card (id, account, uid, kind, name, given, surname, surname2, nickname, organization, email, phone, service, address, note, members,
		card, size, created, updated, born, modseq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21)`,
		int64(id), int64(c.account), x.uid, x.kind, x.name, x.given, x.surname, x.surname2, x.nickname, x.organization, x.email, x.phone, x.service, x.address, x.note, x.members,
		p.json, size, x.created, x.updated, at)
	if err != nil {
		return 0, err
	}
	c.cards++
	c.used += size
	return id, c.around(ctx, id, p)
}

// around writes the rows beside a card's own.
func (c *Change) around(ctx context.Context, id CardID, p *prepared) error {
	for _, b := range p.books {
		if _, err := c.tx.Exec(ctx, `INSERT INTO contact_shelf (card, book) VALUES ($1, $2)`, int64(id), int64(b)); err != nil {
			return err
		}
	}
	for _, e := range p.index.emails {
		if _, err := c.tx.Exec(ctx, `INSERT INTO contact_email (card, key, account, address, name, words) VALUES ($1, $2, $3, $4, $5, $6)`,
			int64(id), e.Address.Key(), int64(c.account), e.Address.String(), e.Name, e.words()); err != nil {
			return err
		}
	}
	return nil
}

// Update makes a card what the draft says. Failures: as of Create.
func (c *Change) Update(ctx context.Context, id CardID, d *Draft) error {
	var was int64
	err := c.tx.QueryRow(ctx, `SELECT size FROM contact_card WHERE id = $1 AND account = $2`, int64(id), int64(c.account)).Scan(&was)
	if errors.Is(err, store.ErrNoRows) {
		return noCard(id)
	}
	if err != nil {
		return err
	}
	p, err := c.prepare(ctx, id, d)
	if err != nil {
		return err
	}
	size := int64(len(p.json))
	if err := c.fits(size - was + weight(d.Pictures)); err != nil {
		return err
	}
	if err := c.pictures(ctx, id, d); err != nil {
		return err
	}
	x := p.index
	_, err = c.tx.Exec(ctx, `UPDATE contact_card SET uid = $2, kind = $3, name = $4, given = $5, surname = $6, surname2 = $7, nickname = $8, organization = $9, email = $10,
		phone = $11, service = $12, address = $13, note = $14, members = $15, card = $16, size = $17, created = $18, updated = $19, modseq = $20 WHERE id = $1`,
		int64(id), x.uid, x.kind, x.name, x.given, x.surname, x.surname2, x.nickname, x.organization, x.email, x.phone, x.service, x.address, x.note, x.members,
		p.json, size, x.created, x.updated, c.next())
	if err != nil {
		return err
	}
	c.used += size - was
	for _, q := range []string{`DELETE FROM contact_shelf WHERE card = $1`, `DELETE FROM contact_email WHERE card = $1`} {
		if _, err := c.tx.Exec(ctx, q, int64(id)); err != nil {
			return err
		}
	}
	return c.around(ctx, id, p)
}

// Destroy removes a card. Kind NotFound.
func (c *Change) Destroy(ctx context.Context, id CardID) error {
	var born, size int64
	err := c.tx.QueryRow(ctx, `DELETE FROM contact_card WHERE id = $1 AND account = $2 RETURNING born, size`, int64(id), int64(c.account)).Scan(&born, &size)
	if errors.Is(err, store.ErrNoRows) {
		return noCard(id)
	}
	if err != nil {
		return err
	}
	for _, q := range []string{`DELETE FROM contact_shelf WHERE card = $1`, `DELETE FROM contact_email WHERE card = $1`} {
		if _, err := c.tx.Exec(ctx, q, int64(id)); err != nil {
			return err
		}
	}
	if err := c.pictures(ctx, id, &Draft{}); err != nil {
		return err
	}
	c.cards--
	c.used -= size
	return c.gone(ctx, int64(id), false, born)
}

// Card is one card as it is inside the change; kind NotFound.
func (c *Change) Card(ctx context.Context, id CardID) (*Card, error) {
	list, err := cards(ctx, c.tx, c.account, []CardID{id})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, noCard(id)
	}
	return list[0], nil
}

// Cards are those of ids that are there, by rising id, with the state they are of.
func (s *Store) Cards(ctx context.Context, account mail.AccountID, ids []CardID) (list []*Card, state int64, err error) {
	if _, err = s.State(ctx, account); err != nil {
		return nil, 0, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT modseq FROM contact_account WHERE account = $1`, int64(account)).Scan(&state); err != nil {
			return err
		}
		list, err = cards(ctx, tx, account, ids)
		return err
	})
	return list, state, err
}

// maxRead bounds what is read at once: a thousand cards of the largest kind would
// be a quarter of a gigabyte.
const maxRead = 64 << 20

func cards(ctx context.Context, tx *store.Tx, account mail.AccountID, ids []CardID) (list []*Card, err error) {
	wanted, room := map[CardID]*Card{}, maxRead
	for _, id := range ids {
		wanted[id] = nil
	}
	err = store.Lookup(ctx, tx, `SELECT id, card FROM contact_card WHERE account = $1 AND`, []any{int64(account)}, "id", ids, func(scan func(...any) error) (CardID, error) {
		c := &Card{}
		if err := scan(&c.ID, &c.JSON); err != nil {
			return 0, err
		}
		if have, ok := wanted[c.ID]; ok && have == nil {
			if room -= len(c.JSON); room < 0 {
				return 0, mail.Wrap(mail.TooBig, errors.New("too many large cards at once"))
			}
			c.JSON = slices.Clone(c.JSON)
			wanted[c.ID] = c
			list = append(list, c)
		}
		return c.ID, nil
	})
	if err != nil {
		return nil, err
	}
	err = store.Lookup(ctx, tx, `SELECT s.card, s.book FROM contact_shelf s WHERE`, nil, "s.card", ids, func(scan func(...any) error) (id CardID, err error) {
		var b BookID
		err = scan(&id, &b)
		if c := wanted[id]; c != nil && !slices.Contains(c.Books, b) {
			c.Books = append(c.Books, b)
		}
		return id, err
	})
	for _, c := range list {
		slices.Sort(c.Books)
	}
	return list, err
}
