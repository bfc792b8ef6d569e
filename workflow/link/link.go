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
	Hand     = "hand"     // a place where files are handed in
	Question = "question" // something we ask, with two answers
	Settings = "settings" // what one person is told of
)

// Link leads one person to one thing.
type Link struct {
	ID         ID
	Kind       string
	Thing      int64        // id of the transfer, album, …
	Owner      mail.UserID  // the member who shares it
	Person     mail.Address // whose link it is; the owner's when it is to be passed on
	Name       string       // how the person is called; "" is the address
	Manage     bool         // the owner's own link: may recall
	Public     bool         // to be passed on: whoever has it is nobody in particular
	Lang       string
	Created    time.Time
	Expires    time.Time // zero: never
	Generation int
	Revoked    time.Time // zero while it lives; only ByReply shows others
	Quiet      time.Time // when its person asked for no more mails; zero: never
	Rules      Rules     // of the thing, as they are now
}

// Called is how others read who has the link.
func (l Link) Called() string {
	if l.Name != "" {
		return l.Name
	}
	return l.Person.String()
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
	t := s.Token(l)
	_, err := tx.Exec(ctx, `INSERT INTO link (id, kind, thing, owner, person, name, manage, public, lang, created, expires, generation, token, reply, revoked, quiet)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15)`,
		int64(l.ID), l.Kind, l.Thing, int64(l.Owner), store.Clean(l.Person.String()), store.Clean(l.Name), flag(l.Manage), flag(l.Public), l.Lang,
		store.Micros(l.Created), store.Micros(l.Expires), l.Generation, hashed(t), hashed(s.ReplyToken(l)), store.Micros(l.Quiet))
	if err != nil {
		return Link{}, "", fmt.Errorf("link: %w", err)
	}
	return l, t, nil
}

// columns are read from link l with the rules of its thing; where there are
// none, they are Defaults.
const (
	columns = `l.id, l.kind, l.thing, l.owner, l.person, l.name, l.manage, l.public, l.lang, l.created, l.expires, l.generation, l.revoked, l.quiet,
		r.password, r.code, r.downloads, r.comment, r.adding, r.place, r.frozen`
	joined = `LEFT JOIN link_rules r ON r.kind = l.kind AND r.thing = l.thing`
)

// ByReply finds the link whose reply address carries t, ended or not; kind
// NotFound. It proves nothing: the caller compares the link's person with a
// proven sender.
func (s *Service) ByReply(ctx context.Context, t Token) (Link, error) {
	return s.one(ctx, `SELECT `+columns+` FROM link l `+joined+` WHERE l.reply = $1`, hashed(t))
}

// Get finds a living link by its id; kind NotFound.
func (s *Service) Get(ctx context.Context, id ID) (l Link, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		l, err = s.GetIn(ctx, tx, id)
		return err
	})
	return l, err
}

// GetIn is Get inside a transaction.
func (s *Service) GetIn(ctx context.Context, tx *store.Tx, id ID) (Link, error) {
	return found(scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM link l `+joined+` WHERE l.id = $1 AND l.revoked = 0 AND (l.expires = 0 OR l.expires > $2)`,
		int64(id), store.Micros(s.now())).Scan))
}

func (s *Service) one(ctx context.Context, q string, args ...any) (l Link, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		l, err = scan(tx.QueryRow(ctx, q, args...).Scan)
		return err
	})
	return found(l, err)
}

// found gives the error of a query for one link its kind.
func found(l Link, err error) (Link, error) {
	switch {
	case err == store.ErrNoRows:
		return Link{}, mail.Wrap(mail.NotFound, err)
	case err != nil:
		return Link{}, fmt.Errorf("open link: %w", err)
	}
	return l, nil
}

func scan(f func(...any) error) (l Link, err error) {
	var person string
	var manage, public int
	var created, expires, revoked, quiet int64
	var password *string
	var code, downloads, comment, adding, place, frozen *int64
	if err := f(&l.ID, &l.Kind, &l.Thing, &l.Owner, &person, &l.Name, &manage, &public, &l.Lang, &created, &expires, &l.Generation, &revoked, &quiet,
		&password, &code, &downloads, &comment, &adding, &place, &frozen); err != nil {
		return Link{}, err
	}
	if l.Rules = Defaults(l.Kind); password != nil {
		l.Rules = Rules{Password: *password, Code: *code != 0, Downloads: int(*downloads), Comment: *comment != 0, Add: *adding != 0,
			Place: *place != 0, Frozen: store.Time(*frozen)}
	}
	if l.Person, err = mail.ParseAddress(person); err != nil {
		return Link{}, fmt.Errorf("link %d: %w", l.ID, err)
	}
	l.Manage, l.Public = manage != 0, public != 0
	l.Created, l.Expires, l.Revoked, l.Quiet = store.Time(created), store.Time(expires), store.Time(revoked), store.Time(quiet)
	return l, nil
}

// Extend moves the end of every link to a thing that was not revoked; zero: they
// never end. The owner's own lives for grace longer: they can bring the thing back.
func (s *Service) Extend(ctx context.Context, tx *store.Tx, kind string, thing int64, until time.Time, grace time.Duration) error {
	owner := until
	if !until.IsZero() {
		owner = until.Add(grace)
	}
	for manage, at := range []time.Time{until, owner} {
		if _, err := tx.Exec(ctx, `UPDATE link SET expires = $1 WHERE kind = $2 AND thing = $3 AND manage = $4 AND revoked = 0`,
			store.Micros(at), kind, thing, manage); err != nil {
			return err
		}
	}
	return nil
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
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM link l `+joined+` WHERE l.kind = $1 AND l.thing = $2 AND l.revoked = 0
		AND (l.expires = 0 OR l.expires > $3) ORDER BY l.manage DESC, l.id`, kind, thing, store.Micros(s.now()))
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
		if _, err := tx.Exec(ctx, `DELETE FROM link WHERE (revoked > 0 AND revoked < $1) OR (expires > 0 AND expires < $1)`, limit); err != nil {
			return err
		}
		// A guest's settings are about another link of theirs.
		_, err := tx.Exec(ctx, `DELETE FROM link WHERE kind = $1 AND manage = 0 AND NOT EXISTS (SELECT 1 FROM link l WHERE l.id = link.thing)`, Settings)
		return err
	})
}

func hashed(t Token) []byte {
	h := sha256.Sum256([]byte(t))
	return h[:]
}
