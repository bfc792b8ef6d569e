// Package contact keeps address books and the cards in them, per account.
//
// A card is a JSContact Card (RFC 9553), kept as it was given: what we do not
// know stays in it. Columns beside it hold what is searched (index.go).
//
// # Changes
//
// An account has one counter, its modseq. Every change of a card or an address
// book takes the next number, under the lock of the account's row: so states are
// exact, and an answer may stop between any two changes. What is gone leaves a
// tombstone (changes.go).
//
// # Pictures
//
// A card names its pictures by blobId (RFC 9610 §3); the bytes are blobs, named
// by rows of contact_picture (picture.go). A card with ten pictures is as quick
// to list as one with none.
package contact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// What an account may have. A card has no limit in RFC 9553; without one the
// database would take whatever a program sends.
const (
	MaxCard    = 256 << 10 // octets of one card's JSON
	MaxPicture = 10 << 20  // of one picture
	MaxCards   = 50_000
	MaxBooks   = 100
	MaxUsed    = 512 << 20 // octets of cards and pictures together
)

// Keep is how long it can be told that something is gone.
const Keep = 180 * 24 * time.Hour

// Named is for blob.Store.Named.
const Named = `SELECT 1 FROM contact_picture WHERE blob = $1`

// BookID and CardID name rows.
type (
	BookID int64
	CardID int64
)

// Store has the contacts of all accounts.
type Store struct {
	DB    *store.DB
	Blobs *blob.Store
	// Changed hears of an account that changes, inside the transaction; nil hears nothing.
	Changed func(tx *store.Tx, account mail.AccountID)
	Now     func() time.Time // nil is time.Now
}

// Change is a transaction on the contacts of one account, which it has locked.
// What its methods refuse, they refuse before they write: the others of the same
// transaction go on.
type Change struct {
	s       *Store
	tx      *store.Tx
	account mail.AccountID

	was, modseq int64
	cards, used int64
}

// Change runs f in a transaction. As with DB.Write f may run twice.
func (s *Store) Change(ctx context.Context, account mail.AccountID, f func(c *Change) error) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		c := &Change{s: s, tx: tx, account: account}
		if err := c.lock(ctx); err != nil {
			return err
		}
		if err := f(c); err != nil {
			return err
		}
		if c.modseq == c.was {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE contact_account SET modseq = $2, cards = $3, used = $4 WHERE account = $1`,
			int64(account), c.modseq, c.cards, c.used); err != nil {
			return err
		}
		if s.Changed != nil {
			s.Changed(tx, account)
		}
		return nil
	})
}

// lock takes the account's row, and makes it, with the default address book, the
// first time.
func (c *Change) lock(ctx context.Context) error {
	n, err := c.tx.Exec(ctx, `INSERT INTO contact_account (account, modseq, floor, cards, used) VALUES ($1, 0, 0, 0, 0) ON CONFLICT (account) DO NOTHING`, int64(c.account))
	if err != nil {
		return err
	}
	err = c.tx.QueryRow(ctx, `SELECT modseq, cards, used FROM contact_account WHERE account = $1 FOR UPDATE`, int64(c.account)).Scan(&c.modseq, &c.cards, &c.used)
	if err != nil {
		return fmt.Errorf("contacts of %d: %w", c.account, err)
	}
	c.was = c.modseq
	if n == 1 {
		// One word for both languages.
		_, err = c.CreateBook(ctx, Book{Name: "Contacts", Default: true, Subscribed: true})
	}
	return err
}

// next is the modseq of one more change.
func (c *Change) next() int64 {
	c.modseq++
	return c.modseq
}

// State is the account's as it is inside the change: what a client says it knows is
// compared with it.
func (c *Change) State() int64 { return c.modseq }

// gone leaves a tombstone.
func (c *Change) gone(ctx context.Context, id int64, book bool, born int64) error {
	is := 0
	if book {
		is = 1
	}
	_, err := c.tx.Exec(ctx, `INSERT INTO contact_gone (id, account, book, born, modseq, time) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, int64(c.account), is, born, c.next(), store.Micros(c.s.now()))
	return err
}

// State is the account's modseq; the default address book is made when there is
// none yet.
func (s *Store) State(ctx context.Context, account mail.AccountID) (n int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT modseq FROM contact_account WHERE account = $1`, int64(account)).Scan(&n)
	})
	if errors.Is(err, store.ErrNoRows) {
		err = s.Change(ctx, account, func(c *Change) error {
			n = c.modseq
			return nil
		})
	}
	return n, err
}

// Removed forgets all that an account has.
func (s *Store) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var blobs []blob.ID
	rows, err := tx.Query(ctx, `SELECT blob FROM contact_picture WHERE account = $1 ORDER BY blob`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id blob.ID
		err := scan(&id)
		blobs = append(blobs, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM contact_picture WHERE account = $1`,
		`DELETE FROM contact_email WHERE account = $1`,
		`DELETE FROM contact_shelf WHERE card IN (SELECT id FROM contact_card WHERE account = $1)`,
		`DELETE FROM contact_card WHERE account = $1`,
		`DELETE FROM address_book WHERE account = $1`,
		`DELETE FROM contact_gone WHERE account = $1`,
		`DELETE FROM contact_account WHERE account = $1`,
		`DELETE FROM addressed WHERE account = $1`,
	} {
		if _, err := tx.Exec(ctx, q, int64(account)); err != nil {
			return err
		}
	}
	return s.Blobs.DeleteUnnamed(ctx, tx, blobs...)
}

// Sweep forgets tombstones of long ago, and addresses nobody writes to.
func (s *Store) Sweep(ctx context.Context) error {
	limit := store.Micros(s.now().Add(-Keep))
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE contact_account SET floor = (SELECT max(g.modseq) FROM contact_gone g WHERE g.account = contact_account.account AND g.time < $1)
			WHERE account IN (SELECT account FROM contact_gone WHERE time < $1)`, limit)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM contact_gone WHERE time < $1`, limit)
		return err
	})
	if err != nil {
		return err
	}
	return s.sweepAddressed(ctx)
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
