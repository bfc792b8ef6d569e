package link

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Visit is what somebody who comes with a link shows at every request.
type Visit struct {
	Token Token
	Keys  []string // what Admit made earlier, from cookies that stand under the link's own path
}

// Locked is the error of Open for a living link whose password or code was not
// given yet. Nothing of the thing may be shown, not even its name.
type Locked struct {
	Link     Link
	Password bool // a password is asked for
	Code     bool // and a code that was mailed
}

func (e *Locked) Error() string { return fmt.Sprintf("link %d is locked", e.Link.ID) }

// unlocked is how long a browser need not be asked again.
const unlocked = 30 * 24 * time.Hour

// What a key was given for.
const (
	ByPassword = "password"
	ByCode     = "code"
)

// Admit makes what a browser keeps after a password or a code was right: it opens
// this link alone, and ends when the password changes.
func (s *Service) Admit(l Link, by string) (key string, until time.Time) {
	until = s.now().Add(unlocked).Truncate(time.Second)
	return s.seal(l, by, until), until
}

func (s *Service) seal(l Link, by string, until time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	h := hmac.New(sha256.New, s.Key)
	fmt.Fprintf(h, "unlocked\x00%s\x00%d\x00%d\x00%s\x00", by, l.ID, l.Generation, l.Rules.Password)
	h.Write(b)
	return base64.RawURLEncoding.EncodeToString(append(b, h.Sum(nil)[:16]...))
}

func (s *Service) holds(l Link, by string, keys []string) bool {
	for _, k := range keys[:min(len(keys), 8)] {
		b, err := base64.RawURLEncoding.DecodeString(k)
		if err != nil || len(b) != 24 {
			continue
		}
		until := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
		if until.After(s.now()) && hmac.Equal([]byte(k), []byte(s.seal(l, by, until))) {
			return true
		}
	}
	return false
}

// Open is the one place where a link becomes a right: it finds the link of a
// visit, with its rules. Kind NotFound whether it is unknown, expired, revoked or
// frozen, after the same work; *Locked when a password or a code is missing. The
// service whose thing it is then asks Caller.May.
func (s *Service) Open(ctx context.Context, v Visit) (l Link, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		l, err = s.OpenIn(ctx, tx, v)
		return err
	})
	return l, err
}

// OpenIn is Open inside a transaction.
func (s *Service) OpenIn(ctx context.Context, tx *store.Tx, v Visit) (Link, error) {
	l, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM link l `+joined+` WHERE l.token = $1 AND l.revoked = 0 AND (l.expires = 0 OR l.expires > $2)`,
		hashed(v.Token), store.Micros(s.now())).Scan)
	switch {
	case err == store.ErrNoRows:
		return Link{}, mail.Wrap(mail.NotFound, err)
	case err != nil:
		return Link{}, fmt.Errorf("open link: %w", err)
	case l.Manage:
		return l, nil // the owner is never locked out
	case !l.Rules.Frozen.IsZero():
		return Link{}, mail.Wrap(mail.NotFound, fmt.Errorf("link %d is frozen", l.ID))
	}
	lock := Locked{Link: l, Password: l.Rules.Password != "" && !s.holds(l, ByPassword, v.Keys),
		Code: l.Rules.Code && !s.holds(l, ByCode, v.Keys)}
	if lock.Password || lock.Code {
		return Link{}, &lock
	}
	return l, nil
}
