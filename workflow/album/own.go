package album

import (
	"context"
	"fmt"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// MakeNew makes an album of a member's own that nobody else can know yet: one
// that they have under this name may have guests. The name is followed by a
// number then.
func (s *Service) MakeNew(ctx context.Context, tx *store.Tx, u mail.User, name string) (ID, error) {
	for i := 1; ; i++ {
		try := name
		if i > 1 {
			try = fmt.Sprintf("%s (%d)", name, i)
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM album WHERE member = $1 AND key = $2`, int64(u.ID), key(proper(try))).Scan(&n); err != nil {
			return 0, err
		}
		if n == 0 {
			return s.MakeIn(ctx, tx, u, try)
		}
	}
}

// Own is a living album's name, and its owner's link; kind NotFound.
func (s *Service) Own(ctx context.Context, tx *store.Tx, id ID) (name string, l link.Link, err error) {
	a, err := s.living(ctx, tx, id)
	if err != nil {
		return "", l, err
	}
	l, err = s.manageLink(ctx, tx, id)
	return a.Name, l, err
}

// Bring makes photos of files that the owner has elsewhere, and says which of
// them, by SHA-256, are in the album then. into finds or makes the album, in the
// transaction that adds to it, when there is something to add. Nobody is told.
// Pictures that do not say when they were taken count as taken at the given time.
func (s *Service) Bring(ctx context.Context, at time.Time, files []HandedFile, into func(ctx context.Context, tx *store.Tx) (ID, error)) (has map[string]bool, err error) {
	var list []offered
	for i, f := range files {
		list = append(list, offered{part: i, name: f.Name, says: f.Type, kept: f.Kept})
	}
	got, err := s.take(ctx, list)
	if err != nil || len(got.photos) == 0 {
		return nil, err
	}
	for i := range got.photos {
		if got.photos[i].Taken.IsZero() {
			got.photos[i].Taken = at
		}
	}
	key := fmt.Sprintf("own/%d", store.NewID())
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		has = map[string]bool{}
		id, err := into(ctx, tx)
		if err != nil {
			return err
		}
		a, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if a.over(s.now()) {
			return mail.Wrap(mail.NotFound, fmt.Errorf("album %d has ended", id))
		}
		if _, err := s.add(ctx, tx, a, key, link.Link{}, got.photos); err != nil {
			return err
		}
		for _, m := range got.photos {
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM photo WHERE album = $1 AND sha256 = $2 AND hidden = 0`, int64(id), m.kept.SHA256).Scan(&n); err != nil {
				return err
			}
			has[m.kept.SHA256] = n > 0
		}
		return nil
	})
	return has, err
}

// Size is what a member's albums keep, in octets as the photos came.
func (s *Service) Size(ctx context.Context, u mail.UserID) (n int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(sum(f.size), 0) FROM photo_form f JOIN photo p ON p.id = f.photo JOIN album a ON a.id = p.album
			WHERE a.member = $1 AND f.form = $2`, int64(u), string(Source)).Scan(&n)
	})
	return n, err
}

// Sizes are how many bytes each living album keeps, in all forms of its photos.
func (s *Service) Sizes(ctx context.Context) (all map[ID]int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = map[ID]int64{}
		rows, err := tx.Query(ctx, `SELECT p.album, CAST(sum(f.size) AS BIGINT) FROM photo_form f JOIN photo p ON p.id = f.photo JOIN album a ON a.id = p.album
			WHERE a.ended = 0 GROUP BY p.album`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var id ID
			var n int64
			err := scan(&id, &n)
			all[id] = n
			return err
		})
	})
	return all, err
}
