package contact

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// An address that a member writes to has a rank: a time. One letter makes it the
// hour of that letter; n letters at once, halfLife·log2(n) later than that. So to
// compare two ranks is to compare how often each was written to, where a letter
// counts half as much for every halfLife that has passed since. The ranks of
// those who are not written to need never be touched.
const halfLife = float64(30 * 24 * time.Hour / time.Microsecond)

const (
	maxAddressed = 10_000                   // of one account; more are forgotten, the least used first
	addressedAge = 3 * 365 * 24 * time.Hour // and who was not written to for so long
	maxAtOnce    = 50                       // a letter to more says little about whom one writes to
)

// Wrote notes that a letter of the account went to these people.
func (s *Store) Wrote(ctx context.Context, tx *store.Tx, account mail.AccountID, to []Address) error {
	if len(to) > maxAtOnce {
		return nil
	}
	now := store.Micros(s.now())
	// In one order, so that two letters at once do not wait for each other in a circle.
	to = slices.SortedFunc(slices.Values(to), func(a, b Address) int { return strings.Compare(a.Address.Key(), b.Address.Key()) })
	for _, a := range to {
		a.Name = clip(store.Clean(a.Name), 200)
		key := store.Clean(a.Address.Key())
		var was int64
		var name string
		err := tx.QueryRow(ctx, `SELECT rank, name FROM addressed WHERE account = $1 AND key = $2`, int64(account), key).Scan(&was, &name)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
		rank := now
		if err == nil {
			rank = raised(was, now)
		}
		if a.Name == "" {
			a.Name = name
		}
		// Two letters at once may lose a grain of rank to each other; never a row.
		if _, err := tx.Exec(ctx, `INSERT INTO addressed (account, key, address, name, words, times, last, rank) VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
			ON CONFLICT (account, key) DO UPDATE SET name = excluded.name, words = excluded.words, times = addressed.times + 1, last = excluded.last, rank = excluded.rank`,
			int64(account), key, store.Clean(a.Address.String()), a.Name, store.Clean(a.words()), now, rank); err != nil {
			return err
		}
	}
	return nil
}

// raised is a rank after one more letter.
func raised(was, now int64) int64 {
	high, low := float64(max(was, now)), float64(min(was, now))
	return int64(high + halfLife*math.Log2(1+math.Exp2((low-high)/halfLife)))
}

// Forget has an address that was written to not be offered any more, until it is
// written to again. Kind NotFound.
func (s *Store) Forget(ctx context.Context, account mail.AccountID, a mail.Address) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM addressed WHERE account = $1 AND key = $2`, int64(account), store.Clean(a.Key()))
		if err == nil && n == 0 {
			err = mail.Wrap(mail.NotFound, errors.New("nobody wrote there"))
		}
		return err
	})
}

func (s *Store) sweepAddressed(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM addressed WHERE last < $1`, store.Micros(s.now().Add(-addressedAge))); err != nil {
			return err
		}
		var full []int64
		rows, err := tx.Query(ctx, `SELECT account FROM addressed GROUP BY account HAVING count(*) > $1`, maxAddressed)
		err = store.Each(rows, err, func(scan func(...any) error) error {
			var a int64
			err := scan(&a)
			full = append(full, a)
			return err
		})
		for _, a := range full {
			if err == nil {
				_, err = tx.Exec(ctx, `DELETE FROM addressed WHERE account = $1 AND rank <
					(SELECT rank FROM addressed WHERE account = $1 ORDER BY rank DESC LIMIT 1 OFFSET $2)`, a, maxAddressed-1)
			}
		}
		return err
	})
}
