package message

import (
	"context"
	"errors"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// Body is a decoded body that is a blob of its own. The same file in two mails
// of one account, or in a mail and a transfer, is one blob.
type Body struct {
	SHA256 string // hex
	Size   int64
}

// Once says which blob holds such a body of the account: mine, whose row the
// caller inserts then, or one that was there before, which is held until tx ends.
func (s *Store) Once(ctx context.Context, tx *store.Tx, account mail.AccountID, b Body, mine blob.ID) (blob.ID, error) {
	// The insertion makes the second of two mails with one file wait for the first.
	n, err := tx.Exec(ctx, `INSERT INTO body (account, sha256, size, blob) VALUES ($1, $2, $3, $4) ON CONFLICT (account, sha256, size) DO NOTHING`,
		int64(account), b.SHA256, b.Size, int64(mine))
	if err != nil || n > 0 {
		return mine, err
	}
	var id blob.ID
	err = tx.QueryRow(ctx, `SELECT blob FROM body WHERE account = $1 AND sha256 = $2 AND size = $3 FOR UPDATE`, int64(account), b.SHA256, b.Size).Scan(&id)
	if err != nil {
		return 0, err
	}
	if err = s.Blobs.Keep(ctx, tx, id); !errors.Is(err, store.ErrNoRows) {
		return id, err
	}
	_, err = tx.Exec(ctx, `UPDATE body SET blob = $4 WHERE account = $1 AND sha256 = $2 AND size = $3`, int64(account), b.SHA256, b.Size, int64(mine))
	return mine, err
}

// ForgetBodies takes the rows of bodies away that are gone.
func (s *Store) ForgetBodies(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM body WHERE NOT EXISTS (SELECT 1 FROM blob WHERE blob.id = body.blob)`)
		return err
	})
}
