package contact

import (
	"context"
	"errors"
	"fmt"

	"colporteur/mail"
	"colporteur/store"
)

// Book is an address book (RFC 9610 §2).
type Book struct {
	ID          BookID
	Name        string
	Description string
	SortOrder   int64
	Default     bool
	Subscribed  bool
	born        int64
}

// ErrNotEmpty is why an address book with cards in it stays.
var ErrNotEmpty = errors.New("the address book has cards in it")

func noBook(id BookID) error {
	return mail.Wrap(mail.NotFound, fmt.Errorf("no address book %d", id))
}

const bookColumns = `id, name, description, sort_order, is_default, subscribed, born`

func scanBook(scan func(...any) error) (b Book, err error) {
	var isDefault, subscribed int64
	err = scan(&b.ID, &b.Name, &b.Description, &b.SortOrder, &isDefault, &subscribed, &b.born)
	b.Default, b.Subscribed = isDefault != 0, subscribed != 0
	return b, err
}

func books(ctx context.Context, tx *store.Tx, account mail.AccountID) (list []Book, err error) {
	rows, err := tx.Query(ctx, `SELECT `+bookColumns+` FROM address_book WHERE account = $1 ORDER BY sort_order, id`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		b, err := scanBook(scan)
		list = append(list, b)
		return err
	})
	return list, err
}

// Books are an account's address books, with their state.
func (s *Store) Books(ctx context.Context, account mail.AccountID) (list []Book, state int64, err error) {
	if _, err = s.State(ctx, account); err != nil {
		return nil, 0, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT modseq FROM contact_account WHERE account = $1`, int64(account)).Scan(&state); err != nil {
			return err
		}
		list, err = books(ctx, tx, account)
		return err
	})
	return list, state, err
}

// Books are the address books as they are inside the change.
func (c *Change) Books(ctx context.Context) ([]Book, error) { return books(ctx, c.tx, c.account) }

func (c *Change) book(ctx context.Context, id BookID) (Book, error) {
	b, err := scanBook(c.tx.QueryRow(ctx, `SELECT `+bookColumns+` FROM address_book WHERE id = $1 AND account = $2`, int64(id), int64(c.account)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return b, noBook(id)
	}
	return b, err
}

func bit(on bool) int64 {
	if on {
		return 1
	}
	return 0
}

// CreateBook makes an address book. Kind TooMany.
func (c *Change) CreateBook(ctx context.Context, b Book) (Book, error) {
	list, err := c.Books(ctx)
	if err != nil {
		return b, err
	}
	if len(list) >= MaxBooks {
		return b, mail.Wrap(mail.TooMany, fmt.Errorf("%d address books", len(list)))
	}
	b.ID, b.born = BookID(store.NewID()), c.next()
	_, err = c.tx.Exec(ctx, `INSERT INTO address_book (id, account, name, description, sort_order, is_default, subscribed, born, modseq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)`,
		int64(b.ID), int64(c.account), store.Clean(b.Name), store.Clean(b.Description), b.SortOrder, bit(b.Default), bit(b.Subscribed), b.born)
	return b, err
}

// UpdateBook changes what a member may say of an address book; whether it is the
// default is MakeDefault's. Kind NotFound.
func (c *Change) UpdateBook(ctx context.Context, b Book) error {
	if _, err := c.book(ctx, b.ID); err != nil {
		return err
	}
	_, err := c.tx.Exec(ctx, `UPDATE address_book SET name = $2, description = $3, sort_order = $4, subscribed = $5, modseq = $6 WHERE id = $1`,
		int64(b.ID), store.Clean(b.Name), store.Clean(b.Description), b.SortOrder, bit(b.Subscribed), c.next())
	return err
}

// MakeDefault makes an address book the one that new cards come into, and says
// which was before. Kind NotFound.
func (c *Change) MakeDefault(ctx context.Context, id BookID) (was BookID, err error) {
	list, err := c.Books(ctx)
	if err != nil {
		return 0, err
	}
	found := false
	for _, b := range list {
		found = found || b.ID == id
		if b.Default {
			was = b.ID
		}
	}
	if !found {
		return 0, noBook(id)
	}
	if was == id {
		return was, nil
	}
	for _, b := range []struct {
		id BookID
		on bool
	}{{was, false}, {id, true}} {
		if b.id == 0 {
			continue
		}
		if _, err := c.tx.Exec(ctx, `UPDATE address_book SET is_default = $2, modseq = $3 WHERE id = $1`, int64(b.id), bit(b.on), c.next()); err != nil {
			return 0, err
		}
	}
	return was, nil
}

// DestroyBook removes an address book. Cards that are in no other go with it, if
// contents says so; else ErrNotEmpty. Kinds: NotFound, Forbidden (the default
// stays: new cards need a place).
func (c *Change) DestroyBook(ctx context.Context, id BookID, contents bool) error {
	b, err := c.book(ctx, id)
	if err != nil {
		return err
	}
	var cards []CardID
	rows, err := c.tx.Query(ctx, `SELECT card FROM contact_shelf WHERE book = $1 ORDER BY card`, int64(id))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var card CardID
		err := scan(&card)
		cards = append(cards, card)
		return err
	})
	if err != nil {
		return err
	}
	if len(cards) > 0 && !contents {
		return ErrNotEmpty
	}
	if b.Default {
		return mail.Wrap(mail.Forbidden, errors.New("it is the default address book"))
	}
	for _, card := range cards {
		if err := c.takeOut(ctx, card, id); err != nil {
			return err
		}
	}
	if _, err := c.tx.Exec(ctx, `DELETE FROM address_book WHERE id = $1`, int64(id)); err != nil {
		return err
	}
	return c.gone(ctx, int64(id), true, b.born)
}

// takeOut takes a card out of an address book that goes, and removes it when it
// is in no other.
func (c *Change) takeOut(ctx context.Context, card CardID, book BookID) error {
	if _, err := c.tx.Exec(ctx, `DELETE FROM contact_shelf WHERE card = $1 AND book = $2`, int64(card), int64(book)); err != nil {
		return err
	}
	var others int64
	if err := c.tx.QueryRow(ctx, `SELECT count(*) FROM contact_shelf WHERE card = $1`, int64(card)).Scan(&others); err != nil {
		return err
	}
	if others == 0 {
		return c.Destroy(ctx, card)
	}
	_, err := c.tx.Exec(ctx, `UPDATE contact_card SET modseq = $2 WHERE id = $1`, int64(card), c.next())
	return err
}
