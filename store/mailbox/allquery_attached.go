package mailbox

import (
	"context"
	"slices"

	"colporteur/mail"
	"colporteur/store"
)

// attachedOf are the emails that have an attachment: what the scanner said when
// they came stands in a column, of which only those are in an index. Mails from
// before there was one are looked at once.
func (s *Store) attachedOf(ctx context.Context, w *whole, account mail.AccountID) (*UIDSet, error) {
	w.attachedMu.Lock()
	defer w.attachedMu.Unlock()
	if w.attached != nil {
		return w.attached, nil
	}
	if err := s.lookForAttachments(ctx, account); err != nil {
		return nil, err
	}
	with := map[EmailID]bool{}
	err := s.read(ctx, func(tx *store.Tx) error {
		ids, err := attachedIs(ctx, tx, account, 1, 1<<31)
		for _, id := range ids {
			with[id] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var b uidSetBuilder
	w.each(func(r *row) {
		if with[r.email] {
			b.add(r.uid, r.uid)
		}
	})
	w.attached = b.set()
	return w.attached, nil
}

func attachedIs(ctx context.Context, tx *store.Tx, account mail.AccountID, what, limit int) (ids []EmailID, err error) {
	rows, err := tx.Query(ctx, `SELECT id FROM email WHERE account = $1 AND attached = $2 AND attached > 0 LIMIT $3`, int64(account), what, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id EmailID
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// lookForAttachments fills in the column where it is not known.
func (s *Store) lookForAttachments(ctx context.Context, account mail.AccountID) error {
	for {
		var ids []EmailID
		err := s.read(ctx, func(tx *store.Tx) (err error) {
			ids, err = attachedIs(ctx, tx, account, 2, 4*atOnce)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		contents, err := s.Contents(ctx, account, ids)
		if err != nil {
			return err
		}
		var has [2][]EmailID
		for i, c := range contents {
			// One that is gone meanwhile is asked for no more.
			what := number(c != nil && c.Summary != nil && c.Summary.Attachment)
			has[what] = append(has[what], ids[i])
		}
		err = s.write(ctx, func(tx *store.Tx) error {
			for what, ids := range has {
				for some := range slices.Chunk(ids, atOnce) {
					set, args := in([]any{what}, some)
					if _, err := tx.Exec(ctx, `UPDATE email SET attached = $1 WHERE id IN `+set, args...); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
