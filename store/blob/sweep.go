package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"colporteur/store"
)

const sweepPage = 500

// Sweep removes blobs that nothing names and files that no row knows, when
// they are older than age (24 h in production), and says how many. age must
// exceed the time that any mail takes from its first byte to its commit.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (int, error) {
	limit := s.now().Add(-age)
	rows, err := s.sweepRows(ctx, limit)
	if err != nil {
		return rows, fmt.Errorf("sweep blobs: %w", err)
	}
	files, err := s.sweepFiles(ctx, limit)
	if err != nil {
		return rows + files, fmt.Errorf("sweep files: %w", err)
	}
	return rows + files, nil
}

func (s *Store) sweepRows(ctx context.Context, limit time.Time) (n int, err error) {
	if len(s.Named) == 0 {
		return 0, nil // without knowing who names blobs, all of them would go
	}
	after := int64(0)
	for {
		var page, unnamed []int64
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id FROM blob WHERE id > $1 AND created < $2 ORDER BY id LIMIT $3`,
				after, store.Micros(limit), sweepPage)
			err = store.Each(rows, err, func(scan func(...any) error) error {
				var id int64
				err := scan(&id)
				page = append(page, id)
				return err
			})
			for i := 0; err == nil && i < len(page); i++ {
				var named bool
				if named, err = s.named(ctx, tx, page[i]); !named {
					unnamed = append(unnamed, page[i])
				}
			}
			return err
		})
		if err != nil {
			return n, err
		}
		if len(page) == 0 {
			return n, nil
		}
		after = page[len(page)-1]
		if len(unnamed) == 0 {
			continue
		}
		removed := 0
		err = s.DB.Write(ctx, func(tx *store.Tx) error {
			removed = 0 // the transaction may run again
			for _, id := range unnamed {
				// Under the lock that Keep takes too: whoever named the blob
				// meanwhile has committed, and is seen, or waits and finds it gone.
				if err := s.Keep(ctx, tx, ID(id)); errors.Is(err, store.ErrNoRows) {
					continue
				} else if err != nil {
					return err
				}
				named, err := s.named(ctx, tx, id)
				if err != nil {
					return err
				}
				if named {
					continue
				}
				if err := s.Delete(ctx, tx, ID(id)); err != nil {
					return err
				}
				removed++
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += removed
	}
}

func (s *Store) named(ctx context.Context, tx *store.Tx, id int64) (bool, error) {
	for _, q := range s.namings() {
		var one any
		switch err := tx.QueryRow(ctx, q, id).Scan(&one); {
		case err == nil:
			return true, nil
		case !errors.Is(err, store.ErrNoRows):
			return true, err
		}
	}
	return false, nil
}

// sweepFiles removes old files that no row knows. The files are listed before
// the rows are read, so a row that comes in between is seen.
func (s *Store) sweepFiles(ctx context.Context, limit time.Time) (n int, err error) {
	orphans := map[[16]byte]struct{}{}
	n, err = s.disk().old(limit, s.claimed, func(name string) error {
		var k [16]byte
		hex.Decode(k[:], []byte(name))
		orphans[k] = struct{}{}
		return ctx.Err()
	})
	if err != nil || len(orphans) == 0 {
		return n, err
	}
	for after, more := int64(0), true; more; {
		more = false
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id, key, master FROM blob WHERE id > $1 AND inline IS NULL ORDER BY id LIMIT $2`, after, sweepPage)
			return store.Each(rows, err, func(scan func(...any) error) error {
				var id, master int64
				var key []byte
				if err := scan(&id, &key, &master); err != nil {
					return err
				}
				// A key that does not open is no orphan's proof: stop rather than
				// delete the files of a host that was started with the wrong key.
				data, err := s.unwrap(ID(id), key, master)
				if err != nil {
					return err
				}
				var k [16]byte
				hex.Decode(k[:], []byte(fileName(ID(id), data)))
				delete(orphans, k)
				after, more = id, true
				return nil
			})
		})
		if err != nil {
			return n, err
		}
	}
	for k := range orphans {
		if err := s.disk().remove(hex.EncodeToString(k[:])); err != nil {
			return n, classed(err)
		}
		n++
	}
	return n, nil
}
