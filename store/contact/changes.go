package contact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// Changes are what became of one kind of thing between two states.
type Changes[T ~int64] struct {
	To                          int64
	More                        bool
	Created, Updated, Destroyed []T
}

// BookChanges are the address books' since a state, at most most of them (0: all).
// Kind Gone: it cannot be told any more.
func (s *Store) BookChanges(ctx context.Context, account mail.AccountID, since int64, most int) (Changes[BookID], error) {
	return changes[BookID](ctx, s, account, `SELECT id, born, modseq FROM address_book WHERE account = $1 AND modseq > $2`, 1, since, most)
}

// CardChanges are the cards', as BookChanges.
func (s *Store) CardChanges(ctx context.Context, account mail.AccountID, since int64, most int) (Changes[CardID], error) {
	return changes[CardID](ctx, s, account, `SELECT id, born, modseq FROM contact_card WHERE account = $1 AND modseq > $2`, 0, since, most)
}

// changed is one thing that is not as it was. Where it stands among the others
// is at, the modseq by which a client must have heard of it: of what is new, the
// one at which it was made, or a client that stops in between would be told that
// something has changed which it has never seen.
type changed[T ~int64] struct {
	id   T
	born int64
	at   int64
	gone bool
}

func changes[T ~int64](ctx context.Context, s *Store, account mail.AccountID, q string, book int, since int64, most int) (out Changes[T], err error) {
	if _, err := s.State(ctx, account); err != nil {
		return out, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		out = Changes[T]{}
		var floor int64
		if err := tx.QueryRow(ctx, `SELECT modseq, floor FROM contact_account WHERE account = $1`, int64(account)).Scan(&out.To, &floor); err != nil {
			return err
		}
		if since < floor || since > out.To {
			return mail.Wrap(mail.Gone, fmt.Errorf("state %d is not between %d and %d", since, floor, out.To))
		}
		var list []changed[T]
		read := func(gone bool, q string, args ...any) error {
			rows, err := tx.Query(ctx, q, args...)
			return store.Each(rows, err, func(scan func(...any) error) error {
				x := changed[T]{gone: gone}
				if err := scan(&x.id, &x.born, &x.at); err != nil {
					return err
				}
				if x.born > since {
					if gone {
						return nil // came and went unseen
					}
					x.at = x.born
				}
				list = append(list, x)
				return nil
			})
		}
		err := errors.Join(read(false, q, int64(account), since),
			read(true, `SELECT id, born, modseq FROM contact_gone WHERE account = $1 AND modseq > $2 AND book = $3`, int64(account), since, book))
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b changed[T]) int { return cmp.Compare(a.at, b.at) })
		if most > 0 && len(list) > most {
			list = list[:most]
			out.To, out.More = list[most-1].at, true
		}
		for _, x := range list {
			switch {
			case x.gone:
				out.Destroyed = append(out.Destroyed, x.id)
			case x.born > since:
				out.Created = append(out.Created, x.id)
			default:
				out.Updated = append(out.Updated, x.id)
			}
		}
		return nil
	})
	return out, err
}
