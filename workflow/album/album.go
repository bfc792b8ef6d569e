// Package album shows photos to the people they were meant for: mailed to
// album+NAME@, seen through links, answered by mail.
//
// A photo has forms (form.go): small ones that pages show, made when it comes,
// others a little later; a full size without what the camera wrote, for guests;
// and the source as it came, which is the owner's alone. The mail that brought it
// is forgotten.
//
// An album that ends keeps its bytes for Grace, in which only its owner sees
// that it was there. So does a photo that is taken off.
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
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/picture"
)

// ID names an album and PhotoID a photo. They grant nothing.
type (
	ID      int64
	PhotoID int64
)

// Grace is how long an album that was taken off can be brought back, Kept how
// long a photo.
const (
	Grace = 14 * 24 * time.Hour
	Kept  = 30 * 24 * time.Hour
)

// Service is the albums of one host, and the program behind album+NAME@.
type Service struct {
	DB       *store.DB
	Blobs    *blob.Store
	Links    *link.Service
	Post     *workflow.Post
	Notify   *notify.Service
	Queue    *queue.Queue
	Pictures *picture.Maker
	Shelf    Shelf                                            // nil: albums are no folders
	Gazette  Gazette                                          // nil: there is no paper to ask for
	LangOf   func(ctx context.Context, a mail.Address) string // a guest's language when they are one of ours; nil or "": not known

	// Hand makes a place where files for an album can be handed in, for the
	// person of a link; nil: there are no such places.
	Hand func(ctx context.Context, tx *store.Tx, album ID, name string, owner mail.User) (link.Link, error)

	Changed func(tx *store.Tx, account mail.AccountID) // hears that something of the account's may be another; nil hears nothing
	Now     func() time.Time                           // nil is time.Now
	Log     *slog.Logger                               // nil discards
}

func (s *Service) changed(tx *store.Tx, account mail.AccountID) {
	if s.Changed != nil {
		s.Changed(tx, account)
	}
}

// Shelf shows albums elsewhere, as folders. It is told of each change in the
// transaction that makes it.
type Shelf interface {
	Added(ctx context.Context, tx *store.Tx, a *Album, ps []Photo) error
	Gone(ctx context.Context, tx *store.Tx, a *Album, ids []PhotoID) error
	Ended(ctx context.Context, tx *store.Tx, a *Album) error
}

// Album is one album as its owner and the operator see it.
type Album struct {
	ID      ID
	Member  mail.UserID
	Account mail.AccountID
	From    string // how guests read whose it is
	Name    string
	Created time.Time
	Expires time.Time // zero: never
	Ended   time.Time // zero while it lives
}

// over says whether nobody but the owner may see it.
func (a *Album) over(now time.Time) bool {
	return !a.Ended.IsZero() || !a.Expires.IsZero() && !a.Expires.After(now)
}

// View is an album as the holder of a link sees it.
type View struct {
	Album
	Link       link.Link
	Count      int         // photos
	Manage     bool        // may change it, and take it off
	MayComment bool        // may leave words
	MayAdd     bool        // may add photos
	Over       bool        // Manage only: it has ended, and can be brought back
	Rules      link.Rules  // Manage only
	Share      link.Token  // Manage only: the link to pass on, "" when the owner wants none
	Guests     []link.Link // Manage only: who has a link of their own
}

// Open finds the album of a visit; kind NotFound for whatever reason, or
// *link.Locked.
func (s *Service) Open(ctx context.Context, by link.Visit) (v *View, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		l, a, err := s.open(ctx, tx, by)
		if err != nil {
			return err
		}
		c := link.Holder(l)
		may := func(r link.Right) bool { return c.May(r, link.Album, l.Thing, a.Member) }
		v = &View{Album: *a, Link: l, Manage: may(link.Manage), MayComment: may(link.Comment), MayAdd: may(link.Add), Over: a.over(s.now())}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM photo WHERE album = $1 AND hidden = 0`, int64(a.ID)).Scan(&v.Count); err != nil || !v.Manage {
			return err
		}
		v.Rules = l.Rules
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
	return v, err
}

// open is where a visit becomes access to an album: every page, every byte and
// every change that comes by a link passes here.
func (s *Service) open(ctx context.Context, tx *store.Tx, by link.Visit) (link.Link, *Album, error) {
	l, err := s.Links.OpenIn(ctx, tx, by)
	if err != nil {
		return l, nil, err
	}
	if l.Kind != link.Album {
		return l, nil, mail.Wrap(mail.NotFound, fmt.Errorf("link %d leads to no album", l.ID))
	}
	a, err := s.allowed(ctx, tx, link.Holder(l), link.Read, ID(l.Thing))
	return l, a, err
}

// allowed is where access to an album is decided: it reads one that the caller
// has the right to, and says NotFound to everybody else. One that is over is
// there for who may manage it, alone. To change it, its row is locked.
func (s *Service) allowed(ctx context.Context, tx *store.Tx, by link.Caller, r link.Right, id ID) (*Album, error) {
	q := `SELECT ` + columns + ` FROM album WHERE id = $1`
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
	if a.over(s.now()) && (a.Name == "" || !by.May(link.Manage, link.Album, int64(id), a.Member)) {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("album %d has ended", id))
	}
	if r == link.Manage {
		s.changed(tx, a.Account) // every change of its owner's begins here
	}
	return a, nil
}

const columns = `id, member, account, sender, name, created, expires, ended`

func scan(f func(...any) error) (*Album, error) {
	var a Album
	var created, expires, ended int64
	err := f(&a.ID, &a.Member, &a.Account, &a.From, &a.Name, &created, &expires, &ended)
	a.Created, a.Expires, a.Ended = store.Time(created), store.Time(expires), store.Time(ended)
	return &a, err
}

// ListByMember is the member's living albums, newest first.
func (s *Service) ListByMember(ctx context.Context, u mail.UserID) ([]Album, error) {
	return s.list(ctx, ` AND member = $2`, int64(u))
}

// List is every living album, newest first, for the operator.
func (s *Service) List(ctx context.Context) ([]Album, error) { return s.list(ctx, "") }

func (s *Service) list(ctx context.Context, where string, args ...any) (as []Album, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM album WHERE ended = 0 AND (expires = 0 OR expires > $1)`+where+` ORDER BY id DESC`,
			append([]any{store.Micros(s.now())}, args...)...)
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
