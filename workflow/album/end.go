package album

import (
	"context"
	"strconv"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// Recall takes a whole album off at once, every byte of it, and tells its
// owner. Kind NotFound when there is none, it has ended, or it is not the caller's.
func (s *Service) Recall(ctx context.Context, id ID, by link.Caller) error {
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		ls, err := s.Links.In(ctx, tx, link.Album, int64(id))
		if err != nil {
			return err
		}
		for _, l := range ls {
			if !l.Manage {
				continue
			}
			if _, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: name(id), What: "recalled",
				To: l.Person, From: mail.Address{Local: "aide", Domain: l.Person.Domain}, Lang: l.Lang,
				Letter: recalled(locale.For(l.Lang), a)}); err != nil {
				return err
			}
			break
		}
		return s.end(ctx, tx, a)
	})
	if err == nil {
		s.log().InfoContext(ctx, "recalled", "kind", link.Album, "album", int64(id))
	}
	return err
}

// name is what notices about an album are keyed by.
func name(id ID) string { return "album/" + strconv.FormatInt(int64(id), 10) }

// end removes everything of a but a row without names.
func (s *Service) end(ctx context.Context, tx *store.Tx, a *Album) error {
	if err := s.Links.Revoke(ctx, tx, link.Album, int64(a.ID)); err != nil {
		return err
	}
	var blobs []blob.ID
	rows, err := tx.Query(ctx, `SELECT original, large, thumb FROM photo WHERE album = $1`, int64(a.ID))
	err = store.Each(rows, err, func(f func(...any) error) error {
		var o, l, t blob.ID
		err := f(&o, &l, &t)
		blobs = append(blobs, o, l, t)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM photo WHERE album = $1`, int64(a.ID)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM album_mail WHERE album = $1`, int64(a.ID)); err != nil {
		return err
	}
	if err := s.Blobs.Delete(ctx, tx, blobs...); err != nil {
		return err
	}
	// The name is free again: a new album of it may come and go as often as it likes.
	_, err = tx.Exec(ctx, `UPDATE album SET sender = '', name = '', key = $1, ended = $2 WHERE id = $3`,
		strconv.FormatInt(int64(a.ID), 10), store.Micros(s.now()), int64(a.ID))
	return err
}

// Command does what the owner replied to a notice; see workflow.Commanded.
func (s *Service) Command(ctx context.Context, in *workflow.Inbound, l link.Link, w workflow.Word) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		p := locale.For(in.Lang())
		a, err := s.allowed(ctx, tx, link.Member(in.Sender.ID), link.Manage, ID(l.Thing))
		if mail.Is(err, mail.NotFound) {
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-ended"), 0)
		}
		if err != nil {
			return err
		}
		switch w {
		case workflow.Recall:
			if err := s.end(ctx, tx, a); err != nil {
				return err
			}
			s.log().InfoContext(ctx, "recalled", "mail", in.Mail, "user", in.Sender.ID, "kind", link.Album)
			return in.ReplyIn(ctx, tx, recalled(p, a), 0)
		case workflow.Stop:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-stopped", "Name", a.Name), int64(l.ID))
		case workflow.Extend:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-no-end", "Name", a.Name), int64(l.ID))
		case workflow.Help:
			return in.ReplyIn(ctx, tx, workflow.Said(p, "album-commands", "Name", a.Name), int64(l.ID))
		}
		return in.ReplyIn(ctx, tx, workflow.Said(p, "album-not-understood", "Name", a.Name), int64(l.ID))
	})
}

var _ workflow.Commanded = (*Service)(nil)

// Removed ends every album of an account that goes, in the transaction that
// removes it.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var as []*Album
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM album WHERE account = $1 AND ended = 0`, int64(account))
	err = store.Each(rows, err, func(f func(...any) error) error {
		a, err := scan(f)
		as = append(as, a)
		return err
	})
	for _, a := range as {
		if err == nil {
			err = s.end(ctx, tx, a)
		}
	}
	return err
}
