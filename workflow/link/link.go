// Package link makes, opens and revokes share links.
//
// A token is HMAC-SHA-256(key, id, generation) cut to 128 bits, in lower-case
// base32 without padding (26 characters). Reminders can make it again; the
// database holds only its SHA-256.
//
// A link has a second token, for the address that replies to its mails go to
// (r.TOKEN@). It opens no page and acts only for a sender who proved to be the
// link's person, so it may stand in headers and quotations.
package link

import (
	"context"
	"crypto/sha256"
	"fmt"
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
	Revoked    time.Time // zero while it lives; only ByReply shows others
}

// Service is the links of one host.
type Service struct {
	DB  *store.DB
	Key []byte // 32 bytes, kept outside the database
	Now func() time.Time
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Make adds a link in tx and returns its token. A zero ID and Created are
// filled in.
func (s *Service) Make(ctx context.Context, tx *store.Tx, l Link) (Token, error) {
	_, t, err := s.Add(ctx, tx, l)
	return t, err
}

// Add is Make that also returns the link with its ID.
func (s *Service) Add(ctx context.Context, tx *store.Tx, l Link) (Link, Token, error) {
	if l.ID == 0 {
		l.ID = ID(store.NewID())
	}
	if l.Created.IsZero() {
		l.Created = s.now()
	}
	manage := 0
	if l.Manage {
		manage = 1
	}
	t := s.Token(l)
	_, err := tx.Exec(ctx, `INSERT INTO link (id, kind, thing, owner, person, manage, lang, created, expires, generation, token, reply, revoked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0)`,
		int64(l.ID), l.Kind, l.Thing, int64(l.Owner), store.Clean(l.Person.String()), manage, l.Lang,
		store.Micros(l.Created), store.Micros(l.Expires), l.Generation, hashed(t), hashed(s.ReplyToken(l)))
	if err != nil {
		return Link{}, "", fmt.Errorf("link: %w", err)
	}
	return l, t, nil
}

const columns = `id, kind, thing, owner, person, manage, lang, created, expires, generation, revoked`

// Open finds the link of a token; kind NotFound whether it is unknown,
// expired or revoked, after the same work: the conditions are the query's, and
// a string that cannot be a token is looked up like any other.
func (s *Service) Open(ctx context.Context, t Token) (Link, error) {
	return s.one(ctx, `SELECT `+columns+` FROM link WHERE token = $1 AND revoked = 0 AND (expires = 0 OR expires > $2)`,
		hashed(t), store.Micros(s.now()))
}

// ByReply finds the link whose reply address carries t, ended or not; kind
// NotFound. It proves nothing: the caller compares the link's person with a
// proven sender.
func (s *Service) ByReply(ctx context.Context, t Token) (Link, error) {
	return s.one(ctx, `SELECT `+columns+` FROM link WHERE reply = $1`, hashed(t))
}

// Get finds a living link by its id; kind NotFound.
func (s *Service) Get(ctx context.Context, id ID) (Link, error) {
	return s.one(ctx, `SELECT `+columns+` FROM link WHERE id = $1 AND revoked = 0 AND (expires = 0 OR expires > $2)`,
		int64(id), store.Micros(s.now()))
}

func (s *Service) one(ctx context.Context, q string, args ...any) (l Link, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		l, err = scan(tx.QueryRow(ctx, q, args...).Scan)
		return err
	})
	if err == store.ErrNoRows {
		return Link{}, mail.Wrap(mail.NotFound, err)
	}
	if err != nil {
		return Link{}, fmt.Errorf("open link: %w", err)
	}
	return l, nil
}

func scan(f func(...any) error) (l Link, err error) {
	var person string
	var manage int
	var created, expires, revoked int64
	if err := f(&l.ID, &l.Kind, &l.Thing, &l.Owner, &person, &manage, &l.Lang, &created, &expires, &l.Generation, &revoked); err != nil {
		return Link{}, err
	}
	if l.Person, err = mail.ParseAddress(person); err != nil {
		return Link{}, fmt.Errorf("link %d: %w", l.ID, err)
	}
	l.Manage = manage != 0
	l.Created, l.Expires, l.Revoked = store.Time(created), store.Time(expires), store.Time(revoked)
	return l, nil
}

// Extend moves the end of every living link to a thing.
func (s *Service) Extend(ctx context.Context, tx *store.Tx, kind string, thing int64, until time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE link SET expires = $1 WHERE kind = $2 AND thing = $3 AND revoked = 0`,
		store.Micros(until), kind, thing)
	return err
}

// Revoke ends every link to a thing, at once.
func (s *Service) Revoke(ctx context.Context, tx *store.Tx, kind string, thing int64) error {
	_, err := tx.Exec(ctx, `UPDATE link SET revoked = $1 WHERE kind = $2 AND thing = $3 AND revoked = 0`,
		store.Micros(s.now()), kind, thing)
	return err
}

// List is every living link to a thing, the owner's first.
func (s *Service) List(ctx context.Context, kind string, thing int64) (ls []Link, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		ls, err = s.In(ctx, tx, kind, thing)
		return err
	})
	return ls, err
}

// In is List inside a transaction.
func (s *Service) In(ctx context.Context, tx *store.Tx, kind string, thing int64) ([]Link, error) {
	var ls []Link
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM link WHERE kind = $1 AND thing = $2 AND revoked = 0
		AND (expires = 0 OR expires > $3) ORDER BY manage DESC, id`, kind, thing, store.Micros(s.now()))
	err = store.Each(rows, err, func(f func(...any) error) error {
		l, err := scan(f)
		ls = append(ls, l)
		return err
	})
	return ls, err
}

// Sweep forgets links that ended more than age ago. Until then a reply to
// their mails is still understood.
func (s *Service) Sweep(ctx context.Context, age time.Duration) error {
	limit := store.Micros(s.now().Add(-age))
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM link WHERE (revoked > 0 AND revoked < $1) OR (expires > 0 AND expires < $1)`, limit)
		return err
	})
}

func hashed(t Token) []byte {
	h := sha256.Sum256([]byte(t))
	return h[:]
}
