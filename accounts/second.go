package accounts

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// # The second factor
//
// A member may have a code asked for after their password (RFC 6238). Then their
// own password opens a browser together with a code, and nothing else: a mail
// program cannot be asked for one, so it gets an app password, and the own one is
// refused there.

// recoveryCodes are made for the day on which the telephone is lost.
const recoveryCodes = 10

// totpSecret is as many octets as RFC 4226 §4 recommends.
const totpSecret = 20

// Second is how it stands with a member's second factor.
type Second struct {
	Since    time.Time // zero: no code is asked for
	Recovery int       // codes that were not used yet
}

// SecondOf says how it stands with a member's.
func (s *Service) SecondOf(ctx context.Context, id mail.UserID) (f Second, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		var since int64
		err := tx.QueryRow(ctx, `SELECT second, (SELECT count(*) FROM recovery_code r WHERE r.member = m.id) FROM member m WHERE id = $1`, int64(id)).
			Scan(&since, &f.Recovery)
		f.Since = store.Time(since)
		return err
	})
	return f, kinded(missingMember(err))
}

func missingMember(err error) error {
	if errors.Is(err, store.ErrNoRows) {
		return mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return err
}

// OfferSecond makes the secret from which codes are made, or shows again the one
// that was offered and not confirmed. Kind Conflict: codes are asked for already.
func (s *Service) OfferSecond(ctx context.Context, id mail.UserID) (secret string, err error) {
	raw := make([]byte, totpSecret)
	rand.Read(raw)
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		var since int64
		if err := tx.QueryRow(ctx, `SELECT second FROM member WHERE id = $1 FOR UPDATE`, int64(id)).Scan(&since); err != nil {
			return missingMember(err)
		}
		if since != 0 {
			return mail.Refuse(mail.Conflict, "accounts-second-is-on")
		}
		switch old, _, err := s.secretOf(ctx, tx, id); {
		case err == nil:
			raw = old
			return nil
		case !errors.Is(err, store.ErrNoRows):
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO second_factor (member, secret, step) VALUES ($1, $2, 0)`, int64(id), s.sealSecret(id, raw))
		return err
	})
	if err != nil {
		return "", kinded(err)
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw), nil
}

// secretOf is what codes are made from, and the latest step that was used.
func (s *Service) secretOf(ctx context.Context, tx *store.Tx, id mail.UserID) (secret []byte, step int64, err error) {
	var sealed []byte
	if err := tx.QueryRow(ctx, `SELECT secret, step FROM second_factor WHERE member = $1 FOR UPDATE`, int64(id)).Scan(&sealed, &step); err != nil {
		return nil, 0, err
	}
	secret, err = s.openSecret(id, sealed)
	return secret, step, err
}

// StartSecond has codes asked for from now on, once the member has shown that
// theirs are right, and makes recovery codes, to be shown once. All sessions that
// began without a code end. Kinds: AuthFailed, RateLimited, Conflict, NotFound.
func (s *Service) StartSecond(ctx context.Context, id mail.UserID, code string, c mail.Client) (recovery []string, err error) {
	m, err := s.ByID(ctx, id)
	if err != nil {
		return nil, err
	}
	if !m.Second.IsZero() {
		return nil, mail.Refuse(mail.Conflict, "accounts-second-is-on")
	}
	if err := s.checkCode(ctx, m, code, c, false); err != nil {
		return nil, err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE member SET second = $1 WHERE id = $2 AND second = 0`, store.Micros(s.now()), int64(id))
		if err == nil && n == 0 {
			err = mail.Refuse(mail.Conflict, "accounts-second-is-on")
		}
		if err != nil {
			return err
		}
		if err := s.changed(ctx, tx, id); err != nil { // programs that signed in with the own password
			return err
		}
		recovery, err = s.newRecovery(ctx, tx, id)
		return err
	})
	return recovery, kinded(err)
}

// RenewRecovery makes other recovery codes; the ones before end. Kind NotFound
// when no code is asked for.
func (s *Service) RenewRecovery(ctx context.Context, id mail.UserID) (recovery []string, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		var since int64
		if err := tx.QueryRow(ctx, `SELECT second FROM member WHERE id = $1 FOR UPDATE`, int64(id)).Scan(&since); err != nil {
			return missingMember(err)
		}
		if since == 0 {
			return mail.Refuse(mail.NotFound, "accounts-second-is-off")
		}
		recovery, err = s.newRecovery(ctx, tx, id)
		return err
	})
	return recovery, kinded(err)
}

// newRecovery makes codes of 50 random bits, as people can copy them by hand.
func (s *Service) newRecovery(ctx context.Context, tx *store.Tx, id mail.UserID) ([]string, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM recovery_code WHERE member = $1`, int64(id)); err != nil {
		return nil, err
	}
	var all []string
	for range recoveryCodes {
		raw := make([]byte, 7)
		rand.Read(raw)
		code := lower.EncodeToString(raw)[:10]
		if _, err := tx.Exec(ctx, `INSERT INTO recovery_code (hash, member) VALUES ($1, $2)`, s.recoveryHash(id, code), int64(id)); err != nil {
			return nil, err
		}
		all = append(all, code[:5]+"-"+code[5:])
	}
	return all, nil
}

// recoveryHash is keyed: fifty bits would be found in a stolen database.
func (s *Service) recoveryHash(id mail.UserID, code string) []byte {
	h := s.mac("recovery", string(memberKey(id)), code)
	return h[:]
}

// StopSecond has no code asked for any more. Twice is once.
func (s *Service) StopSecond(ctx context.Context, id mail.UserID) error {
	err := s.change(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE member SET second = 0 WHERE id = $1`, int64(id))
		if err == nil && n == 0 {
			err = mail.Refuse(mail.NotFound, "accounts-no-member")
		}
		if err != nil {
			return err
		}
		return forgetSecond(ctx, tx, id)
	})
	return kinded(err)
}

func forgetSecond(ctx context.Context, tx *store.Tx, id mail.UserID) error {
	for _, q := range []string{`DELETE FROM second_factor WHERE member = $1`, `DELETE FROM recovery_code WHERE member = $1`} {
		if _, err := tx.Exec(ctx, q, int64(id)); err != nil {
			return err
		}
	}
	return nil
}

// Secrets of codes are sealed: unlike a password they must be readable, and
// whoever has a copy of the database alone shall not make codes.
func (s *Service) sealer() cipher.AEAD {
	key := s.mac("second factor")
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // of a length that is not ours
	}
	a, err := cipher.NewGCMWithRandomNonce(b)
	if err != nil {
		panic(err)
	}
	return a
}

func (s *Service) sealSecret(id mail.UserID, secret []byte) []byte {
	return s.sealer().Seal(nil, nil, secret, memberKey(id))
}

func (s *Service) openSecret(id mail.UserID, sealed []byte) ([]byte, error) {
	return s.sealer().Open(nil, nil, sealed, memberKey(id))
}

func memberKey(id mail.UserID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// bareCode undoes what people do to a code: spaces, dashes, capitals.
func bareCode(code string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(strings.TrimSpace(code)))
}
