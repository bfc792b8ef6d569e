package accounts

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"colporteur/mail"
	"colporteur/store"
)

// period is how long a code holds, in seconds; one more is taken on either side,
// for clocks that go wrong and thumbs that go slowly (RFC 6238 §5.2).
const period = 30

// codePace is for six digits what namePace is for passwords: at it a year of
// guessing finds one with a chance of one in three, by somebody who has the
// password already and whom the member has heard of.
var codePace = pace{10, 5 * time.Minute}

// CodeWanted says whether a code is asked for after a member's password.
func (s *Service) CodeWanted(ctx context.Context, id mail.UserID) (bool, error) {
	f, err := s.SecondOf(ctx, id)
	return !f.Since.IsZero(), err
}

// CheckCode takes a code of the member's telephone, or a recovery code, once
// each. Kinds: AuthFailed, RateLimited, NotFound, Suspended.
func (s *Service) CheckCode(ctx context.Context, id mail.UserID, code string, c mail.Client) error {
	m, err := s.ByID(ctx, id)
	if err != nil {
		return err
	}
	if !m.Suspended.IsZero() {
		return mail.Refuse(mail.Suspended, "accounts-you-are-suspended")
	}
	return s.checkCode(ctx, m, code, c, true)
}

// checkCode is slowed for each member; from a network that the member uses, for
// that network, so that somebody elsewhere does not lock them out.
func (s *Service) checkCode(ctx context.Context, m Member, code string, c mail.Client, recovery bool) error {
	key, from := string(memberKey(m.ID)), network(c.IP)
	l, err := s.lookup(ctx, store.Clean(m.Address.Key()), from)
	if err != nil {
		return kinded(err)
	}
	if l.known(s.now()) {
		key = from + " " + key
	}
	if s.codes.full(key, s.now(), codePace) {
		return mail.Refuse(mail.RateLimited, "accounts-too-many-codes")
	}
	ok := false
	code = bareCode(code)
	if len(code) <= 20 {
		err := s.DB.Write(ctx, func(tx *store.Tx) (err error) {
			if ok, err = s.takeCode(ctx, tx, m.ID, code); ok || err != nil || !recovery {
				return err
			}
			n, err := tx.Exec(ctx, `DELETE FROM recovery_code WHERE hash = $1 AND member = $2`, s.recoveryHash(m.ID, code), int64(m.ID))
			ok = n == 1
			return err
		})
		if err != nil {
			return kinded(err)
		}
	}
	if !ok {
		s.codes.fail(key, s.now(), codePace)
		s.log().InfoContext(ctx, "code refused", "user", m.Address.String(), "ip", c.IP)
		return mail.Refuse(mail.AuthFailed, "accounts-wrong-code")
	}
	return nil
}

// takeCode says whether it is one of the telephone's that was not used yet:
// whoever looked over a shoulder has nothing (RFC 6238 §5.2).
func (s *Service) takeCode(ctx context.Context, tx *store.Tx, id mail.UserID, code string) (bool, error) {
	secret, last, err := s.secretOf(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	now := s.now().Unix() / period
	found := int64(0)
	for step := now - 1; step <= now+1; step++ {
		want, err := totp.GenerateCodeCustom(text, time.Unix(step*period, 0), totp.ValidateOpts{Period: period, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return false, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > last {
			found = step
		}
	}
	if found == 0 {
		return false, nil
	}
	_, err = tx.Exec(ctx, `UPDATE second_factor SET step = $1 WHERE member = $2`, found, int64(id))
	return err == nil, err
}
