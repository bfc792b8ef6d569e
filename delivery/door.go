// Package delivery is the one door for mail: from SMTP, the web, workflows and
// bounces. It spools, judges, routes, and commits once.
//
// # The path of a mail
//
//	Recipient   one per RCPT: resolve, and refuse early
//	Accept      spool  the bytes become durable, the structure is found as they pass
//	            judge  loops, limits
//	            route  one transaction: a placement in each mailbox, a job for
//	                   each program and for each domain elsewhere
//
// Accept returning nil means the commit is durable. An error means that nothing
// happened: what the spool left in files is swept.
package delivery

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/contact"
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

	// Ours says whether a domain, or one above it, is ours.
	Ours(ctx context.Context, domain string) (bool, error)
}

// Door takes mail in. Its fields are set once, before use.
type Door struct {
	DB        *store.DB
	Blobs     *blob.Store
	Messages  *message.Store
	Mailboxes *mailbox.Store
	Queue     *queue.Queue
	Directory Directory
	Quotas    Quotas         // nil: nothing limits what members file in mailboxes of others
	Lightener Lightener      // nil: every mail leaves as it is
	Outsiders Outsiders      // nil: programs take mail of who signed in alone
	Absences  Absences       // nil: nobody is ever away
	Contacts  *contact.Store // remembers whom members write to; nil does not

	// Judge is asked about mail from outside; nil believes nothing and says nothing.
	Judge      Judge
	Forwarders []string                            // networks, addresses and domains whose forwarded mail is not refused for what forwarding breaks
	Noted      func(ctx context.Context, j Judged) // hears of every verdict; nil does not
	Open       map[string]bool                     // patterns of programs that strangers may write to
	ReturnKey  []byte                              // signs the return paths of forwarded mail

	Hostname string
	Message  int64  // limit of ordinary mail, in decoded bytes; 0 is 50 MiB
	Drop     int64  // limit of mail to programs, in decoded bytes; 0 is 3 GiB
	DropWord string // local part of the drop address, for refusals; "" is "envoi"
	WebURL   string // of the web upload, for refusals
	Now      func() time.Time
	Log      *slog.Logger

	repute  repute
	refused refusals
	inboxes sync.Map // mail.AccountID → mailbox.ID; an INBOX is never deleted while its account lives
}

// MaxRecipients of one transaction (RFC 5321 §4.5.3.1.8 asks for 100 at least).
const MaxRecipients = 500

// maxReceived is how many Received fields mean a loop (RFC 5321 §6.3).
const maxReceived = 100

func (d *Door) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

func (d *Door) log() *slog.Logger {
	if d.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Log
}

func (d *Door) messageLimit() int64 {
	if d.Message == 0 {
		return 50 << 20
	}
	return d.Message
}

func (d *Door) dropLimit() int64 {
	if d.Drop == 0 {
		return 3 << 30
	}
	return d.Drop
}

// Recipient resolves r, checks that it may be added to env, and appends it.
// An error is the reply to RCPT and leaves env as it was.
func (d *Door) Recipient(ctx context.Context, env *mail.Envelope, r mail.Recipient) error {
	if len(env.To) >= MaxRecipients {
		return mail.Refuse(mail.TooMany, "too-many-recipients", "Max", MaxRecipients)
	}
	dest, err := d.resolve(ctx, env, r.Address)
	if err != nil {
		return kinded(err)
	}
	r.Dest = dest
	if err := d.apart(env, r); err != nil {
		return err
	}
	if err := d.permit(ctx, env, r); err != nil {
		return err
	}
	for _, have := range env.To {
		if have.Address.Key() == r.Address.Key() {
			return nil // said twice: one copy
		}
	}
	env.To = append(env.To, r)
	return nil
}

func (d *Door) permit(ctx context.Context, env *mail.Envelope, r mail.Recipient) error {
	program := isProgram(r.Dest)
	for _, to := range r.Dest {
		switch {
		case to.Where == mail.ToRelay && env.Origin == mail.FromMX && to.Addr.Key() == r.Address.Key():
			// An alias may lead elsewhere; a stranger's own wish may not.
			return mail.Refuse(mail.RelayDenied, "relay-denied", "Address", r.Address.String())
		case to.Where == mail.ToProgram && env.Origin != mail.FromMember && !d.Open[to.Program]:
			if err := d.admit(ctx, env, r, to); err != nil {
				return err
			}
		case to.Where == mail.ToMailbox && to.Quota > 0:
			used, err := d.Mailboxes.Usage(ctx, to.Account)
			if err != nil {
				return kinded(err)
			}
			if used+env.Size > to.Quota {
				return mail.Refuse(mail.OverQuota, "mailbox-full", "Address", r.Address.String())
			}
		}
	}
	// On an authenticated transaction a program claims the whole envelope, so
	// what is too big for a person may still be right: DATA decides.
	if !program && env.Origin == mail.FromMX && env.Size > encoded(d.messageLimit()) {
		return d.tooBig(env.Size, d.messageLimit(), r.Address.Domain)
	}
	if env.Body == mail.BodyBinary && !program && !claimed(env) {
		return mail.Refuse(mail.Policy, "binary-programs-only", "Address", r.Address.String())
	}
	return nil
}

// encoded is how large decoded bytes are on the wire: base64 and its line ends.
func encoded(n int64) int64 { return n + n*2/5 }

func isProgram(dest []mail.Destination) bool {
	for _, to := range dest {
		if to.Where == mail.ToProgram {
			return true
		}
	}
	return false
}

