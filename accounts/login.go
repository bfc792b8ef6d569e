package accounts

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

const (
	remembered = 5 * time.Minute     // a password that was right need not be hashed again
	daily      = 24 * time.Hour      // how exactly "seen" is kept: a write a day at most
	forgotten  = 90 * 24 * time.Hour // a client not seen for this long is no longer known
)

// login is what one attempt needs of the database; the zero login is nobody's.
type login struct {
	member   Member
	password string // PHC
	salt     []byte
	apps     []AppPassword
	seen     time.Time // when this member last signed in from this network
	own      bool      // only the member's own password will do
}

// known says whether the member has signed in from here before. It keeps the
// member in while somebody elsewhere guesses.
func (l *login) known(now time.Time) bool { return !l.seen.IsZero() && now.Sub(l.seen) < forgotten }

// Login checks a name (an address) and a password: the member's own, or one of
// their app passwords. Kinds: AuthFailed (also when there is no such member,
// after the same time), Suspended (password right), RateLimited (too many
// failures from this address, or for this name from unknown addresses).
func (s *Service) Login(ctx context.Context, name, password string, c mail.Client) (mail.User, error) {
	u, _, err := s.attempt(ctx, name, password, c, false)
	return u, err
}

// SignIn is Login for a person, who may do there what no program may: with their
// own password only. The stamp is the one of Standing for that password. Whether
// a code is asked for too is for the caller to see (SecondOf).
func (s *Service) SignIn(ctx context.Context, name, password string, c mail.Client) (u mail.User, stamp []byte, err error) {
	u, l, err := s.attempt(ctx, name, password, c, true)
	if err != nil {
		return u, nil, err
	}
	return u, s.stamp(l.password, l.member.Second), nil
}

func (s *Service) attempt(ctx context.Context, name, password string, c mail.Client, own bool) (mail.User, login, error) {
	s.prepare()
	key := s.nameKey(ctx, name)
	from := network(c.IP)
	l, err := s.lookup(ctx, key, from)
	if err != nil {
		return mail.User{}, l, kinded(err)
	}
	l.own = own
	u, err := s.login(ctx, &l, key, password, from)
	switch {
	case err == nil:
		s.note(ctx, &l, from)
	case mail.Is(err, mail.AuthFailed):
		s.log().InfoContext(ctx, "login refused", "user", key, "ip", c.IP)
	}
	return u, l, err
}

func (s *Service) login(ctx context.Context, l *login, key, password, from string) (mail.User, error) {
	if len(password) > maxPassword || password == "" {
		s.failed(l, key, from)
		return mail.User{}, authFailed()
	}
	// Before the memory of right passwords: otherwise it would answer guesses
	// that nothing counts.
	if s.throttled(l, key, from) {
		return mail.User{}, mail.Refuse(mail.RateLimited, "accounts-too-many-logins")
	}
	digest := s.mac("login", key, password)
	if by, ok := s.logins.get(digest, s.now()); ok && l.admits(by) {
		return s.by(l, by)
	}
	leave, err := s.enter(ctx, l)
	if err != nil {
		return mail.User{}, err
	}
	defer leave()
	// While this one waited, others may have failed enough, or shown that the
	// password is right.
	if s.throttled(l, key, from) {
		return mail.User{}, mail.Refuse(mail.RateLimited, "accounts-too-many-logins")
	}
	if by, ok := s.logins.get(digest, s.now()); ok && l.admits(by) {
		return s.by(l, by)
	}
	// Both are computed for everybody, whoever exists and has whatever.
	salt := l.salt
	if salt == nil {
		salt = s.madeUpSalt(key)
	}
	by := l.app(password, salt)
	if by == "" || l.own {
		if verify(prepared(password), l.password) {
			by = l.password
		} else {
			s.failed(l, key, from)
			return mail.User{}, authFailed()
		}
		if !l.own && !l.member.Second.IsZero() {
			// It counts as a guess: else whoever guesses would learn it at any pace.
			s.failed(l, key, from)
			return mail.User{}, mail.Refuse(mail.AuthFailed, "accounts-app-password-wanted", "Page", s.ProgramsPage)
		}
	}
	if l.member.Suspended.IsZero() {
		s.logins.put(digest, by, s.now())
	}
	return s.by(l, by)
}

// by is the member with what they signed in with.
func (s *Service) by(l *login, by string) (mail.User, error) {
	u, err := l.user()
	if err == nil {
		second := l.member.Second
		if by != l.password {
			second = time.Time{}
		}
		u.Credential = s.credential(by, second)
	}
	return u, err
}

func authFailed() error { return mail.Refuse(mail.AuthFailed, "accounts-wrong") }

