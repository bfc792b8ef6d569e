package album

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// name is what notices about an album are keyed by.
func name(id ID) string { return "album/" + strconv.FormatInt(int64(id), 10) }

// Recall takes a whole album off at once, and tells its owner, who can bring it
// back for Grace. Kind NotFound when there is none, it has ended, or it is not the
// caller's.
func (s *Service) Recall(ctx context.Context, id ID, by link.Caller) error {
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		if a.over(s.now()) {
			return mail.Wrap(mail.NotFound, errors.New("it has ended"))
		}
		manage, err := s.manageLink(ctx, tx, id)
		if err == nil {
			_, err = s.Post.Send(ctx, tx, workflow.Notice{Mail: name(id) + " " + strconv.FormatInt(s.now().Unix(), 10), What: "recalled",
				To: manage.Person, From: mail.Address{Local: "aide", Domain: manage.Person.Domain}, ReplyLink: int64(manage.ID), Lang: manage.Lang,
				Letter: recalled(locale.For(manage.Lang), a)})
		}
		if err != nil && !mail.Is(err, mail.NotFound) {
			return err
		}
		return s.end(ctx, tx, a)
	})
	if err == nil {
		s.log().InfoContext(ctx, "recalled", "kind", link.Album, "album", int64(id))
	}
	return err
}

// Restore brings back an album that ended less than Grace ago, or that expired.
// When its owner has another of that name by now, it gets a number. Kind NotFound.
func (s *Service) Restore(ctx context.Context, id ID, by link.Caller) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		return s.restore(ctx, tx, a)
	})
}

func (s *Service) restore(ctx context.Context, tx *store.Tx, a *Album) error {
	if !a.over(s.now()) {
		return nil
	}
	free, err := s.free(ctx, tx, a)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE album SET name = $1, key = $2, ended = 0, expires = 0 WHERE id = $3`, free, key(free), int64(a.ID)); err != nil {
		return err
	}
	if err := s.Links.Extend(ctx, tx, link.Album, int64(a.ID), time.Time{}, 0); err != nil { // end put one to them
		return err
	}
	a.Name, a.Ended, a.Expires = free, time.Time{}, time.Time{}
	if s.Shelf != nil {
		return s.Shelf.Added(ctx, tx, a, nil)
	}
	return nil
}

// free is a's name, or one like it when its owner has another album of that name
// by now.
func (s *Service) free(ctx context.Context, tx *store.Tx, a *Album) (string, error) {
	for i := 1; ; i++ {
		try := a.Name
		if i > 1 {
			try = fmt.Sprintf("%s (%d)", a.Name, i)
		}
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM album WHERE member = $1 AND key = $2 AND ended = 0 AND id <> $3`, int64(a.Member), key(try), int64(a.ID)).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return try, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// end takes a off: whoever is not its owner finds nothing from the commit on.
// The name is free again at once.
func (s *Service) end(ctx context.Context, tx *store.Tx, a *Album) error {
	a.Ended = s.now()
	if _, err := tx.Exec(ctx, `UPDATE album SET key = $1, ended = $2 WHERE id = $3`,
		"ended "+strconv.FormatInt(int64(a.ID), 10), store.Micros(a.Ended), int64(a.ID)); err != nil {
		return err
	}
	// What waits to announce it must find that it is over.
	if err := s.Links.Extend(ctx, tx, link.Album, int64(a.ID), a.Ended, Grace); err != nil {
		return err
	}
	if s.Shelf != nil {
		return s.Shelf.Ended(ctx, tx, a)
	}
	return nil
}

// EndIn is Recall without a word, in the transaction of what ends it.
func (s *Service) EndIn(ctx context.Context, tx *store.Tx, id ID) error {
	a, err := s.lock(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return mail.Wrap(mail.NotFound, err)
	}
	if err != nil || a.over(s.now()) {
		return err
	}
	return s.end(ctx, tx, a)
}

