package accounts

import (
	"context"
	"strings"

	"colporteur/mail"
	"colporteur/store"
)

// Hide sets which IMAP capabilities are not announced to a member. There are
// programs that break on one they do not even use: Microsoft's Outlook cloud on
// UIDONLY. Open sessions are cut: a session's capabilities do not change.
func (s *Service) Hide(ctx context.Context, id mail.UserID, capabilities []string) error {
	var names []string
	for _, c := range capabilities {
		if len(c) > 40 || len(names) >= 50 || strings.ContainsFunc(c, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return mail.Refuse(mail.BadContent, "accounts-bad-settings")
		}
		names = append(names, strings.ToUpper(c))
	}
	return kinded(s.change(ctx, func(tx *store.Tx) error {
		if err := s.changed(ctx, tx, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE member SET hidden = $1 WHERE id = $2`, strings.Join(names, " "), int64(id))
		if err == nil && n == 0 {
			return mail.Refuse(mail.NotFound, "accounts-no-member")
		}
		return err
	}))
}

// Hidden is what Hide set.
func (s *Service) Hidden(ctx context.Context, id mail.UserID) ([]string, error) {
	var m Member
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = s.byID(ctx, tx, id)
		return err
	})
	return m.Hidden, kinded(err)
}
