package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// halfway is how long somebody who gave the right password may look for the code.
const halfway = 5 * time.Minute

// ErrCode says that the password was right, and that a code is asked for too:
// Finish takes it.
var ErrCode = errors.New("session: a code is asked for")

// Codes says whether a code is asked for after the password, and takes it;
// *accounts.Service does.
type Codes interface {
	// CodeWanted says whether one is asked for.
	CodeWanted(ctx context.Context, id mail.UserID) (bool, error)
	// CheckCode takes each code once. Kinds: AuthFailed, RateLimited, NotFound, Suspended.
	CheckCode(ctx context.Context, id mail.UserID, code string, c mail.Client) error
}

// The password is not kept between the two pages, nor sent again: a cookie of its
// own stands for it, and opens nothing by itself.

func (s *Service) begin(w http.ResponseWriter, r *http.Request, u mail.User, stamp []byte, keep bool) error {
	raw := make([]byte, 16)
	rand.Read(raw)
	token := base64.RawURLEncoding.EncodeToString(raw)
	ctx := r.Context()
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM web_half WHERE member = $1 AND hash NOT IN (SELECT hash FROM web_half WHERE member = $1 ORDER BY expires DESC LIMIT $2)`,
			int64(u.ID), sessions-1); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO web_half (hash, member, stamp, kept, expires) VALUES ($1, $2, $3, $4, $5)`,
			hashOf(token), int64(u.ID), stamp, one(keep), store.Micros(s.now().Add(halfway)))
		return err
	})
	if err != nil {
		return err
	}
	s.setHalf(w, token)
	return ErrCode
}

func (s *Service) setHalf(w http.ResponseWriter, token string) {
	c := &http.Cookie{Name: s.cookie() + "-half", Value: token, Path: "/", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode, MaxAge: int(halfway / time.Second)}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// Halfway says whether this browser gave a right password and owes a code.
func (s *Service) Halfway(r *http.Request) (bool, error) {
	_, _, _, err := s.half(r)
	if mail.Is(err, mail.AuthRequired) {
		return false, nil
	}
	return err == nil, err
}

// half is who gave the password; kind AuthRequired when nobody did, or too long ago.
func (s *Service) half(r *http.Request) (u mail.User, hash []byte, keep bool, err error) {
	c, err := r.Cookie(s.cookie() + "-half")
	if err != nil || len(c.Value) != 22 {
		return u, nil, false, nobody()
	}
	ctx := r.Context()
	hash = hashOf(c.Value)
	var member mail.UserID
	var kept, expires int64
	var stamp []byte
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT member, stamp, kept, expires FROM web_half WHERE hash = $1`, hash).Scan(&member, &stamp, &kept, &expires)
	})
	if errors.Is(err, store.ErrNoRows) || err == nil && !store.Time(expires).After(s.now()) {
		return u, nil, false, nobody()
	}
	if err != nil {
		return u, nil, false, err
	}
	u, current, err := s.Accounts.Standing(ctx, member)
	if mail.Is(err, mail.NotFound) || mail.Is(err, mail.Suspended) || err == nil && !bytes.Equal(current, stamp) {
		return mail.User{}, nil, false, nobody()
	}
	return u, hash, kept == 1, err
}

// Finish signs in who gave the password before and gives the code now. Kinds:
// AuthFailed, RateLimited; AuthRequired: begin again.
func (s *Service) Finish(w http.ResponseWriter, r *http.Request, code string) (mail.User, error) {
	u, hash, keep, err := s.half(r)
	if err != nil {
		return u, err
	}
	ctx, c := r.Context(), Client(r)
	if err := s.Codes.CheckCode(ctx, u.ID, code, c); err != nil {
		return mail.User{}, err
	}
	_, stamp, err := s.Accounts.Standing(ctx, u.ID)
	if err != nil {
		return mail.User{}, err
	}
	if err := s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM web_half WHERE hash = $1`, hash)
		return err
	}); err != nil {
		return mail.User{}, err
	}
	s.setHalf(w, "")
	return u, s.admit(w, r, u, stamp, keep)
}
