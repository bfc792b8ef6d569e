package push

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/outward"
	"colporteur/store"
)

// Subscription is one of a member's, as they may see it: where it leads is never
// said again (RFC 8620 §7.2.1).
type Subscription struct {
	ID      int64
	Device  string
	Types   []string // nil for all
	Code    string   // "" until it came back
	Expires time.Time
}

// Wish is a subscription that is to be made.
type Wish struct {
	Device  string
	Address *url.URL // of CheckAddress
	Keys    *Keys    // nil: what is pushed there is not encrypted
	Types   []string
	Expires time.Time // zero: as late as may be
}

// place is what is sealed of a subscription.
type place struct {
	URL  string `json:"url"`
	Keys *Keys  `json:"keys,omitempty"`
}

const maxAddress = 2000 // those of push services have a few hundred octets

// CheckAddress reads where a client wants news pushed to. What it refuses here it
// refuses in words; where a name leads is seen when it is asked (package outward),
// for it may lead elsewhere a moment later. Kinds: BadSyntax, Policy.
func (s *Service) CheckAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxAddress || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, mail.Refuse(mail.BadSyntax, "push-address")
	}
	if s.AllowPrivate {
		return u, nil
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	a, err := netip.ParseAddr(host)
	if err == nil && outward.Forbidden(a) || err != nil && (!strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")) ||
		u.Port() != "" && u.Port() != "443" {
		return nil, mail.Refuse(mail.Policy, "push-nobody-else", "Host", u.Host)
	}
	return u, nil
}

// List is those that were made with what the member is signed in with.
func (s *Service) List(ctx context.Context, u mail.User) (list []Subscription, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT id, device, types, verified, expires FROM push_subscription WHERE member = $1 AND credential = $2 AND expires > $3 ORDER BY id`,
			int64(u.ID), u.Credential, store.Micros(s.now()))
		return store.Each(rows, err, func(scan func(...any) error) error {
			var e Subscription
			var types string
			var verified, expires int64
			err := scan(&e.ID, &e.Device, &types, &verified, &expires)
			if e.Expires, e.Types = store.Time(expires), listed(types); verified == 1 {
				e.Code = s.code(e.ID)
			}
			list = append(list, e)
			return err
		})
	})
	return list, err
}

func listed(types string) []string {
	if types == "" {
		return nil
	}
	return strings.Fields(types)
}

// until is when a subscription ends whose client would like t.
func (s *Service) until(t time.Time) time.Time {
	last := s.now().Add(longest).Truncate(time.Second)
	if t.IsZero() || t.After(last) {
		return last
	}
	return t
}

// Create makes a subscription and has its code pushed at once. Another one of the
// member's at the same address gives way: the client has forgotten it. Kinds:
// AuthRequired, RateLimited, TooMany.
func (s *Service) Create(ctx context.Context, u mail.User, w Wish) (Subscription, error) {
	if u.Credential == "" { // nothing would ever end it
		return Subscription{}, mail.Refuse(mail.AuthRequired, "kind-auth-required")
	}
	if s.often(u.ID) {
		return Subscription{}, mail.Refuse(mail.RateLimited, "push-too-often")
	}
	e := Subscription{ID: store.NewID(), Device: w.Device, Types: w.Types, Expires: s.until(w.Expires)}
	raw, err := json.Marshal(place{w.Address.String(), w.Keys})
	if err != nil {
		return e, err
	}
	sealed, err := s.seal(placeOf(e.ID), raw)
	if err != nil {
		return e, err
	}
	same := s.mac("address", w.Address.String())
	now := s.now()
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		// One at a time: two at once would both find room.
		var id int64
		if err := tx.QueryRow(ctx, `SELECT id FROM member WHERE id = $1 FOR UPDATE`, int64(u.ID)).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM push_subscription WHERE member = $1 AND (address = $2 OR expires <= $3)`, int64(u.ID), same, store.Micros(now)); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM push_subscription WHERE member = $1`, int64(u.ID)).Scan(&n); err != nil {
			return err
		}
		if n >= mostOfMember {
			return mail.Refuse(mail.TooMany, "push-too-many", "Max", mostOfMember)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO push_subscription (id, member, credential, device, place, address, host, types, verified, created, expires, noted, told, pushed, awaited, failing)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, '{}', '{}', 0, 0, 0)`, e.ID, int64(u.ID), u.Credential, store.Clean(w.Device), sealed, same, w.Address.Host,
			strings.Join(w.Types, " "), store.Micros(now), store.Micros(e.Expires)); err != nil {
			return err
		}
		return s.await(ctx, tx, e.ID, w.Address.Host, now)
	})
	return e, err
}

