package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"

	"colporteur/mail"
	"colporteur/store"
)

// secretBytes of a member's secret address: few enough letters to be typed into a
// scanner, and at a refused recipient per guess too many to be found.
const secretBytes = 10

var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewSecret gives a member another secret for addresses of programs, and ends the
// one they had. Secret shows it.
func (s *Service) NewSecret(ctx context.Context, tx *store.Tx, id mail.UserID) error {
	if _, err := s.byID(ctx, tx, id); err != nil {
		return err
	}
	generation := store.NewID()
	h := sha256.Sum256([]byte(s.secret(id, generation)))
	_, err := tx.Exec(ctx, `INSERT INTO secret_address (member, generation, secret, created) VALUES ($1, $2, $3, $4)
		ON CONFLICT (member) DO UPDATE SET generation = excluded.generation, secret = excluded.secret, created = excluded.created`,
		int64(id), generation, h[:], store.Micros(s.now()))
	return err
}

// DropSecret ends a member's secret addresses. Twice is once.
func (s *Service) DropSecret(ctx context.Context, id mail.UserID) error {
	return kinded(s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM secret_address WHERE member = $1`, int64(id))
		return err
	}))
}

// Secret is what stands in a member's secret addresses; kind NotFound when they
// never asked for one.
func (s *Service) Secret(ctx context.Context, id mail.UserID) (secret string, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		var generation int64
		err := tx.QueryRow(ctx, `SELECT generation FROM secret_address WHERE member = $1`, int64(id)).Scan(&generation)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		secret = s.secret(id, generation)
		return err
	})
	return secret, kinded(err)
}

func (s *Service) secret(id mail.UserID, generation int64) string {
	s.prepare()
	h := hmac.New(sha256.New, s.key)
	fmt.Fprintf(h, "address\x00%d\x00%d", id, generation)
	return lower.EncodeToString(h.Sum(nil)[:secretBytes])
}

// BySecret is the member whose secret it is; kind NotFound.
func (s *Service) BySecret(ctx context.Context, secret string) (Member, error) {
	h := sha256.Sum256([]byte(secret))
	return s.whose(ctx, `SELECT member FROM secret_address WHERE secret = $1`, h[:])
}
