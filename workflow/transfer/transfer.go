// Package transfer shares large files: mailed to envoi@, fetched through links.
//
// A transfer is made in one transaction with its files, a link for each guest,
// the owner's links and all notices. It ends in one transaction too, when its
// owner takes it back or its time is over: links, files and the mail they came
// in are gone at once, and a row without names is left.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// ID names a transfer. It grants nothing.
type ID int64

// How long a transfer lives.
const (
	DefaultDays = 14
	MaxDays     = 90
	ExtendDays  = 7
)

// Service is the transfers of one host, and the program behind envoi@.
type Service struct {
	DB       *store.DB
	Blobs    *blob.Store
	Messages *message.Store
	Links    *link.Service
	Post     *workflow.Post
	LangOf   func(ctx context.Context, a mail.Address) string // a guest's language when they are one of ours; nil or "": not known
	Now      func() time.Time                                 // nil is time.Now
	Log      *slog.Logger                                     // nil discards
}

// File is one file of a transfer.
type File struct {
	Seq       int
	Name      string // one path element
	MediaType string // as the sender said
	Size      int64
	SHA256    string // hex
	Blob      blob.ID
}

// Transfer is one transfer as its owner and the operator see it.
type Transfer struct {
	ID       ID
	Member   mail.UserID
	Account  mail.AccountID
	From     string // how guests read who sent it
	Subject  string
	Note     string
	Created  time.Time
	Expires  time.Time
	Ended    time.Time // zero while it lives
	Recalled bool      // ended by its owner
	Files    []File

	message message.ID
}

// Size is the bytes of all files.
func (t *Transfer) Size() (n int64) {
	for _, f := range t.Files {
		n += f.Size
	}
	return n
}

// View is a transfer as the holder of a link sees it.
type View struct {
	Transfer
	Link   link.Link
	Manage bool        // may extend it and take it back
	Share  link.Token  // Manage only: the link to pass on
	Guests []link.Link // Manage only: who has a link of their own
}

// Open finds the transfer of a link's token; kind NotFound for whatever reason.
func (s *Service) Open(ctx context.Context, by link.Visit) (*View, error) {
	l, err := s.Links.Open(ctx, by)
	if err != nil {
		return nil, err
	}
	var v View
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		tr, err := s.allowed(ctx, tx, link.Holder(l), link.Read, ID(l.Thing))
		if err != nil {
			return err
		}
		v = View{Transfer: *tr, Link: l}
		if v.Files, err = files(ctx, tx, tr.ID); err != nil || !link.Holder(l).May(link.Manage, link.Transfer, l.Thing, tr.Member) {
			return err
		}
		v.Manage = true
		all, err := s.Links.In(ctx, tx, link.Transfer, l.Thing)
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

// File finds one file of a link's transfer; kind NotFound. It is asked again
// for every request, so that a recall is felt by the next one.
func (s *Service) File(ctx context.Context, by link.Visit, seq int) (File, error) {
	v, err := s.Open(ctx, by)
	if err != nil {
		return File{}, err
	}
	for _, f := range v.Files {
		if f.Seq == seq {
			return f, nil
		}
	}
	return File{}, mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has no file %d", v.ID, seq))
}

// allowed is where access to a transfer is decided: it reads a living one that
// the caller has the right to, and says NotFound to everybody else.
func (s *Service) allowed(ctx context.Context, tx *store.Tx, by link.Caller, r link.Right, id ID) (*Transfer, error) {
	t, err := get(ctx, tx, id, r == link.Manage)
	if errors.Is(err, store.ErrNoRows) {
		return nil, mail.Wrap(mail.NotFound, err)
	}
	if err != nil {
		return nil, err
	}
	if !by.May(r, link.Transfer, int64(id), t.Member) {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d is not theirs", id))
	}
	if !t.Ended.IsZero() || !t.Expires.After(s.now()) {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has ended", id))
	}
	return t, nil
}

const columns = `id, member, account, sender, subject, note, message, created, expires, ended, recalled`

// get reads a transfer; to change it, its row is locked.
func get(ctx context.Context, tx *store.Tx, id ID, change bool) (*Transfer, error) {
	q := `SELECT ` + columns + ` FROM transfer WHERE id = $1`
	if change {
		q += ` FOR UPDATE`
	}
	return scan(tx.QueryRow(ctx, q, int64(id)).Scan)
}

func scan(f func(...any) error) (*Transfer, error) {
	var t Transfer
	var created, expires, ended int64
	var recalled int
	err := f(&t.ID, &t.Member, &t.Account, &t.From, &t.Subject, &t.Note, &t.message, &created, &expires, &ended, &recalled)
	t.Created, t.Expires, t.Ended, t.Recalled = store.Time(created), store.Time(expires), store.Time(ended), recalled != 0
	return &t, err
}

func files(ctx context.Context, tx *store.Tx, id ID) ([]File, error) {
	var fs []File
	rows, err := tx.Query(ctx, `SELECT seq, name, media_type, size, sha256, blob FROM transfer_file WHERE transfer = $1 ORDER BY seq`, int64(id))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var f File
		err := scan(&f.Seq, &f.Name, &f.MediaType, &f.Size, &f.SHA256, &f.Blob)
		fs = append(fs, f)
		return err
	})
	return fs, err
}

// ListByMember is the member's living transfers, newest first.
func (s *Service) ListByMember(ctx context.Context, u mail.UserID) ([]Transfer, error) {
	return s.list(ctx, ` AND member = $2`, int64(u))
}

// List is every living transfer, newest first, for the operator.
func (s *Service) List(ctx context.Context) ([]Transfer, error) { return s.list(ctx, "") }

func (s *Service) list(ctx context.Context, where string, args ...any) (ts []Transfer, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM transfer WHERE ended = 0 AND expires > $1`+where+` ORDER BY id DESC`,
			append([]any{store.Micros(s.now())}, args...)...)
		err = store.Each(rows, err, func(f func(...any) error) error {
			t, err := scan(f)
			ts = append(ts, *t)
			return err
		})
		if err != nil {
			return err
		}
		for i := range ts {
			if ts[i].Files, err = files(ctx, tx, ts[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	return ts, err
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
