package album

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// What an owner who is signed in sees and does without a link in hand.

// Mine are a member's albums, newest first: those that live, and those that they
// can bring back.
func (s *Service) Mine(ctx context.Context, u mail.UserID) (ids []ID, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM album WHERE member = $1 AND name <> '' ORDER BY id DESC`, int64(u))
		return store.Each(rows, err, func(f func(...any) error) error {
			var id ID
			err := f(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}

// Visit is the visit that the owner of an album would make with their own link.
// What they may is asked again of whoever makes it. Kind NotFound.
func (s *Service) Visit(ctx context.Context, id ID, by link.Caller) (v link.Visit, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if err := s.managed(ctx, tx, by, id); err != nil {
			return err
		}
		l, err := s.manageLink(ctx, tx, id)
		if err == nil {
			v.Token = s.Links.Token(l)
		}
		return err
	})
	return v, err
}

// managed is allowed for who only looks at what is theirs.
func (s *Service) managed(ctx context.Context, tx *store.Tx, by link.Caller, id ID) error {
	a, err := s.allowed(ctx, tx, by, link.Read, id)
	if err == nil && !by.May(link.Manage, link.Album, int64(id), a.Member) {
		err = mail.Wrap(mail.NotFound, fmt.Errorf("album %d is not theirs", id))
	}
	return err
}

// Of says which album a photo is in; kind NotFound when it is not the caller's.
func (s *Service) Of(ctx context.Context, id PhotoID, by link.Caller) (album ID, err error) {
	return s.of(ctx, `SELECT album FROM photo WHERE id = $1`, int64(id), by)
}

// OfComment says to which album words are; kind NotFound when it is not the caller's.
func (s *Service) OfComment(ctx context.Context, id int64, by link.Caller) (album ID, err error) {
	return s.of(ctx, `SELECT album FROM photo_comment WHERE id = $1`, id, by)
}

func (s *Service) of(ctx context.Context, q string, id int64, by link.Caller) (album ID, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, q, id).Scan(&album)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		if err != nil {
			return err
		}
		return s.managed(ctx, tx, by, album)
	})
	return album, err
}

// Photos are all photos of an album, or those that were taken off and can be
// brought back.
func (s *Service) Photos(ctx context.Context, id ID, by link.Caller, hidden bool) (ps []Photo, err error) {
	where := `hidden = 0`
	if hidden {
		where = `hidden > 0`
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if err := s.managed(ctx, tx, by, id); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+photoColumns+` FROM photo WHERE album = $1 AND `+where+order, int64(id))
		return store.Each(rows, err, func(f func(...any) error) error {
			p, err := scanPhoto(f)
			ps = append(ps, p)
			return err
		})
	})
	return ps, err
}

// Comments are what was said about an album and its photos, in the order of time.
func (s *Service) Comments(ctx context.Context, id ID, by link.Caller) (list []Comment, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		if err := s.managed(ctx, tx, by, id); err != nil {
			return err
		}
		list = nil
		said, err := comments(ctx, tx, id, 0, math.MaxInt64)
		for _, cs := range said {
			list = append(list, cs...)
		}
		slices.SortFunc(list, func(a, b Comment) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
		return err
	})
	return list, err
}

// Bytes is what an album keeps, in octets as the photos came.
func (s *Service) Bytes(ctx context.Context, id ID) (n int64, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(sum(f.size), 0) FROM photo p JOIN photo_form f ON f.photo = p.id WHERE p.album = $1 AND p.hidden = 0 AND f.form = $2`,
			int64(id), string(Source)).Scan(&n)
	})
	return n, err
}

// Begin makes an album without photos. Kind Policy when it is no name for one.
func (s *Service) Begin(ctx context.Context, u mail.User, name string) (id ID, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		id, err = s.MakeNew(ctx, tx, u, name)
		if err != nil || s.Shelf == nil {
			return err
		}
		a, err := s.living(ctx, tx, id)
		if err != nil {
			return err
		}
		return s.Shelf.Added(ctx, tx, a, nil)
	})
	return id, err
}

// At is the address that adds to an album.
func (a *Album) At(domain string) mail.Address {
	return mail.Address{Local: "album+" + key(a.Name), Domain: domain}
}

