// Package link makes, opens and revokes share links.
//
// A token is HMAC-SHA-256(key, id, generation) cut to 128 bits, in lower-case
// base32 without padding (26 characters). Reminders can make it again; the
// database holds only its SHA-256.
package link

import (
	"context"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Token is the secret in a link's path. It is never logged nor stored.
type Token string

// ID names a link; it is not secret.
type ID int64

// Kinds of things a link leads to.
const (
	Transfer = "transfer"
	Album    = "album"
)

// Link leads one person to one thing.
type Link struct {
	ID         ID
	Kind       string
	Thing      int64        // id of the transfer or album
	Owner      mail.UserID  // the member who shares it
	Person     mail.Address // whose link it is
	Manage     bool         // the owner's own link: may recall
	Lang       string
	Created    time.Time
	Expires    time.Time // zero: never
	Generation int
}

// Service is the links of one host.
type Service struct {
	DB  *store.DB
	Key []byte // 32 bytes, kept outside the database
	Now func() time.Time
}

// Make adds a link in tx and returns its token.
func (s *Service) Make(ctx context.Context, tx *store.Tx, l Link) (Token, error) { panic("unwritten") }

// Open finds the link of a token; kind NotFound whether it is unknown,
// expired or revoked, after the same work.
func (s *Service) Open(ctx context.Context, t Token) (Link, error) { panic("unwritten") }

// Token makes the token of a living link again (for reminders).
func (s *Service) Token(l Link) Token { panic("unwritten") }

// Revoke ends every link to a thing, at once.
func (s *Service) Revoke(ctx context.Context, tx *store.Tx, kind string, thing int64) error {
	panic("unwritten")
}

// List is every living link to a thing.
func (s *Service) List(ctx context.Context, kind string, thing int64) ([]Link, error) {
	panic("unwritten")
}
