package accounts

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Standing is a member as they are now, read anew, and a stamp that is another
// one when their password or second factor is. Kinds: NotFound, Suspended.
func (s *Service) Standing(ctx context.Context, id mail.UserID) (u mail.User, stamp []byte, err error) {
	s.prepare()
	var m Member
	var password string
	err = s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = scanMember(tx.QueryRow(ctx, `SELECT `+memberColumns+`, m.password FROM member m JOIN account a ON a.id = m.account WHERE m.id = $1`, int64(id)).Scan, &password)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return u, nil, mail.Wrap(mail.NotFound, err)
	}
	if err != nil {
		return u, nil, kinded(err)
	}
	if !m.Suspended.IsZero() {
		return u, nil, mail.Refuse(mail.Suspended, "accounts-you-are-suspended")
	}
	return m.User(), s.stamp(password, m.Second), nil
}

// stamp says nothing about the password that it stands for. Whether a code is
// asked for is in it: what began without one ends.
func (s *Service) stamp(phc string, second time.Time) []byte {
	parts := []string{"stamp", phc}
	if !second.IsZero() {
		parts = append(parts, second.UTC().String())
	}
	sum := s.mac(parts...)
	return sum[:16]
}

// credential names a password by its hash, the member's own, which is another one
// when a code is asked for too, or an app password, which none is asked for with.
func (s *Service) credential(hash string, second time.Time) string {
	return "password " + hex.EncodeToString(s.stamp(hash, second))
}

// Holds is the member as long as what they signed in with, their own password or an
// app password, is still theirs. Kinds: NotFound, Suspended.
func (s *Service) Holds(ctx context.Context, id mail.UserID, credential string) (mail.User, error) {
	u, stamp, err := s.Standing(ctx, id)
	if err != nil {
		return u, err
	}
	u.Credential = credential
	if credential == "password "+hex.EncodeToString(stamp) {
		return u, nil
	}
	apps, err := s.AppPasswords(ctx, id)
	if err != nil {
		return u, err
	}
	for _, a := range apps {
		if credential == s.credential(string(a.storedKey), time.Time{}) {
			return u, nil
		}
	}
	return mail.User{}, mail.Refuse(mail.NotFound, "kind-not-found")
}