// Hide takes a photo off at once; its bytes are kept for Kept. Kind NotFound.
func (s *Service) Hide(ctx context.Context, tx *store.Tx, id PhotoID) error {
	return s.hide(ctx, tx, id, s.now())
}

// Unhide shows a photo again that Hide took off. Kind NotFound when it is swept.
func (s *Service) Unhide(ctx context.Context, tx *store.Tx, id PhotoID) error {
	return s.hide(ctx, tx, id, time.Time{})
}

func (s *Service) hide(ctx context.Context, tx *store.Tx, id PhotoID, at time.Time) error {
	var album, was int64
	err := tx.QueryRow(ctx, `SELECT album, hidden FROM photo WHERE id = $1 FOR UPDATE`, int64(id)).Scan(&album, &was)
	if errors.Is(err, store.ErrNoRows) {
		return mail.Wrap(mail.NotFound, err)
	}
	if err != nil || (was != 0) == !at.IsZero() {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE photo SET hidden = $1 WHERE id = $2`, store.Micros(at), int64(id)); err != nil || s.Shelf == nil {
		return err
	}
	a, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM album WHERE id = $1`, album).Scan)
	switch {
	case err != nil:
		return err
	case at.IsZero():
		return s.Shelf.Added(ctx, tx, a, []Photo{{ID: id}})
	}
	return s.Shelf.Gone(ctx, tx, a, []PhotoID{id})
}

// RemovePhoto is Hide, and RestorePhoto Unhide, for who may manage the album.
func (s *Service) RemovePhoto(ctx context.Context, album ID, id PhotoID, by link.Caller) error {
	return s.change(ctx, album, id, by, s.Hide)
}

func (s *Service) RestorePhoto(ctx context.Context, album ID, id PhotoID, by link.Caller) error {
	return s.change(ctx, album, id, by, s.Unhide)
}

func (s *Service) change(ctx context.Context, album ID, id PhotoID, by link.Caller, f func(context.Context, *store.Tx, PhotoID) error) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.allowed(ctx, tx, by, link.Manage, album); err != nil {
			return err
		}
		if err := within(ctx, tx, album, id); err != nil {
			return err
		}
		return f(ctx, tx, id)
	})
}

func within(ctx context.Context, tx *store.Tx, album ID, id PhotoID) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM photo WHERE id = $1 AND album = $2`, int64(id), int64(album)).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return mail.Wrap(mail.NotFound, err)
	}
	return err
}

// SetCaption changes what is said under a photo.
func (s *Service) SetCaption(ctx context.Context, album ID, id PhotoID, by link.Caller, text string) error {
	return s.change(ctx, album, id, by, func(ctx context.Context, tx *store.Tx, id PhotoID) error {
		_, err := tx.Exec(ctx, `UPDATE photo SET caption = $1 WHERE id = $2`, store.Clean(shorten(text)), int64(id))
		return err
	})
}

// Removed deletes everything of an account that goes, in the transaction that
// removes it.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var ids []ID
	rows, err := tx.Query(ctx, `SELECT id FROM album WHERE account = $1 AND name <> ''`, int64(account))
	err = store.Each(rows, err, func(f func(...any) error) error {
		var id ID
		err := f(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		if err == nil {
			err = s.purge(ctx, tx, id)
		}
	}
	return err
}

// purge deletes every byte and name of an album; a row without names is left.
func (s *Service) purge(ctx context.Context, tx *store.Tx, id ID) error {
	if err := s.Links.Revoke(ctx, tx, link.Album, int64(id)); err != nil {
		return err
	}
	if err := s.erase(ctx, tx, `album = $1`, int64(id)); err != nil {
		return err
	}
	for _, q := range []string{`DELETE FROM album_mail WHERE album = $1`, `DELETE FROM photo_comment WHERE album = $1`} {
		if _, err := tx.Exec(ctx, q, int64(id)); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `UPDATE album SET sender = '', name = '', key = $1, ended = CASE WHEN ended = 0 THEN $2 ELSE ended END WHERE id = $3`,
		"ended "+strconv.FormatInt(int64(id), 10), store.Micros(s.now()), int64(id))
	return err
}

// erase deletes photos and the bytes that nothing else names.
func (s *Service) erase(ctx context.Context, tx *store.Tx, where string, args ...any) error {
	var blobs []blob.ID
	rows, err := tx.Query(ctx, `SELECT blob FROM photo_form WHERE photo IN (SELECT id FROM photo WHERE `+where+`) ORDER BY blob`, args...)
	err = store.Each(rows, err, func(f func(...any) error) error {
		var b blob.ID
		err := f(&b)
		blobs = append(blobs, b)
		return err
	})
	if err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM photo_form WHERE photo IN (SELECT id FROM photo WHERE ` + where + `)`,
		`DELETE FROM photo_comment WHERE photo <> 0 AND photo IN (SELECT id FROM photo WHERE ` + where + `)`,
		`DELETE FROM photo WHERE ` + where,
	} {
		if _, err := tx.Exec(ctx, q, args...); err != nil {
			return err
		}
	}
	return s.Blobs.DeleteUnnamed(ctx, tx, blobs...)
}

