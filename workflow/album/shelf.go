package album

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
)

// Shelved is a photo as a folder shows it, or a paper: with the bytes that stand
// for it there.
type Shelved struct {
	Photo
	Blob blob.ID
	Size int64
}

// Shelve reads a living album for its folder, with its owner's sources; of what
// is larger than most, with the picture that pages show. Kind NotFound.
func (s *Service) Shelve(ctx context.Context, tx *store.Tx, id ID, most int64) (*Album, []Shelved, error) {
	a, err := s.living(ctx, tx, id)
	if err != nil {
		return nil, nil, err
	}
	var out []Shelved
	ps, err := s.all(ctx, tx, id, ``)
	for _, p := range ps {
		f, err := form(ctx, tx, id, p.ID, Source, true)
		if err == nil && f.Size > most {
			f, err = form(ctx, tx, id, p.ID, Large, true)
		}
		if err != nil {
			return nil, nil, err
		}
		p.Name, p.MediaType = f.Name, f.MediaType
		out = append(out, Shelved{p, f.Blob, f.Size})
	}
	return a, out, err
}

// Month is what came to a living album between two moments, for its paper: the
// photos that pages show, with what was said about them.
func (s *Service) Month(ctx context.Context, tx *store.Tx, id ID, from, to time.Time) (*Album, []Shelved, error) {
	a, err := s.living(ctx, tx, id)
	if err != nil {
		return nil, nil, err
	}
	var out []Shelved
	ps, err := s.all(ctx, tx, id, ` AND created >= $2 AND created < $3`, store.Micros(from), store.Micros(to))
	if err != nil {
		return nil, nil, err
	}
	said, err := comments(ctx, tx, id, 0, math.MaxInt64)
	for _, p := range ps {
		f, err := form(ctx, tx, id, p.ID, Medium, false)
		if err != nil {
			return nil, nil, err
		}
		p.Comments = said[p.ID]
		out = append(out, Shelved{p, f.Blob, f.Size})
	}
	return a, out, err
}

func (s *Service) living(ctx context.Context, tx *store.Tx, id ID) (*Album, error) {
	a, err := scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM album WHERE id = $1`, int64(id)).Scan)
	if err == nil && a.over(s.now()) {
		err = store.ErrNoRows
	}
	if errors.Is(err, store.ErrNoRows) {
		return nil, mail.Wrap(mail.NotFound, err)
	}
	return a, err
}

func (s *Service) all(ctx context.Context, tx *store.Tx, id ID, where string, args ...any) (ps []Photo, err error) {
	rows, err := tx.Query(ctx, `SELECT `+photoColumns+` FROM photo WHERE album = $1 AND hidden = 0`+where+order, append([]any{int64(id)}, args...)...)
	err = store.Each(rows, err, func(f func(...any) error) error {
		p, err := scanPhoto(f)
		ps = append(ps, p)
		return err
	})
	return ps, err
}

// Shows says whether a photo is shown.
func (s *Service) Shows(ctx context.Context, tx *store.Tx, id PhotoID) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM photo WHERE id = $1 AND hidden = 0`, int64(id)).Scan(&n)
	return n > 0, err
}

// Took says whether an album took in a mail, by workflow.Inbound.Key.
func (s *Service) Took(ctx context.Context, tx *store.Tx, id ID, key string) (bool, error) {
	return took(ctx, tx, id, key)
}

// NameOf is the name of a living album; kind NotFound.
func (s *Service) NameOf(ctx context.Context, tx *store.Tx, id ID) (string, error) {
	a, err := s.living(ctx, tx, id)
	if err != nil {
		return "", err
	}
	return a.Name, nil
}

// MakeIn finds the member's own album of a name, or makes it, with its links.
// Kind Policy when it is no name for an album.
func (s *Service) MakeIn(ctx context.Context, tx *store.Tx, u mail.User, name string) (ID, error) {
	name, err := checked(name)
	if err != nil {
		return 0, err
	}
	var id ID
	err = tx.QueryRow(ctx, `SELECT id FROM album WHERE member = $1 AND key = $2 AND ended = 0 AND (expires = 0 OR expires > $3)`,
		int64(u.ID), key(name), store.Micros(s.now())).Scan(&id)
	if err != store.ErrNoRows {
		return id, err
	}
	from := u.Name
	if from == "" {
		from = u.Address.String()
	}
	a, err := s.new(ctx, tx, u, from, name)
	if err != nil {
		return 0, err
	}
	_, _, err = s.ownLinks(ctx, tx, a, u, u.Lang)
	return a.ID, err
}

// RenameIn gives an album another name, under which mail to it finds it from now
// on. Kind Policy when that is no name, or taken.
func (s *Service) RenameIn(ctx context.Context, tx *store.Tx, id ID, name string) error {
	name, err := checked(name)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE album SET name = $1, key = $2 WHERE id = $3 AND ended = 0`, name, key(name), int64(id))
	if errors.Is(err, store.ErrUnique) {
		return mail.Refuse(mail.Policy, "folder-album-taken", "Name", name)
	}
	return err
}

// checked is a name that mail can be sent to: what stands behind "album+".
func checked(name string) (string, error) {
	name = proper(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > 48 || strings.ContainsAny(name, "/\\_") {
		return "", mail.Refuse(mail.Policy, "folder-album-name")
	}
	return name, nil
}
