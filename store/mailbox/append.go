package mailbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
)

// Entry is one message in one mailbox.
type Entry struct {
	UID     UID
	Email   EmailID
	Thread  ThreadID
	Message message.ID
	ModSeq  ModSeq
	Flags   []string  // "\\Seen", "$Forwarded", sorted; shared between entries, not to be written to
	Date    time.Time // INTERNALDATE
	Saved   time.Time // when it came into this mailbox, in whole seconds; zero is unknown
	Size    int64     // RFC822.SIZE: prefix and message
}

// Incoming is a message on its way into a mailbox. Its content was inserted
// (message.Store.Insert) in the same transaction or lives already.
type Incoming struct {
	Message message.ID
	Size    int64         // of the message without Prefix
	Summary *mail.Summary // for threading and search
	Words   []byte        // search signature, from Sign; nil: every search reads the message
	Prefix  []byte        // header lines of ours served before it: Return-Path, Received, …
	Flags   []string
	Date    time.Time // INTERNALDATE; zero is now
	Shows   bool      // a program has its bytes: it takes nothing of the quota in mailboxes of programs
}

// Placed says where a message went.
type Placed struct {
	Mailbox  ID
	UID      UID
	Validity uint32
	Email    EmailID
	Thread   ThreadID
	ModSeq   ModSeq
}

// Append files a message inside the caller's transaction and wakes watchers
// after the commit. It is on the path of every mail: five statements, more only
// for a mail that answers another, and those that make others wait come last.
func (s *Store) Append(ctx context.Context, tx *store.Tx, account mail.AccountID, to ID, in *Incoming) (Placed, error) {
	flags, err := normalFlags(in.Flags)
	if err != nil {
		return Placed{}, err
	}
	size := in.Size + int64(len(in.Prefix))
	p, box := Placed{Mailbox: to, Email: EmailID(store.NewID())}, Mailbox{ID: to}
	if p.Thread, err = thread(ctx, tx, account, p.Email, in.Summary); err != nil {
		return p, fmt.Errorf("thread: %w", err)
	}
	if p.Thread != ThreadID(p.Email) {
		if flags, err = hush(ctx, tx, p.Thread, flags); err != nil {
			return p, err
		}
	}
	if _, err = tx.Exec(ctx, `INSERT INTO email (id, account, message, thread, size, expunged, prefix, sig, shows, attached) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9)`,
		int64(p.Email), int64(account), int64(in.Message), int64(p.Thread), size, octets(in.Prefix), octets(in.Words), number(in.Shows), attached(in.Summary)); err != nil {
		return p, err
	}
	counts := size
	if in.Shows {
		counts = 0
	}
	next := nextModSeq
	if !hasFlag(flags, seen) && (in.Date.IsZero() || s.now().Sub(in.Date) < fresh) {
		next = func(ctx context.Context, tx *store.Tx, account mail.AccountID, used int64) (ModSeq, error) {
			return nextDelivery(ctx, tx, account, to, used)
		}
	}
	if p.ModSeq, err = next(ctx, tx, account, counts); err != nil {
		return p, err
	}
	err = tx.QueryRow(ctx, `UPDATE mailbox SET uidnext = uidnext + 1, highest = $3, total = total + 1, unseen = unseen + $4, size = size + $5
		WHERE id = $1 AND account = $2 RETURNING uidnext - 1, uidvalidity, program`,
		int64(to), int64(account), int64(p.ModSeq), number(!hasFlag(flags, seen)), size).Scan(&p.UID, &p.Validity, &box.Program)
	if err != nil {
		return p, fmt.Errorf("mailbox %d: %w", to, missing(err))
	}
	date := in.Date
	if date.IsZero() {
		date = s.now()
	}
	if _, err = tx.Exec(ctx, `INSERT INTO placement (mailbox, uid, email, message, thread, modseq, date, size, flags, saved, born)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $6)`, int64(to), int64(p.UID), int64(p.Email), int64(in.Message), int64(p.Thread),
		int64(p.ModSeq), store.Micros(date), size, strings.Join(flags, " "), s.savedNow()); err != nil {
		return p, err
	}
	s.changed(tx, account)
	tx.AfterCommit(func() { s.indexer.arrived(account) })
	return p, s.tellCame(ctx, tx, box, Appended, p.UID)
}

// muted is the keyword of conversations that a member wants to hear no more of
// (IANA's registry of IMAP keywords has it).
const muted = "$muted"

// hush makes a mail of a muted conversation come read and muted itself, so that
// no device rings for it.
func hush(ctx context.Context, tx *store.Tx, t ThreadID, flags []string) ([]string, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM email e JOIN placement p ON p.email = e.id WHERE e.thread = $1 AND ' ' || p.flags || ' ' LIKE '% $muted %'`, int64(t)).Scan(&n)
	if err != nil || n == 0 {
		return flags, err
	}
	return normalFlags(append(slices.Clip(flags), seen, muted))
}

// attached is what email.attached says of a mail.
func attached(sum *mail.Summary) int {
	if sum == nil {
		return 2
	}
	return number(sum.Attachment)
}

// savedNow is the save date of what comes into a mailbox now.
func (s *Store) savedNow() int64 { return store.Micros(s.now().Truncate(time.Second)) }

// octets is b for a column that cannot be NULL.
func octets(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