// Sweep ends what has expired, and tells its owner; it deletes albums that ended
// more than Grace ago, and photos that were taken off more than Kept ago.
func (s *Service) Sweep(ctx context.Context) (n int, err error) {
	if err := s.expire(ctx); err != nil {
		return 0, err
	}
	limit := store.Micros(s.now().Add(-Grace))
	for {
		var ids []ID
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id FROM album WHERE name <> '' AND ended > 0 AND ended < $1 LIMIT 20`, limit)
			return store.Each(rows, err, func(f func(...any) error) error {
				var id ID
				err := f(&id)
				ids = append(ids, id)
				return err
			})
		})
		if err != nil {
			return n, err
		}
		if len(ids) == 0 {
			return n, s.DB.Write(ctx, func(tx *store.Tx) error {
				return s.erase(ctx, tx, `hidden > 0 AND hidden < $1`, store.Micros(s.now().Add(-Kept)))
			})
		}
		for _, id := range ids { // one at a time: others' mail waits for a long transaction
			if err := s.DB.Write(ctx, func(tx *store.Tx) error { return s.purge(ctx, tx, id) }); err != nil {
				return n, err
			}
			n++
		}
	}
}

// expire ends the albums whose time is over. Grace runs from when their owners
// are told: these may be all the photos they have.
func (s *Service) expire(ctx context.Context) error {
	var ids []ID
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM album WHERE ended = 0 AND expires > 0 AND expires <= $1 ORDER BY expires`, store.Micros(s.now()))
		return store.Each(rows, err, func(f func(...any) error) error {
			var id ID
			err := f(&id)
			ids = append(ids, id)
			return err
		})
	})
	for _, id := range ids {
		if err != nil {
			return err
		}
		err = s.DB.Write(ctx, func(tx *store.Tx) error {
			a, err := s.lock(ctx, tx, id)
			if err != nil || !a.Ended.IsZero() || !a.over(s.now()) {
				return err // extended meanwhile
			}
			manage, err := s.manageLink(ctx, tx, id)
			if err == nil {
				_, err = s.Post.Send(ctx, tx, workflow.Notice{Mail: name(id) + " " + strconv.FormatInt(a.Expires.Unix(), 10), What: "expired",
					To: manage.Person, From: mail.Address{Local: "aide", Domain: manage.Person.Domain}, ReplyLink: int64(manage.ID), Lang: manage.Lang,
					Letter: expired(locale.For(manage.Lang), a)})
			}
			if err != nil && !mail.Is(err, mail.NotFound) {
				return err
			}
			return s.end(ctx, tx, a)
		})
	}
	return err
}
