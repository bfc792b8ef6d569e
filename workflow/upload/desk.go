package upload

import (
	"context"
	"math"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// deskKey is that of a member's desk among their places.
const deskKey = "desk"

// Desk is the one place of a member's that nobody else hears of: their own
// programs upload there what is too large for a mail, and take it away again
// (Take). It stays open for PlaceDays after it was last asked for.
func (s *Service) Desk(ctx context.Context, owner mail.User) (own link.Token, until time.Time, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		_, l, err := s.Make(ctx, tx, owner, deskKey, Place{Domain: owner.Address.Domain, Total: math.MaxInt64 / 2})
		own, until = s.Links.Token(l), s.now().AddDate(0, 0, PlaceDays)
		return err
	})
	return own, until, err
}

// Take takes a whole file off its member's desk: from then on its bytes are the
// caller's, who names them in tx. Kinds: NotFound, also for another member's;
// BadContent when not every byte is there.
func (s *Service) Take(ctx context.Context, tx *store.Tx, owner mail.UserID, k Secret) (f Given, err error) {
	us, err := uploads(ctx, tx, `secret = $1 AND seal = '' AND expires > $2 AND place IN (SELECT id FROM place WHERE member = $3 AND key LIKE '`+deskKey+`%') FOR UPDATE`,
		k.hash(), store.Micros(s.now()), int64(owner))
	if err != nil {
		return f, err
	}
	if len(us) == 0 {
		return f, mail.Refuse(mail.NotFound, "kind-not-found")
	}
	u := us[0]
	if u.Blob == 0 || u.Partial {
		return f, mail.Refuse(mail.BadContent, "upload-not-whole", "Name", u.Name)
	}
	return Given{Name: u.Name, Type: u.Type, Size: u.Length, SHA256: u.SHA256, Blob: u.Blob}, s.forget(ctx, tx, u.ID)
}
