package transfer

import (
	"context"
	"strconv"
	"time"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// Recall takes a transfer away at once, every byte of it, and tells its owner.
// Kind NotFound when there is none, it has ended, or it is not the caller's.
func (s *Service) Recall(ctx context.Context, id ID, by link.Caller) error {
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		if err := s.tell(ctx, tx, t, "recalled", recalled); err != nil {
			return err
		}
		return s.end(ctx, tx, t, true)
	})
	if err == nil {
		s.log().InfoContext(ctx, "recalled", "kind", link.Transfer, "transfer", int64(id))
	}
	return err
}

// Extend gives a transfer ExtendDays more, within MaxDays from now, and returns
// its new end. Kinds as for Recall.
func (s *Service) Extend(ctx context.Context, id ID, by link.Caller) (until time.Time, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err != nil {
			return err
		}
		until, err = s.extend(ctx, tx, t)
		return err
	})
	return until, err
}

func (s *Service) extend(ctx context.Context, tx *store.Tx, t *Transfer) (time.Time, error) {
	until := t.Expires.AddDate(0, 0, ExtendDays)
	if most := s.now().AddDate(0, 0, MaxDays); until.After(most) {
		until = most
	}
	if until.Before(t.Expires) {
		return t.Expires, nil
	}
	if _, err := tx.Exec(ctx, `UPDATE transfer SET expires = $1 WHERE id = $2`, store.Micros(until), int64(t.ID)); err != nil {
		return until, err
	}
	return until, s.Links.Extend(ctx, tx, link.Transfer, int64(t.ID), until)
}

// end removes everything of t but a row without names: links, files, and the
// mail they came in.
func (s *Service) end(ctx context.Context, tx *store.Tx, t *Transfer, recalled bool) error {
	if err := s.Links.Revoke(ctx, tx, link.Transfer, int64(t.ID)); err != nil {
		return err
	}
	fs, err := files(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM transfer_file WHERE transfer = $1`, int64(t.ID)); err != nil {
		return err
	}
	if t.message != 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM inbound WHERE message = $1`, int64(t.message)); err != nil {
			return err
		}
		if err := s.Messages.Delete(ctx, tx, t.message); err != nil {
			return err
		}
	}
	// Most of these went with the message; those decoded later did not.
	ids := make([]blob.ID, len(fs))
	for i, f := range fs {
		ids[i] = f.Blob
	}
	if err := s.Blobs.Delete(ctx, tx, ids...); err != nil {
		return err
	}
	taken := 0
	if recalled {
		taken = 1
	}
	_, err = tx.Exec(ctx, `UPDATE transfer SET sender = '', subject = '', note = '', mail = '', message = 0, ended = $1, recalled = $2 WHERE id = $3`,
		store.Micros(s.now()), taken, int64(t.ID))
	return err
}

// tell writes to the owner about t, by way of their manage link.
func (s *Service) tell(ctx context.Context, tx *store.Tx, t *Transfer, what string, write func(locale.Printer, *Transfer) letter.Letter) error {
	ls, err := s.Links.In(ctx, tx, link.Transfer, int64(t.ID))
	if err != nil {
		return err
	}
	for _, l := range ls {
		if l.Manage {
			_, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: name(t.ID), What: what,
				To: l.Person, From: mail.Address{Local: "envoi", Domain: l.Person.Domain}, Lang: l.Lang,
				Letter: write(locale.For(l.Lang), t)})
			return err
		}
	}
	return nil
}

// name is what notices about a transfer are keyed by.
func name(id ID) string { return "transfer/" + strconv.FormatInt(int64(id), 10) }

// Sweep ends transfers whose time is over, as a recall does but without a word.
func (s *Service) Sweep(ctx context.Context) (n int, err error) {
	for {
		var ids []ID
		now := store.Micros(s.now())
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id FROM transfer WHERE ended = 0 AND expires <= $1 ORDER BY expires LIMIT 50`, now)
			return store.Each(rows, err, func(scan func(...any) error) error {
				var id ID
				err := scan(&id)
				ids = append(ids, id)
				return err
			})
		})
		if err != nil || len(ids) == 0 {
			return n, err
		}
		for _, id := range ids { // one at a time: others' mail waits for a long transaction
			err := s.DB.Write(ctx, func(tx *store.Tx) error {
				t, err := get(ctx, tx, id, true)
				if err != nil || !t.Ended.IsZero() || t.Expires.After(s.now()) {
					return err
				}
				return s.end(ctx, tx, t, false)
			})
			if err != nil {
				return n, err
			}
			n++
		}
	}
}

// Removed ends everything of an account that goes, in the transaction that
// removes it.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var ts []*Transfer
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM transfer WHERE account = $1 AND ended = 0`, int64(account))
	err = store.Each(rows, err, func(f func(...any) error) error {
		t, err := scan(f)
		ts = append(ts, t)
		return err
	})
	for _, t := range ts {
		if err == nil {
			err = s.end(ctx, tx, t, true)
		}
	}
	return err
}
