package store_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"colporteur/store"
	"colporteur/store/storetest"
)

func TestLookupFindsWhatIsThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		err := db.Write(ctx, func(tx *store.Tx) error {
			for id := range 2000 {
				if id%7 == 3 {
					continue
				}
				if _, err := tx.Exec(ctx, `INSERT INTO blob (id, size, key, master, created) VALUES ($1, $2, $3, 1, 1)`, id, id%2, []byte{1}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 40 {
			step, odd := 1+r.IntN(60), r.IntN(2)
			var ids, want []int64
			asked := map[int64]bool{}
			for range r.IntN(600) {
				id := int64(r.IntN(2000/step+1) * step)
				ids, asked[id] = append(ids, id), true
				if id < 2000 && id%7 != 3 && id%2 == int64(odd) {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			want = slices.Compact(want)
			var got []int64
			err := db.Read(ctx, func(tx *store.Tx) error {
				got = nil
				return store.Lookup(ctx, tx, `SELECT id FROM blob WHERE size = $1 AND`, []any{odd}, "id", ids, func(scan func(...any) error) (id int64, err error) {
					if err = scan(&id); asked[id] {
						got = append(got, id)
					}
					return id, err
				})
			})
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%v: got %v, want %v", err, got, want)
			}
		}
	})
}
