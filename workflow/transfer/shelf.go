package transfer

import (
	"context"
	"errors"
	"fmt"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// Shelved is a transfer as a folder shows it.
type Shelved struct {
	*Transfer
	Share  link.Token // to pass on; "" when its owner wants none
	People []string   // who has a link of their own
}

// Shelve reads a living transfer for its folder. Kind NotFound.
func (s *Service) Shelve(ctx context.Context, tx *store.Tx, id ID) (*Shelved, error) {
	t, err := get(ctx, tx, id, false)
	if errors.Is(err, store.ErrNoRows) || err == nil && t.over(s.now()) {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has ended", id))
	}
	if err != nil {
		return nil, err
	}
	if t.Files, err = files(ctx, tx, id); err != nil {
		return nil, err
	}
	out := &Shelved{Transfer: t}
	ls, err := s.Links.In(ctx, tx, link.Transfer, int64(id))
	for _, l := range ls {
		switch {
		case l.Manage:
		case l.Public:
			out.Share = s.Links.Token(l)
		default:
			out.People = append(out.People, l.Called())
		}
	}
	return out, err
}

// Took says whether a member's mail became a transfer, by workflow.Inbound.Key.
func (s *Service) Took(ctx context.Context, tx *store.Tx, u mail.UserID, key string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM transfer WHERE member = $1 AND key = $2`, int64(u), key).Scan(&n)
	return n > 0, err
}
