// Package upload takes files in through the browser: in places that a member
// makes, from people without an account, and from members themselves.
//
// # A place
//
// A member mails depot@ and gets two links: one to pass on, under which anybody
// hands files in, and their own, under which they upload themselves, see what
// came, and close the place. What is handed in becomes a transfer of the
// member's, or joins the album that the place feeds.
//
// # A file
//
// A file is announced with its length, then comes in pieces, in order. Each
// piece is a blob that is durable, with its row and the state of SHA-256 after
// it, before its last byte is acknowledged; what a broken connection brought is
// kept. When the last piece is there they are joined, without being read again.
//
//	announced → coming → whole → handed in       the row is gone, the bytes belong to the transfer or album
//	                   → ended, or a day without a byte: row and bytes are gone
//
// Its address ends with a secret of its own: those who share a place do not see
// each other's files.
package upload

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/transfer"
)

// What a place and an upload may be.
const (
	PlaceDays  = 30       // how long a place stays open
	PlaceTotal = 20 << 30 // how many bytes a place takes in all
	DefaultMax = 3 << 30  // one file
	maxWaiting = 300      // files on their way into one place
	maxPieces  = 10_000   // of one file: whoever sends byte by byte is stopped
	pieceSize  = 32 << 20 // a piece is at most so big
	maxFiles   = 200      // in one hand-in
	patience   = 24 * time.Hour
)

// Errors of a conversation about one file, for the protocol to say in its words.
var (
	ErrOffset   = errors.New("the upload stands at another offset")
	ErrChecksum = errors.New("the bytes are not those of the checksum")
	ErrTooLong  = errors.New("more bytes than announced")
	ErrPieces   = errors.New("too many pieces")
	ErrNotWhole = errors.New("the upload is not whole")
	ErrFinal    = errors.New("a joined upload takes no bytes")
)

// Service is the places of one host, and the program behind depot@.
type Service struct {
	DB        *store.DB
	Blobs     *blob.Store
	Links     *link.Service
	Post      *workflow.Post
	Notify    *notify.Service
	Transfers *transfer.Service

	Albums *album.Service

	// Member finds the owner of a place.
	Member func(ctx context.Context, id mail.UserID) (mail.User, error)
	// Room is how many bytes more the owner of a place may keep; nil is any number.
	Room func(ctx context.Context, p *Place) (int64, error)

	Max int64            // of one file; 0 is DefaultMax
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards
}

// Upload is a file on its way in.
type Upload struct {
	ID       int64
	Place    PlaceID
	Name     string
	Type     string
	Seal     string // see Announced
	Partial  bool
	Length   int64
	Received int64
	SHA256   string // hex, once it is whole
	Blob     blob.ID
	Expires  time.Time

	pieces int
	state  []byte
}

// Whole says that every byte is there.
func (u *Upload) Whole() bool { return u.Received == u.Length }

// Limit is how many bytes one file may have.
func (s *Service) Limit() int64 {
	if s.Max == 0 {
		return DefaultMax
	}
	return s.Max
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
