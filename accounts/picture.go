package accounts

import (
	"context"

	"colporteur/mail"
	"colporteur/store"
)

// maxPictured is how many senders a member has chosen; of more, those go that
// were chosen first.
const maxPictured = 2000

// ShowsPictures says whether a member always wants to see the pictures from
// elsewhere in the mails of an author. That the author is who they say they are
// is for the caller to know: anybody can write an address into From.
func (s *Service) ShowsPictures(ctx context.Context, id mail.UserID, author mail.Address) (bool, error) {
	n := 0
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM picture_sender WHERE member = $1 AND sender = $2`, int64(id), store.Clean(author.Key())).Scan(&n)
	})
	return n > 0, err
}

// PictureSenders are the addresses whose pictures a member always wants to see, the
// last chosen first.
func (s *Service) PictureSenders(ctx context.Context, id mail.UserID) (list []string, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT sender FROM picture_sender WHERE member = $1 ORDER BY created DESC, sender`, int64(id))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var sender string
			err := scan(&sender)
			list = append(list, sender)
			return err
		})
	})
	return list, err
}

// ShowPictures remembers that choice, or forgets it.
func (s *Service) ShowPictures(ctx context.Context, id mail.UserID, author mail.Address, show bool) error {
	key := store.Clean(author.Key())
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.byID(ctx, tx, id); err != nil {
			return kinded(err)
		}
		_, err := tx.Exec(ctx, `DELETE FROM picture_sender WHERE member = $1 AND sender = $2`, int64(id), key)
		if err != nil || !show {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM picture_sender WHERE member = $1 AND sender NOT IN
			(SELECT sender FROM picture_sender WHERE member = $1 ORDER BY created DESC, sender LIMIT $2)`, int64(id), maxPictured-1); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO picture_sender (member, sender, created) VALUES ($1, $2, $3)`, int64(id), key, store.Micros(s.now()))
		return err
	})
}