// Put makes a photo of a file that the owner has, at once, so that they can see
// it; guests read of it in their next digest. Kinds: NotFound; BadContent, in
// words, when it is no picture; Conflict when the album has it.
func (s *Service) Put(ctx context.Context, id ID, by link.Caller, f HandedFile, caption string) (PhotoID, error) {
	// Asked before the work, and again in the transaction.
	if _, err := s.Visit(ctx, id, by); err != nil {
		return 0, err
	}
	got, err := s.take(ctx, []offered{{name: f.Name, says: f.Type, kept: f.Kept, caption: shorten(caption)}})
	if err != nil {
		return 0, err
	}
	if len(got.photos) == 0 {
		why := "album-problem-kind"
		if len(got.problems) > 0 {
			why = got.problems[0].id
		}
		return 0, mail.Refuse(mail.BadContent, why)
	}
	key := fmt.Sprintf("own/%d", store.NewID())
	var added []Photo
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, by, link.Manage, id)
		if err == nil && a.over(s.now()) {
			err = mail.Wrap(mail.NotFound, fmt.Errorf("album %d has ended", id))
		}
		if err != nil {
			return err
		}
		if added, err = s.add(ctx, tx, a, key, link.Link{}, got.photos); err != nil || len(added) == 0 {
			return err
		}
		return s.tellGuests(ctx, tx, a, key, a.From, "", added, nil)
	})
	if err == nil && len(added) == 0 {
		err = mail.Refuse(mail.Conflict, "kind-conflict")
	}
	if err != nil {
		return 0, err
	}
	return added[0].ID, nil
}

// Say leaves the owner's words. Kinds as for Comment.
func (s *Service) Say(ctx context.Context, id ID, by link.Caller, photo PhotoID, text string) (int64, error) {
	v, err := s.Visit(ctx, id, by)
	if err != nil {
		return 0, err
	}
	said := readable(text)
	if said == "" {
		return 0, mail.Refuse(mail.BadSyntax, "kind-bad-syntax")
	}
	if err := s.Comment(ctx, v, photo, text); err != nil {
		return 0, err
	}
	// The newest of these words: the same ones twice in an hour are one comment.
	list, err := s.Comments(ctx, id, by)
	for _, c := range slices.Backward(list) {
		if c.Photo == photo && c.Text == said {
			return c.ID, err
		}
	}
	if err == nil {
		err = mail.Wrap(mail.NotFound, errors.New("taken away at once"))
	}
	return 0, err
}

// Marks are other ones whenever a member's albums and who has a link to them, its
// photos, and its words are not what they were.
type Marks struct{ Albums, Photos, Comments string }

// Mark reads them.
func (s *Service) Mark(ctx context.Context, u mail.UserID) (m Marks, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		for _, part := range []struct {
			to      *string
			queries []string
		}{
			{&m.Albums, []string{
				`SELECT id, name, expires, ended, 0 FROM album WHERE member = $1 AND name <> '' ORDER BY id`,
				`SELECT r.thing, CASE WHEN r.password = '' THEN '' ELSE 'locked' END, r.comment + 2 * r.adding + 4 * r.code, r.frozen, 0 FROM album a
					JOIN link_rules r ON r.kind = 'album' AND r.thing = a.id WHERE a.member = $1 ORDER BY r.thing`,
				`SELECT l.id, l.name, l.revoked, l.public, 0 FROM album a JOIN link l ON l.kind = 'album' AND l.thing = a.id WHERE a.member = $1 AND a.name <> '' ORDER BY l.id`,
				`SELECT a.id, '', count(*), max(p.id), max(p.hidden) FROM album a JOIN photo p ON p.album = a.id WHERE a.member = $1 GROUP BY a.id ORDER BY a.id`,
			}},
			{&m.Photos, []string{
				`SELECT a.id, '', count(*), max(p.id), sum(p.finished) FROM album a JOIN photo p ON p.album = a.id WHERE a.member = $1 GROUP BY a.id ORDER BY a.id`,
				`SELECT p.id, p.caption, p.hidden, 0, 0 FROM album a JOIN photo p ON p.album = a.id WHERE a.member = $1 AND (p.caption <> '' OR p.hidden > 0) ORDER BY p.id`,
			}},
			{&m.Comments, []string{
				`SELECT a.id, '', count(*), max(c.id), min(c.id) FROM album a JOIN photo_comment c ON c.album = a.id WHERE a.member = $1 GROUP BY a.id ORDER BY a.id`,
			}},
		} {
			h := sha256.New()
			for _, q := range part.queries {
				rows, err := tx.Query(ctx, q, int64(u))
				err = store.Each(rows, err, func(f func(...any) error) error {
					var id, a, b, c int64
					var text string
					err := f(&id, &text, &a, &b, &c)
					fmt.Fprintf(h, "%d %q %d %d %d\n", id, text, a, b, c)
					return err
				})
				if err != nil {
					return err
				}
				fmt.Fprintln(h)
			}
			*part.to = hex.EncodeToString(h.Sum(nil)[:10])
		}
		return nil
	})
	return m, err
}

// Erased is when the bytes of an album that is over go; zero of one that lives.
func (a *Album) Erased(now time.Time) time.Time {
	if !a.over(now) {
		return time.Time{}
	}
	if !a.Ended.IsZero() {
		return a.Ended.Add(Grace)
	}
	return a.Expires.Add(Grace)
}
