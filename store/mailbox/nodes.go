package mailbox

import (
	"context"
	"strconv"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store"
)

// channel is where the nodes of one database tell each other which accounts
// changed. Nothing depends on a message being delivered: while a node cannot
// hear, it asks the database.
const channel = "mailbox"

// repair is how often watchers are woken while other nodes cannot be heard.
const repair = 3 * time.Second

// together is how long a change waits for others before nodes are told.
const together = 5 * time.Millisecond

// tell has the other nodes hear of a change, a little later and together with
// others: inside the transaction, NOTIFY would put all commits in a row.
func (s *Store) tell(account mail.AccountID) {
	select {
	case s.news() <- account:
	default: // they will find out by themselves, after repair at the latest
	}
}

func (s *Store) news() chan mail.AccountID {
	s.hub.once.Do(func() { s.hub.tell = make(chan mail.AccountID, 4096) })
	return s.hub.tell
}

// Run connects this node with the others until ctx ends. On SQLite, which has
// one process, there is nothing to do.
func (s *Store) Run(ctx context.Context) error {
	if s.DB.Engine() != "postgres" {
		<-ctx.Done()
		return nil
	}
	me := strconv.FormatInt(store.NewID(), 36)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.speak(ctx, me)
	}()
	err := s.DB.Listen(ctx, channel, func(up bool) {
		s.hub.hear(up)
	}, func(payload string) {
		from, accounts, _ := strings.Cut(payload, " ")
		if from == me {
			return
		}
		for a := range strings.FieldsSeq(accounts) {
			if n, err := strconv.ParseInt(a, 36, 64); err == nil {
				s.hub.wake(mail.AccountID(n))
			}
		}
	})
	<-done
	return err
}

// speak sends what tell gathers.
func (s *Store) speak(ctx context.Context, me string) {
	tick := time.NewTicker(repair)
	defer tick.Stop()
	for {
		var first mail.AccountID
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.hub.wakeDeaf()
			continue
		case first = <-s.news():
		}
		// Together with what follows at once: a burst of mail is a few messages.
		select {
		case <-ctx.Done():
			return
		case <-time.After(together):
		}
		changed := map[mail.AccountID]bool{first: true}
		for more := true; more && len(changed) < 200; { // a payload holds 8,000 octets
			select {
			case a := <-s.news():
				changed[a] = true
			default:
				more = false
			}
		}
		var b strings.Builder
		b.WriteString(me)
		for a := range changed {
			b.WriteString(" " + strconv.FormatInt(int64(a), 36))
		}
		s.DB.Notify(ctx, channel, b.String()) // a failure is repaired by those who listen
	}
}

// hear says whether other nodes can be heard. When they can again, all that is
// known may be old.
func (h *hub) hear(up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hears = up
	h.epoch++
	h.wakeAll()
}

// wakeDeaf wakes everybody who watches, while nobody else would.
func (h *hub) wakeDeaf() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.hears {
		h.wakeAll()
	}
}

func (h *hub) wakeAll() {
	for _, all := range h.watchers {
		for c := range all {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}
