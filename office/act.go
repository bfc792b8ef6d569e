package office

import (
	"context"
	"time"

	"colporteur/store"
)

// Act is one thing that somebody who runs the host did.
type Act struct {
	At    time.Time
	Who   string // their address
	What  string // one of the words below
	About string // an address, a number; "" nothing in particular
}

// What can be done. Pages have a sentence for each: office-act-WORD.
const (
	Added        = "added"
	Suspended    = "suspended"
	Resumed      = "resumed"
	Removed      = "removed"
	Password     = "password"
	Changed      = "changed"
	SignedOut    = "signed-out"
	AliasAdded   = "alias-added"
	AliasRemoved = "alias-removed"
	GroupAdded   = "group-added"
	GroupRemoved = "group-removed"
	Joined       = "joined"
	Left         = "left"
	Retried      = "retried"
	Held         = "held"
	Released     = "released"
	Cancelled    = "cancelled"
	Traced       = "traced"
	Froze        = "froze"
	Unfroze      = "unfroze"
	Settled      = "settled"
	Tested       = "tested"
)

// Whats are all of them.
var Whats = []string{Added, Suspended, Resumed, Removed, Password, Changed, SignedOut, AliasAdded, AliasRemoved, GroupAdded, GroupRemoved,
	Joined, Left, Retried, Held, Released, Cancelled, Traced, Froze, Unfroze, Settled, Tested}

// Note keeps an act.
func (s *Service) Note(ctx context.Context, a Act) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error { return s.note(ctx, tx, a) })
}

func (s *Service) note(ctx context.Context, tx *store.Tx, a Act) error {
	_, err := tx.Exec(ctx, `INSERT INTO admin_act (id, at, who, what, about) VALUES ($1, $2, $3, $4, $5)`,
		store.NewID(), store.Micros(s.now()), store.Clean(a.Who), a.What, store.Clean(a.About))
	return err
}

// Acts are the latest, newest first, at most limit.
func (s *Service) Acts(ctx context.Context, limit int) (all []Act, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT at, who, what, about FROM admin_act ORDER BY at DESC, id DESC LIMIT $1`, limit)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var a Act
			var at int64
			err := scan(&at, &a.Who, &a.What, &a.About)
			a.At = store.Time(at)
			all = append(all, a)
			return err
		})
	})
	return all, err
}
