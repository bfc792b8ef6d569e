// Package verify tells members what the host knows about a mail that they doubt.
//
// A member forwards it to verifier@ or check@. What is told comes from the mail
// itself, from what was found out when it arrived, and from the member's own
// mailbox: no link in it is opened and no picture fetched, for that would tell
// its sender that somebody reads.
package verify

import (
	"context"
	"log/slog"
	"time"

	"colporteur/dkim"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
	"colporteur/workflow"
)

// Service gives the verdicts of one host.
type Service struct {
	DB        *store.DB
	Mailboxes *mailbox.Store   // of the members; nil: what they have is not known
	DNS       dkim.TXT         // nil: no signature is checked again
	Hostname  string           // of this server, in its Authentication-Results
	Now       func() time.Time // nil is time.Now
	Log       *slog.Logger     // nil discards
}

var _ workflow.Processor = (*Service)(nil)

// patience is how long one verdict may take: the DNS of a stranger, and a search
// through all of somebody's mail.
const patience = time.Minute

// Process answers with a verdict, and forgets the mail.
func (s *Service) Process(ctx context.Context, in *workflow.Inbound) error {
	if in.Automatic() {
		in.Forget()
		return nil
	}
	looking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := locale.For(in.Lang())
	l := workflow.Said(p, "verify-nothing")
	o, err := s.original(looking, in)
	if err != nil {
		return err
	}
	if o != nil {
		signs, err := s.signs(looking, in.Sender.Account, o)
		if err != nil {
			return err
		}
		l = verdict(p, o, signs)
		s.log().InfoContext(ctx, "checked", "mail", in.Mail, "user", in.Sender.ID, "level", int(worst(signs)), "found", o.email != 0)
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		first, err := in.Settle(ctx, tx)
		if err != nil || !first {
			return err
		}
		in.Forget()
		return in.ReplyIn(ctx, tx, l, 0)
	})
}

// Level is how a reader should take a mail.
type Level int

const (
	Fine    Level = iota // nothing unusual
	Caution              // something cannot be known, or is unusual
	Danger               // it pretends to be what it is not
)

// sign is one thing that is known of a mail.
type sign struct {
	level Level
	text  mail.Text
}

func say(l Level, id string, args ...any) sign { return sign{l, mail.MakeText(id, args...)} }

func worst(signs []sign) (l Level) {
	for _, s := range signs {
		l = max(l, s.level)
	}
	return l
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
