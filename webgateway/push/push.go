// Package push tells browsers and phones that something changed while nobody
// holds a connection to us (RFC 8620 §7.2, RFC 8030).
//
// # The life of a subscription
//
//	made       its address is that of a push service, which a client chose. One push
//	           goes there, with a code
//	verified   the client, and nobody else, has read the code and said it back
//	gone       expired, destroyed, refused by the push service (404, 410), or what
//	           the member had signed in with ended
//
// # How a change is pushed
//
// A node watches each member who has a subscription. After a commit that changed
// an account of theirs it compares the states that each subscription asks for with
// those that were noted last (column noted). If they differ it notes the new ones,
// and adds a job unless one is counted on (awaited), in one transaction: with two
// nodes that see the same commit, one of them is late and finds it done. The job
// pushes what differs from what was told (told), and before it ends looks whether
// more was noted meanwhile. So there is one job at most for a subscription, pushes
// keep their distance (gap), a push that fails is made up for by the next, and
// whatever is noted is pushed, also when this process ends in between. What changed
// while no process ran is seen at the start.
//
// A push says which states changed (RFC 8620 §7.1) and nothing more. The service
// that carries it cannot read it (RFC 8291), but knows when and how much; the
// words of a mail never go that way.
package push

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/queue"
)

const (
	longest  = 7 * 24 * time.Hour // a subscription lives without being renewed (RFC 8620 §7.2)
	unproven = 24 * time.Hour     // and without being verified
	gap      = 5 * time.Second    // between two pushes to one
	together = time.Second        // a change waits for others that come with it
	hopeless = 3 * 24 * time.Hour // of failures end a subscription
	patience = 48 * time.Hour     // a job that has not ended by then is none: somebody cancelled it

	mostOfMember = 50
	mostAnHour   = 30 // are made by one member: each sends a request to an address they chose
)

// States are those of data types: account, type, state.
type States map[string]map[string]string

// Service is the subscriptions of one host.
type Service struct {
	DB    *store.DB
	Queue *queue.Queue
	Key   []byte // 32 bytes; encrypts addresses and our key, and makes the codes

	// Client asks push services. It refuses what is no public address; see
	// package outward.
	Client       *http.Client
	AllowPrivate bool   // addresses of the house's own network may be subscribed
	Contact      string // "mailto:…" or "https:…", for the operators of push services (RFC 8292 §2.1)

	// Holds is the member, as long as what they signed in with is worth something.
	// Kinds: NotFound, Suspended.
	Holds func(ctx context.Context, id mail.UserID, credential string) (mail.User, error)
	// States are those that a member sees now, of types or, when that is nil, of all;
	// and the accounts that they are of.
	States func(ctx context.Context, u mail.User, types []string) ([]mail.AccountID, States, error)
	// Watch is that of mailbox.Store.
	Watch func(accounts ...mail.AccountID) (<-chan struct{}, func())

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards

	key struct {
		sync.Mutex
		*ecdsa.PrivateKey
	}
	made    map[mail.UserID][]time.Time // lately, guarded by mu
	mu      sync.Mutex
	watched watched
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

// code is what proves that a client reads what is pushed to a subscription. It is
// made again whenever it is needed, and kept nowhere.
func (s *Service) code(id int64) string {
	return base64.RawURLEncoding.EncodeToString(s.mac("code", strconv.FormatInt(id, 10))[:16])
}

func (s *Service) mac(purpose, text string) []byte {
	h := hmac.New(sha256.New, s.Key)
	h.Write([]byte("push " + purpose + "\x00" + text))
	return h.Sum(nil)
}

// often says whether a member has made too many of late, and counts one more if not.
func (s *Service) often(id mail.UserID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.made == nil {
		s.made = map[mail.UserID][]time.Time{}
	}
	for m, at := range s.made {
		if at = slices.DeleteFunc(at, func(t time.Time) bool { return now.Sub(t) >= time.Hour }); len(at) == 0 {
			delete(s.made, m)
		} else {
			s.made[m] = at
		}
	}
	if len(s.made[id]) >= mostAnHour {
		return true
	}
	s.made[id] = append(s.made[id], now)
	return false
}

// of is those of the types, of all when none is named; as the database has them.
func (all States) of(types []string) string {
	out := States{}
	for account, states := range all {
		for t, state := range states {
			if len(types) > 0 && !slices.Contains(types, t) {
				continue
			}
			if out[account] == nil {
				out[account] = map[string]string{}
			}
			out[account][t] = state
		}
	}
	b, err := json.Marshal(out) // its keys are sorted
	if err != nil {
		panic(err) // of text alone
	}
	return string(b)
}

// since is what is different from what was told.
func since(told, noted string) (changed States) {
	var before, now States
	if json.Unmarshal([]byte(noted), &now) != nil {
		return nil
	}
	_ = json.Unmarshal([]byte(told), &before) // what cannot be read was not told
	changed = States{}
	for account, states := range now {
		for t, state := range states {
			if before[account][t] == state {
				continue
			}
			if changed[account] == nil {
				changed[account] = map[string]string{}
			}
			changed[account][t] = state
		}
	}
	return changed
}
