// Package folder shows albums and transfers as mailboxes, in any mail program:
// Albums/NAME has a message for each photo, Envois one for each transfer.
//
// # What a member does there, and what it means
//
//	a message leaves, by any way     its photo or transfer is off the web before the command's OK
//	it is marked \Deleted            the same; unmarked, it is back
//	it is moved back                 it is back
//	a mail with photos comes in      they join the album; a message for each takes the mail's place
//	a mail with files comes to Envois  it becomes a transfer; its message takes the mail's place
//	the folder is renamed            the album is
//	the folder is deleted            the album ends
//	a folder is made below Albums    it is a new album
//
// The other way round, what happens by mail or on the web is brought into the
// mailbox a moment later by a job (shelf.go).
package folder

import (
	"context"
	"log/slog"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/queue"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// Service is the folders of one host that are programs.
type Service struct {
	DB        *store.DB
	Blobs     *blob.Store
	Messages  *message.Store
	Mailboxes *mailbox.Store
	Queue     *queue.Queue
	Links     *link.Service
	Albums    *album.Service
	Transfers *transfer.Service

	// Owner is the member of an account; kind NotFound when it is a group's.
	Owner    func(ctx context.Context, tx *store.Tx, account mail.AccountID) (mail.User, error)
	Hostname string                                 // for Message-ID
	WebURL   func(kind string, t link.Token) string // address of a link's page
	Now      func() time.Time                       // nil is time.Now
	Log      *slog.Logger                           // nil discards
}

// Programs that stand behind the mailboxes, as mailbox.Mailbox.Program names them.
const (
	programAlbums    = "albums"    // the parent of all; holds no mail
	programAlbum     = "album"     // Ref is the album
	programTransfers = "transfers" // Envois
)

// Programs are for mailbox.Store.Programs.
func (s *Service) Programs() map[string]mailbox.Program {
	return map[string]mailbox.Program{
		programAlbums:    &albums{s},
		programAlbum:     &photos{s},
		programTransfers: &transfers{s},
	}
}

const albumsName = "Albums"

// transfersName is Envois, in the member's language.
func transfersName(lang string) string {
	if lang == "en" {
		return "Transfers"
	}
	return "Envois"
}

// Created makes both folders of a new account, in the transaction that makes it:
// an empty folder that waits shows what can be done.
func (s *Service) Created(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error {
	if _, err := s.Mailboxes.CreateProgram(ctx, tx, account, albumsName, programAlbums, 0); err != nil {
		return err
	}
	_, err := s.Mailboxes.CreateProgram(ctx, tx, account, transfersName(lang), programTransfers, 0)
	return err
}

// owner is Owner in a transaction of its own.
func (s *Service) owner(ctx context.Context, account mail.AccountID) (u mail.User, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		u, err = s.Owner(ctx, tx, account)
		return err
	})
	return u, err
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
