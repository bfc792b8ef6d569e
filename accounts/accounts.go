// Package accounts is who there is: domains, accounts, members, their
// addresses, aliases and passwords.
//
// # Addresses
//
// An address at a domain of ours belongs, in this order, to a member, to an
// alias, to the member or alias before its "+", to a program, and at last, for
// postmaster and abuse, to whoever reads those. So a word that somebody owns
// stays theirs whatever programs are added later.
//
// # Passwords
//
// A member has one password (argon2id) and any number of app passwords, random
// ones for mail programs, kept as SCRAM-SHA-256 verifiers. Guessing is slowed
// for each network and for each name; a network from which the member has
// signed in before does not suffer from guesses made elsewhere.
package accounts

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// Service is the directory of one host.
type Service struct {
	DB  *store.DB
	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards

	// Hostname is a domain at which only postmaster and abuse exist, unless it
	// is one of Domains too. "" is none.
	Hostname string

	// Key makes the made-up SCRAM salts of members who do not exist. nil: a
	// random one, so that they change with each start.
	Key []byte

	// ProgramsPage is the address of the page where members make app passwords; it
	// is said to those whose own password opens no mail program.
	ProgramsPage string

	// Programs recognises the addresses of workflows at a domain of ours
	// ("envoi", "album+vacances"), folded to lower case; nil: none. Members and
	// aliases come first.
	Programs func(local string) (pattern string, ok bool)

	// Created and Removed run inside the transaction that adds or removes an
	// account: its mailboxes come and go with it. Either may be nil.
	Created func(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error
	Removed func(ctx context.Context, tx *store.Tx, account mail.AccountID) error
	// CreatedGroup is Created for a group. May be nil.
	CreatedGroup func(ctx context.Context, tx *store.Tx, account mail.AccountID, lang string) error
	// Regrouped runs inside the transaction in which somebody joins or leaves a
	// group: what its members see of others is different then. May be nil.
	Regrouped func(ctx context.Context, tx *store.Tx, group mail.AccountID) error
	// Changed runs after a member was suspended, removed or got another
	// password, on any node: open sessions of theirs are cut. May be nil.
	Changed func(u mail.UserID)
	// Open is who has sessions open here, each with what they signed in with. May be nil.
	Open func() []mail.User
	// Renewed runs inside the transaction that changes identities: programs that
	// listen are told of it after its commit. May be nil.
	Renewed func(tx *store.Tx, account mail.AccountID)

	once     sync.Once
	key      []byte
	nodeName string
	hashing  chan struct{}
	cache    cache
	logins   loginCache
	networks throttle // failures by client network
	names    throttle // failures by name, from networks the member does not use
	pairs    throttle // failures by name and network, from networks the member uses
	codes    throttle // wrong codes by member
}

// Member is one member.
type Member struct {
	ID        mail.UserID
	Account   mail.AccountID
	Address   mail.Address
	Name      string
	Lang      string
	Plan      string
	Quota     int64
	Suspended time.Time
	Created   time.Time
	Hidden    []string  // IMAP capabilities not announced to them
	Second    time.Time // since when a code is asked for after the password; zero if not
}

// User is the member as the protocols see them.
func (m Member) User() mail.User {
	return mail.User{ID: m.ID, Account: m.Account, Address: m.Address, Name: m.Name, Lang: m.Lang}
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

func (s *Service) prepare() {
	s.once.Do(func() {
		s.key = s.Key
		if s.key == nil {
			s.key = make([]byte, 32)
			rand.Read(s.key)
		}
		s.nodeName = strconv.FormatInt(store.NewID(), 36)
		s.hashing = make(chan struct{}, hashesAtOnce)
	})
}

// mac is a keyed hash for memory and for made-up values; the parts are
// separated so that no two lists of them are the same text.
func (s *Service) mac(parts ...string) [sha256.Size]byte {
	s.prepare()
	h := hmac.New(sha256.New, s.key)
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return [sha256.Size]byte(h.Sum(nil))
}

const memberColumns = `m.id, m.account, m.address, m.name, m.lang, m.plan, a.quota, m.suspended, m.created, m.hidden, m.second`

func scanMember(scan func(...any) error, more ...any) (Member, error) {
	var m Member
	var address, hidden string
	var suspended, created, second int64
	dest := append([]any{&m.ID, &m.Account, &address, &m.Name, &m.Lang, &m.Plan, &m.Quota, &suspended, &created, &hidden, &second}, more...)
	if err := scan(dest...); err != nil {
		return Member{}, err
	}
	var err error
	m.Address, err = mail.ParseAddress(address)
	m.Suspended, m.Created, m.Second, m.Hidden = store.Time(suspended), store.Time(created), store.Time(second), strings.Fields(hidden)
	return m, err
}

// ByID finds a member; kind NotFound.
func (s *Service) ByID(ctx context.Context, id mail.UserID) (Member, error) {
	var m Member
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = s.byID(ctx, tx, id)
		return err
	})
	return m, kinded(err)
}

func (s *Service) byID(ctx context.Context, tx *store.Tx, id mail.UserID) (Member, error) {
	m, err := scanMember(tx.QueryRow(ctx, `SELECT `+memberColumns+`
		FROM member m JOIN account a ON a.id = m.account WHERE m.id = $1`, int64(id)).Scan)
	if errors.Is(err, store.ErrNoRows) {
		return Member{}, mail.Refuse(mail.NotFound, "accounts-no-member")
	}
	return m, err
}

// ByAddress finds the member whose address, primary or other, this is; kind NotFound.
func (s *Service) ByAddress(ctx context.Context, a mail.Address) (Member, error) {
	var m Member
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = scanMember(tx.QueryRow(ctx, `SELECT `+memberColumns+`
			FROM address ad JOIN account a ON a.id = ad.account JOIN member m ON m.account = a.id
			WHERE ad.key = $1 ORDER BY m.id`, store.Clean(a.Key())).Scan)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return Member{}, mail.Refuse(mail.NotFound, "accounts-no-member-of-address", "Address", a.String())
	}
	return m, kinded(err)
}

// Members lists everybody, by address.
func (s *Service) Members(ctx context.Context) ([]Member, error) {
	var all []Member
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+memberColumns+`
			FROM member m JOIN account a ON a.id = m.account ORDER BY a.domain, m.address`)
		return store.Each(rows, err, func(scan func(...any) error) error {
			m, err := scanMember(scan)
			all = append(all, m)
			return err
		})
	})
	return all, kinded(err)
}

// kinded gives failures of the database the kind that replies are made from.
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
