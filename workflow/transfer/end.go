package transfer

import (
	"context"
	"errors"
	"fmt"
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

// Recall takes a transfer away at once, and tells its owner, who can bring it back
// for Grace. Kind NotFound when there is none, it has ended, or it is not the caller's.
func (s *Service) Recall(ctx context.Context, id ID, by link.Caller) error {
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err == nil && t.over(s.now()) {
			err = mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has ended", id))
		}
		if err != nil {
			return err
		}
		if err := s.tell(ctx, tx, t, "recalled "+strconv.FormatInt(s.now().Unix(), 10), recalled); err != nil {
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
// its new end. One that is over is brought back for as long. Kinds as for Recall.
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
	if t.over(s.now()) {
		err := s.restore(ctx, tx, t)
		return t.Expires, err
	}
	until := t.Expires.AddDate(0, 0, ExtendDays)
	if most := s.now().AddDate(0, 0, MaxDays); until.After(most) {
		until = most
	}
	if until.Before(t.Expires) {
		return t.Expires, nil
	}
	return until, s.until(ctx, tx, t, until)
}

// until moves the end of a transfer and its links.
func (s *Service) until(ctx context.Context, tx *store.Tx, t *Transfer, until time.Time) error {
	if _, err := tx.Exec(ctx, `UPDATE transfer SET expires = $1, ended = 0, recalled = 0 WHERE id = $2`, store.Micros(until), int64(t.ID)); err != nil {
		return err
	}
	return s.Links.Extend(ctx, tx, link.Transfer, int64(t.ID), until, Grace)
}

// Restore brings back what ended less than Grace ago, for ExtendDays at least.
func (s *Service) Restore(ctx context.Context, id ID, by link.Caller) error {
	_, err := s.Extend(ctx, id, by)
	return err
}

// RestoreIn is Restore in the transaction of what causes it; nothing to do for one
// that lives. Kind NotFound when it cannot be brought back.
func (s *Service) RestoreIn(ctx context.Context, tx *store.Tx, id ID) error {
	t, err := get(ctx, tx, id, true)
	if errors.Is(err, store.ErrNoRows) || err == nil && t.purged {
		return mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d is gone", id))
	}
	if err != nil || !t.over(s.now()) {
		return err
	}
	return s.restore(ctx, tx, t)
}

func (s *Service) restore(ctx context.Context, tx *store.Tx, t *Transfer) error {
	// What was taken back too early has its own end still before it.
	if least := s.now().AddDate(0, 0, ExtendDays); t.Expires.Before(least) {
		t.Expires = least
	}
	t.Ended, t.Recalled = time.Time{}, false
	if err := s.until(ctx, tx, t, t.Expires); err != nil || s.Shelf == nil {
		return err
	}
	return s.Shelf.Restored(ctx, tx, t)
}

// EndIn is Recall without a word, in the transaction of what ends it.
func (s *Service) EndIn(ctx context.Context, tx *store.Tx, id ID) error {
	t, err := get(ctx, tx, id, true)
	if errors.Is(err, store.ErrNoRows) {
		return mail.Wrap(mail.NotFound, err)
	}
	if err != nil || t.over(s.now()) {
		return err
	}
	return s.end(ctx, tx, t, true)
}

// end takes t off: whoever is not its owner finds nothing from the commit on.
func (s *Service) end(ctx context.Context, tx *store.Tx, t *Transfer, recalled bool) error {
	taken := 0
	if recalled {
		taken = 1
	}
	t.Ended, t.Recalled = s.now(), recalled
	if _, err := tx.Exec(ctx, `UPDATE transfer SET ended = $1, recalled = $2 WHERE id = $3`, store.Micros(t.Ended), taken, int64(t.ID)); err != nil {
		return err
	}
	// What waits to announce it must find that it is over; its owner's link lives as
	// long as there is something to bring back.
	if err := s.Links.Extend(ctx, tx, link.Transfer, int64(t.ID), t.Ended, Grace); err != nil || s.Shelf == nil {
		return err
	}
	return s.Shelf.Ended(ctx, tx, t)
}

// purge removes everything of t but a row without names: links, files, and the
// mail they came in, save what its owner has elsewhere too.
func (s *Service) purge(ctx context.Context, tx *store.Tx, t *Transfer) error {
	if err := s.Links.Revoke(ctx, tx, link.Transfer, int64(t.ID)); err != nil {
		return err
	}
	fs, err := files(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	for _, q := range []string{`DELETE FROM transfer_file WHERE transfer = $1`, `DELETE FROM transfer_grant WHERE transfer = $1`, `DELETE FROM transfer_fetched WHERE transfer = $1`} {
		if _, err := tx.Exec(ctx, q, int64(t.ID)); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE transfer SET sender = '', subject = '', note = '', mail = '', message = 0, purged = $1,
		ended = CASE WHEN ended = 0 THEN $1 ELSE ended END WHERE id = $2`, store.Micros(s.now()), int64(t.ID)); err != nil {
		return err
	}
	if t.message != 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM inbound WHERE message = $1`, int64(t.message)); err != nil {
			return err
		}
		if err := s.Messages.DeleteUnnamed(ctx, tx, t.message); err != nil {
			return err
		}
	}
	// Most of these went with the message; those decoded later did not.
	ids := make([]blob.ID, len(fs))
	for i, f := range fs {
		ids[i] = f.Blob
	}
	return s.Blobs.DeleteUnnamed(ctx, tx, ids...)
}

// tell writes to the owner of t, by way of the link they manage it with.
func (s *Service) tell(ctx context.Context, tx *store.Tx, t *Transfer, what string, words func(locale.Printer, *Transfer) letter.Letter) error {
	l, err := s.manageLink(ctx, tx, t.ID)
	if mail.Is(err, mail.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.Post.Send(ctx, tx, workflow.Notice{Mail: name(t.ID), What: what, To: l.Person,
		From: mail.Address{Local: "envoi", Domain: l.Person.Domain}, ReplyLink: int64(l.ID), Lang: l.Lang, Letter: words(locale.For(l.Lang), t)})
	return err
}

func (s *Service) manageLink(ctx context.Context, tx *store.Tx, id ID) (link.Link, error) {
	ls, err := s.Links.In(ctx, tx, link.Transfer, int64(id))
	for _, l := range ls {
		if l.Manage {
			return l, nil
		}
	}
	if err == nil {
		err = mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has no owner's link", id))
	}
	return link.Link{}, err
}

// name is what notices about a transfer are keyed by.
func name(id ID) string { return "transfer/" + strconv.FormatInt(int64(id), 10) }

// Sweep deletes what ended more than Grace ago, and says what ends soon.
func (s *Service) Sweep(ctx context.Context) (n int, err error) {
	if err := s.remind(ctx); err != nil {
		return 0, err
	}
	for {
		var ids []ID
		limit := store.Micros(s.now().Add(-Grace))
		err := s.DB.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id FROM transfer WHERE purged = 0 AND (ended > 0 AND ended <= $1 OR ended = 0 AND expires <= $1) ORDER BY expires LIMIT 50`, limit)
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
				if err != nil || t.purged || !t.over(s.now()) {
					return err
				}
				return s.purge(ctx, tx, t)
			})
			if err != nil {
				return n, err
			}
			n++
		}
	}
}

// Removed deletes everything of an account that goes, in the transaction that
// removes it.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	var ts []*Transfer
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM transfer WHERE account = $1 AND purged = 0`, int64(account))
	err = store.Each(rows, err, func(f func(...any) error) error {
		t, err := scan(f)
		ts = append(ts, t)
		return err
	})
	for _, t := range ts {
		if err == nil {
			err = s.purge(ctx, tx, t)
		}
	}
	return err
}
