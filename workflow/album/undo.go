package album

import (
	"context"
	"errors"

	"colporteur/store"
	"colporteur/workflow/link"
)

// undo takes off what one mail of the owner's brought, when they reply to what
// was answered to it and the album has more than that. 0: nothing was taken off,
// the word is about the album.
func (s *Service) undo(ctx context.Context, tx *store.Tx, a *Album, names []string) (int, error) {
	mailKey, err := answeredMail(ctx, tx, a, 0, names)
	if err != nil || mailKey == "" {
		return 0, err
	}
	ids, err := cameBy(ctx, tx, a, mailKey, 0)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	var all int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM photo WHERE album = $1 AND hidden = 0`, int64(a.ID)).Scan(&all); err != nil || all == len(ids) {
		return 0, err
	}
	for _, id := range ids {
		if err := s.Hide(ctx, tx, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// takeBack deletes what one mail of a guest's brought, words and photos: the one
// whose answer they reply to, else their last. It is theirs, so it does not wait
// for the owner to bring it back.
func (s *Service) takeBack(ctx context.Context, tx *store.Tx, a *Album, l link.Link, names []string) (int, error) {
	mailKey, err := answeredMail(ctx, tx, a, l.ID, names)
	if err != nil {
		return 0, err
	}
	if mailKey == "" {
		err := tx.QueryRow(ctx, `SELECT key FROM album_mail WHERE album = $1 AND link = $2 ORDER BY created DESC LIMIT 1`, int64(a.ID), int64(l.ID)).Scan(&mailKey)
		if errors.Is(err, store.ErrNoRows) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
	words, err := tx.Exec(ctx, `DELETE FROM photo_comment WHERE album = $1 AND link = $2 AND key = $3`, int64(a.ID), int64(l.ID), "mail "+mailKey)
	if err != nil {
		return 0, err
	}
	ids, err := cameBy(ctx, tx, a, mailKey, l.ID)
	if err != nil {
		return 0, err
	}
	if err := s.erase(ctx, tx, `album = $1 AND key = $2 AND by_link = $3`, int64(a.ID), mailKey, int64(l.ID)); err != nil {
		return 0, err
	}
	// The row stays, as nobody's: the same mail once more adds nothing.
	if _, err := tx.Exec(ctx, `UPDATE album_mail SET link = -1, notice = '' WHERE album = $1 AND key = $2`, int64(a.ID), mailKey); err != nil {
		return 0, err
	}
	if s.Shelf != nil && len(ids) > 0 {
		if err := s.Shelf.Gone(ctx, tx, a, ids); err != nil {
			return 0, err
		}
	}
	return len(ids) + int(words), nil
}

// answeredMail is the key of the mail that was answered with one of names; ""
// when there is none.
func answeredMail(ctx context.Context, tx *store.Tx, a *Album, l link.ID, names []string) (mailKey string, err error) {
	for _, n := range names {
		err := tx.QueryRow(ctx, `SELECT key FROM album_mail WHERE album = $1 AND link = $2 AND notice = $3`, int64(a.ID), int64(l), store.Clean(n)).Scan(&mailKey)
		if !errors.Is(err, store.ErrNoRows) {
			return mailKey, err
		}
	}
	return "", nil
}

// cameBy are the photos that a mail brought, of those that are shown.
func cameBy(ctx context.Context, tx *store.Tx, a *Album, mailKey string, l link.ID) (ids []PhotoID, err error) {
	rows, err := tx.Query(ctx, `SELECT id FROM photo WHERE album = $1 AND key = $2 AND by_link = $3 AND hidden = 0 ORDER BY id`, int64(a.ID), mailKey, int64(l))
	err = store.Each(rows, err, func(f func(...any) error) error {
		var id PhotoID
		err := f(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}
