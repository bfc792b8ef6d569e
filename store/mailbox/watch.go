package mailbox

import (
	"encoding/base32"
	"encoding/binary"
	"strings"
	"sync"

	"colporteur/mail"
	"colporteur/store"
)

// hub wakes who watches an account, and counts its changes.
type hub struct {
	mu          sync.Mutex
	watchers    map[mail.AccountID]map[chan struct{}]struct{}
	generations map[mail.AccountID]uint64
	epoch       uint64 // added to each of them
	hears       bool   // what other nodes do

	once sync.Once
	tell chan mail.AccountID // for other nodes
}

// generation changes with every commit that changed the account, before the
// commit's Write returns. It is not sure while other nodes may have written
// unheard.
func (s *Store) generation(account mail.AccountID) (n uint64, sure bool) {
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.generations[account] + h.epoch, h.hears || s.DB.Engine() == "sqlite"
}

// wake tells that an account changed.
func (h *hub) wake(account mail.AccountID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.generations == nil {
		h.generations = map[mail.AccountID]uint64{}
	}
	h.generations[account]++
	for c := range h.watchers[account] {
		select {
		case c <- struct{}{}:
		default: // it has one waiting
		}
	}
}

// Watch returns a channel that gets a value (never blocking, coalesced) after
// each commit that changed one of the accounts, and a function that ends it.
func (s *Store) Watch(accounts ...mail.AccountID) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[mail.AccountID]map[chan struct{}]struct{}{}
	}
	for _, account := range accounts {
		if h.watchers[account] == nil {
			h.watchers[account] = map[chan struct{}]struct{}{}
		}
		h.watchers[account][c] = struct{}{}
	}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, account := range accounts {
			delete(h.watchers[account], c)
			if len(h.watchers[account]) == 0 {
				delete(h.watchers, account)
			}
		}
	}
}

// changed wakes the account's watchers once tx is durable.
func (s *Store) changed(tx *store.Tx, account mail.AccountID) {
	tx.AfterCommit(func() {
		s.hub.wake(account)
		s.tell(account)
	})
}

// Renewed wakes the account's watchers once tx is durable, for what they see of
// it that is no mailbox.
func (s *Store) Renewed(tx *store.Tx, account mail.AccountID) { s.changed(tx, account) }

var objectIDs = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ObjectID writes an id as IMAP and JMAP show it (RFC 8474 §7): a letter for
// the kind, so that it never begins with a digit, and the number.
func ObjectID(kind byte, id int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return string(kind) + objectIDs.EncodeToString(b[:])
}

// ParseObjectID undoes ObjectID.
func ParseObjectID(kind byte, s string) (int64, bool) {
	rest, ok := strings.CutPrefix(s, string(kind))
	if !ok {
		return 0, false
	}
	b, err := objectIDs.DecodeString(rest)
	if err != nil || len(b) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b)), true
}
