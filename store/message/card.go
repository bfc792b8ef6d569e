package message

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

func insertCard(ctx context.Context, tx *store.Tx, d *Draft) error {
	if d.Summary == nil || d.Summary.Card == nil {
		return nil // made from the Summary when somebody asks
	}
	card := d.Summary.Card.Append(make([]byte, 0, 2<<10))
	if _, err := tx.Exec(ctx, `INSERT INTO card (message, card) VALUES ($1, $2)`, int64(d.ID), card); err != nil {
		return fmt.Errorf("card of message %d: %w", d.ID, err)
	}
	return nil
}

// Cards reads the cards of many messages and calls f for each that is there, in
// no order. The card belongs to f's caller from then on: it shares no memory.
func (s *Store) Cards(ctx context.Context, tx *store.Tx, ids []ID, f func(ID, mail.Card)) error {
	missing := make(map[ID]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	var id ID
	var raw sql.RawBytes
	into := []any{&id, &raw} // once: this is ten thousand rows
	err := store.Lookup(ctx, tx, `SELECT message, card FROM card WHERE`, nil, "message", ids, func(scan func(...any) error) (ID, error) {
		if err := scan(into...); err != nil || !missing[id] {
			return id, err
		}
		if card, err := mail.ParseCard(slices.Clone(raw)); err == nil { // else it is made anew
			delete(missing, id)
			f(id, card)
		}
		return id, nil
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	// Kept before there were cards.
	return store.Lookup(ctx, tx, `SELECT id, summary FROM message WHERE`, nil, "id", slices.Collect(maps.Keys(missing)), func(scan func(...any) error) (ID, error) {
		if err := scan(into...); err != nil || !missing[id] {
			return id, err
		}
		var sum mail.Summary
		if err := json.Unmarshal(raw, &sum); err != nil {
			return id, fmt.Errorf("summary of message %d: %w", id, err)
		}
		f(id, sum.MakeCard())
		return id, nil
	})
}
