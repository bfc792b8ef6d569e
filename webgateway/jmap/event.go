package jmap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"colporteur/mail"
)

// pushed are the types whose state is the account's modseq; that of delivery is the
// modseq of the last mail that is news.
var pushed = []string{"Mailbox", "Thread", "Email", emailDelivery}

const emailDelivery = "EmailDelivery"

// pushedShared are those of what a member shares: each has a state of its own.
var pushedShared = []string{"Transfer", "Album", "Photo", "Comment", "Guest"}

// personal are those that a member has in their own account alone, with where
// their state is.
var personal = []struct {
	types []string
	state func(ctx context.Context, s *Server, account mail.AccountID) (string, error)
}{
	{[]string{"Identity"}, identitiesState},
	{[]string{"VacationResponse"}, vacationState},
	{[]string{"AddressBook", "ContactCard"}, contactsState},
}

func allPushed() []string {
	types := append(slices.Clone(pushed), pushedShared...)
	for _, p := range personal {
		types = append(types, p.types...)
	}
	return types
}

func identitiesState(ctx context.Context, s *Server, account mail.AccountID) (string, error) {
	n, err := s.Identities.IdentityState(ctx, account)
	return countState(n), err
}

func vacationState(ctx context.Context, s *Server, account mail.AccountID) (string, error) {
	_, n, err := s.Absences.Get(ctx, account)
	return countState(n), err
}

func contactsState(ctx context.Context, s *Server, account mail.AccountID) (string, error) {
	if s.Contacts == nil {
		return "", nil
	}
	n, err := s.Contacts.State(ctx, account)
	return contactState(n), err
}

// events tells what changed as it happens (RFC 8620 §7.3). A connection waits for
// commits and costs nothing while there are none.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	q := r.URL.Query()
	types := allPushed()
	if t := q.Get("types"); t != "" && t != "*" {
		asked := strings.Split(t, ",")
		types = slices.DeleteFunc(types, func(name string) bool { return !slices.Contains(asked, name) })
	}
	ping, err := strconv.Atoi(q.Get("ping"))
	closeAfter := q.Get("closeafter")
	if q.Has("ping") && (err != nil || ping < 0) || closeAfter != "" && closeAfter != "no" && closeAfter != "state" {
		(&problem{Type: "about:blank", Status: http.StatusBadRequest}).write(w)
		return
	}
	leave, ok := s.listening.enter(u.ID, maxEvents)
	if !ok {
		overLimit(http.StatusTooManyRequests, "maxConcurrentRequests").write(w)
		return
	}
	defer leave()
	ctx := r.Context()
	accounts, err := s.Mailboxes.Accounts(ctx, u)
	if err != nil {
		(&problem{Type: "about:blank", Status: kinds[mail.KindOf(err)].status}).write(w)
		return
	}
	woken, done := s.Mailboxes.Watch(accounts...)
	defer done()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that gathers would keep the news
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	known, err := s.news(ctx, u, accounts, types)
	if err != nil {
		return
	}
	// Who comes back says what it knew: what changed meanwhile is told at once.
	if last := r.Header.Get("Last-Event-ID"); last != "" && last != known.id() {
		if !tell(w, out, known, nil) || closeAfter == "state" {
			return
		}
	} else if _, err := fmt.Fprintf(w, ": colporteur\nid: %s\n\n", known.id()); err != nil || out.Flush() != nil {
		return
	}
	every := checkEvery
	if ping > 0 {
		every = min(max(time.Duration(ping)*time.Second, 5*time.Second), checkEvery)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !s.stillIn(r, u) {
				return
			}
			if ping > 0 {
				if _, err := fmt.Fprintf(w, "event: ping\ndata: {\"interval\":%d}\n\n", int(every.Seconds())); err != nil || out.Flush() != nil {
					return
				}
			}
		case <-woken:
			if !s.stillIn(r, u) {
				return
			}
			now, err := s.news(ctx, u, accounts, types)
			if err != nil {
				return
			}
			if now.id() == known.id() {
				continue
			}
			if !tell(w, out, now, known) || closeAfter == "state" {
				return
			}
			known = now
		}
	}
}

// stillIn says whether what began a connection would begin one now: not after
// signing out, a suspension, or another password.
func (s *Server) stillIn(r *http.Request, u mail.User) bool {
	now, err := s.who(r)
	return err == nil && now.ID == u.ID
}

// checkEvery is how often that is asked of a connection on which nothing happens.
const checkEvery = 30 * time.Second

// news is the states of a member's accounts, by account and type.
type news map[string]map[string]string

// news reads those of types. What a member shares is read when somebody wants to
// know of it alone.
func (s *Server) news(ctx context.Context, u mail.User, accounts []mail.AccountID, types []string) (news, error) {
	n := news{}
	for _, a := range accounts {
		m, err := s.Mailboxes.State(ctx, a)
		if err != nil && !mail.Is(err, mail.NotFound) {
			return nil, err
		}
		of := map[string]string{}
		for _, t := range types {
			if slices.Contains(pushed, t) {
				of[t] = state(m)
			}
		}
		if _, ok := of[emailDelivery]; ok {
			m, err := s.Mailboxes.Delivered(ctx, a)
			if err != nil && !mail.Is(err, mail.NotFound) {
				return nil, err
			}
			of[emailDelivery] = state(m)
		}
		n[accountID(a)] = of
	}
	own := n[accountID(u.Account)]
	for _, p := range personal {
		if !slices.ContainsFunc(p.types, func(t string) bool { return slices.Contains(types, t) }) {
			continue
		}
		now, err := p.state(ctx, s, u.Account)
		if err != nil {
			return nil, err
		}
		for _, t := range p.types {
			if slices.Contains(types, t) {
				own[t] = now
			}
		}
	}
	c := &Call{User: u, srv: s, ctx: ctx, name: "events", looks: true}
	for _, t := range sharedTypes {
		if !slices.Contains(types, t.name) {
			continue
		}
		now, err := t.state(ctx, c)
		if err != nil {
			return nil, err
		}
		own[t.name] = now
	}
	return n, nil
}

// id names the states: who comes back with another one has missed something.
func (n news) id() string {
	h := sha256.New()
	for _, account := range slices.Sorted(maps.Keys(n)) {
		for _, t := range slices.Sorted(maps.Keys(n[account])) {
			fmt.Fprintln(h, account, t, n[account][t])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// since is what of it is another state than before.
func (n news) since(before news) map[string]map[string]string {
	changed := map[string]map[string]string{}
	for account, states := range n {
		for t, state := range states {
			if had, ok := before[account][t]; ok && had == state {
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

// tell writes a StateChange (RFC 8620 §7.1) about the types whose state is another
// one than before.
func tell(w http.ResponseWriter, out *http.ResponseController, now, before news) bool {
	changed := now.since(before)
	if len(changed) == 0 {
		return true
	}
	b, err := json.Marshal(map[string]any{"@type": "StateChange", "changed": changed}, json.Deterministic(true))
	if err != nil {
		return false
	}
	_, err = fmt.Fprintf(w, "event: state\nid: %s\ndata: %s\n\n", now.id(), b)
	return err == nil && out.Flush() == nil
}
