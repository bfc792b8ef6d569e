package link

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Guesses in an hour, at one link: by one network, and by all. The second keeps
// a crowd from guessing; whoever has a key already is not asked again.
const (
	guessesOfOne = 10
	guessesOfAll = 100
)

// A code that was mailed.
const (
	codeTime  = 10 * time.Minute
	codeTries = 5
	codesOf   = 5 // asked for in an hour
)

// Attempt is what somebody typed at a locked link.
type Attempt struct {
	Password string
	Code     string
	From     string // the network they come from, for the brake
}

// Unlock tries to open a locked link. It returns the keys that the browser is to
// keep. Kinds: NotFound; Policy, in words, when it is wrong; TooMany.
func (s *Service) Unlock(ctx context.Context, v Visit, a Attempt) (keys []string, until time.Time, err error) {
	_, err = s.Open(ctx, v)
	var lock *Locked
	if !errors.As(err, &lock) {
		return nil, until, err
	}
	if err := s.guess(ctx, lock.Link.ID, a.From); err != nil {
		return nil, until, err
	}
	if lock.Password {
		ok, err := matches(ctx, lock.Link.Rules.Password, a.Password)
		if err != nil {
			return nil, until, err
		}
		if !ok {
			return nil, until, mail.Refuse(mail.Policy, "unlock-wrong")
		}
		var k string
		k, until = s.Admit(lock.Link, ByPassword)
		keys = append(keys, k)
	}
	if lock.Code && a.Code != "" {
		ok, err := s.tryCode(ctx, lock.Link, a.Code)
		if err != nil {
			return nil, until, err
		}
		if !ok {
			return keys, until, mail.Refuse(mail.Policy, "unlock-wrong-code")
		}
		var k string
		k, until = s.Admit(lock.Link, ByCode)
		keys = append(keys, k)
	}
	return keys, until, nil
}

// guess counts one, before it is looked at: ten at once are ten. It counts for
// good, also when it is one too many.
func (s *Service) guess(ctx context.Context, id ID, from string) error {
	h := hmac.New(sha256.New, s.Key)
	fmt.Fprintf(h, "guess\x00%s", from)
	hour, many := s.now().Unix()/3600, false
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		many = false
		for _, g := range []struct {
			who  string
			most int
		}{{"", guessesOfAll}, {hex.EncodeToString(h.Sum(nil)[:12]), guessesOfOne}} {
			var n int
			if err := tx.QueryRow(ctx, `INSERT INTO link_guess (link, who, hour, n) VALUES ($1, $2, $3, 1)
				ON CONFLICT (link, who, hour) DO UPDATE SET n = link_guess.n + 1 RETURNING n`, int64(id), g.who, hour).Scan(&n); err != nil {
				return err
			}
			many = many || n > g.most
		}
		return nil
	})
	if err == nil && many {
		err = mail.Refuse(mail.TooMany, "unlock-too-many")
	}
	return err
}

// NewCode makes another code for the person of a locked link, and lets the old one
// go. It is for the mail that MailCode of package workflow writes. Kind TooMany
// when they asked too often.
func (s *Service) NewCode(ctx context.Context, tx *store.Tx, l Link) error {
	var n int
	if err := tx.QueryRow(ctx, `INSERT INTO link_guess (link, who, hour, n) VALUES ($1, 'code', $2, 1)
		ON CONFLICT (link, who, hour) DO UPDATE SET n = link_guess.n + 1 RETURNING n`, int64(l.ID), s.now().Unix()/3600).Scan(&n); err != nil {
		return err
	}
	if n > codesOf {
		return mail.Refuse(mail.TooMany, "unlock-too-many")
	}
	_, err := tx.Exec(ctx, `INSERT INTO link_code (link, n, until, tries) VALUES ($1, 1, $2, 0)
		ON CONFLICT (link) DO UPDATE SET n = link_code.n + 1, until = excluded.until, tries = 0`, int64(l.ID), store.Micros(s.now().Add(codeTime)))
	return err
}

// Code is the code of a link that is valid now; kind NotFound when there is none.
func (s *Service) Code(ctx context.Context, id ID) (code string, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		var n int64
		err := tx.QueryRow(ctx, `SELECT n FROM link_code WHERE link = $1 AND until > $2 AND tries < $3`, int64(id), store.Micros(s.now()), codeTries).Scan(&n)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		code = s.code(id, n)
		return err
	})
	return code, err
}

// code is six digits that nobody makes without the key.
func (s *Service) code(id ID, n int64) string {
	h := hmac.New(sha256.New, s.Key)
	fmt.Fprintf(h, "code\x00%d\x00%d", id, n)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(h.Sum(nil))%1_000_000)
}

func (s *Service) tryCode(ctx context.Context, l Link, typed string) (ok bool, err error) {
	typed = strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, typed[:min(len(typed), 40)])
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		var n int64
		err := tx.QueryRow(ctx, `UPDATE link_code SET tries = tries + 1 WHERE link = $1 AND until > $2 AND tries < $3 RETURNING n`,
			int64(l.ID), store.Micros(s.now()), codeTries).Scan(&n)
		if errors.Is(err, store.ErrNoRows) {
			ok = false
			return nil
		}
		ok = err == nil && subtle.ConstantTimeCompare([]byte(typed), []byte(s.code(l.ID, n))) == 1
		if ok {
			_, err = tx.Exec(ctx, `DELETE FROM link_code WHERE link = $1`, int64(l.ID)) // used once
		}
		return err
	})
	return ok, err
}
