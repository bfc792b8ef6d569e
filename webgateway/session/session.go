// Package session is who is signed in with a browser.
//
// A session is a row, and a cookie with 128 random bits of which the row has the
// hash. It is looked up at every request, so that what ends it ends it at the
// next one, on every node: signing out, another password, a suspension, time.
package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

const (
	idle     = 12 * time.Hour      // without a request, of one that is not to be kept
	kept     = 60 * 24 * time.Hour // and of one that is
	noted    = 5 * time.Minute     // how exactly "seen" is known: a request is not a write
	sessions = 100                 // of one member; those not seen for longest end

	longest = 400 * 24 * time.Hour // that a browser keeps a cookie (RFC 6265bis §5.5)
)

// Accounts says who somebody is; *accounts.Service does.
type Accounts interface {
	// SignIn takes the password of the member themselves, not of their programs.
	// The stamp is that of Standing.
	SignIn(ctx context.Context, name, password string, c mail.Client) (u mail.User, stamp []byte, err error)
	// Standing is the member as they are now; the stamp is another one when their
	// password is. Kinds: NotFound, Suspended.
	Standing(ctx context.Context, id mail.UserID) (u mail.User, stamp []byte, err error)
}

// Service is the sessions of one host.
type Service struct {
	DB       *store.DB
	Accounts Accounts
	Codes    Codes // nil: nobody is asked for a code
	Secure   bool  // the site has https: the cookie never goes another way
	// SignedIn hears of every sign-in; nil hears nothing.
	SignedIn func(ctx context.Context, u mail.User, c mail.Client)
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil discards
}

// cookie is its name. With the prefix a browser takes it from this very host
// over https only (RFC 6265bis §4.1.3.2): no other host of the domain can put
// one of its own in its place.
func (s *Service) cookie() string {
	if s.Secure {
		return "__Host-colporteur"
	}
	return "colporteur"
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Open signs a member in: always with a fresh token, whatever the browser came
// with. Kinds: AuthFailed, Suspended, RateLimited; ErrCode: not yet.
func (s *Service) Open(w http.ResponseWriter, r *http.Request, name, password string, keep bool) (mail.User, error) {
	ctx, c := r.Context(), Client(r)
	u, stamp, err := s.Accounts.SignIn(ctx, name, password, c)
	if err != nil {
		return u, err
	}
	if s.Codes != nil {
		switch wanted, err := s.Codes.CodeWanted(ctx, u.ID); {
		case err != nil:
			return mail.User{}, err
		case wanted:
			return mail.User{}, s.begin(w, r, u, stamp, keep)
		}
	}
	return u, s.admit(w, r, u, stamp, keep)
}

// admit makes the session.
func (s *Service) admit(w http.ResponseWriter, r *http.Request, u mail.User, stamp []byte, keep bool) error {
	ctx, c := r.Context(), Client(r)
	raw := make([]byte, 16)
	rand.Read(raw)
	token := base64.RawURLEncoding.EncodeToString(raw)
	now, until := s.now(), s.now().Add(idle)
	if keep {
		until = now.Add(kept)
	}
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		if old := s.token(r); old != "" {
			if _, err := tx.Exec(ctx, `DELETE FROM web_session WHERE hash = $1`, hashOf(old)); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM web_session WHERE member = $1 AND id NOT IN
			(SELECT id FROM web_session WHERE member = $1 ORDER BY seen DESC LIMIT $2)`, int64(u.ID), sessions-1); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO web_session (id, hash, member, stamp, created, seen, expires, kept, agent, network) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9)`,
			store.NewID(), hashOf(token), int64(u.ID), stamp, store.Micros(now), store.Micros(until), one(keep), store.Clean(agentOf(r.UserAgent())), c.IP.String())
		return err
	})
	if err != nil {
		return err
	}
	s.set(w, token, keep)
	if s.SignedIn != nil {
		s.SignedIn(ctx, u, c)
	}
	return nil
}

func one(on bool) int {
	if on {
		return 1
	}
	return 0
}