func placeOf(id int64) string { return fmt.Sprintf("place %d", id) }

// Change is what becomes of a subscription; nil leaves something as it is.
type Change struct {
	Code    *string
	Expires *time.Time // zero: as late as may be
	Types   *[]string  // of nil for all
}

// Update changes one. ErrCode: this is not the code that was pushed. Kind: NotFound.
func (s *Service) Update(ctx context.Context, u mail.User, id int64, c Change) (Subscription, error) {
	have, err := s.List(ctx, u)
	if err != nil {
		return Subscription{}, err
	}
	at := slices.IndexFunc(have, func(e Subscription) bool { return e.ID == id })
	if at < 0 {
		return Subscription{}, notFound()
	}
	e := have[at]
	proves := false
	if c.Code != nil {
		if !hmac.Equal([]byte(*c.Code), []byte(s.code(id))) {
			return e, ErrCode
		}
		proves, e.Code = e.Code == "", *c.Code
	}
	if c.Expires != nil {
		e.Expires = s.until(*c.Expires)
	}
	if c.Types != nil {
		e.Types = *c.Types
	}
	begins := e.Code != "" && (proves || c.Types != nil)
	states := ""
	if begins { // what is so now is known: from here on changes are told
		_, all, err := s.States(ctx, u, e.Types)
		if err != nil {
			return e, err
		}
		states = all.of(e.Types)
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE push_subscription SET verified = CASE WHEN $2 = 1 THEN 1 ELSE verified END, expires = $3, types = $4,
			noted = CASE WHEN $5 = '' THEN noted ELSE $5 END, told = CASE WHEN $5 = '' THEN told ELSE $5 END WHERE id = $1`,
			id, one(proves), store.Micros(e.Expires), strings.Join(e.Types, " "), states)
		if err == nil && n == 0 {
			err = notFound()
		}
		if err == nil && begins {
			tx.AfterCommit(func() { s.began(ctx, u.ID) })
		}
		return err
	})
	return e, err
}

// ErrCode says that a code is not the one that was pushed.
var ErrCode = errors.New("this is not the code")

func notFound() error { return mail.Refuse(mail.NotFound, "kind-not-found") }

func one(on bool) int {
	if on {
		return 1
	}
	return 0
}

// Destroy ends one. Kind: NotFound.
func (s *Service) Destroy(ctx context.Context, u mail.User, id int64) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM push_subscription WHERE id = $1 AND member = $2 AND credential = $3`, id, int64(u.ID), u.Credential)
		if err == nil && n == 0 {
			err = notFound()
		}
		return err
	})
}

// Removed forgets a member who is removed.
func (s *Service) Removed(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	_, err := tx.Exec(ctx, `DELETE FROM push_subscription WHERE member IN (SELECT id FROM member WHERE account = $1)`, int64(account))
	return err
}

// Sweep forgets what has ended.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.now()
	err := s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM push_subscription WHERE expires <= $1 OR verified = 0 AND created < $2`, store.Micros(now), store.Micros(now.Add(-unproven)))
		return err
	})
	if err != nil {
		return err
	}
	type held struct {
		member     int64
		credential string
	}
	var all []held
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		rows, err := tx.Query(ctx, `SELECT DISTINCT member, credential FROM push_subscription ORDER BY member, credential`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var h held
			err := scan(&h.member, &h.credential)
			all = append(all, h)
			return err
		})
	})
	for _, h := range all {
		if err == nil {
			_, err = s.holder(ctx, mail.UserID(h.member), h.credential)
		}
		if mail.Is(err, mail.NotFound) {
			err = nil
		}
	}
	return err
}

// holder is who has a subscription; kind NotFound when what they had signed in with
// ended, and with it all subscriptions that were made with it.
func (s *Service) holder(ctx context.Context, id mail.UserID, credential string) (mail.User, error) {
	u, err := s.Holds(ctx, id, credential)
	if !mail.Is(err, mail.NotFound) && !mail.Is(err, mail.Suspended) {
		return u, err
	}
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM push_subscription WHERE member = $1 AND credential = $2`, int64(id), credential)
		return err
	})
	if err == nil {
		s.log().InfoContext(ctx, "push ended", "user", id, "reason", "signed out")
		err = notFound()
	}
	return u, err
}