// admits says whether what once let somebody in still would: the same hash, or
// an app password that is not revoked.
func (l *login) admits(by string) bool {
	if l.member.ID == 0 {
		return false
	}
	if by == l.password && by != "" {
		return l.own || l.member.Second.IsZero()
	}
	for _, a := range l.apps {
		if string(a.storedKey) == by {
			return !l.own
		}
	}
	return false
}

func (l *login) user() (mail.User, error) {
	if !l.member.Suspended.IsZero() {
		return mail.User{}, mail.Refuse(mail.Suspended, "accounts-you-are-suspended")
	}
	return l.member.User(), nil
}

// enter waits for a turn to hash. Strangers in too long a line are sent away.
func (s *Service) enter(ctx context.Context, l *login) (leave func(), err error) {
	if !l.known(s.now()) {
		if s.logins.line.Add(1) > waiting {
			s.logins.line.Add(-1)
			return nil, mail.Refuse(mail.RateLimited, "accounts-too-many-logins")
		}
		defer s.logins.line.Add(-1)
	}
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, kinded(ctx.Err())
	}
}

func (s *Service) throttled(l *login, key, from string) bool {
	now := s.now()
	if l.known(now) {
		return s.pairs.full(from+" "+key, now, pairPace)
	}
	return s.networks.full(from, now, networkPace) || s.names.full(key, now, namePace)
}

func (s *Service) failed(l *login, key, from string) {
	now := s.now()
	if l.known(now) {
		s.pairs.fail(from+" "+key, now, pairPace)
		return
	}
	s.networks.fail(from, now, networkPace)
	s.names.fail(key, now, namePace)
}

// nameKey folds what people type as their name: an address, or, where there is
// one domain only, the part before the @.
func (s *Service) nameKey(ctx context.Context, name string) string {
	if len(name) > mail.MaxAddress {
		return ""
	}
	name = strings.TrimSpace(name)
	if !strings.Contains(name, "@") {
		if d, err := s.Domains(ctx); err == nil && len(d) == 1 {
			name += "@" + d[0]
		}
	}
	a, err := mail.ParseAddress(name)
	if err != nil {
		return store.Clean(strings.ToLower(name))
	}
	return store.Clean(a.Key())
}

func (s *Service) lookup(ctx context.Context, key, from string) (login, error) {
	var l login
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		l.member, err = scanMember(tx.QueryRow(ctx, `SELECT `+memberColumns+`, m.password, m.salt
			FROM address ad JOIN account a ON a.id = ad.account JOIN member m ON m.account = a.id
			WHERE ad.key = $1 ORDER BY m.id`, key).Scan, &l.password, &l.salt)
		if errors.Is(err, store.ErrNoRows) {
			l = login{}
			return nil
		}
		if err != nil {
			return err
		}
		if l.apps, err = appPasswords(ctx, tx, l.member.ID); err != nil {
			return err
		}
		var seen int64
		err = tx.QueryRow(ctx, `SELECT seen FROM known_client WHERE member = $1 AND ip = $2`, int64(l.member.ID), from).Scan(&seen)
		l.seen = store.Time(seen)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		return err
	})
	return l, err
}

// note remembers from where the member signed in. That it cannot be written,
// on a full disk for instance, keeps nobody out.
func (s *Service) note(ctx context.Context, l *login, from string) {
	now := s.now()
	if now.Sub(l.seen) < daily {
		return
	}
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO known_client (member, ip, seen) VALUES ($1, $2, $3)
			ON CONFLICT (member, ip) DO UPDATE SET seen = excluded.seen`, int64(l.member.ID), from, store.Micros(now)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM known_client WHERE member = $1 AND seen < $2`, int64(l.member.ID), store.Micros(now.Add(-forgotten)))
		return err
	})
	if err != nil {
		s.log().WarnContext(ctx, "login not noted", "user", l.member.ID, "err", err)
	}
}

// loginCache remembers which passwords were right: mail programs that sign in
// every minute must not cost a hash each time.
type loginCache struct {
	line  atomic.Int64 // strangers who wait for a hash
	mu    sync.Mutex
	right map[[sha256.Size]byte]right
}

type right struct {
	by string // the hash or key that the password was compared with
	at time.Time
}

func (c *loginCache) get(digest [sha256.Size]byte, now time.Time) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.right[digest]
	return r.by, ok && now.Sub(r.at) < remembered
}

func (c *loginCache) put(digest [sha256.Size]byte, by string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.right == nil {
		c.right = map[[sha256.Size]byte]right{}
	}
	if len(c.right) >= cacheSize {
		maps.DeleteFunc(c.right, func(_ [sha256.Size]byte, r right) bool { return now.Sub(r.at) >= remembered })
		if len(c.right) >= cacheSize {
			clear(c.right)
		}
	}
	c.right[digest] = right{by, now}
}
