// Package keyring keeps the keys that our mail is signed with, and changes
// them in time.
//
// # The life of a key
//
// Each domain has two lines of keys, RSA and Ed25519 (RFC 8463). In each line
// one key signs, and every 180 days another takes over:
//
//	made       the pair exists; its record is published, or asked for
//	published  our resolver has seen the record
//	active     signs; the key before it becomes
//	retired    signs no more, but mail under way still verifies: 14 days
//	           (dkim.Lifetime), then
//	revoked    the private half is destroyed, the record says p= : 30 days, then
//	gone       no record any more; the row stays for a while, so that a record
//	           left behind is recognised
//
// A key is used only once its record has been seen, with its p= whole, and not
// before the time set for it. Until then the one before it goes on signing, for
// years if need be: a signature by an old key proves as much, one that nobody
// can look up proves nothing. M3AAWG's advice is to change keys at least every
// six months; more often would only ask more of those who publish by hand.
//
// When the record of an active key vanishes from the DNS, or is changed, the
// key goes on signing. A signature that cannot be verified counts as none (RFC
// 6376 §6.1), so nothing is lost by it, and everything is right again, for mail
// under way too, the moment the record is back. A person is told.
//
// Each step is one statement or one transaction that asks for the state it
// starts from: a second node, or a run after a crash, finds it done or does it.
package keyring

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"sync"
	"time"

	"colporteur/dkim"
	"colporteur/mail"
	"colporteur/store"
)

// Ring is the keys of all domains. Its fields are set once, before use.
type Ring struct {
	DB  *store.DB
	Key []byte // 32 bytes; encrypts the private halves
	DNS dkim.TXT
	// Domains are those that must have keys.
	Domains func(context.Context) ([]string, error)
	// Publisher puts records into the DNS; nil when people do.
	Publisher Publisher
	// Notify mails whoever looks after domain, in their language. What was sent
	// under a key before is not sent again: Notify may be called twice for one
	// event when the first call's end was lost. nil tells nobody.
	Notify func(ctx context.Context, domain, key string, subject mail.Text, paragraphs ...mail.Text) error

	Every   time.Duration // from one key to the next; 0 is 180 days
	Ahead   time.Duration // the next is made this long before; 0 is 14 days
	Retired time.Duration // how long; 0 is as long as a signature counts, and a bit
	Revoked time.Duration // how long; 0 is 30 days

	// Generate makes the private half of a new key of an algorithm; nil does it
	// here. RSA takes a tenth of a second and more.
	Generate func(algorithm string) (crypto.Signer, error)

	Now func() time.Time
	Log *slog.Logger

	cache cache
	tick  sync.Mutex
}

// Publisher puts TXT records into the DNS. Both methods may be called again
// for what is done already.
type Publisher interface {
	// Covers says whether name lies in a zone that it may change.
	Covers(ctx context.Context, name string) bool
	// SetTXT makes text the only TXT record at name.
	SetTXT(ctx context.Context, name, text string) error
	// DeleteTXT leaves no TXT record at name.
	DeleteTXT(ctx context.Context, name string) error
}

// ErrWrongKey says that a private half was encrypted under another master key,
// or damaged.
var ErrWrongKey = errors.New("the master key does not open it")

const day = 24 * time.Hour

func (r *Ring) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Ring) log() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func (r *Ring) every() time.Duration   { return or(r.Every, 180*day) }
func (r *Ring) ahead() time.Duration   { return or(r.Ahead, 14*day) }
func (r *Ring) retired() time.Duration { return or(r.Retired, dkim.Lifetime+time.Hour) }
func (r *Ring) revoked() time.Duration { return or(r.Revoked, 30*day) }
