package imap

import (
	"context"
	"io"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Appender files a message that a member uploads. It reads r to its end, which
// comes after size octets, and stores as it reads. Kinds: OverQuota, TooBig,
// BareNewline, BadContent, NotFound (the mailbox went away), DiskFull,
// Unavailable.
type Appender interface {
	Append(ctx context.Context, u mail.User, box mailbox.ID, flags []string, date time.Time, r io.Reader, size int64) (mailbox.Placed, error)
}

var appendCommands = commands{}
var appendCapabilities = []string{}
