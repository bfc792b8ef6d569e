// Package mailbox is the mailboxes of accounts: what is in them, in which
// order, with which flags, and what changed since.
//
// # Invariants
//
// An email is one mail in one account; a placement is an email in a mailbox.
// COPY and MOVE place the same email again, so it keeps its id (RFC 8474) and
// counts once against the quota. One modseq counter per account serves all its
// mailboxes. Whoever changes anything takes the account's row first, then the
// mailboxes' rows in the order of their ids: the locks make commit order modseq
// order, and nobody waits in a circle. A UID that was given is never given
// again; what vanished leaves a tombstone.
//
// On SQLite a transaction holds up everybody's mail. So nothing in here reads a
// whole mailbox inside one, but renaming INBOX and removing a mailbox.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
)

// ID names a mailbox (its IMAP MAILBOXID and JMAP id, through ObjectID).
type ID int64

// EmailID names a message in an account (IMAP EMAILID, JMAP Email id); ThreadID its thread.
type (
	EmailID  int64
	ThreadID int64
	UID      uint32
	ModSeq   int64
)

// Store is the mailboxes of one host.
type Store struct {
	DB       *store.DB
	Messages *message.Store
	Programs map[string]Program // what may stand behind mailboxes, by name; see CreateProgram
	People   People             // nil: nobody sees anybody else's mailboxes
	Now      func() time.Time   // nil is time.Now

	hub  hub
	live live

	indexer indexer
	cache   columnCache
	seen    seenCache
	granted atomic.Uint64

	cards  cardCache
	wholes wholeCache
}

// Role of a mailbox (RFC 6154, RFC 8621 §2); "" has none.
type Role string

const (
	Inbox   Role = "inbox"
	Sent    Role = "sent"
	Drafts  Role = "drafts"
	Trash   Role = "trash"
	Junk    Role = "junk"
	Archive Role = "archive"
	Snoozed Role = "snoozed" // made at its first use: workflow/snooze
)

// Mailbox is one mailbox and its counts.
type Mailbox struct {
	ID          ID
	Account     mail.AccountID
	Name        string // "INBOX", "Clients/2026": UTF-8, NFC, "/" between levels
	Role        Role
	Subscribed  bool // filled in by List and Folders only
	UIDValidity uint32
	UIDNext     UID
	HighestMod  ModSeq
	Total       int
	Unseen      int
	Size        int64
	Program     string // what stands behind it; "" is nothing
	Ref         int64  // the program's own
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Store) read(ctx context.Context, f func(*store.Tx) error) error {
	return kinded(s.DB.Read(ctx, f))
}

func (s *Store) write(ctx context.Context, f func(*store.Tx) error) error {
	return kinded(s.DB.Write(ctx, f))
}

// kinded gives the database's failures their kinds.
func kinded(err error) error {
	var known *mail.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrFull):
		return mail.Wrap(mail.DiskFull, err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return mail.Wrap(mail.Unavailable, err)
	}
	return mail.Wrap(mail.Internal, err)
}

// standard is the mailboxes every account begins with.
var standard = map[string][]struct {
	name string
	role Role
}{
	"en": {{"INBOX", Inbox}, {"Sent", Sent}, {"Drafts", Drafts}, {"Trash", Trash}, {"Junk", Junk}, {"Archive", Archive}},
	"fr": {{"INBOX", Inbox}, {"Envoyés", Sent}, {"Brouillons", Drafts}, {"Corbeille", Trash}, {"Indésirables", Junk}, {"Archives", Archive}},
}

// CreateAccount makes the mailboxes every account has, named in lang.
func (s *Store) CreateAccount(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error {
	if lang != "en" {
		lang = "fr"
	}
	if _, err := tx.Exec(ctx, `INSERT INTO mailbox_account (account, modseq, used, uidvalidity) VALUES ($1, 1, 0, 0)`, int64(account)); err != nil {
		return err
	}
	for _, m := range standard[lang] {
		if _, err := s.insert(ctx, tx, account, m.name, m.role); err != nil {
			return err
		}
	}
	return nil
}

// insert makes one mailbox.
func (s *Store) insert(ctx context.Context, tx *store.Tx, account mail.AccountID, name string, r Role) (ID, error) {
	var validity, modseq int64
	now := s.now().Unix()
	// A name that is used again must not look like the mailbox it was before
	// (RFC 9051 §2.3.1.1): the validity only rises.
	err := tx.QueryRow(ctx, `UPDATE mailbox_account SET modseq = modseq + 1,
		uidvalidity = CASE WHEN uidvalidity < $2 THEN $2 ELSE uidvalidity + 1 END WHERE account = $1 RETURNING uidvalidity, modseq`,
		int64(account), now).Scan(&validity, &modseq)
	if err != nil {
		return 0, fmt.Errorf("account %d: %w", account, missing(err))
	}
	id := ID(store.NewID())
	_, err = tx.Exec(ctx, `INSERT INTO mailbox (id, account, name, role, uidvalidity, uidnext, highest, total, unseen, size, born, revised)
		VALUES ($1, $2, $3, $4, $5, 1, $6, 0, 0, 0, $6, $6)`, int64(id), int64(account), name, string(r), validity, modseq)
	if err != nil {
		return id, err
	}
	return id, s.greet(ctx, tx, account, id, name)
}

// DeleteAccount removes everything of an account.
func (s *Store) DeleteAccount(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	for _, q := range append(ofAccount,
		`DELETE FROM placement WHERE mailbox IN (SELECT id FROM mailbox WHERE account = $1)`,
		`DELETE FROM tombstone WHERE mailbox IN (SELECT id FROM mailbox WHERE account = $1)`,
		`DELETE FROM tombstone WHERE mailbox IN (SELECT id FROM mailbox_gone WHERE account = $1)`,
		`DELETE FROM mailbox_gone WHERE account = $1`,
		`DELETE FROM mailbox WHERE account = $1`,
		`DELETE FROM search_page WHERE block IN (SELECT id FROM search_block WHERE account = $1)`,
		`DELETE FROM search_column WHERE block IN (SELECT id FROM search_block WHERE account = $1)`,
		`DELETE FROM search_block WHERE account = $1`,
		`DELETE FROM email WHERE account = $1`,
		`DELETE FROM thread_ref WHERE account = $1`,
		`DELETE FROM mailbox_account WHERE account = $1`,
	) {
		if _, err := tx.Exec(ctx, q, int64(account)); err != nil {
			return err
		}
	}
	s.changed(tx, account)
	return nil
}

// Usage is the bytes that count against the quota (each email once; expunged
// ones do not count).
func (s *Store) Usage(ctx context.Context, account mail.AccountID) (used int64, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT used FROM mailbox_account WHERE account = $1`, int64(account)).Scan(&used)
	})
	return used, missing(err)
}

// Load is what an account keeps: octets that count against the quota, and mailboxes.
func (s *Store) Load(ctx context.Context, account mail.AccountID) (used int64, boxes int, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT used, (SELECT count(*) FROM mailbox m WHERE m.account = a.account)
			FROM mailbox_account a WHERE account = $1`, int64(account)).Scan(&used, &boxes)
	})
	return used, boxes, missing(err)
}

