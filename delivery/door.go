// Package delivery is the one door for mail: from SMTP, the web, workflows and
// bounces. It spools, judges, routes, and commits once.
package delivery

import (
	"context"
	"io"
	"log/slog"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/queue"
)

// Directory knows who there is. Package accounts implements it.
type Directory interface {
	// Resolve says where mail for rcpt goes: aliases are expanded, programs
	// recognised. An address elsewhere is one Destination with Where ToRelay.
	// Kinds: NoSuchUser, Suspended, Unavailable.
	Resolve(ctx context.Context, rcpt mail.Address) ([]mail.Destination, error)

	// MaySend says nil when the member may use addr as a sender; kind NotYours otherwise.
	MaySend(ctx context.Context, u mail.UserID, addr mail.Address) error
}

// Door takes mail in. Its fields are set once, before use.
type Door struct {
	DB        *store.DB
	Blobs     *blob.Store
	Messages  *message.Store
	Mailboxes *mailbox.Store
	Queue     *queue.Queue
	Directory Directory

	Hostname string
	Message  int64  // limit of ordinary mail, in decoded bytes
	Drop     int64  // limit of mail to programs, in decoded bytes
	DropHint string // address word of the drop program for refusals: "envoi"
	WebURL   string
	Now      func() time.Time
	Log      *slog.Logger
}

// Recipient resolves r, checks that it may be added to env, and appends it.
// An error is the reply to RCPT and leaves env as it was: NoSuchUser,
// RelayDenied, OverQuota, TooBig (declared SIZE), Mixed, TooMany, Policy (a
// program, and the sender is not proven).
func (d *Door) Recipient(ctx context.Context, env *mail.Envelope, r mail.Recipient) error {
	panic("unwritten")
}

// Accept takes a mail. nil means: durable, and every recipient has somewhere
// to go. An error means: nothing happened. Body has CRLF line ends; a bare CR
// or LF in it is refused by the reader itself. Recipients without Dest are
// resolved here; for an Origin of FromSystem a recipient that is not found
// anywhere is an error too.
func (d *Door) Accept(ctx context.Context, env *mail.Envelope, body io.Reader) error {
	panic("unwritten")
}

// Jobs of the queue that the Door adds.
const (
	JobProgram = "program" // payload Program
	JobRelay   = "relay"   // payload Relay; Lane is the domain
)

// Program is the payload of a job for a workflow.
type Program struct {
	Mail    string // our id of the mail
	Message message.ID
	Pattern string         // "album+{name}"
	Address mail.Address   // the program's address, as written by the sender
	Sender  mail.User      // proven
	From    mail.Address   // envelope sender
	Guests  []mail.Address // the other recipients of an authenticated transaction
	At      time.Time
}

// Relay is the payload of a job for the Internet: one mail, one domain.
type Relay struct {
	Mail    string
	Message message.ID
	Prefix  []byte // header lines of ours that go before the message: Received
	From    mail.Address
	To      []mail.Recipient // those still to be served
	Size    int64
	Body    mail.Body
	UTF8    bool
	TLS     bool // REQUIRETLS
	EnvID   string
	Ret     mail.Ret
	At      time.Time // accepted
	Warned  bool      // a delay notice was sent
}
