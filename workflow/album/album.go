// Package album shows photos to the people they were meant for: mailed to
// album+NAME@, seen through links.
//
// A photo is kept without its metadata in three sizes, and the mail it came in
// is forgotten as soon as that is done: "without GPS" holds for every byte.
package album

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/picture"
)

// ID names an album and PhotoID a photo. They grant nothing.
type (
	ID      int64
	PhotoID int64
)

// Size is one of the forms a photo is kept in.
type Size int

const (
	Original Size = iota // full size, upright, without metadata
	Large                // 2048 px
	Thumb                // 400 px
)

// Service is the albums of one host, and the program behind album+NAME@.
type Service struct {
	DB       *store.DB
	Blobs    *blob.Store
	Links    *link.Service
	Post     *workflow.Post
	Pictures *picture.Maker
	LangOf   func(ctx context.Context, a mail.Address) string // a guest's language when they are one of ours; nil or "": not known
	Now      func() time.Time                                 // nil is time.Now
	Log      *slog.Logger                                     // nil discards
}

// Album is one album as its owner and the operator see it.
type Album struct {
	ID      ID
	Member  mail.UserID
	Account mail.AccountID
	From    string // how guests read whose it is
	Name    string
	Created time.Time
	Photos  []Photo // by the hour they were taken
}

// Photo is one photo, without its bytes.
type Photo struct {
	ID            PhotoID
	Name          string // of the file, one path element
	MediaType     string // of the full size; the others are JPEG
	Width, Height int    // of the full size, upright
	Taken         time.Time
	Created       time.Time
}

// View is an album as the holder of a link sees it.
type View struct {
	Album
	Link   link.Link
	Manage bool        // may take it off
	Share  link.Token  // Manage only: the link to pass on
	Guests []link.Link // Manage only: who has a link of their own
}

// File is one size of one photo.
type File struct {
	Blob      blob.ID
	Name      string
	MediaType string
}

// Open finds the album of a link's token; kind NotFound for whatever reason.
func (s *Service) Open(ctx context.Context, by link.Visit) (*View, error) {
	l, err := s.Links.Open(ctx, by)
	if err != nil {
		return nil, err
	}
	var v View
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, link.Holder(l), link.Read, ID(l.Thing))
		if err != nil {
			return err
		}
		v = View{Album: *a, Link: l}
		if v.Photos, err = photos(ctx, tx, a.ID); err != nil || !link.Holder(l).May(link.Manage, link.Album, l.Thing, a.Member) {
			return err
		}
		v.Manage = true
		all, err := s.Links.In(ctx, tx, link.Album, l.Thing)
		for _, other := range all {
			switch {
			case other.Manage:
			case other.Public:
				v.Share = s.Links.Token(other)
			default:
				v.Guests = append(v.Guests, other)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// Photo finds one size of one photo of a link's album; kind NotFound. It is
// asked again for every request, so that what is taken off is gone at the next.
func (s *Service) Photo(ctx context.Context, by link.Visit, id PhotoID, size Size) (File, error) {
	l, err := s.Links.Open(ctx, by)
	if err != nil {
		return File{}, err
	}
	var f File
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		a, err := s.allowed(ctx, tx, link.Holder(l), link.Read, ID(l.Thing))
		if err != nil {
			return err
		}
		var original, large, thumb blob.ID
		err = tx.QueryRow(ctx, `SELECT name, media_type, original, large, thumb FROM photo WHERE id = $1 AND album = $2`,
			int64(id), int64(a.ID)).Scan(&f.Name, &f.MediaType, &original, &large, &thumb)
		switch size {
		case Original:
			f.Blob = original
			return err
		case Large:
			f.Blob = large
		default:
			f.Blob = thumb
		}
		f.MediaType = picture.JPEG
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return File{}, mail.Wrap(mail.NotFound, err)
	}
	return f, err
}

// allowed is where access to an album is decided: it reads a living one that
// the caller has the right to, and says NotFound to everybody else.
func (s *Service) allowed(ctx context.Context, tx *store.Tx, by link.Caller, r link.Right, id ID) (*Album, error) {
	q := `SELECT ` + columns + ` FROM album WHERE id = $1 AND ended = 0`
	if r == link.Manage {
		q += ` FOR UPDATE`
	}
	a, err := scan(tx.QueryRow(ctx, q, int64(id)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return nil, mail.Wrap(mail.NotFound, err)
	}
	if err != nil {
		return nil, err
	}
	if !by.May(r, link.Album, int64(id), a.Member) {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("album %d is not theirs", id))
	}
	return a, nil
}

const columns = `id, member, account, sender, name, created`

func scan(f func(...any) error) (*Album, error) {
	var a Album
	var created int64
	err := f(&a.ID, &a.Member, &a.Account, &a.From, &a.Name, &created)
	a.Created = store.Time(created)
	return &a, err
}

// photos come in the order they were taken; those without an hour, in the order
// they came, stand where they were sent.
func photos(ctx context.Context, tx *store.Tx, id ID) ([]Photo, error) {
	var ps []Photo
	rows, err := tx.Query(ctx, `SELECT id, name, media_type, width, height, taken, created FROM photo WHERE album = $1
		ORDER BY CASE WHEN taken = 0 THEN created ELSE taken END, id`, int64(id))
	err = store.Each(rows, err, func(f func(...any) error) error {
		var p Photo
		var taken, created int64
		err := f(&p.ID, &p.Name, &p.MediaType, &p.Width, &p.Height, &taken, &created)
		p.Taken, p.Created = store.Time(taken), store.Time(created)
		ps = append(ps, p)
		return err
	})
	return ps, err
}

// ListByMember is the member's albums, newest first, without photos.
func (s *Service) ListByMember(ctx context.Context, u mail.UserID) ([]Album, error) {
	return s.list(ctx, ` AND member = $1`, int64(u))
}

// List is every album, newest first, without photos, for the operator.
func (s *Service) List(ctx context.Context) ([]Album, error) { return s.list(ctx, "") }

func (s *Service) list(ctx context.Context, where string, args ...any) (as []Album, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM album WHERE ended = 0`+where+` ORDER BY id DESC`, args...)
		return store.Each(rows, err, func(f func(...any) error) error {
			a, err := scan(f)
			as = append(as, *a)
			return err
		})
	})
	return as, err
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