const columns = `id, account, name, role, uidvalidity, uidnext, highest, total, unseen, size, program, ref`

func scanMailbox(scan func(...any) error) (m Mailbox, err error) {
	err = scan(&m.ID, &m.Account, &m.Name, &m.Role, &m.UIDValidity, &m.UIDNext, &m.HighestMod, &m.Total, &m.Unseen, &m.Size, &m.Program, &m.Ref)
	return m, err
}

// List returns the account's mailboxes, INBOX first, then by name.
func (s *Store) List(ctx context.Context, account mail.AccountID) (list []Mailbox, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+columns+` FROM mailbox WHERE account = $1 ORDER BY CASE WHEN role = 'inbox' THEN 0 ELSE 1 END, name COLLATE "C"`, int64(account))
		err = store.Each(rows, err, func(scan func(...any) error) error {
			m, err := scanMailbox(scan)
			list = append(list, m)
			return err
		})
		if err != nil {
			return err
		}
		subscribed, err := subscriptions(ctx, tx, account)
		for i := range list {
			list[i].Subscribed = subscribed[list[i].Name]
		}
		return err
	})
	return list, err
}

// Get finds a mailbox by name ("inbox" in any case is INBOX); kind NotFound if there is none.
func (s *Store) Get(ctx context.Context, account mail.AccountID, name string) (m Mailbox, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		m, err = s.get(ctx, tx, account, Name(name))
		return err
	})
	return m, err
}

func (s *Store) get(ctx context.Context, tx *store.Tx, account mail.AccountID, name string) (Mailbox, error) {
	m, err := scanMailbox(tx.QueryRow(ctx, `SELECT `+columns+` FROM mailbox WHERE account = $1 AND name = $2`, int64(account), store.Clean(name)).Scan)
	return m, missing(err)
}

// ByID finds a mailbox as it is now.
func (s *Store) ByID(ctx context.Context, id ID) (m Mailbox, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		m, err = byID(ctx, tx, id)
		return err
	})
	return m, err
}

func byID(ctx context.Context, tx *store.Tx, id ID) (Mailbox, error) {
	m, err := scanMailbox(tx.QueryRow(ctx, `SELECT `+columns+` FROM mailbox WHERE id = $1`, int64(id)).Scan)
	return m, missing(err)
}

// ByRole finds a mailbox by role inside a transaction.
func (s *Store) ByRole(ctx context.Context, tx *store.Tx, account mail.AccountID, r Role) (id ID, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM mailbox WHERE account = $1 AND role = $2`, int64(account), string(r)).Scan(&id)
	return id, missing(err)
}

func missing(err error) error {
	if errors.Is(err, store.ErrNoRows) {
		return mail.Refuse(mail.NotFound, "mailbox-none").Because(err)
	}
	return err
}

// Name is the one spelling of a mailbox name: NFC, and INBOX in capitals
// (RFC 9051 §5.1), also as the first level of others.
func Name(name string) string {
	name = norm.NFC.String(strings.TrimSuffix(name, "/"))
	if first, rest, more := strings.Cut(name, "/"); strings.EqualFold(first, "inbox") {
		if name = "INBOX"; more {
			name += "/" + rest
		}
	}
	return name
}

// parent is the name of the level above, "" of the first one.
func parent(name string) string {
	return name[:max(0, strings.LastIndexByte(name, '/'))]
}

// Bounds of a name, far above what people use.
const (
	maxLevel = 255
	maxName  = 1000
	maxDepth = 20
)

// MaxBoxes is how many mailboxes an account may have.
const MaxBoxes = 10_000

// checkName says why a name cannot be a mailbox's.
func checkName(name string) error {
	bad := mail.Refuse(mail.BadSyntax, "mailbox-bad-name")
	if name == "" || len(name) > maxName || strings.Count(name, "/") >= maxDepth || store.Clean(name) != name {
		return bad
	}
	for _, level := range strings.Split(name, "/") {
		if level == "" || len(level) > maxLevel || level == "." || level == ".." || strings.TrimSpace(level) != level {
			return bad
		}
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '%' || r == '*' || r == '\uFFFD' || r >= 0x80 && r < 0xa0 ||
			unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return bad
		}
	}
	return nil
}
