// Package mailbox is the mailboxes of accounts: what is in them, in which
// order, with which flags, and what changed since.
package mailbox

import (
	"context"
	"io"
	"time"

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
	Now      func() time.Time
	hub      hub
}

type hub struct{}

// Role of a mailbox (RFC 6154, RFC 8621 §2); "" has none.
type Role string

const (
	Inbox   Role = "inbox"
	Sent    Role = "sent"
	Drafts  Role = "drafts"
	Trash   Role = "trash"
	Junk    Role = "junk"
	Archive Role = "archive"
)

// Mailbox is one mailbox and its counts.
type Mailbox struct {
	ID          ID
	Account     mail.AccountID
	Name        string // "INBOX", "Clients/2026": UTF-8, NFC, "/" between levels
	Role        Role
	Subscribed  bool
	UIDValidity uint32
	UIDNext     UID
	HighestMod  ModSeq
	Total       int
	Unseen      int
	Size        int64
}

// Entry is one message in one mailbox.
type Entry struct {
	UID     UID
	Email   EmailID
	Thread  ThreadID
	Message message.ID
	ModSeq  ModSeq
	Flags   []string  // "\\Seen", "$Forwarded", sorted
	Date    time.Time // INTERNALDATE
	Size    int64     // RFC822.SIZE: prefix and message
}

// Incoming is a message on its way into a mailbox. Its content was inserted
// (message.Store.Insert) in the same transaction or lives already.
type Incoming struct {
	Message message.ID
	Size    int64         // of the message without Prefix
	Summary *mail.Summary // for threading and search
	Words   []byte        // search signature, from Sign
	Prefix  []byte        // header lines of ours served before it: Return-Path, Received, …
	Flags   []string
	Date    time.Time
}

// Placed says where a message went.
type Placed struct {
	Mailbox ID
	UID     UID
	Email   EmailID
	Thread  ThreadID
	ModSeq  ModSeq
}

