package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow/link"
)

// Where a transfer came from.
const (
	ByMail     = "mail"     // to envoi@
	ByWeb      = "web"      // through a page, or a program
	ByOutgoing = "outgoing" // files that were taken out of a mail to others
)

// Keys of transfers that did not come as mail begin with these.
const (
	handKey     = "hand/"
	givenKey    = "given/"
	ownKey      = "own/"
	outgoingKey = "mail:"
)

// HandKey keys what came through a place: of its owner, or from somebody else.
func HandKey(place int64, key string, given bool) string {
	if given {
		return fmt.Sprintf("%s%d/%s", givenKey, place, key)
	}
	return fmt.Sprintf("%s%d/%s", handKey, place, key)
}

// Origin says how a transfer came to be.
func (t *Transfer) Origin() string {
	switch {
	case t.Given(), strings.HasPrefix(t.key, handKey), strings.HasPrefix(t.key, ownKey):
		return ByWeb
	case strings.HasPrefix(t.key, outgoingKey) && t.message == 0: // a mail to envoi@ without a Message-ID has such a key too
		return ByOutgoing
	}
	return ByMail
}

// Given says that somebody else handed the files in.
func (t *Transfer) Given() bool { return strings.HasPrefix(t.key, givenKey) }

// Mine are a member's transfers, newest first: those that live, and those that
// they can bring back.
func (s *Service) Mine(ctx context.Context, u mail.UserID) (ids []ID, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM transfer WHERE member = $1 AND purged = 0 ORDER BY id DESC`, int64(u))
		return store.Each(rows, err, func(f func(...any) error) error {
			var id ID
			err := f(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}

// Own is the visit that the owner of a transfer would make with their own link.
// What they may is asked again of whoever makes it. Kind NotFound.
func (s *Service) Own(ctx context.Context, id ID, by link.Caller) (v link.Visit, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		t, err := s.allowed(ctx, tx, by, link.Read, id)
		if err != nil {
			return err
		}
		if !by.May(link.Manage, link.Transfer, int64(id), t.Member) {
			return mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d is not theirs", id))
		}
		l, err := s.manageLink(ctx, tx, id)
		if err == nil {
			v.Token = s.Links.Token(l)
		}
		return err
	})
	return v, err
}

// Downloads is how many others have made, whole.
func (s *Service) Downloads(ctx context.Context, id ID) (n int, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM transfer_grant g JOIN link l ON l.id = g.link WHERE g.transfer = $1 AND l.manage = 0 AND g.counted > 0`, int64(id)).Scan(&n)
	})
	return n, err
}

// TakeOwn makes a transfer of files that its owner has already, with its rules.
// refs are those of their bytes that no row names yet; fill, if it is not nil,
// adds to the files in the same transaction.
func (s *Service) TakeOwn(ctx context.Context, h *HandIn, refs []blob.Ref, rules link.Rules, fill func(tx *store.Tx) ([]File, error)) (id ID, err error) {
	h.Key = fmt.Sprintf("%s%d", ownKey, store.NewID())
	held := h.Files
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		h.Files = held
		for _, r := range refs {
			if err := s.Blobs.Insert(ctx, tx, r); err != nil {
				return err
			}
		}
		for _, f := range h.Files {
			if err := s.Blobs.Keep(ctx, tx, f.Blob); err != nil {
				return err
			}
		}
		if fill != nil {
			more, err := fill(tx)
			if err != nil {
				return err
			}
			h.Files = slices.Concat(held, more)
		}
		t, err := s.Take(ctx, tx, h)
		if err != nil {
			return err
		}
		id = t.ID
		return s.Links.SetRules(ctx, tx, link.Transfer, int64(id), rules)
	})
	return id, err
}

// Until sets the end of a transfer that lives. Kinds: NotFound; Policy when it is
// not after now, or more than MaxDays away.
func (s *Service) Until(ctx context.Context, id ID, by link.Caller, at time.Time) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err == nil && t.over(s.now()) {
			err = mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has ended", id))
		}
		if err != nil {
			return err
		}
		// A day more: whoever says a date means the end of that day.
		if now := s.now(); !at.After(now) || at.After(now.AddDate(0, 0, MaxDays+1)) {
			return mail.Refuse(mail.Policy, "transfer-bad-end", "Days", MaxDays)
		}
		return s.until(ctx, tx, t, at)
	})
}

// Mark is another one whenever a member's transfers, or who has a link to them,
// are not what they were.
func (s *Service) Mark(ctx context.Context, u mail.UserID) (string, error) {
	h := sha256.New()
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		h.Reset()
		if err := marked(ctx, tx, h, `SELECT id, expires, ended, CASE WHEN expires <= $2 THEN 1 ELSE 0 END FROM transfer WHERE member = $1 AND purged = 0 ORDER BY id`,
			int64(u), store.Micros(s.now())); err != nil {
			return err
		}
		for _, q := range []string{
			`SELECT r.thing, r.downloads, r.code + 2 * (CASE WHEN r.password = '' THEN 0 ELSE 1 END), r.frozen FROM transfer t
				JOIN link_rules r ON r.kind = 'transfer' AND r.thing = t.id WHERE t.member = $1 AND t.purged = 0 ORDER BY r.thing`,
			`SELECT l.id, l.revoked, l.public, 0 FROM transfer t JOIN link l ON l.kind = 'transfer' AND l.thing = t.id WHERE t.member = $1 AND t.purged = 0 ORDER BY l.id`,
			`SELECT t.id, count(*), max(g.counted), 0 FROM transfer t JOIN transfer_grant g ON g.transfer = t.id
				WHERE t.member = $1 AND t.purged = 0 AND g.counted > 0 GROUP BY t.id ORDER BY t.id`,
		} {
			if err := marked(ctx, tx, h, q, int64(u)); err != nil {
				return err
			}
		}
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)[:10]), err
}

// marked adds rows of four numbers to a mark.
func marked(ctx context.Context, tx *store.Tx, h hash.Hash, q string, args ...any) error {
	rows, err := tx.Query(ctx, q, args...)
	err = store.Each(rows, err, func(f func(...any) error) error {
		var a, b, c, d int64
		err := f(&a, &b, &c, &d)
		fmt.Fprintln(h, a, b, c, d)
		return err
	})
	fmt.Fprintln(h)
	return err
}
