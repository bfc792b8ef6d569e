// Package transfer shares large files: mailed to envoi@, fetched through links.
//
// A transfer is made in one transaction with its files, a link for each guest,
// the owner's links and all notices. It ends in one transaction too, when its
// owner takes it back or its time is over: from then on every guest's link finds
// nothing. For Grace its owner alone can bring it back; then files and the mail
// they came in are deleted, and a row without names is left.
//
// # What counts as a download
//
// A press of the button makes a grant (grant.go). Only bytes under a grant count,
// and a download counts when all of them were taken, in whatever ranges. A robot
// that fetches every address it sees uses up nothing.
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
	"colporteur/workflow/notify"
)

// ID names a transfer. It grants nothing.
type ID int64

// How long a transfer lives.
const (
	DefaultDays = 14
	MaxDays     = 90
	ExtendDays  = 7
)

// Grace is how long what ended can be brought back.
const Grace = 14 * 24 * time.Hour

// Service is the transfers of one host, and the program behind envoi@.
type Service struct {
	DB       *store.DB
	Blobs    *blob.Store
	Messages *message.Store
	Links    *link.Service
	Post     *workflow.Post
	Notify   *notify.Service
	Shelf    Shelf                                            // nil: transfers are no messages
	LangOf   func(ctx context.Context, a mail.Address) string // a guest's language when they are one of ours; nil or "": not known
	Changed  func(tx *store.Tx, account mail.AccountID)       // hears that something of the account's may be another; nil hears nothing
	Now      func() time.Time                                 // nil is time.Now
	Log      *slog.Logger                                     // nil discards
}

func (s *Service) changed(tx *store.Tx, account mail.AccountID) {
	if s.Changed != nil {
		s.Changed(tx, account)
	}
}

// Shelf shows transfers elsewhere, as a folder. It is told of each change in the
// transaction that makes it.
type Shelf interface {
	Made(ctx context.Context, tx *store.Tx, t *Transfer) error
	Ended(ctx context.Context, tx *store.Tx, t *Transfer) error
	Restored(ctx context.Context, tx *store.Tx, t *Transfer) error
}

// File is one file of a transfer.
type File struct {
	Seq       int
	Name      string // one path element
	MediaType string // as the sender said
	Size      int64
	SHA256    string // hex
	Blob      blob.ID
	Seal      string // of a file that only who has the key can read: name and type, sealed like its bytes

	crc int64 // CRC-32, -1 when it is not known yet
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

	key     string // says how it came: own.go
	message message.ID
	purged  bool // nothing can bring it back
}

// over says whether nobody but its owner may see it.
func (t *Transfer) over(now time.Time) bool { return !t.Ended.IsZero() || !t.Expires.After(now) }

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
	Link    link.Link
	Counted bool       // its files are had through a grant alone: downloads are limited, or the link is locked
	Left    int        // downloads that may still begin, where they are limited
	Manage  bool       // may extend it and take it back
	Over    bool       // Manage only: it has ended, and can be brought back
	Rules   link.Rules // Manage only
	Share   link.Token // Manage only: the link to pass on
	Guests  []Guest    // Manage only: who has a link of their own
	Others  int        // Manage only: how many downloads by the link to pass on were whole
}

// Guest is somebody with a link of their own, and what they have of the files.
type Guest struct {
	link.Link
	Has int       // files
	All time.Time // when they had the last of them; zero: not all yet
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
		v = View{Transfer: *tr, Link: l, Counted: counted(l.Rules)}
		if most := l.Rules.Downloads; most > 0 {
			n, err := s.begun(ctx, tx, tr.ID)
			if err != nil {
				return err
			}
			v.Left = max(0, most-n)
		}
		if v.Files, err = files(ctx, tx, tr.ID); err != nil || !link.Holder(l).May(link.Manage, link.Transfer, l.Thing, tr.Member) {
			return err
		}
		v.Manage, v.Over, v.Rules = true, tr.over(s.now()), l.Rules
		return s.people(ctx, tx, &v)
	})
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// counted says that files are had through a grant alone.
func counted(r link.Rules) bool { return r.Downloads > 0 || r.Password != "" || r.Code }

// people are who has a link, and what they fetched.
func (s *Service) people(ctx context.Context, tx *store.Tx, v *View) error {
	all, err := s.Links.In(ctx, tx, link.Transfer, int64(v.ID))
	if err != nil {
		return err
	}
	has, last := map[link.ID]int{}, map[link.ID]time.Time{}
	rows, err := tx.Query(ctx, `SELECT link, count(*), max(at) FROM transfer_fetched WHERE transfer = $1 GROUP BY link`, int64(v.ID))
	if err := store.Each(rows, err, func(scan func(...any) error) error {
		var id link.ID
		var n int
		var at int64
		err := scan(&id, &n, &at)
		has[id], last[id] = n, store.Time(at)
		return err
	}); err != nil {
		return err
	}
	for _, l := range all {
		switch {
		case l.Manage:
		case l.Public:
			v.Share = s.Links.Token(l)
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM transfer_grant WHERE link = $1 AND counted > 0`, int64(l.ID)).Scan(&v.Others); err != nil {
				return err
			}
		default:
			g := Guest{Link: l, Has: has[l.ID]}
			if g.Has == len(v.Files) {
				g.All = last[l.ID]
			}
			v.Guests = append(v.Guests, g)
		}
	}
	return nil
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

// allowed is where access to a transfer is decided: it reads one that the caller
// has the right to, and says NotFound to everybody else. One that is over is there
// for who may manage it, alone.
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
	if t.over(s.now()) && (t.purged || !by.May(link.Manage, link.Transfer, int64(id), t.Member)) {
		return nil, mail.Wrap(mail.NotFound, fmt.Errorf("transfer %d has ended", id))
	}
	if r == link.Manage {
		s.changed(tx, t.Account) // every change of its owner's begins here
	}
	return t, nil
}

// Still says nil while a visit may take a transfer's bytes: long answers ask it
// once a second.
func (s *Service) Still(ctx context.Context, by link.Visit) error {
	return s.DB.Read(ctx, func(tx *store.Tx) error {
		l, err := s.Links.OpenIn(ctx, tx, by)
		if err == nil {
			_, err = s.allowed(ctx, tx, link.Holder(l), link.Read, ID(l.Thing))
		}
		return err
	})
}

const columns = `id, member, account, sender, key, subject, note, message, created, expires, ended, recalled, purged`

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
	var recalled, purged int64
	err := f(&t.ID, &t.Member, &t.Account, &t.From, &t.key, &t.Subject, &t.Note, &t.message, &created, &expires, &ended, &recalled, &purged)
	t.Created, t.Expires, t.Ended, t.Recalled, t.purged = store.Time(created), store.Time(expires), store.Time(ended), recalled != 0, purged != 0
	return &t, err
}

func files(ctx context.Context, tx *store.Tx, id ID) ([]File, error) {
	var fs []File
	rows, err := tx.Query(ctx, `SELECT seq, name, media_type, size, sha256, blob, seal, crc FROM transfer_file WHERE transfer = $1 ORDER BY seq`, int64(id))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var f File
		err := scan(&f.Seq, &f.Name, &f.MediaType, &f.Size, &f.SHA256, &f.Blob, &f.Seal, &f.crc)
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
