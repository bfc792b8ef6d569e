package album

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// Comment is what somebody wrote about a photo or an album.
type Comment struct {
	ID    int64
	Photo PhotoID // 0: about the album
	Name  string
	Text  string
	At    time.Time
	Link  link.ID // whose
}

// Bounds of what people write.
const (
	commentLimit = 2000 // characters
	MaxComments  = 2000 // of one album
	perHour      = 60   // by one link
)

// Comment leaves words under a photo, or about the album when id is 0. Kinds:
// NotFound, Policy when the owner does not want it, TooMany.
func (s *Service) Comment(ctx context.Context, by link.Visit, id PhotoID, text string) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		l, a, err := s.open(ctx, tx, by)
		if err != nil {
			return err
		}
		if !link.Holder(l).May(link.Comment, link.Album, l.Thing, a.Member) || a.over(s.now()) {
			return mail.Refuse(mail.Policy, "album-no-comments")
		}
		// The same words twice in an hour are a button pressed twice.
		h := sha256.Sum256(fmt.Appendf(nil, "%d\x00%d\x00%d\x00%s", l.ID, id, s.now().Unix()/3600, text))
		return s.say(ctx, tx, a, l, id, "page "+hex.EncodeToString(h[:16]), text)
	})
}

// say notes words, once for each key, and tells the owner.
func (s *Service) say(ctx context.Context, tx *store.Tx, a *Album, l link.Link, id PhotoID, key, text string) error {
	text = readable(text)
	if text == "" {
		return nil
	}
	if id != 0 {
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM photo WHERE id = $1 AND album = $2 AND hidden = 0`, int64(id), int64(a.ID)).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return mail.Wrap(mail.NotFound, err)
		}
		if err != nil {
			return err
		}
	}
	var all, lately int
	if err := tx.QueryRow(ctx, `SELECT count(*), coalesce(sum(CASE WHEN link = $2 AND created > $3 THEN 1 ELSE 0 END), 0) FROM photo_comment WHERE album = $1`,
		int64(a.ID), int64(l.ID), store.Micros(s.now().Add(-time.Hour))).Scan(&all, &lately); err != nil {
		return err
	}
	if all >= MaxComments || lately >= perHour {
		return mail.Refuse(mail.TooMany, "kind-too-many")
	}
	who := shownAs(l)
	if l.Manage {
		who = a.From
	}
	added, err := tx.Exec(ctx, `INSERT INTO photo_comment (id, album, photo, link, key, name, text, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (album, key) DO NOTHING`, store.NewID(), int64(a.ID), int64(id), int64(l.ID), key, store.Clean(who), text, store.Micros(s.now()))
	if err != nil || added == 0 {
		return err
	}
	s.changed(tx, a.Account)
	if !l.Manage {
		if err := s.tellOwner(ctx, tx, a, key, l.Called(), text, nil); err != nil {
			return err
		}
	}
	return s.tellGuests(ctx, tx, a, key, who, text, nil, []guest{{addr: l.Person}})
}

// readable is what somebody wrote, bounded, without marks that are not to be seen
// and would turn the words beside them round.
func readable(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == ' ':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff, r == 0x200b:
			return -1
		}
		return r
	}, store.Clean(text)))
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	if r := []rune(text); len(r) > commentLimit {
		text = strings.TrimSpace(string(r[:commentLimit-1])) + "…"
	}
	return text
}

// RemoveComment takes words away: the owner any, a guest their own.
func (s *Service) RemoveComment(ctx context.Context, by link.Visit, id int64) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		l, a, err := s.open(ctx, tx, by)
		if err != nil {
			return err
		}
		q := `DELETE FROM photo_comment WHERE id = $1 AND album = $2 AND link = $3`
		args := []any{id, int64(a.ID), int64(l.ID)}
		if link.Holder(l).May(link.Manage, link.Album, l.Thing, a.Member) {
			q, args = `DELETE FROM photo_comment WHERE id = $1 AND album = $2`, args[:2]
		} else if l.Public {
			return mail.Wrap(mail.NotFound, errors.New("not theirs"))
		}
		s.changed(tx, a.Account)
		n, err := tx.Exec(ctx, q, args...)
		if err == nil && n == 0 {
			err = mail.Wrap(mail.NotFound, fmt.Errorf("album %d has no such comment of theirs", a.ID))
		}
		return err
	})
}

// comments are what was said about the photos from one to another, by photo: what
// a page shows was mostly added together, and ids rise. 0 is the album itself.
func comments(ctx context.Context, tx *store.Tx, id ID, from, to PhotoID) (map[PhotoID][]Comment, error) {
	said := map[PhotoID][]Comment{}
	rows, err := tx.Query(ctx, `SELECT id, photo, name, text, created, link FROM photo_comment WHERE album = $1 AND photo >= $2 AND photo <= $3 ORDER BY created, id`,
		int64(id), int64(from), int64(to))
	err = store.Each(rows, err, func(f func(...any) error) error {
		var c Comment
		var p PhotoID
		var at int64
		err := f(&c.ID, &p, &c.Name, &c.Text, &at, &c.Link)
		c.At, c.Photo = store.Time(at), p
		said[p] = append(said[p], c)
		return err
	})
	return said, err
}

// Words are what was said about the album as a whole.
func (s *Service) Words(ctx context.Context, v *View) (cs []Comment, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		said, err := comments(ctx, tx, v.ID, 0, 0)
		cs = said[0]
		return err
	})
	return cs, err
}
