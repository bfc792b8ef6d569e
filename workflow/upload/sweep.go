package upload

import (
	"context"

	"colporteur/mail"
	"colporteur/store"
)

// Sweep ends uploads that nobody went on with for a day, and forgets places
// that are over.
func (s *Service) Sweep(ctx context.Context) (n int, err error) {
	for {
		var old []Upload
		now := store.Micros(s.now())
		err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
			old, err = uploads(ctx, tx, `expires <= $1 ORDER BY expires LIMIT 50`, now)
			return err
		})
		if err != nil {
			return n, err
		}
		if len(old) == 0 {
			break
		}
		for _, u := range old { // one at a time: others' mail waits for a long transaction
			err := s.DB.Write(ctx, func(tx *store.Tx) error {
				us, err := uploads(ctx, tx, `id = $1 AND expires <= $2 FOR UPDATE`, u.ID, now)
				if err != nil || len(us) == 0 {
					return err
				}
				return s.drop(ctx, tx, &us[0])
			})
			if err != nil {
				return n, err
			}
			n++
		}
	}
	limit := store.Micros(s.now().AddDate(0, 0, -PlaceDays))
	return n, s.DB.Write(ctx, func(tx *store.Tx) error {
		const over = `SELECT id FROM place WHERE (expires < $1 OR ended > 0 AND ended < $1)
			AND NOT EXISTS (SELECT 1 FROM upload WHERE upload.place = place.id)`
		if _, err := tx.Exec(ctx, `DELETE FROM handed WHERE place IN (`+over+`)`, limit); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM place WHERE id IN (`+over+`)`, limit)
		return err
	})
}

// Removed ends everything of an account that goes, in the transaction that
// removes it.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var ids []PlaceID
	rows, err := tx.Query(ctx, `SELECT id FROM place WHERE account = $1 AND ended = 0`, int64(account))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id PlaceID
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		if err == nil {
			err = s.close(ctx, tx, id)
		}
	}
	return err
}
