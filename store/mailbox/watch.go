package mailbox

import (
	"encoding/base32"
	"encoding/binary"
	"strings"
	"sync"

	"colporteur/mail"
	"colporteur/store"
)

// hub wakes who watches an account.
type hub struct {
	mu       sync.Mutex
	watchers map[mail.AccountID]map[chan struct{}]struct{}
}

// Watch returns a channel that gets a value (never blocking, coalesced) after
// each commit that changed the account, and a function that ends it.
func (s *Store) Watch(account mail.AccountID) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[mail.AccountID]map[chan struct{}]struct{}{}
	}
	if h.watchers[account] == nil {
		h.watchers[account] = map[chan struct{}]struct{}{}
	}
	h.watchers[account][c] = struct{}{}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers[account], c)
		if len(h.watchers[account]) == 0 {
			delete(h.watchers, account)
		}
	}
}

// changed wakes the account's watchers once tx is durable.
func (s *Store) changed(tx *store.Tx, account mail.AccountID) {
	tx.AfterCommit(func() {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		for c := range s.hub.watchers[account] {
			select {
			case c <- struct{}{}:
			default: // it has one waiting
			}
		}
	})
}

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
