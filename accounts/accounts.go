// Package accounts is who there is: domains, accounts, members, their
// addresses, aliases and passwords.
package accounts

import (
	"context"
	"log/slog"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Service is the directory of one host.
type Service struct {
	DB  *store.DB
	Now func() time.Time
	Log *slog.Logger

	// Programs recognises the addresses of workflows at a domain of ours
	// ("envoi", "album+vacances"); nil: none. Members and aliases come first.
	Programs func(local string) (pattern string, ok bool)

	// Created and Removed run inside the transaction that adds or removes an
	// account: its mailboxes come and go with it. Either may be nil.
	Created func(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error
	Removed func(ctx context.Context, tx *store.Tx, account mail.AccountID) error
	// Changed runs after a member was suspended, removed or got another
	// password: open sessions of theirs are cut. May be nil.
	Changed func(u mail.UserID)
}

// Member is one member.
type Member struct {
	ID        mail.UserID
	Account   mail.AccountID
	Address   mail.Address
	Name      string
	Lang      string
	Plan      string
	Quota     int64
	Suspended time.Time
	Created   time.Time
}

// User is the member as the protocols see them.
func (m Member) User() mail.User {
	return mail.User{ID: m.ID, Account: m.Account, Address: m.Address, Name: m.Name, Lang: m.Lang}
}

// Login checks a name (an address) and a password: the member's own, or one of
// their app passwords. Kinds: AuthFailed (also when there is no such member,
// after the same time), Suspended (password right), RateLimited (too many
// failures from this address, or for this name from unknown addresses).
func (s *Service) Login(ctx context.Context, name, password string, c mail.Client) (mail.User, error) {
	panic("unwritten")
}

// Verifier is what SCRAM-SHA-256 needs of one app password (RFC 5802 §3).
type Verifier struct {
	User       mail.User
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// Verifiers finds SCRAM verifiers for a name; a made-up but constant one when
// there is no such member, so that guessing names teaches nothing.
func (s *Service) Verifiers(ctx context.Context, name string) ([]Verifier, error) { panic("unwritten") }

// Resolve implements delivery.Directory.
func (s *Service) Resolve(ctx context.Context, rcpt mail.Address) ([]mail.Destination, error) {
	panic("unwritten")
}

// MaySend implements delivery.Directory: the primary address, other addresses
// and aliases that lead only to the member, each also with +detail.
func (s *Service) MaySend(ctx context.Context, u mail.UserID, addr mail.Address) error {
	panic("unwritten")
}

// ByID finds a member; kind NotFound.
func (s *Service) ByID(ctx context.Context, id mail.UserID) (Member, error) { panic("unwritten") }

// ByAddress finds the member whose address, primary or other, this is; kind NotFound.
func (s *Service) ByAddress(ctx context.Context, a mail.Address) (Member, error) { panic("unwritten") }
