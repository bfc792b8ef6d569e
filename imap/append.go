package imap

import (
	"context"
	"io"
	"strconv"
	"time"

	"colporteur/imap/wire"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// APPEND (RFC 9051 §6.3.12).

// Appender files a message that a member uploads. It reads r to its end, which
// comes after size octets, and stores as it reads. Kinds: OverQuota, TooBig,
// BareNewline, BadContent, NotFound (the mailbox went away), DiskFull,
// Unavailable.
type Appender interface {
	Append(ctx context.Context, u mail.User, box mailbox.ID, flags []string, date time.Time, r io.Reader, size int64) (mailbox.Placed, error)
}

var (
	appendCommands     = commands{"APPEND": {in: member, run: (*session).append}}
	appendCapabilities = []string{}
)

func (s *session) append(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	name, err := d.Mailbox()
	if err != nil {
		return err
	}
	if err := d.SP(); err != nil {
		return err
	}
	var flags []string
	if d.Peek() == '(' {
		if flags, err = d.Flags(); err != nil {
			return err
		}
		if err := d.SP(); err != nil {
			return err
		}
	}
	if flags, err = cleanFlags(flags); err != nil {
		return err
	}
	date := s.srv.now()
	if d.Peek() == '"' {
		if date, err = d.DateTime(); err != nil {
			return err
		}
		if err := d.SP(); err != nil {
			return err
		}
	}
	size, _, ok := d.AtLiteral()
	if !ok {
		return bad("Expected a literal")
	}
	mb, rights, err := s.box(name, mailbox.RightInsert, true)
	if err != nil {
		return err
	}
	if size == 0 {
		return s.refuse("CANNOT", "imap-empty-message")
	}
	lit, err := d.Literal(s.srv.maxAppend())
	if err != nil {
		return err
	}
	flags, read := s.filing(mb, rights, flags)
	at, err := s.srv.Appender.Append(s.ctx, s.user, mb.ID, flags, date, lit, lit.Size)
	if mail.Is(err, mail.NotFound) {
		return s.refuse("TRYCREATE", "imap-no-folder")
	}
	if err != nil {
		return err
	}
	if err := d.EndLiteral(); err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	if err := s.filed(mb, read, at.UID); err != nil {
		return err
	}
	s.code = "APPENDUID " + strconv.FormatUint(uint64(at.Validity), 10) + " " + strconv.FormatUint(uint64(at.UID), 10)
	return nil
}