func (s *Service) set(w http.ResponseWriter, token string, keep bool) {
	c := &http.Cookie{Name: s.cookie(), Value: token, Path: "/", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode}
	if keep { // else it goes with the browser's window; the row says when it is over
		c.MaxAge = int(longest / time.Second)
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (s *Service) token(r *http.Request) string {
	c, err := r.Cookie(s.cookie())
	if err != nil || len(c.Value) != 22 {
		return ""
	}
	return c.Value
}

// User says who is signed in; kind AuthRequired when nobody is.
func (s *Service) User(r *http.Request) (mail.User, error) {
	u, _, err := s.find(r)
	return u, err
}

func nobody() error { return mail.Refuse(mail.AuthRequired, "kind-auth-required") }

func (s *Service) find(r *http.Request) (u mail.User, id int64, err error) {
	token := s.token(r)
	if token == "" {
		return u, 0, nobody()
	}
	ctx := r.Context()
	var member mail.UserID
	var seen, expires int64
	var keep int
	var stamp []byte
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT id, member, stamp, seen, expires, kept FROM web_session WHERE hash = $1`, hashOf(token)).
			Scan(&id, &member, &stamp, &seen, &expires, &keep)
	})
	now := s.now()
	if errors.Is(err, store.ErrNoRows) || err == nil && !store.Time(expires).After(now) {
		return u, 0, nobody()
	}
	if err != nil {
		return u, 0, err
	}
	if u, err = s.standing(ctx, id, member, stamp); err != nil {
		return u, 0, err
	}
	if now.Sub(store.Time(seen)) >= noted {
		s.note(ctx, r, id, keep == 1, now)
	}
	return u, id, nil
}

// standing is whose session it is; kind AuthRequired when it is worth nothing.
func (s *Service) standing(ctx context.Context, id int64, member mail.UserID, stamp []byte) (mail.User, error) {
	u, current, err := s.Accounts.Standing(ctx, member)
	switch {
	case mail.Is(err, mail.NotFound), mail.Is(err, mail.Suspended), err == nil && !bytes.Equal(current, stamp):
		return mail.User{}, nobody()
	case err != nil:
		return u, err
	}
	u.Credential = credential + strconv.FormatInt(id, 36)
	return u, nil
}

const credential = "session "

// Holds is the member as long as the session that name (mail.User.Credential) names
// has not ended; ours is false for what names no session. Kind NotFound.
func (s *Service) Holds(ctx context.Context, member mail.UserID, name string) (u mail.User, ours bool, err error) {
	rest, ours := strings.CutPrefix(name, credential)
	if !ours {
		return u, false, nil
	}
	id, err := strconv.ParseInt(rest, 36, 64)
	if err != nil {
		return u, true, mail.Wrap(mail.NotFound, err)
	}
	var stamp []byte
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT stamp FROM web_session WHERE id = $1 AND member = $2 AND expires > $3`, id, int64(member), store.Micros(s.now())).Scan(&stamp)
	})
	if err == nil {
		u, err = s.standing(ctx, id, member, stamp)
	}
	if errors.Is(err, store.ErrNoRows) || mail.Is(err, mail.AuthRequired) {
		err = mail.Wrap(mail.NotFound, err)
	}
	return u, true, err
}

// note remembers that a session is in use. That it cannot be written keeps
// nobody out.
func (s *Service) note(ctx context.Context, r *http.Request, id int64, keep bool, now time.Time) {
	until := now.Add(idle)
	if keep {
		until = now.Add(kept)
	}
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE web_session SET seen = $1, expires = $2, network = $3 WHERE id = $4 AND seen < $1`,
			store.Micros(now), store.Micros(until), Client(r).IP.String(), id)
		return err
	})
	if err != nil && s.Log != nil {
		s.Log.WarnContext(ctx, "session not noted", "err", err)
	}
}

// Close signs out.
func (s *Service) Close(w http.ResponseWriter, r *http.Request) error {
	token := s.token(r)
	s.set(w, "", false)
	if token == "" {
		return nil
	}
	return s.DB.Write(r.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(r.Context(), `DELETE FROM web_session WHERE hash = $1`, hashOf(token))
		return err
	})
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