// claimed says whether a program takes the whole envelope: the other
// recipients become its guests and never get the raw mail.
func claimed(env *mail.Envelope) bool {
	if env.Origin != mail.FromMember {
		return false
	}
	for _, r := range env.To {
		if isProgram(r.Dest) {
			return true
		}
	}
	return false
}

func (d *Door) tooBig(size, limit int64, domain string) error {
	word := d.DropWord
	if word == "" {
		word = "envoi"
	}
	return mail.Refuse(mail.TooBig, "too-big", "Size", megabytes(size), "Limit", megabytes(limit),
		"Drop", word+"@"+domain, "URL", d.WebURL)
}

func (d *Door) dropTooBig(limit int64) error {
	return mail.Refuse(mail.TooBig, "drop-too-big", "Limit", megabytes(limit), "URL", d.WebURL)
}

func megabytes(n int64) int64 { return (n + 999_999) / 1_000_000 }

// Accept takes a mail. nil means: durable, and every recipient has somewhere
// to go. An error means: nothing happened. Body has CRLF line ends; a bare CR
// or LF in it is refused by the reader itself. Recipients without Dest are
// resolved here.
func (d *Door) Accept(ctx context.Context, env *mail.Envelope, body io.Reader) error {
	if env.Received.IsZero() {
		env.Received = d.now()
	}
	for i := range env.To {
		if r := &env.To[i]; r.Dest == nil {
			dest, err := d.resolve(ctx, env, r.Address)
			if err != nil {
				return kinded(err)
			}
			r.Dest = dest
		}
	}
	head, body, err := d.header(env, body)
	if err != nil {
		return err
	}
	var s *spooled
	if claimed(env) {
		s, err = d.spoolDrop(ctx, env, body)
	} else {
		s, err = d.spoolJudged(ctx, env, head, body)
	}
	if err != nil {
		return kinded(err)
	}
	s.complete(env, head)
	if !claimed(env) {
		if s.limit, err = d.lighten(ctx, env, s); err != nil {
			d.Blobs.Discard(s.draft.Refs...)
			return err
		}
	}
	commit := d.commit
	if env.Release.After(d.now()) {
		commit = d.hold
	}
	if err := commit(ctx, env, head, s); err != nil {
		err = kinded(err)
		if !mail.Is(err, mail.Unavailable) { // then nobody knows whether it committed; the sweeper will
			d.Blobs.Discard(s.draft.Refs...)
		}
		return err
	}
	d.log().InfoContext(ctx, "accepted", "mail", env.ID, "from", env.From.String(), "ip", env.Client.IP,
		"user", env.User.ID, "to", len(env.To), "size", s.draft.Size, "proof", head.proof, "action", head.decision.action())
	return nil
}

// spoolJudged spools an ordinary mail and, when it is from outside, judges it
// as it streams. A mail that is refused leaves nothing behind.
func (d *Door) spoolJudged(ctx context.Context, env *mail.Envelope, head *header, body io.Reader) (*spooled, error) {
	if d.Judge == nil || env.Origin == mail.FromSystem {
		limit := encoded(d.messageLimit())
		if env.Origin == mail.FromMember {
			limit, body = d.submitted(ctx, env, body)
		}
		return d.spool(ctx, body, nil, nil, limit, d.domainOf(env))
	}
	head.cuts = d.Judge.Forged(head.raw)
	if env.Origin == mail.FromMember {
		head.results = d.Judge.Field(nil, env.User.Address.String())
		limit, body := d.submitted(ctx, env, body)
		return d.spool(ctx, body, nil, head.cuts, limit, d.domainOf(env))
	}
	ctx, cancel := context.WithCancel(ctx) // a client that hangs up ends the judging too
	defer cancel()
	judging := d.Judge.Begin(ctx, env, head.raw)
	s, err := d.spool(ctx, body, judging, head.cuts, encoded(d.messageLimit()), d.domainOf(env))
	if err != nil {
		return nil, err
	}
	head.verdict = judging.Verdict()
	head.results, head.proof = d.Judge.Field(head.verdict, ""), d.Judge.Proof(head.verdict)
	if head.decision, err = d.decide(ctx, env, head.verdict); err == nil && head.decision.refuse != nil {
		err = head.decision.refuse
	}
	if d.Noted != nil && (err == nil || head.decision.refuse != nil) {
		d.Noted(ctx, Judged{Envelope: env, Verdict: head.verdict, Action: head.decision.action(), Override: head.decision.override})
	}
	if err != nil {
		d.Blobs.Discard(s.draft.Refs...)
		d.turnedAway(ctx, env, head, s)
		return nil, err
	}
	return s, nil
}

func (d *Door) domainOf(env *mail.Envelope) string {
	if env.Origin == mail.FromMember {
		return env.User.Address.Domain
	}
	if len(env.To) > 0 {
		return env.To[0].Domain
	}
	return d.Hostname
}

// kinded gives the failures of the rooms below the kind that the sender's reply is made from.
func kinded(err error) error {
	var known *mail.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrFull):
		return mail.Wrap(mail.DiskFull, err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return mail.Wrap(mail.Unavailable, err)
	}
	return mail.Wrap(mail.Internal, err)
}

// Sweep forgets which mails of our own making were accepted more than age ago:
// their jobs ended long before.
func (d *Door) Sweep(ctx context.Context, age time.Duration) error {
	return d.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM accepted_once WHERE at < $1`, store.Micros(d.now().Add(-age)))
		if err != nil {
			return err
		}
		if err := d.sweepImports(ctx, tx); err != nil {
			return err
		}
		return d.sweepReturns(ctx, tx)
	})
}
