package accounts

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

const (
	deviceLink  = 10 * time.Minute // from making a link on the big screen until the small one opens it
	deviceLinks = 5                // of one member at a time; the oldest ends
)

// NewDeviceLink makes the token of a link that brings a member's account to a
// device of a kind. Whoever opens it within minutes, first, gets an app password.
func (s *Service) NewDeviceLink(ctx context.Context, id mail.UserID, kind string) (token string, until time.Time, err error) {
	_, stamp, err := s.Standing(ctx, id)
	if err != nil {
		return "", until, err
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	token = base64.RawURLEncoding.EncodeToString(raw)
	until = s.now().Add(deviceLink)
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM device_link WHERE expires <= $1 OR member = $2 AND hash NOT IN
			(SELECT hash FROM device_link WHERE member = $2 ORDER BY expires DESC LIMIT $3)`, store.Micros(s.now()), int64(id), deviceLinks-1); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO device_link (hash, member, stamp, kind, expires) VALUES ($1, $2, $3, $4, $5)`,
			hashOf(token), int64(id), stamp, kind, store.Micros(until))
		return err
	})
	return token, until, kinded(err)
}

func hashOf(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// DeviceLink says whose a link is and for what, and changes nothing. Kind
// NotFound: it was used, it is over, or it never was.
func (s *Service) DeviceLink(ctx context.Context, token string) (u mail.User, kind string, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		u, kind, err = s.deviceLink(ctx, tx, token)
		return err
	})
	return u, kind, kinded(err)
}

func (s *Service) deviceLink(ctx context.Context, tx *store.Tx, token string) (u mail.User, kind string, err error) {
	var id, expires int64
	var stamp []byte
	var password string
	gone := mail.Wrap(mail.NotFound, errors.New("no such device link"))
	err = tx.QueryRow(ctx, `SELECT member, stamp, kind, expires FROM device_link WHERE hash = $1`, hashOf(token)).Scan(&id, &stamp, &kind, &expires)
	if errors.Is(err, store.ErrNoRows) || err == nil && !store.Time(expires).After(s.now()) {
		return u, "", gone
	}
	if err != nil {
		return u, "", err
	}
	m, err := scanMember(tx.QueryRow(ctx, `SELECT `+memberColumns+`, m.password FROM member m JOIN account a ON a.id = m.account WHERE m.id = $1`, id).Scan, &password)
	switch {
	case errors.Is(err, store.ErrNoRows), err == nil && (!m.Suspended.IsZero() || !bytes.Equal(stamp, s.stamp(password, m.Second))):
		return u, "", gone
	}
	return m.User(), kind, err
}

// UseDeviceLink makes the app password that a link is for, in the transaction
// that ends the link. Kinds: NotFound, TooMany.
func (s *Service) UseDeviceLink(ctx context.Context, token, name string) (u mail.User, password string, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		if u, _, err = s.deviceLink(ctx, tx, token); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM device_link WHERE hash = $1`, hashOf(token))
		if err == nil && n == 0 { // somebody else was quicker
			err = mail.Wrap(mail.NotFound, errors.New("the device link was used"))
		}
		if err != nil {
			return err
		}
		password, err = s.addAppPassword(ctx, tx, u.ID, name)
		return err
	})
	if err != nil {
		return mail.User{}, "", kinded(err)
	}
	return u, password, nil
}