// CreateAccount makes the mailboxes every account has, named in lang: INBOX,
// Sent, Drafts, Trash, Junk, Archive with their roles.
func (s *Store) CreateAccount(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error {
	panic("unwritten")
}

// DeleteAccount removes everything of an account.
func (s *Store) DeleteAccount(ctx context.Context, tx *store.Tx, account mail.AccountID) error {
	panic("unwritten")
}

// Usage is the bytes that count against the quota (each email once; expunged ones do not count).
func (s *Store) Usage(ctx context.Context, account mail.AccountID) (int64, error) {
	panic("unwritten")
}

// List returns the account's mailboxes, INBOX first, then by name.
func (s *Store) List(ctx context.Context, account mail.AccountID) ([]Mailbox, error) {
	panic("unwritten")
}

// Get finds a mailbox by name ("inbox" in any case is INBOX); kind NotFound if there is none.
func (s *Store) Get(ctx context.Context, account mail.AccountID, name string) (Mailbox, error) {
	panic("unwritten")
}

// ByRole finds a mailbox by role inside a transaction.
func (s *Store) ByRole(ctx context.Context, tx *store.Tx, account mail.AccountID, r Role) (ID, error) {
	panic("unwritten")
}

// Create, Rename, Remove and Subscribe do what IMAP's commands of these names
// do (RFC 9051 §6.3): Create makes missing parents; Rename moves children, and
// renaming INBOX moves its messages; Remove of INBOX is refused.
func (s *Store) Create(ctx context.Context, account mail.AccountID, name string) (Mailbox, error) {
	panic("unwritten")
}
func (s *Store) Rename(ctx context.Context, account mail.AccountID, from, to string) error {
	panic("unwritten")
}
func (s *Store) Remove(ctx context.Context, account mail.AccountID, name string) error {
	panic("unwritten")
}
func (s *Store) Subscribe(ctx context.Context, account mail.AccountID, name string, on bool) error {
	panic("unwritten")
}

// Append files a message inside the caller's transaction: takes modseq and UID
// from the account and mailbox rows, finds its thread, wakes watchers after the
// commit.
func (s *Store) Append(ctx context.Context, tx *store.Tx, account mail.AccountID, to ID, in *Incoming) (Placed, error) {
	panic("unwritten")
}

// Entries lists a mailbox by rising UID, from UID after+1 on, at most limit (0: all).
func (s *Store) Entries(ctx context.Context, box ID, after UID, limit int) ([]Entry, error) {
	panic("unwritten")
}

// Changed are the entries whose modseq is above since, by UID, and the UIDs
// that vanished since. vanished is complete: tombstones are kept.
func (s *Store) Changed(ctx context.Context, box ID, since ModSeq) (changed []Entry, vanished []UID, high ModSeq, err error) {
	panic("unwritten")
}

// FlagOp says what SetFlags does with its flags.
type FlagOp int

const (
	ReplaceFlags FlagOp = iota
	AddFlags
	RemoveFlags
)

// SetFlags changes flags of the given UIDs and returns the entries as they are
// now. An entry with a modseq above unchangedSince (when > 0) is left alone and
// its UID returned in modified (RFC 7162 §3.1.3).
func (s *Store) SetFlags(ctx context.Context, box ID, uids []UID, op FlagOp, flags []string, unchangedSince ModSeq) (now []Entry, modified []UID, err error) {
	panic("unwritten")
}

// Copy places the messages in another mailbox of the account too; they keep
// email id, thread and flags. It returns source and destination UIDs, pairwise.
func (s *Store) Copy(ctx context.Context, from ID, uids []UID, to ID) (src, dst []UID, validity uint32, err error) {
	panic("unwritten")
}

// Move is Copy and Expunge in one transaction.
func (s *Store) Move(ctx context.Context, from ID, uids []UID, to ID) (src, dst []UID, validity uint32, err error) {
	panic("unwritten")
}

// Expunge removes the placements of these UIDs. With onlyDeleted, only those
// that have \Deleted; with nil uids, all of those.
func (s *Store) Expunge(ctx context.Context, box ID, uids []UID, onlyDeleted bool) ([]UID, error) {
	panic("unwritten")
}

// Content is what FETCH needs of one email beyond its Entry.
type Content struct {
	Message message.ID
	Prefix  []byte
	Size    int64         // prefix and message
	Summary *mail.Summary // offsets in it count without Prefix
}

// Content reads it; Contents for many at once, in the order of ids, nil where gone.
func (s *Store) Content(ctx context.Context, account mail.AccountID, id EmailID) (*Content, error) {
	panic("unwritten")
}
func (s *Store) Contents(ctx context.Context, account mail.AccountID, ids []EmailID) ([]*Content, error) {
	panic("unwritten")
}

// Open reads prefix and message as one, from offset on.
func (s *Store) Open(ctx context.Context, c *Content, offset int64) (io.ReadCloser, error) {
	panic("unwritten")
}

// Query is a search: every set field must match. The zero Query matches all.
type Query struct {
	Header                []HeaderQuery  // "subject", "from", …: substring of the decoded field; empty Value: present
	Body                  []string       // substring of decoded text parts
	Text                  []string       // substring of header or text
	Flags                 []string       // has
	NotFlags              []string       // has not
	Since, Before         time.Time      // INTERNALDATE, [Since, Before)
	SentSince, SentBefore time.Time      // Date field
	Larger, Smaller       int64          // bytes; 0 is unset
	UIDs                  func(UID) bool // nil: all
	ModSeq                ModSeq         // at or above
	Not                   []Query
	Or                    [][2]Query
}

type HeaderQuery struct{ Field, Value string }

// Search returns matching entries by rising UID. Substrings are compared
// without case and accents.
func (s *Store) Search(ctx context.Context, box ID, q *Query) ([]Entry, error) { panic("unwritten") }

// Sign makes the search signature of a message from its folded text (see
// signature.go); the Door calls it at delivery.
func Sign(sum *mail.Summary, text []byte) []byte { panic("unwritten") }

// Watch returns a channel that gets a value (never blocking, coalesced) after
// each commit that changed the account, and a function that ends it.
func (s *Store) Watch(account mail.AccountID) (<-chan struct{}, func()) { panic("unwritten") }

// Purge forgets emails that were expunged more than age ago (30 days), so that
// their content can be swept.
func (s *Store) Purge(ctx context.Context, age time.Duration) (int, error) { panic("unwritten") }
